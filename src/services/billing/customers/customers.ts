import { createHash } from 'node:crypto';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { serviceUnavailable } from '../../../common/errors.js';
import { type BillingCustomerDoc, ofCustomers } from '../../../models/billingCustomer.js';
import type { Models } from '../../../models/models.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';
import { isRemembered } from '../stripe/stripeErrors.js';

export type Customer = BillingCustomerDoc & { stripeCustomerId: string };

/** The tenants' customers at Stripe. */
export interface Customers {
  find(tenantId: string): Promise<BillingCustomerDoc | null>;
  /**
   * The tenant's customer, created if there is none. Concurrent calls create one customer.
   * @param email written to the customer if it differs; null leaves the customer's email as it is
   */
  ensure(tenantId: string, email: string | null): Promise<Customer>;
  /** @returns the tenant that the customer is linked to, and the stored email */
  tenantOfCustomer(stripeCustomerId: string): Promise<{ tenantId: string; email: string | null } | null>;
  /**
   * Links a customer to a tenant that has none: it was created by hand, or its creation was interrupted.
   * @returns whether it is linked
   */
  link(tenantId: string, stripeCustomerId: string): Promise<boolean>;
  /** The customer was deleted at Stripe: the tenant's next checkout creates another. */
  forget(stripeCustomerId: string): Promise<void>;
  noteEmail(stripeCustomerId: string, email: string | null): Promise<void>;
  /** @returns whether the customer is linked to a tenant */
  notePaymentMethod(stripeCustomerId: string): Promise<boolean>;
  /**
   * Makes a call whose idempotency key contains the tenant's count of intents. For a day Stripe repeats the response to
   * a key, failures included, so after such a failure the count is raised and the next attempt has another key.
   */
  attempt<T>(customer: BillingCustomerDoc, call: (intent: string) => Promise<T>): Promise<T>;
  /** The attempt succeeded: the next call is another intent. */
  nextIntent(customer: BillingCustomerDoc): Promise<void>;
}

export function createCustomers(deps: { models: Models; stripe: Stripe; clock: Clock }): Customers {
  const { models, stripe, clock } = deps;
  const customers = models.billingCustomers;

  async function find(tenantId: string): Promise<BillingCustomerDoc | null> {
    return customers.findById(tenantId).lean<BillingCustomerDoc>();
  }

  async function needCustomer(tenantId: string): Promise<Customer> {
    const stored = await find(tenantId);
    if (!stored?.stripeCustomerId)
      throw serviceUnavailable('The customer was deleted during the request; try again');
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

  /** The request contains only the tenant's id, so that concurrent calls send the same one. */
  async function create(intended: BillingCustomerDoc): Promise<Customer> {
    const { _id, intents } = intended;
    const created = await attempt(intended, (intent) =>
      stripe.customers.create({ metadata: { tenant_id: _id } }, { idempotencyKey: `customer:${intent}` }),
    );
    await customers.updateOne(
      { _id, intents, stripeCustomerId: null },
      { $set: { stripeCustomerId: created.id } },
    );
    return needCustomer(_id);
  }

  /** Each change is an intent of its own, because a change back to a previous email is not a repetition. */
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
      const customer = intended.stripeCustomerId ? (intended as Customer) : await create(intended);
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
        if (isDuplicateKey(error)) return false;
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

/** A hash that is short enough for an idempotency key. */
export const digest = (parts: unknown): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
