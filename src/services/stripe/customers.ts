import type Stripe from 'stripe';
import type { Clock } from '../../clock.js';
import type { BillingCustomerDoc } from '../../models/billingCustomer.js';
import type { Models } from '../../models/models.js';
import { isMissing } from './stripeErrors.js';

/** The tenants' customers at Stripe. */
export interface Customers {
  find(tenantId: string): Promise<BillingCustomerDoc | null>;
  /** The tenant's customer, made if there is none: one, also when many ask at once. */
  ensure(tenantId: string, email: string | null): Promise<BillingCustomerDoc & { stripeCustomerId: string }>;
  tenantOf(stripeCustomerId: string): Promise<string | null>;
  /** Writes the customer as Stripe has it now. @returns why there was nothing to write, or null */
  sync(stripeCustomerId: string): Promise<string | null>;
  notePaymentMethod(stripeCustomerId: string): Promise<void>;
}

export function createCustomers(deps: { models: Models; stripe: Stripe; clock: Clock }): Customers {
  const { models, stripe, clock } = deps;
  const customers = models.billingCustomers;

  async function tenantOf(stripeCustomerId: string): Promise<string | null> {
    const doc = await customers.findOne({ stripeCustomerId }, { _id: 1 }).lean<{ _id: string }>();
    return doc?._id ?? null;
  }

  async function forget(stripeCustomerId: string): Promise<void> {
    await customers.updateOne(
      { stripeCustomerId },
      {
        $set: { stripeCustomerId: null, openCheckout: null, paymentMethodAttachedAt: null },
        $inc: { checkoutCount: 1 },
      },
    );
  }

  return {
    tenantOf,

    async find(tenantId) {
      return customers.findById(tenantId).lean<BillingCustomerDoc>();
    },

    async ensure(tenantId, email) {
      // The e-mail of the first one who asks is the one that all send: one idempotency key means one request body.
      const intent = await customers
        .findOneAndUpdate(
          { _id: tenantId },
          { $setOnInsert: { email, stripeCustomerId: null, checkoutCount: 0, openCheckout: null } },
          { upsert: true, returnDocument: 'after' },
        )
        .lean<BillingCustomerDoc>();
      if (intent?.stripeCustomerId) return { ...intent, stripeCustomerId: intent.stripeCustomerId };
      const made = await stripe.customers.create(
        { ...(intent?.email && { email: intent.email }), metadata: { tenant_id: tenantId } },
        { idempotencyKey: `customer:${tenantId}:${intent?.checkoutCount ?? 0}` },
      );
      const stored = await customers
        .findOneAndUpdate(
          { _id: tenantId },
          { $set: { stripeCustomerId: made.id } },
          { returnDocument: 'after' },
        )
        .lean<BillingCustomerDoc>();
      return { ...(stored as BillingCustomerDoc), stripeCustomerId: made.id };
    },

    async sync(stripeCustomerId) {
      let customer: Stripe.Customer | Stripe.DeletedCustomer;
      try {
        customer = await stripe.customers.retrieve(stripeCustomerId);
      } catch (error) {
        if (!isMissing(error)) throw error;
        customer = { id: stripeCustomerId, object: 'customer', deleted: true };
      }
      if (customer.deleted) {
        await forget(stripeCustomerId);
        return null;
      }
      const tenantId = (await tenantOf(stripeCustomerId)) ?? customer.metadata.tenant_id;
      if (!tenantId || !(await models.tenants.exists({ _id: tenantId })))
        return 'the customer belongs to no tenant';
      const written = await customers.updateOne(
        { _id: tenantId, stripeCustomerId },
        { $set: { email: customer.email } },
      );
      return written.matchedCount === 1 ? null : 'the tenant has another customer';
    },

    async notePaymentMethod(stripeCustomerId) {
      await customers.updateOne(
        { stripeCustomerId },
        { $set: { paymentMethodAttachedAt: new Date(clock.now()) } },
      );
    },
  };
}
