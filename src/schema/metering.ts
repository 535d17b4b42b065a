import { MAX_COST } from '@continuum-billing/limits/core';
import { IsInt, Max, Min, ValidateBy } from 'class-validator';
import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { isEndpointName } from '../services/limits/calls/endpointNames.js';
import type { ConsumeAnswer } from '../services/usage/recording/consumption.js';
import { type UsageEventOutcome, UsageEventStatus } from '../services/usage/recording/usageEvents.js';
import { IsIdempotencyKey, KEY_DESCRIPTION } from './idempotencyKey.js';
import { BigIntScalar, DateTimeScalar } from './scalars.js';

const IsEndpointName = () =>
  ValidateBy({
    name: 'isEndpointName',
    validator: {
      validate: (value) => typeof value === 'string' && isEndpointName(value),
      defaultMessage: () => 'must have 1 to 100 printable characters',
    },
  });

@InputType({ description: 'Calls that an operation is charged for, or that are returned.' })
export class ChargeInput {
  @Field({
    description: 'What the calls are counted under. Past 500 names a day they are counted as `(other)`.',
  })
  @IsEndpointName()
  endpoint!: string;

  @Field(() => Int, { defaultValue: 1, description: 'Calls, 1 to 1000000.' })
  @IsInt()
  @Min(1, { message: 'must be at least 1' })
  @Max(MAX_COST, { message: `must be at most ${MAX_COST}` })
  cost: number = 1;
}

@InputType()
export class ConsumeInput extends ChargeInput {
  @Field(() => String, { nullable: true, description: KEY_DESCRIPTION })
  @IsIdempotencyKey()
  idempotencyKey?: string | null;
}

@ObjectType()
export class ConsumeResult implements ConsumeAnswer {
  @Field({ description: 'false: a limit has no room for the cost, and nothing was charged.' })
  allowed!: boolean;

  @Field(() => BigIntScalar, { description: 'Calls left now, in the minute or the day, whichever has less.' })
  remaining!: number;

  @Field(() => DateTimeScalar, {
    description: 'When the window that refused, or that has less left, begins anew.',
  })
  resetsAt!: Date;
}

// No constraints here: the service rejects a bad event alone, where class-validator would refuse the call.
@InputType({ description: 'Usage that has happened elsewhere.' })
export class UsageEventInput {
  @Field(() => ID, {
    description:
      'Idempotency id, 1 to 100 printable ASCII characters: the same id again counts nothing. Kept for 32 days.',
  })
  id!: string;

  @Field({ description: '1 to 100 printable characters. `extraction` counts as extractions too.' })
  endpoint!: string;

  @Field(() => Int, { description: 'Calls, 1 to 1000000000.' })
  quantity!: number;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When it happened, at most 31 days ago and 5 minutes ahead; without it: now.',
  })
  at?: Date | null;
}

registerEnumType(UsageEventStatus, {
  name: 'UsageEventStatus',
  valuesConfig: {
    ACCEPTED: { description: 'Stored and counted.' },
    DUPLICATE: { description: 'The same event was recorded before: nothing was counted now.' },
    CONFLICT: {
      description:
        'Another event with its id was recorded before: nothing was counted now. Its id was used twice.',
    },
    REJECTED: { description: 'It is not valid; `reason` says why. Corrected, it can be sent again.' },
  },
});

@ObjectType()
export class UsageEventResult implements UsageEventOutcome {
  @Field(() => ID)
  id!: string;

  @Field(() => UsageEventStatus)
  status!: UsageEventStatus;

  @Field(() => String, { nullable: true, description: 'null when it was accepted.' })
  reason!: string | null;
}
