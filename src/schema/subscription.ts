import { IsEmail, IsOptional, MaxLength } from 'class-validator';
import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { DateTimeScalar } from './scalars.js';
import { TierName, TierType } from './tier.js';
import { IsHttpUrl } from './validators.js';

export enum SubscriptionStatus {
  INCOMPLETE = 'incomplete',
  INCOMPLETE_EXPIRED = 'incomplete_expired',
  TRIALING = 'trialing',
  ACTIVE = 'active',
  PAST_DUE = 'past_due',
  CANCELED = 'canceled',
  UNPAID = 'unpaid',
  PAUSED = 'paused',
}
registerEnumType(SubscriptionStatus, { name: 'SubscriptionStatus', description: "Stripe's statuses." });

@ObjectType('Subscription', {
  description: 'What a tenant bought. A tenant that never paid: the free tier, active.',
})
export class SubscriptionType {
  @Field(() => ID)
  id!: string;

  @Field(() => ID)
  tenantId!: string;

  @Field(() => TierType, { description: 'What it gives now: the free tier once it is over.' })
  tier!: TierType;

  @Field(() => SubscriptionStatus)
  status!: string;

  @Field(() => DateTimeScalar, { nullable: true })
  currentPeriodStart!: Date | null;

  @Field(() => DateTimeScalar, { nullable: true })
  currentPeriodEnd!: Date | null;

  @Field()
  cancelAtPeriodEnd!: boolean;

  @Field(() => DateTimeScalar, { nullable: true })
  cancelAt!: Date | null;

  @Field(() => DateTimeScalar, { nullable: true })
  trialEnd!: Date | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'Of a subscription that is `PAST_DUE`: until when it keeps its tier, counted from when the payment failed.',
  })
  graceEndsAt!: Date | null;

  @Field(() => TierName, {
    nullable: true,
    description: 'The tier that follows, where a change is scheduled.',
  })
  scheduledTier!: string | null;

  @Field(() => DateTimeScalar, { nullable: true })
  scheduledAt!: Date | null;

  @Field({
    description:
      'Its price at Stripe is neither in the catalogue nor of a product of its tiers: it gives the tier that it gave before, or the free tier.',
  })
  outsideCatalogue!: boolean;

  @Field(() => String, { nullable: true })
  stripeSubscriptionId!: string | null;
}

@ObjectType({ description: 'A page at Stripe where a person pays.' })
export class CheckoutSession {
  @Field(() => ID)
  id!: string;

  @Field()
  url!: string;

  @Field(() => String, { nullable: true, description: 'Mock mode: the page here that stands in for it.' })
  localUrl!: string | null;
}

@InputType()
export class CreateCheckoutSessionInput {
  @Field(() => TierName)
  tier!: string;

  @Field({ description: 'Where the person goes after paying; the session id is appended.' })
  @IsHttpUrl()
  successUrl!: string;

  @Field()
  @IsHttpUrl()
  cancelUrl!: string;

  @Field(() => String, { nullable: true })
  @IsOptional()
  @MaxLength(320)
  @IsEmail({}, { message: 'must be an e-mail address' })
  customerEmail?: string | null;
}

@InputType()
export class CancelSubscriptionInput {
  @Field(() => Boolean, { nullable: true, defaultValue: true, description: 'false: at once.' })
  atPeriodEnd?: boolean | null;
}
