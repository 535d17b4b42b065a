import { Schema } from 'mongoose';

/** A tenant's customer at Stripe. */
export interface BillingCustomerDoc {
  /** The tenant's id: one customer a tenant. */
  _id: string;
  /** null while it is being made; deleted customers lose theirs. */
  stripeCustomerId: string | null;
  email: string | null;
  paymentMethodAttachedAt: Date | null;
  /** Counts what was asked of Stripe: the number is in the idempotency key of the next thing. */
  intents: number;
  /** The checkout that waits to be paid. */
  openCheckout: { sessionId: string; url: string; tier: string; requestHash: string; expiresAt: Date } | null;
  createdAt: Date;
  updatedAt: Date;
}

export const billingCustomerSchema = new Schema<BillingCustomerDoc>(
  {
    _id: String,
    stripeCustomerId: { type: String, default: null },
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

/**
 * A filter by customers' ids at Stripe. The index above is of strings alone, and MongoDB uses it only for a filter that
 * says as much.
 */
export const ofCustomers = (...stripeCustomerIds: string[]) => ({
  stripeCustomerId: { $in: stripeCustomerIds, $type: 'string' as const },
});
