import { createHash } from 'node:crypto';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { serviceUnavailable } from '../../../common/errors.js';
import { type BillingCustomerDoc, ofCustomers } from '../../../models/billingCustomer.js';
import type { Models } from '../../../models/models.js';
import { isRemembered } from '../stripe/stripeErrors.js';

export type Customer = BillingCustomerDoc & { stripeCustomerId: string };

/** The tenants' customers at Stripe. */
export interface Customers {
  find(tenantId: string): Promise<BillingCustomerDoc | null>;
  /**
   * The tenant's customer, made if there is none: one, also when many ask at once.
   * @param email written to the customer when it has another one; null leaves it as it is
   */
  ensure(tenantId: string, email: string | null): Promise<Customer>;
  /** @returns the tenant that has this customer, and the customer's e-mail as it was noted */
  tenantOfCustomer(stripeCustomerId: string): Promise<{ tenantId: string; email: string | null } | null>;
  /** Ties a customer to a tenant that has none: it was made by hand, or its making was cut short. @returns whether it is tied */
  link(tenantId: string, stripeCustomerId: string): Promise<boolean>;
  /** The customer is gone: the tenant's next checkout makes another. */
  forget(stripeCustomerId: string): Promise<void>;
  noteEmail(stripeCustomerId: string, email: string | null): Promise<void>;
  /** @returns whether it is a customer of ours */
  notePaymentMethod(stripeCustomerId: string): Promise<boolean>;
  /**
   * Makes a call whose idempotency key holds the tenant's count of intents. Stripe repeats an answer under its key for
   * a day, a failure too: after one of those the next try is another intent.
   */
  attempt<T>(customer: BillingCustomerDoc, call: (intent: string) => Promise<T>): Promise<T>;
  /** What was attempted is done: what comes after it is something else. */
  nextIntent(customer: BillingCustomerDoc): Promise<void>;
}

const DUPLICATE_KEY = 11_000;

export function createCustomers(deps: { models: Models; stripe: Stripe; clock: Clock }): Customers {
  const { models, stripe, clock } = deps;
  const customers = models.billingCustomers;

  async function find(tenantId: string): Promise<BillingCustomerDoc | null> {
    return customers.findById(tenantId).lean<BillingCustomerDoc>();
  }

  async function needCustomer(tenantId: string): Promise<Customer> {
    const stored = await find(tenantId);
    if (!stored?.stripeCustomerId)
      throw serviceUnavailable('The customer was deleted at this moment; try again');
    return stored as Customer;
  }

  const attempt: Customers['attempt'] = async ({ _id, intents }, call) => {
    try {
      return await call(`${_id}:${intents}`);
    } catch (error) {
      if (isRemembered(error)) await customers.updateOne({ _id, intents }, { $inc: { intents: 1 } });
      throw error;
    }
  };

  /** The request says nothing but whose customer it is, so that all who ask at once send the same one. */
  async function make(intended: BillingCustomerDoc): Promise<Customer> {
    const { _id, intents } = intended;
    const made = await attempt(intended, (intent) =>
      stripe.customers.create({ metadata: { tenant_id: _id } }, { idempotencyKey: `customer:${intent}` }),
    );
    await customers.updateOne(
      { _id, intents, stripeCustomerId: null },
      { $set: { stripeCustomerId: made.id } },
    );
    return needCustomer(_id);
  }

  /** Each change is an intent of its own: back to an e-mail of before is not a repetition. */
  async function setEmail(customer: Customer, email: string): Promise<Customer> {
    const { _id, stripeCustomerId, intents } = customer;
    await attempt(customer, (intent) =>
      stripe.customers.update(
        stripeCustomerId,
        { email },
        { idempotencyKey: `customer-email:${intent}:${digest(email)}` },
      ),
    );
    await customers.updateOne({ _id, stripeCustomerId, intents }, { $set: { email }, $inc: { intents: 1 } });
    return needCustomer(_id);
  }

  return {
    find,
    attempt,

    async nextIntent({ _id, intents }) {
      await customers.updateOne({ _id, intents }, { $inc: { intents: 1 } });
    },

    async ensure(tenantId, email) {
      const intended = await customers
        .findOneAndUpdate(
          { _id: tenantId },
          { $setOnInsert: { email: null, stripeCustomerId: null, intents: 0, openCheckout: null } },
          { upsert: true, returnDocument: 'after' },
        )
        .lean<BillingCustomerDoc>();
      if (!intended) throw new Error(`The customer of ${tenantId} was not stored`);
      const customer = intended.stripeCustomerId ? (intended as Customer) : await make(intended);
      return email && email !== customer.email ? setEmail(customer, email) : customer;
    },

    async tenantOfCustomer(stripeCustomerId) {
      const doc = await customers
        .findOne(ofCustomers(stripeCustomerId), { email: 1 })
        .lean<Pick<BillingCustomerDoc, '_id' | 'email'>>();
      return doc && { tenantId: doc._id, email: doc.email };
    },

    async link(tenantId, stripeCustomerId) {
      try {
        await customers.updateOne(
          { _id: tenantId, stripeCustomerId: null },
          { $set: { stripeCustomerId } },
          { upsert: true },
        );
        return true;
      } catch (error) {
        // The tenant has another customer, or the customer another tenant.
        if ((error as { code?: number }).code === DUPLICATE_KEY) return false;
        throw error;
      }
    },

    async forget(stripeCustomerId) {
      const nothing = {
        stripeCustomerId: null,
        email: null,
        openCheckout: null,
        paymentMethodAttachedAt: null,
      };
      await customers.updateOne(ofCustomers(stripeCustomerId), { $set: nothing, $inc: { intents: 1 } });
    },

    async noteEmail(stripeCustomerId, email) {
      await customers.updateOne(ofCustomers(stripeCustomerId), { $set: { email } });
    },

    async notePaymentMethod(stripeCustomerId) {
      const noted = await customers.updateOne(ofCustomers(stripeCustomerId), {
        $set: { paymentMethodAttachedAt: new Date(clock.now()) },
      });
      return noted.matchedCount === 1;
    },
  };
}

/** Short enough for an idempotency key, whatever the parts are. */
export const digest = (parts: unknown): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
