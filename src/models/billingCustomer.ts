import { Schema } from 'mongoose';

/** A tenant's customer at Stripe. */
export interface BillingCustomerDoc {
  /** The tenant's id, because a tenant has one customer. */
  _id: string;
  /** null while the customer is being created, and after it was deleted. */
  stripeCustomerId: string | null;
  /** Customers that were deleted at Stripe, the newest last. Absent if there are none. */
  formerStripeIds?: string[];
  /** Set when the tenant was erased. The ids stay, because invoices name them. */
  erasedAt?: Date;
  email: string | null;
  paymentMethodAttachedAt: Date | null;
  /** Counts the attempts at requests to Stripe. The number is part of the idempotency key of the next one. */
  intents: number;
  /** The checkout that has not been paid yet. */
  openCheckout: { sessionId: string; url: string; tier: string; requestHash: string; expiresAt: Date } | null;
  createdAt: Date;
  updatedAt: Date;
}

export const billingCustomerSchema = new Schema<BillingCustomerDoc>(
  {
    _id: String,
    stripeCustomerId: { type: String, default: null },
    formerStripeIds: { type: [String], default: undefined },
    erasedAt: { type: Date, default: undefined },
    email: { type: String, default: null },
    paymentMethodAttachedAt: { type: Date, default: null },
    intents: { type: Number, default: 0 },
    openCheckout: { type: Schema.Types.Mixed, default: null },
  },
  { collection: 'billing_customers', timestamps: true, versionKey: false },
);
billingCustomerSchema.index(
  { stripeCustomerId: 1 },
  { unique: true, partialFilterExpression: { stripeCustomerId: { $type: 'string' } } },
);

// Contains only customers of erased tenants, so that the content of their late events is not stored.
billingCustomerSchema.index(
  { formerStripeIds: 1 },
  { partialFilterExpression: { erasedAt: { $exists: true } } },
);

/** A filter by customer ids at Stripe, for those of erased tenants. */
export const erasedAmong = (stripeCustomerIds: readonly string[]) => ({
  formerStripeIds: { $in: [...stripeCustomerIds] },
  erasedAt: { $exists: true },
});

/**
 * A filter by customer ids at Stripe. The index above contains only strings, and MongoDB uses it only for a filter that
 * also requires a string.
 */
export const ofCustomers = (...stripeCustomerIds: string[]) => ({
  stripeCustomerId: { $in: stripeCustomerIds, $type: 'string' as const },
});
