import { IsInt, IsOptional, Max, Min } from 'class-validator';
import { Field, Float, InputType, Int, ObjectType } from 'type-graphql';
import type { OverageState } from '../services/billing/subscriptions/overage.js';
import { BigIntScalar } from './scalars.js';

const MAX_CAP_CENTS = 100_000_000;

@ObjectType({ description: 'Calls past the daily quota, in this UTC month.' })
export class Overage implements OverageState {
  @Field(() => Int, { nullable: true, description: 'null: not opted in, calls end at the quota.' })
  monthlyCapCents!: number | null;

  @Field(() => Int, { nullable: true, description: 'Of `perCalls` calls; null: the tier sells none.' })
  priceCents!: number | null;

  @Field(() => Int, { nullable: true })
  perCalls!: number | null;

  @Field({ description: 'ISO 4217, lower case.' })
  currency!: string;

  @Field(() => BigIntScalar, { description: 'How many calls the cap pays for.' })
  allowedCalls!: number;

  @Field(() => BigIntScalar)
  usedCalls!: number;

  @Field(() => BigIntScalar)
  remainingCalls!: number;

  @Field(() => Float, {
    description:
      'So far, at the prices at which the calls were made, with fractions of a cent, which an invoice rounds.',
  })
  costCents!: number;

  @Field(() => Float, {
    description:
      'What will still be invoiced, with fractions of a cent: calls of the billing period that runs, and those of one ' +
      'that has ended until its invoice is final, an hour later. Also after the subscription, or a tier that sells ' +
      'overage, has ended.',
  })
  unbilledCents!: number;
}

@InputType()
export class SetOverageInput {
  @Field(() => Int, {
    nullable: true,
    description: 'What the calls of a UTC month may cost at most; null: no overage.',
  })
  @IsOptional()
  @IsInt()
  @Min(1, { message: 'must be at least 1, or null for no overage' })
  @Max(MAX_CAP_CENTS, { message: `must be at most ${MAX_CAP_CENTS}` })
  monthlyCapCents?: number | null;
}
