import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Field, InputType, Int, ObjectType } from 'type-graphql';
import { IsInt, Max, MaxItems, Min, MinItems } from './constraints.js';
import { DateTimeScalar } from './scalars.js';
import { OptionalTenantInput } from './tenantRef.js';

const MIN_TTL_S = 60;
const MAX_TTL_S = 3_600;
const DEFAULT_TTL_S = 900;

@InputType()
export class CreateTenantTokenInput extends OptionalTenantInput {
  @Field(() => [ApiKeyScope], {
    defaultValue: [ApiKeyScope.READ],
    description: 'Any but `KEYS` and `ENFORCE`. A tenant can only give what its own key has.',
  })
  @MinItems(1)
  @MaxItems(20)
  scopes!: string[];

  @Field(() => Int, {
    defaultValue: DEFAULT_TTL_S,
    description: `How long the token works, ${MIN_TTL_S} to ${MAX_TTL_S} seconds; at most as long as the key that creates it.`,
  })
  @IsInt()
  @Min(MIN_TTL_S)
  @Max(MAX_TTL_S)
  ttlSeconds: number = DEFAULT_TTL_S;
}

@ObjectType({ description: 'A short-lived token of a tenant, for browsers.' })
export class TenantToken {
  @Field({ description: 'Sent like a key: `Authorization: Bearer <token>`, or `x-api-key`.' })
  token!: string;

  @Field(() => DateTimeScalar)
  expiresAt!: Date;
}
