import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { IsEmail, IsHttpUrl, MaxLength } from './constraints.js';
import { DateTimeScalar } from './scalars.js';
import { TierName, TierType } from './tier.js';

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
  description:
    'What a tenant has bought. A tenant that has never paid has an active subscription to the free tier.',
})
export class SubscriptionType {
  @Field(() => ID)
  id!: string;

  @Field(() => ID)
  tenantId!: string;

  @Field(() => TierType, {
    description: 'The tier that the tenant has now; the free tier after the subscription has ended.',
  })
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
    description: 'When a `PAST_DUE` subscription loses its tier, counted from when the payment failed.',
  })
  graceEndsAt!: Date | null;

  @Field(() => TierName, {
    nullable: true,
    description: 'The tier after the scheduled change, if there is one.',
  })
  scheduledTier!: string | null;

  @Field(() => DateTimeScalar, { nullable: true })
  scheduledAt!: Date | null;

  @Field({
    description:
      'Whether its price at Stripe belongs to no tier or product of the catalogue. It then keeps the tier it had before, or the free tier.',
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

  @Field(() => String, {
    nullable: true,
    description: "In mock mode, this server's page in place of Stripe's.",
  })
  localUrl!: string | null;
}

@InputType()
export class CreateCheckoutSessionInput {
  @Field(() => TierName)
  tier!: string;

  @Field({ description: 'Where the person is sent after paying. The session id is appended.' })
  @IsHttpUrl()
  successUrl!: string;

  @Field()
  @IsHttpUrl()
  cancelUrl!: string;

  @Field(() => String, { nullable: true })
  @MaxLength(320)
  @IsEmail()
  customerEmail?: string | null;
}

@InputType()
export class CancelSubscriptionInput {
  @Field(() => Boolean, { nullable: true, defaultValue: true, description: 'false cancels immediately.' })
  atPeriodEnd?: boolean | null;
}
