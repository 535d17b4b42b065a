import { Field, Float, InputType, Int, ObjectType } from 'type-graphql';
import type { OverageState } from '../services/billing/subscriptions/overage.js';
import { IsInt, Max, Min } from './constraints.js';
import { BigIntScalar } from './scalars.js';

const MAX_CAP_CENTS = 100_000_000;

@ObjectType({ description: 'Calls beyond the daily quota in the current UTC month.' })
export class Overage implements OverageState {
  @Field(() => Int, {
    nullable: true,
    description: 'null if overage is off: calls are rejected once the quota is used up.',
  })
  monthlyCapCents!: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'The price of `perCalls` calls. null if the tier sells no overage.',
  })
  priceCents!: number | null;

  @Field(() => Int, { nullable: true })
  perCalls!: number | null;

  @Field({ description: 'ISO 4217, lower case.' })
  currency!: string;

  @Field(() => BigIntScalar, { description: 'The number of calls that the cap pays for.' })
  allowedCalls!: number;

  @Field(() => BigIntScalar)
  usedCalls!: number;

  @Field(() => BigIntScalar)
  remainingCalls!: number;

  @Field(() => Float, {
    description:
      'The cost so far, at the prices that applied when the calls were made. It has fractions of a cent, which an invoice rounds.',
  })
  costCents!: number;

  @Field(() => Float, {
    description:
      'The amount that has not been invoiced yet, with fractions of a cent: calls of the current billing period, and ' +
      'those of the previous one until its invoice is final, one hour after the period ends. It remains due after the ' +
      'subscription has ended or moved to a tier without overage.',
  })
  unbilledCents!: number;
}

@InputType()
export class SetOverageInput {
  @Field(() => Int, {
    nullable: true,
    description: 'The most that overage may cost in a UTC month. null turns overage off.',
  })
  @IsInt()
  @Min(1, 'must be at least 1, or null for no overage')
  @Max(MAX_CAP_CENTS)
  monthlyCapCents?: number | null;
}
