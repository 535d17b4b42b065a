import { Schema } from 'mongoose';
import { markWritesPending, type OutboxSource } from './outbox.js';
import type { TierLimits } from './tierLimits.js';

/** Stripe's statuses, in lower case as Stripe sends them. */
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
/** Final statuses: a subscription never leaves them. */
export const ENDED: readonly SubscriptionStatus[] = ['canceled', 'incomplete_expired'];

/** A subscription in one of these statuses grants its tier, or may do so again. */
export const NOT_ENDED: readonly SubscriptionStatus[] = SUBSCRIPTION_STATUSES.filter(
  (status) => !ENDED.includes(status),
);

/** A subscription grants its tier in these statuses; in `past_due` only during the grace period. */
export const GRANTING: readonly SubscriptionStatus[] = ['active', 'trialing', 'past_due'];

/** A subscription item that bills overage through Stripe's meter. */
export interface OverageItem {
  id: string;
  priceId: string;
  /** Usage before this is not billed by the item. */
  since: Date;
  /** The period that the item bills now; absent where it is the subscription's own. */
  periodStart?: Date;
  periodEnd?: Date;
}

/** What one unit of a subscription item costs. */
export interface ItemPrice {
  /** May have a fraction. */
  unitCents: number;
  /** ISO 4217, lower case. */
  currency: string;
  /** `day`, `week`, `month` or `year`. */
  interval: string;
  intervalCount: number;
}

/** What becomes of the invoices that Stripe makes while payments are paused. */
export const PAUSED_INVOICES = ['void', 'keep_as_draft', 'mark_uncollectible'] as const;
export type PausedInvoices = (typeof PAUSED_INVOICES)[number];

/** Payments that are paused at Stripe: the subscription keeps its status and its tier, and nothing is collected. */
export interface PaymentPause {
  /** null: something that this version does not know. */
  invoices: PausedInvoices | null;
  /** null: until somebody resumes them. */
  resumesAt: Date | null;
}

/** The latest known state of a tenant's subscription at Stripe. */
export interface BillingSubscriptionDoc extends OutboxSource {
  /** The tenant's id: a tenant has one subscription, and a new one replaces an ended one. */
  _id: string;
  stripeSubscriptionId: string;
  stripeCustomerId: string;
  tier: string;
  /** The version of the tier that was bought. */
  tierVersion: number;
  status: SubscriptionStatus;
  priceId: string;
  /** The subscription item with the tier's price. */
  itemId: string;
  /** The quantity of that item. */
  quantity: number;
  /** What Stripe's price of that item says; null if it has no fixed amount. Absent from documents of earlier versions. */
  itemPrice?: ItemPrice | null;
  /** True if Stripe Tax computes the tax of its invoices. */
  automaticTax?: true | null;
  /** The items that bill overage; null if there are none. Two concurrent changes may have added more than one. */
  overageItems: OverageItem[] | null;
  currentPeriodStart: Date | null;
  currentPeriodEnd: Date | null;
  cancelAtPeriodEnd: boolean;
  cancelAt: Date | null;
  trialEnd: Date | null;
  /** null if payments are collected. Absent from documents of earlier versions. */
  pause?: PaymentPause | null;
  /** null if it has not ended. */
  endedAt: Date | null;
  /** The Stripe schedule that controls the subscription. It must be released before anything else is changed. */
  scheduleId: string | null;
  /** The tier that the schedule changes it to, and when. */
  scheduledTier: string | null;
  /** The Stripe price that the schedule changes it to. Absent from documents of earlier versions. */
  scheduledPriceId?: string | null;
  scheduledAt: Date | null;
  /** Identifies the terms of the contract; null if the tenant bought the subscription itself. */
  contract: string | null;
  /** The limits of the contract, which apply as long as the subscription grants its tier. */
  limits: Partial<TierLimits> | null;
  /**
   * True if its price belongs to no tier or product of the catalogue. It then keeps the tier that it had before, or has
   * the default tier. null if the tier follows from the price at Stripe.
   */
  outsideCatalogue: true | null;
  /** When the oldest unpaid payment failed, by Stripe's clock. The grace period begins here. */
  pastDueSince: Date | null;
  /**
   * When Stripe had this state, by Stripe's clock: an event that is not later says nothing new. Absent from documents of
   * earlier versions.
   */
  asOf?: Date | null;
  /** The end of a trial that the operator's systems were reminded of last. Absent: of none. */
  trialReminder?: { stripeSubscriptionId: string; trialEnd: Date };
  /** Increases with every write. A write that is based on an older revision is rejected. */
  revision: number;
  createdAt: Date;
  updatedAt: Date;
}

/** The period whose overage is billed next: of a subscription that is paid each year, a month. */
export function billedPeriodOf({
  currentPeriodStart,
  currentPeriodEnd,
  overageItems,
}: Pick<BillingSubscriptionDoc, 'currentPeriodStart' | 'currentPeriodEnd' | 'overageItems'>) {
  const own = overageItems?.find(({ periodEnd }) => periodEnd !== undefined);
  return { start: own?.periodStart ?? currentPeriodStart, end: own?.periodEnd ?? currentPeriodEnd };
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
    pause: { type: Schema.Types.Mixed, default: null },
    endedAt: { type: Date, default: null },
    itemId: { type: String, required: true },
    quantity: { type: Number, required: true },
    itemPrice: { type: Schema.Types.Mixed, default: undefined },
    automaticTax: { type: Boolean, default: null },
    overageItems: { type: Schema.Types.Mixed, default: null },
    scheduleId: { type: String, default: null },
    scheduledTier: { type: String, default: null },
    scheduledPriceId: { type: String, default: undefined },
    scheduledAt: { type: Date, default: null },
    contract: { type: String, default: null },
    limits: { type: Schema.Types.Mixed, default: null },
    outsideCatalogue: { type: Boolean, default: null },
    pastDueSince: { type: Date, default: null },
    asOf: { type: Date, default: null },
    trialReminder: { type: Schema.Types.Mixed, default: undefined },
    revision: { type: Number, required: true },
  },
  { collection: 'billing_subscriptions', timestamps: true, versionKey: false },
);
billingSubscriptionSchema.index({ stripeSubscriptionId: 1 }, { unique: true });
// Overage is reported when its period ends.
billingSubscriptionSchema.index({ currentPeriodStart: 1 });
billingSubscriptionSchema.index({ currentPeriodEnd: 1 });
billingSubscriptionSchema.index({ endedAt: 1 });
for (const boundary of ['overageItems.periodStart', 'overageItems.periodEnd']) {
  billingSubscriptionSchema.index(
    { [boundary]: 1 },
    { partialFilterExpression: { [boundary]: { $exists: true } } },
  );
}
// Finds grace periods, which end without a write, and counts the subscriptions that grant a tier.
billingSubscriptionSchema.index({ status: 1, _id: 1 }, { name: 'status' });
// Finds the tiers and versions that a catalogue must have, and counts their subscriptions.
billingSubscriptionSchema.index({ tier: 1, tierVersion: 1, status: 1 }, { name: 'tier' });
billingSubscriptionSchema.index(
  { scheduledTier: 1, status: 1 },
  { name: 'scheduled_tier', partialFilterExpression: { scheduledTier: { $gt: '' } } },
);
// Lists the tenants of a tier.
billingSubscriptionSchema.index({ tier: 1, status: 1, _id: 1 });
markWritesPending(billingSubscriptionSchema);
