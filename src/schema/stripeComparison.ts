import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { StripeComparisonStatus } from '../services/billing/stripeComparison.js';
import { DateTimeScalar } from './scalars.js';
import { PaymentPause, SubscriptionStatus } from './subscription.js';

registerEnumType(StripeComparisonStatus, {
  name: 'StripeComparisonStatus',
  valuesConfig: {
    OUT_OF_SYNC: { description: '`repairTenant` writes what Stripe has.' },
    NOT_VISIBLE: {
      description:
        'The server’s key cannot see something that is stored: it may belong to another account or mode. Nothing is changed, not by `repairTenant` either.',
    },
    NOT_COMPARABLE: {
      description: 'Stripe has something that this version cannot read; `summary` says what.',
    },
    NO_CUSTOMER: { description: 'The tenant has no customer at Stripe.' },
  },
});

@ObjectType({ description: 'A customer and its subscription, as one side has them.' })
export class ComparedSubscription {
  @Field(() => ID)
  customerId!: string;

  @Field(() => String, { nullable: true, description: "The customer's e-mail address." })
  email!: string | null;

  @Field(() => ID, { nullable: true, description: 'null: no subscription.' })
  subscriptionId!: string | null;

  @Field(() => SubscriptionStatus, { nullable: true })
  status!: string | null;

  @Field(() => String, { nullable: true })
  tier!: string | null;

  @Field(() => Int, { nullable: true })
  tierVersion!: number | null;

  @Field(() => ID, { nullable: true })
  priceId!: string | null;

  @Field(() => Int, { nullable: true })
  quantity!: number | null;

  @Field(() => DateTimeScalar, { nullable: true })
  currentPeriodStart!: Date | null;

  @Field(() => DateTimeScalar, { nullable: true })
  currentPeriodEnd!: Date | null;

  @Field(() => Boolean, { nullable: true })
  cancelAtPeriodEnd!: boolean | null;

  @Field(() => DateTimeScalar, { nullable: true })
  cancelAt!: Date | null;

  @Field(() => DateTimeScalar, { nullable: true })
  trialEnd!: Date | null;

  @Field(() => PaymentPause, { nullable: true })
  paymentPause!: PaymentPause | null;

  @Field(() => DateTimeScalar, { nullable: true })
  endedAt!: Date | null;

  @Field(() => String, { nullable: true })
  scheduledTier!: string | null;

  @Field(() => DateTimeScalar, { nullable: true })
  scheduledAt!: Date | null;

  @Field(() => String, { nullable: true, description: 'Identifies the terms of a contract.' })
  contract!: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether its price belongs to no tier or product of the catalogue.',
  })
  outsideCatalogue!: boolean | null;

  @Field(() => [ID], { description: 'The prices of the items that bill overage.' })
  overagePriceIds!: string[];

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the first payment failed that is still due.',
  })
  pastDueSince!: Date | null;
}

@ObjectType('StripeComparison', { description: 'What is stored of one tenant, beside what Stripe says now.' })
export class StripeComparisonType {
  @Field(() => ID)
  tenantId!: string;

  @Field(() => DateTimeScalar)
  at!: Date;

  @Field(() => StripeComparisonStatus)
  status!: StripeComparisonStatus;

  @Field({ description: 'In English.' })
  summary!: string;

  @Field(() => ComparedSubscription, { nullable: true, description: 'null: nothing is stored.' })
  stored!: ComparedSubscription | null;

  @Field(() => ComparedSubscription, {
    nullable: true,
    description: 'null: Stripe has no such customer, or does not show it.',
  })
  stripe!: ComparedSubscription | null;

  @Field(() => [String], { description: 'One English sentence each. Empty unless OUT_OF_SYNC.' })
  differences!: string[];

  @Field(() => [String], {
    description: 'The names of the stored fields that differ, most of them as in `ComparedSubscription`.',
  })
  differentFields!: string[];

  @Field(() => [String], {
    description: 'What else a person should know, for example another subscription that is paid too.',
  })
  notes!: string[];

  @Field(() => [String], {
    description: 'The differences that `repairTenant` has removed. Empty for `compareWithStripe`.',
  })
  repaired!: string[];
}
