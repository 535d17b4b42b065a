import { MAX_COST } from '@continuum-billing/limits/core';
import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { isEndpointName } from '../services/limits/ledger/endpointNames.js';
import type { ConsumeAnswer } from '../services/usage/recording/consumption.js';
import { type UsageEventOutcome, UsageEventStatus } from '../services/usage/recording/usageEvents.js';
import { IDEMPOTENCY_KEY_DESCRIPTION, IsIdempotencyKey, IsInt, Max, Min, Satisfies } from './constraints.js';
import { BigIntScalar, DateTimeScalar } from './scalars.js';
import { EXTERNAL_ID, IsExternalId, IsTenantId, OPTIONAL_TENANT_ID } from './tenantRef.js';

const IsEndpointName = () =>
  Satisfies(
    (value) => typeof value === 'string' && isEndpointName(value),
    'must have 1 to 100 printable characters',
  );

@InputType({ description: 'Calls to charge or to return.' })
export class ChargeInput {
  @Field({
    description:
      'The name that the calls are counted under. After 500 names in a day, further names are counted as `(other)`.',
  })
  @IsEndpointName()
  endpoint!: string;

  @Field(() => Int, { defaultValue: 1, description: 'Number of calls, 1 to 1000000.' })
  @IsInt()
  @Min(1)
  @Max(MAX_COST)
  cost: number = 1;
}

@InputType()
export class ConsumeInput extends ChargeInput {
  @Field(() => ID, OPTIONAL_TENANT_ID)
  @IsTenantId()
  tenantId?: string | null;

  @Field(() => ID, EXTERNAL_ID)
  @IsExternalId()
  externalId?: string | null;

  @Field(() => String, { nullable: true, description: IDEMPOTENCY_KEY_DESCRIPTION })
  @IsIdempotencyKey()
  idempotencyKey?: string | null;
}

@ObjectType()
export class ConsumeResult implements ConsumeAnswer {
  @Field({ description: 'false if the cost exceeds what is left of a limit; nothing was charged.' })
  allowed!: boolean;

  @Field(() => BigIntScalar, {
    description:
      'Calls left in the current minute or day, whichever is lower; 9007199254740991 if neither is limited.',
  })
  remaining!: number;

  @Field(() => DateTimeScalar, {
    description:
      'When the limiting window resets: the one that rejected the calls, otherwise the one with fewer calls left.',
  })
  resetsAt!: Date;
}

// No constraints here: the service rejects a bad event by itself, where a constraint would reject the whole request.
@InputType({ description: 'Usage that happened in another system.' })
export class UsageEventInput {
  @Field(() => ID, {
    description:
      'Idempotency id, 1 to 100 printable ASCII characters. An id that is sent again within 32 days is not counted again.',
  })
  id!: string;

  @Field({
    description: '1 to 100 printable characters. Calls of `extraction` are also counted as extractions.',
  })
  endpoint!: string;

  @Field(() => Int, { description: 'Number of calls, 1 to 1000000000.' })
  quantity!: number;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When it happened: at most 31 days in the past and 5 minutes in the future. Default: now.',
  })
  at?: Date | null;
}

registerEnumType(UsageEventStatus, {
  name: 'UsageEventStatus',
  valuesConfig: {
    ACCEPTED: { description: 'Stored and counted.' },
    DUPLICATE: { description: 'The same event was recorded before. Nothing was counted this time.' },
    CONFLICT: {
      description:
        'A different event with this id was recorded before, so the id was used twice. Nothing was counted this time.',
    },
    REJECTED: {
      description: 'The event is not valid; `reason` says why. It can be corrected and sent again.',
    },
  },
});

@ObjectType()
export class UsageEventResult implements UsageEventOutcome {
  @Field(() => ID)
  id!: string;

  @Field(() => UsageEventStatus)
  status!: UsageEventStatus;

  @Field(() => String, { nullable: true, description: 'null if the event was accepted.' })
  reason!: string | null;
}
