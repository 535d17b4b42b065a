import { Schema } from 'mongoose';
import { markWritesPending, type OutboxSource } from './outbox.js';
import type { TierLimits } from './tierLimits.js';

/** Stripe's words, lower case, as Stripe sends them. */
export const SUBSCRIPTION_STATUSES = [
  'incomplete',
  'incomplete_expired',
  'trialing',
  'active',
  'past_due',
  'canceled',
  'unpaid',
  'paused',
] as const;
export type SubscriptionStatus = (typeof SUBSCRIPTION_STATUSES)[number];
/** Nothing more comes of a subscription in these. */
export const ENDED: readonly SubscriptionStatus[] = ['canceled', 'incomplete_expired'];

/** A subscription gives its tier in these; past due for the grace period. */
export const GRANTING: readonly SubscriptionStatus[] = ['active', 'trialing', 'past_due'];

/** A part of a subscription that bills calls past the quota, by Stripe's meter. */
export interface OverageItem {
  id: string;
  priceId: string;
  /** What was used before is not billed by it. */
  since: Date;
}

/** The state of a tenant's subscription as Stripe last told it. */
export interface BillingSubscriptionDoc extends OutboxSource {
  /** The tenant's id: one subscription a tenant; an ended one is replaced by the next. */
  _id: string;
  stripeSubscriptionId: string;
  stripeCustomerId: string;
  tier: string;
  /** Of the tier, as it was bought. */
  tierVersion: number;
  status: SubscriptionStatus;
  priceId: string;
  /** The part of it that has the tier's price. */
  itemId: string;
  /** Of that item. */
  quantity: number;
  /** The parts that bill overage: one, unless two changes at once made another; null: none. */
  overageItems: OverageItem[] | null;
  currentPeriodStart: Date | null;
  currentPeriodEnd: Date | null;
  cancelAtPeriodEnd: boolean;
  cancelAt: Date | null;
  trialEnd: Date | null;
  /** null: it has not ended. */
  endedAt: Date | null;
  /** Stripe's schedule, while one holds the subscription; it must be let go before anything else is changed. */
  scheduleId: string | null;
  /** What the schedule changes it to, and when. */
  scheduledTier: string | null;
  scheduledAt: Date | null;
  /** Names the terms that the operator agreed on; null: bought by the tenant itself. */
  contract: string | null;
  /** Limits of the contract, which hold as long as the subscription gives its tier. */
  limits: Partial<TierLimits> | null;
  /**
   * It has a price that neither the catalogue nor a product of its tiers names: the tier is the one that it had before,
   * or the default tier. null: the tier follows from what Stripe has.
   */
  outsideCatalogue: true | null;
  /** When the first payment failed, by Stripe's time, of those that still are due. The grace period begins here. */
  pastDueSince: Date | null;
  /** Rises with every write: a write that was worked out from an older state does not land. */
  revision: number;
  createdAt: Date;
  updatedAt: Date;
}

export const billingSubscriptionSchema = new Schema<BillingSubscriptionDoc>(
  {
    _id: String,
    stripeSubscriptionId: { type: String, required: true },
    stripeCustomerId: { type: String, required: true },
    tier: { type: String, required: true },
    tierVersion: { type: Number, required: true },
    status: { type: String, enum: SUBSCRIPTION_STATUSES, required: true },
    priceId: { type: String, required: true },
    currentPeriodStart: { type: Date, default: null },
    currentPeriodEnd: { type: Date, default: null },
    cancelAtPeriodEnd: { type: Boolean, required: true },
    cancelAt: { type: Date, default: null },
    trialEnd: { type: Date, default: null },
    endedAt: { type: Date, default: null },
    itemId: { type: String, required: true },
    quantity: { type: Number, required: true },
    overageItems: { type: Schema.Types.Mixed, default: null },
    scheduleId: { type: String, default: null },
    scheduledTier: { type: String, default: null },
    scheduledAt: { type: Date, default: null },
    contract: { type: String, default: null },
    limits: { type: Schema.Types.Mixed, default: null },
    outsideCatalogue: { type: Boolean, default: null },
    pastDueSince: { type: Date, default: null },
    revision: { type: Number, required: true },
  },
  { collection: 'billing_subscriptions', timestamps: true, versionKey: false },
);
billingSubscriptionSchema.index({ stripeSubscriptionId: 1 }, { unique: true });
// What was used in a period is reported when it ends.
billingSubscriptionSchema.index({ currentPeriodStart: 1 });
billingSubscriptionSchema.index({ currentPeriodEnd: 1 });
billingSubscriptionSchema.index({ endedAt: 1 });
// Few: tenants in their grace period, which ends without a write.
billingSubscriptionSchema.index({ status: 1, _id: 1 }, { partialFilterExpression: { status: 'past_due' } });
markWritesPending(billingSubscriptionSchema);
