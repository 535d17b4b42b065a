import { ApiKeyScope, MAX_NAME_LENGTH, MAX_PARTS, MAX_RECEIPT_LENGTH } from '@continuum-billing/limits/core';
import { ArrayMaxSize, IsInt, Max, MaxLength, Min, ValidateNested } from 'class-validator';
import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { ChargeInput } from './metering.js';
import { BigIntScalar, DateTimeScalar, JsonObjectScalar } from './scalars.js';
import { IsCount } from './validators.js';

@InputType({ description: 'A limit of one field’s own, as `@rateLimited(max, window)` says it.' })
export class FieldLimitInput {
  @Field({ description: '`Type.field`' })
  @MaxLength(MAX_NAME_LENGTH)
  field!: string;

  @Field(() => Int)
  @IsInt()
  @Min(1)
  @Max(10_000)
  max!: number;

  @Field({ description: 'Such as `10s`.' })
  @MaxLength(MAX_NAME_LENGTH)
  window!: string;
}

@InputType()
export class StoredAmountInput {
  @Field({
    description: 'One of the catalogue, or `bytes`: those of services, beside which memories have their own.',
  })
  @MaxLength(MAX_NAME_LENGTH)
  resource!: string;

  @Field(() => BigIntScalar)
  @IsCount()
  amount!: number;
}

@InputType({ description: 'What a root field stores.' })
export class StoreInput {
  @Field({ description: 'Its name in the answer.' })
  @MaxLength(MAX_NAME_LENGTH)
  rootField!: string;

  @Field(() => [StoredAmountInput])
  @ArrayMaxSize(MAX_PARTS)
  @ValidateNested({ each: true })
  amounts!: StoredAmountInput[];
}

@InputType({ description: 'What an operation of another service asks of its caller’s limits.' })
export class OperationInput {
  // What a caller sends rejects that caller's operation, and none beside it: neither of these has a length.
  @Field({ description: 'As the caller sent it.' })
  apiKey!: string;

  @Field(() => String, { nullable: true, description: 'The caller’s, by which guesses of keys are limited.' })
  address?: string | null;

  @Field(() => ApiKeyScope, { description: 'What the key must be allowed to do.' })
  scope!: ApiKeyScope;

  @Field(() => [ChargeInput])
  @ArrayMaxSize(MAX_PARTS)
  @ValidateNested({ each: true })
  charges!: ChargeInput[];

  @Field(() => [String])
  @ArrayMaxSize(MAX_PARTS)
  @MaxLength(MAX_NAME_LENGTH, { each: true })
  features!: string[];

  @Field(() => [FieldLimitInput])
  @ArrayMaxSize(MAX_PARTS)
  @ValidateNested({ each: true })
  fieldLimits!: FieldLimitInput[];

  @Field(() => [StoreInput])
  @ArrayMaxSize(MAX_PARTS)
  @ValidateNested({ each: true })
  stores!: StoreInput[];
}

@ObjectType()
export class OperationHold {
  @Field()
  rootField!: string;

  @Field(() => ID)
  id!: string;
}

@ObjectType({ description: 'Whether an operation may run; what it asked for is taken then.' })
export class OperationDecision {
  @Field()
  allowed!: boolean;

  @Field(() => JsonObjectScalar, {
    nullable: true,
    description: 'Of a refusal: `code`, `message`, `details` and `headers`.',
  })
  error!: Record<string, unknown> | null;

  @Field(() => ID, { nullable: true })
  tenantId!: string | null;

  @Field(() => String, { nullable: true })
  tier!: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How many at once the tier allows; the service counts them.',
  })
  concurrentRequests!: number | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'null: it costs no calls.' })
  chargedAt!: Date | null;

  @Field(() => [OperationHold])
  holds!: OperationHold[];

  @Field(() => String, {
    nullable: true,
    description:
      'What was taken, signed for this key: `endOperations` takes it once, within 15 minutes. null: nothing was taken.',
  })
  receipt!: string | null;

  @Field(() => JsonObjectScalar, { description: 'Rate limit headers for the answer.' })
  headers!: Record<string, string>;
}

@InputType({ description: 'What is given back after an operation.' })
export class EndedOperationInput {
  @Field({ description: 'Of the decision.' })
  @MaxLength(MAX_RECEIPT_LENGTH)
  receipt!: string;

  @Field(() => [ChargeInput], {
    description:
      'Calls that failed by no fault of the caller: no more than were charged under each endpoint.',
  })
  @ArrayMaxSize(MAX_PARTS)
  @ValidateNested({ each: true })
  unearned!: ChargeInput[];

  @Field(() => [ID], { description: 'Of root fields that have stored what they held.' })
  @ArrayMaxSize(MAX_PARTS)
  @MaxLength(MAX_NAME_LENGTH, { each: true })
  keptHolds!: string[];

  @Field(() => [ID], { description: 'Of root fields that stored nothing.' })
  @ArrayMaxSize(MAX_PARTS)
  @MaxLength(MAX_NAME_LENGTH, { each: true })
  releasedHolds!: string[];
}

@InputType()
export class FreeStorageInput {
  @Field(() => ID)
  @MaxLength(MAX_NAME_LENGTH)
  tenantId!: string;

  @Field(() => [StoredAmountInput])
  @ArrayMaxSize(MAX_PARTS)
  @ValidateNested({ each: true })
  amounts!: StoredAmountInput[];
}

@InputType()
export class SetStoredInput extends StoredAmountInput {
  @Field(() => ID)
  @MaxLength(MAX_NAME_LENGTH)
  tenantId!: string;
}
