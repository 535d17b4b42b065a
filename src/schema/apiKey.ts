import { ApiKeyScope } from '@continuum-billing/limits/core';
import { ArrayMaxSize, ArrayMinSize, IsOptional, MaxLength } from 'class-validator';
import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { DateTimeScalar } from './scalars.js';
import { IsFilled } from './validators.js';

registerEnumType(ApiKeyScope, {
  name: 'ApiKeyScope',
  description: 'What a key may do.',
  valuesConfig: {
    READ: { description: 'Read memories, usage, storage and the subscription.' },
    WRITE: { description: 'Store, delete and share memories.' },
    BILLING: { description: 'Buy and cancel.' },
    KEYS: { description: 'List, create, rotate and revoke keys.' },
    USAGE: { description: 'Record and report usage.' },
    ENFORCE: {
      description:
        "Decide operations of all tenants, and nothing else: for the operator's own services, which belong to no tenant.",
    },
  },
});

@ObjectType('ApiKey', { description: 'A key without its secret.' })
export class ApiKeyType {
  @Field(() => ID)
  id!: string;

  @Field()
  name!: string;

  @Field(() => [ApiKeyScope])
  scopes!: string[];

  @Field(() => DateTimeScalar)
  createdAt!: Date;

  @Field(() => DateTimeScalar, { nullable: true })
  expiresAt!: Date | null;

  @Field(() => DateTimeScalar, { nullable: true })
  revokedAt!: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'To the minute.' })
  lastUsedAt!: Date | null;

  @Field(() => ID, { nullable: true, description: 'The key that took its place.' })
  rotatedTo!: string | null;
}

@ObjectType()
export class NewApiKey {
  @Field(() => ApiKeyType)
  apiKey!: ApiKeyType;

  @Field({ description: 'The whole key, shown this once.' })
  secret!: string;
}

@InputType()
export class CreateApiKeyInput {
  @Field()
  @IsFilled()
  @MaxLength(100)
  name!: string;

  @Field(() => [ApiKeyScope], {
    nullable: true,
    description: 'Without: the scopes of the key that makes it.',
  })
  @IsOptional()
  @ArrayMinSize(1)
  @ArrayMaxSize(20)
  scopes?: string[] | null;

  @Field(() => DateTimeScalar, { nullable: true })
  expiresAt?: Date | null;

  @Field(() => ID, {
    nullable: true,
    description: 'For whom; operator only. Without: a key of no tenant, with the scope ENFORCE.',
  })
  @IsOptional()
  @MaxLength(100)
  tenantId?: string | null;
}
