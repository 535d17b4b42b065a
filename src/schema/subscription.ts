import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { IsEmail, IsHttpUrl, MaxLength } from './constraints.js';
import { DateTimeScalar } from './scalars.js';
import { TenantInput } from './tenantRef.js';
import { PriceInterval, TierName, TierPrice, TierType } from './tier.js';

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

export enum PausedInvoices {
  VOID = 'void',
  KEEP_AS_DRAFT = 'keep_as_draft',
  MARK_UNCOLLECTIBLE = 'mark_uncollectible',
}
registerEnumType(PausedInvoices, {
  name: 'PausedInvoices',
  description: "Stripe's behaviors of paused invoices.",
  valuesConfig: {
    VOID: { description: 'They are voided, and never paid. `pausePayments` does this.' },
    KEEP_AS_DRAFT: { description: 'They stay drafts, which the operator may collect later, at Stripe.' },
    MARK_UNCOLLECTIBLE: { description: 'They are written off as uncollectible.' },
  },
});

@ObjectType({
  description:
    'Payments that are paused: the subscription keeps its status and its tier, nothing is collected, and no calls past the quota are sold.',
})
export class PaymentPause {
  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'When payments resume by themselves: the next invoice after this is collected. null: when somebody resumes them.',
  })
  resumesAt!: Date | null;

  @Field(() => PausedInvoices, {
    nullable: true,
    description: 'What becomes of the invoices meanwhile. null: something that this version does not know.',
  })
  invoices!: string | null;
}

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

  @Field(() => TierPrice, {
    nullable: true,
    description:
      'What it is paid at. null: nothing is paid, or its price at Stripe is neither monthly nor yearly or has no fixed amount.',
  })
  price!: TierPrice | null;

  @Field(() => Int, { description: 'The seats that were bought; 1 for a tier that is not sold by the seat.' })
  seats!: number;

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

  @Field(() => PaymentPause, {
    nullable: true,
    description: 'null: payments are collected. See `pausePayments`.',
  })
  paymentPause!: PaymentPause | null;

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

  @Field(() => TierPrice, { nullable: true, description: 'The price after the scheduled change.' })
  scheduledPrice!: TierPrice | null;

  @Field(() => DateTimeScalar, { nullable: true })
  scheduledAt!: Date | null;

  @Field({
    description:
      'Whether its price at Stripe belongs to no tier or product of the catalogue. It then keeps the tier it had before, or the free tier.',
  })
  outsideCatalogue!: boolean;

  @Field({
    description:
      'Whether its terms were agreed by `createEnterpriseSubscription`. Such a subscription is changed and ended at Stripe only.',
  })
  isContract!: boolean;

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

  @Field(() => PriceInterval, {
    nullable: true,
    description: "Default: the monthly price, otherwise the tier's first.",
  })
  interval?: PriceInterval | null;

  @Field(() => Int, { nullable: true, description: 'Default: 1, if `interval` is given.' })
  intervalCount?: number | null;

  @Field(() => String, {
    nullable: true,
    description:
      "ISO 4217. Default: the tenant's, otherwise the catalogue's. A tenant's first purchase fixes its currency.",
  })
  @MaxLength(3)
  currency?: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Default: 1. Only for a tier that is sold by the seat.',
  })
  seats?: number | null;

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

@ObjectType({ description: 'What a cancellation would do.' })
export class CancellationPreview {
  @Field({ description: 'false: immediately.' })
  atPeriodEnd!: boolean;

  @Field(() => DateTimeScalar)
  endsAt!: Date;

  @Field({ description: 'Whether it ends at the end of the period anyway, so that nothing would change.' })
  alreadyScheduled!: boolean;

  @Field(() => TierName)
  tier!: string;

  @Field(() => TierName, { description: 'The default tier, or the tier of an override.' })
  tierAfterwards!: string;

  @Field({ description: 'ISO 4217, lower case.' })
  currency!: string;

  @Field(() => Int, {
    description: 'What is paid back for the rest of the period. It is 0: nothing is refunded or credited.',
  })
  refundCents!: number;

  @Field(() => Int, { description: 'Overage up to now that has not been invoiced yet.' })
  overageCents!: number;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the last invoice is made, with the overage until then. null: there will be none.',
  })
  lastInvoiceAt!: Date | null;

  @Field({ description: 'All of this in plain English.' })
  summary!: string;
}

@InputType()
export class CancelSubscriptionInput {
  @Field(() => Boolean, { nullable: true, defaultValue: true, description: 'false cancels immediately.' })
  atPeriodEnd?: boolean | null;
}

@InputType()
export class ExtendTrialInput extends TenantInput {
  @Field(() => DateTimeScalar, {
    description: 'The new end, later than the present one and at most 730 days after the trial began.',
  })
  until!: Date;
}

@InputType()
export class PausePaymentsInput extends TenantInput {
  @Field(() => DateTimeScalar, { description: 'In the future, and at most 730 days from now.' })
  resumesAt!: Date;
}
