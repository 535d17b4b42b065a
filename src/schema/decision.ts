import { ApiKeyScope, MAX_NAME_LENGTH, MAX_PARTS, MAX_RECEIPT_LENGTH } from '@continuum-billing/limits/core';
import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { IsCount, IsInt, Max, MaxItems, MaxLength, MaxLengthEach, Min } from './constraints.js';
import { ChargeInput } from './metering.js';
import { BigIntScalar, DateTimeScalar, JsonObjectScalar } from './scalars.js';
import { EXTERNAL_ID, TenantInput } from './tenantRef.js';

@InputType({ description: 'The limit of a single field, as in `@rateLimited(max, window)`.' })
export class FieldLimitInput {
  @Field({ description: '`Type.field`' })
  @MaxLength(MAX_NAME_LENGTH)
  field!: string;

  @Field(() => Int)
  @IsInt()
  @Min(1)
  @Max(10_000)
  max!: number;

  @Field({ description: 'A duration such as `10s`.' })
  @MaxLength(MAX_NAME_LENGTH)
  window!: string;
}

const RESOURCE = {
  description:
    'A resource of the catalogue, or `bytes` for what services store themselves. The bytes of what this server stores are counted separately.',
};

@InputType()
export class StoredAmountInput {
  @Field(RESOURCE)
  @MaxLength(MAX_NAME_LENGTH)
  resource!: string;

  @Field(() => BigIntScalar)
  @IsCount()
  amount!: number;
}

@InputType({ description: 'The storage that a root field asks for.' })
export class StoreInput {
  @Field({ description: "The field's name in the response: its alias, if it has one." })
  @MaxLength(MAX_NAME_LENGTH)
  rootField!: string;

  @Field(() => [StoredAmountInput])
  @MaxItems(MAX_PARTS)
  amounts!: StoredAmountInput[];
}

@InputType({
  description: 'The cost of another service’s operation, to be decided against the limits of its caller.',
})
export class OperationInput {
  // No maximum length for these four: a value that a caller made up must reject that caller's operation alone, not the batch.
  @Field(() => String, {
    nullable: true,
    description: 'The key or token, as the caller sent it. This, `tenantId` or `externalId` is required.',
  })
  apiKey?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The tenant, if the service has identified the caller itself.',
  })
  tenantId?: string | null;

  @Field(() => ID, EXTERNAL_ID)
  externalId?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The caller’s IP address. Attempts to guess keys are limited by address.',
  })
  address?: string | null;

  @Field(() => ApiKeyScope, { description: 'The scope that a key or token must have.' })
  scope!: ApiKeyScope;

  @Field(() => [ChargeInput])
  @MaxItems(MAX_PARTS)
  charges!: ChargeInput[];

  @Field(() => [String])
  @MaxItems(MAX_PARTS)
  @MaxLengthEach(MAX_NAME_LENGTH)
  features!: string[];

  @Field(() => [FieldLimitInput])
  @MaxItems(MAX_PARTS)
  fieldLimits!: FieldLimitInput[];

  @Field(() => [StoreInput])
  @MaxItems(MAX_PARTS)
  stores!: StoreInput[];
}

@ObjectType({ description: 'Storage that is reserved for a root field.' })
export class OperationHold {
  @Field()
  rootField!: string;

  @Field(() => ID)
  id!: string;
}

@ObjectType({
  description: 'Whether an operation may run. If it may, its cost has been charged and its storage reserved.',
})
export class OperationDecision {
  @Field()
  allowed!: boolean;

  @Field(() => JsonObjectScalar, {
    nullable: true,
    description: 'Why the operation was rejected: `code`, `message`, `details` and `headers`.',
  })
  error!: Record<string, unknown> | null;

  @Field(() => ID, { nullable: true })
  tenantId!: string | null;

  @Field(() => String, { nullable: true })
  tier!: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How many concurrent requests the tier allows. The service counts them itself.',
  })
  concurrentRequests!: number | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'null if the operation costs no calls.' })
  chargedAt!: Date | null;

  @Field(() => [OperationHold])
  holds!: OperationHold[];

  @Field(() => String, {
    nullable: true,
    description:
      'A signed record of what was charged and reserved. `endOperations` accepts it once, from the same key, within 15 minutes. null if nothing was charged or reserved.',
  })
  receipt!: string | null;

  @Field(() => JsonObjectScalar, { description: 'Rate limit headers for the response.' })
  headers!: Record<string, string>;
}

@InputType({ description: 'What an operation did not use.' })
export class EndedOperationInput {
  @Field({ description: 'The receipt from the decision.' })
  @MaxLength(MAX_RECEIPT_LENGTH)
  receipt!: string;

  @Field(() => [ChargeInput], {
    description: 'Calls to return because they failed; at most what was charged for each endpoint.',
  })
  @MaxItems(MAX_PARTS)
  unearned!: ChargeInput[];

  @Field(() => [ID], {
    description: 'Reservations to commit: their root fields stored what they had reserved.',
  })
  @MaxItems(MAX_PARTS)
  @MaxLengthEach(MAX_NAME_LENGTH)
  keptHolds!: string[];

  @Field(() => [ID], { description: 'Reservations to release: their root fields stored nothing.' })
  @MaxItems(MAX_PARTS)
  @MaxLengthEach(MAX_NAME_LENGTH)
  releasedHolds!: string[];
}

@InputType()
export class FreeStorageInput extends TenantInput {
  @Field(() => [StoredAmountInput])
  @MaxItems(MAX_PARTS)
  amounts!: StoredAmountInput[];
}

@InputType()
export class SetStoredInput extends TenantInput {
  @Field(RESOURCE)
  @MaxLength(MAX_NAME_LENGTH)
  resource!: string;

  @Field(() => BigIntScalar)
  @IsCount()
  amount!: number;
}
