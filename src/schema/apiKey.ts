import { ApiKeyScope } from '@continuum-billing/limits/core';
import { ArgsType, Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { IsName, Max, MaxItems, Min, MinItems } from './constraints.js';
import { DateTimeScalar } from './scalars.js';
import { IsExternalId, IsTenantId } from './tenantRef.js';

registerEnumType(ApiKeyScope, {
  name: 'ApiKeyScope',
  description: 'What a key may do.',
  valuesConfig: {
    READ: { description: 'Read usage, storage, the subscription and what is stored.' },
    WRITE: { description: 'Store, delete and share data.' },
    BILLING: { description: 'Buy and cancel.' },
    KEYS: { description: 'List, create, rotate and revoke keys.' },
    USAGE: { description: 'Record and report usage.' },
    ENFORCE: {
      description:
        "Decide operations for all tenants, and nothing else. Such a key is for the operator's own services and belongs to no tenant.",
    },
  },
});

/** What tenants' keys and operators' keys have in common. */
@ObjectType()
export abstract class StoredKey {
  @Field(() => ID)
  id!: string;

  @Field()
  name!: string;

  @Field(() => DateTimeScalar)
  createdAt!: Date;

  @Field(() => DateTimeScalar, { nullable: true })
  expiresAt!: Date | null;

  @Field(() => DateTimeScalar, { nullable: true })
  revokedAt!: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Accurate to the minute.' })
  lastUsedAt!: Date | null;

  @Field(() => ID, { nullable: true, description: 'The key that replaced this one.' })
  rotatedTo!: string | null;
}

@ObjectType('ApiKey', { description: 'An API key without its secret.' })
export class ApiKeyType extends StoredKey {
  @Field(() => [ApiKeyScope])
  scopes!: string[];
}

@ObjectType()
export class NewApiKey {
  @Field(() => ApiKeyType)
  apiKey!: ApiKeyType;

  @Field({ description: 'The complete key. It is shown only once.' })
  secret!: string;
}

const DAY_S = 86_400;

@ArgsType()
export class RotateKeyArgs {
  @Field(() => ID)
  id!: string;

  @Field(() => Int, {
    defaultValue: DAY_S,
    description: 'How long the old key keeps working, 0 to 30 days.',
  })
  @Min(0)
  @Max(30 * DAY_S)
  overlapSeconds: number = DAY_S;
}

@InputType()
export class CreateApiKeyInput {
  @Field()
  @IsName(100)
  name!: string;

  @Field(() => [ApiKeyScope], {
    nullable: true,
    description: 'Default: the scopes of the key that creates it.',
  })
  @MinItems(1)
  @MaxItems(20)
  scopes?: string[] | null;

  @Field(() => DateTimeScalar, { nullable: true })
  expiresAt?: Date | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The tenant that gets the key; operator only. Without it, the operator creates a key that belongs to no tenant and has the scope ENFORCE.',
  })
  @IsTenantId()
  tenantId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Your own id of the tenant, instead of `tenantId`.' })
  @IsExternalId()
  externalId?: string | null;
}
