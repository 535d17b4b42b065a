import { Field, ID, ObjectType, registerEnumType } from 'type-graphql';
import { TierSource } from '../services/tiers/entitlements.js';
import { DateTimeScalar } from './scalars.js';
import { SubscriptionStatus } from './subscription.js';
import { TierType } from './tier.js';

registerEnumType(TierSource, {
  name: 'TierSource',
  description: 'What gives a tenant its tier. The first that applies, in this order.',
  valuesConfig: {
    CONTRACT: { description: 'An override of `setTenantLimits`.' },
    SUBSCRIPTION: { description: 'A subscription that is active or on trial.' },
    GRACE_PERIOD: { description: 'A subscription whose payment failed not long ago.' },
    DEFAULT: { description: 'Nothing else: the tier of a tenant that never paid.' },
  },
});

@ObjectType({ description: 'A source that could give a tier, and why it does not.' })
export class UnappliedTierSource {
  @Field(() => TierSource)
  source!: TierSource;

  @Field({ description: 'In English, without a full stop.' })
  reason!: string;
}

@ObjectType({ description: 'What Stripe said last about a tenant.' })
export class StripeStatement {
  @Field(() => ID)
  customerId!: string;

  @Field(() => ID)
  subscriptionId!: string;

  @Field(() => SubscriptionStatus)
  status!: string;

  @Field({ description: 'The tier that the subscription is to, whether it gives it or not.' })
  tier!: string;

  @Field(() => DateTimeScalar, { description: 'When what is stored of the subscription changed last.' })
  changedAt!: Date;

  @Field(() => ID, {
    nullable: true,
    description: 'The newest event about the customer. null: none was kept.',
  })
  lastEventId!: string | null;

  @Field(() => String, { nullable: true })
  lastEventType!: string | null;

  @Field(() => DateTimeScalar, { nullable: true })
  lastEventReceivedAt!: Date | null;
}

@ObjectType({ description: 'Why a tenant has its tier.' })
export class TierExplanation {
  @Field(() => TierType, { description: 'What the tenant has now.' })
  tier!: TierType;

  @Field(() => TierSource)
  source!: TierSource;

  @Field(() => DateTimeScalar, { nullable: true, description: 'null if it is not known.' })
  since!: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'null if the tier does not end by itself.' })
  until!: Date | null;

  @Field(() => [UnappliedTierSource])
  unapplied!: UnappliedTierSource[];

  @Field(() => StripeStatement, { nullable: true, description: 'null if there never was a subscription.' })
  stripe!: StripeStatement | null;

  @Field({ description: 'All of this in plain English.' })
  summary!: string;
}
