import { createHash } from 'node:crypto';
import type { ClientSession } from 'mongoose';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { notFound, serviceUnavailable } from '../../../common/errors.js';
import { type BillingCustomerDoc, ofCustomers } from '../../../models/billingCustomer.js';
import type { Models } from '../../../models/models.js';
import type { AuditLog } from '../../audit/auditLog.js';
import type { Author } from '../../audit/author.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';
import { isRemembered } from '../stripe/stripeErrors.js';
import type { PurchaseTerms } from '../subscriptions/purchaseTerms.js';

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
  link(tenantId: string, stripeCustomerId: string, author: Author): Promise<boolean>;
  /**
   * The customer was deleted at Stripe: the tenant's next checkout creates another.
   * @returns whether it was linked to a tenant
   */
  forget(stripeCustomerId: string, session: ClientSession): Promise<boolean>;
  /**
   * Changes the email at Stripe.
   * @returns false if another request changed the customer meanwhile: which email Stripe has now is unknown
   */
  setEmail(customer: Customer, email: string): Promise<boolean>;
  /** Writes the tenant's id to the customer's metadata at Stripe, from which the link can be restored. */
  nameTenant(customer: Customer): Promise<void>;
  noteEmail(stripeCustomerId: string, email: string | null, author: Author): Promise<void>;
  /** @returns whether the customer is linked to a tenant */
  notePaymentMethod(stripeCustomerId: string): Promise<boolean>;
  /**
   * Makes a call whose idempotency key contains the tenant's count of attempts. For a day Stripe repeats the response to
   * a key, failures included, so after such a failure the attempt is counted and the next one has another key.
   */
  attempt<T>(customer: BillingCustomerDoc, call: (attemptKey: string) => Promise<T>): Promise<T>;
  /** Counts an attempt that succeeded, so that the next call has another key. */
  countAttempt(customer: Pick<BillingCustomerDoc, '_id' | 'intents'>): Promise<void>;
}

/** Events of older customers expired long ago. */
const MAX_FORMER = 100;

export function createCustomers(deps: {
  models: Models;
  stripe: Stripe;
  /** What new customers get, in addition to the tenant's id. */
  terms: PurchaseTerms['customer'];
  clock: Clock;
  auditLog: AuditLog;
}): Customers {
  const { models, stripe, terms, clock, auditLog } = deps;
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

  const countAttempt: Customers['countAttempt'] = async ({ _id, intents: attempts }) => {
    await customers.updateOne({ _id, intents: attempts }, { $inc: { intents: 1 } });
  };

  const attempt: Customers['attempt'] = async ({ _id, intents: attempts }, call) => {
    try {
      return await call(`${_id}:${attempts}`);
    } catch (error) {
      if (isRemembered(error)) await countAttempt({ _id, intents: attempts });
      throw error;
    }
  };

  /** The request contains nothing of the caller but the tenant's id, so that concurrent calls send the same one. */
  async function create(unlinked: BillingCustomerDoc): Promise<Customer> {
    const { _id, intents: attempts } = unlinked;
    // Usage that is still to be reported must not create a customer again.
    if (!(await models.tenants.exists({ _id, erasure: null }))) throw notFound(`Tenant ${_id}`);
    const created = await attempt(unlinked, (attemptKey) =>
      stripe.customers.create(
        { metadata: { tenant_id: _id }, ...terms },
        { idempotencyKey: `customer:${attemptKey}` },
      ),
    );
    await customers.updateOne(
      { _id, intents: attempts, stripeCustomerId: null },
      { $set: { stripeCustomerId: created.id } },
    );
    return needCustomer(_id);
  }

  /** Each change is counted as an attempt, because a change back to a previous email is not a repetition. */
  const setEmail: Customers['setEmail'] = async (customer, email) => {
    const { _id, stripeCustomerId, intents: attempts } = customer;
    await attempt(customer, (attemptKey) =>
      stripe.customers.update(
        stripeCustomerId,
        { email },
        { idempotencyKey: `customer-email:${attemptKey}:${digest(email)}` },
      ),
    );
    const { matchedCount } = await customers.updateOne(
      { _id, stripeCustomerId, intents: attempts },
      { $set: { email }, $inc: { intents: 1 } },
    );
    return matchedCount === 1;
  };

  return {
    find,
    setEmail,
    attempt,
    countAttempt,

    async ensure(tenantId, email) {
      const stored = await customers
        .findOneAndUpdate(
          { _id: tenantId },
          { $setOnInsert: { email: null, stripeCustomerId: null, intents: 0, openCheckout: null } },
          { upsert: true, returnDocument: 'after' },
        )
        .lean<BillingCustomerDoc>();
      if (!stored) throw new Error(`The customer of ${tenantId} was not stored`);
      const customer = stored.stripeCustomerId ? (stored as Customer) : await create(stored);
      if (!email || email === customer.email) return customer;
      await setEmail(customer, email);
      return needCustomer(tenantId);
    },

    async tenantOfCustomer(stripeCustomerId) {
      const doc = await customers
        .findOne(ofCustomers(stripeCustomerId), { email: 1 })
        .lean<Pick<BillingCustomerDoc, '_id' | 'email'>>();
      return doc && { tenantId: doc._id, email: doc.email };
    },

    async link(tenantId, stripeCustomerId, author) {
      try {
        await auditLog.change(author, async (session, note) => {
          await customers.updateOne(
            { _id: tenantId, stripeCustomerId: null },
            { $set: { stripeCustomerId } },
            { upsert: true, session },
          );
          note({ tenantId, action: 'customer.linked', before: null, after: { stripeCustomerId } });
        });
        return true;
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        // Another instance has linked the two meanwhile, or the tenant has another customer, or the customer another tenant.
        return (await customers.exists({ _id: tenantId, stripeCustomerId })) !== null;
      }
    },

    async forget(stripeCustomerId, session) {
      const nothing = {
        stripeCustomerId: null,
        email: null,
        openCheckout: null,
        paymentMethodAttachedAt: null,
      };
      const forgotten = await customers.updateOne(
        ofCustomers(stripeCustomerId),
        {
          $set: nothing,
          $inc: { intents: 1 },
          $push: { formerStripeIds: { $each: [stripeCustomerId], $slice: -MAX_FORMER } },
        },
        { session },
      );
      return forgotten.matchedCount === 1;
    },

    async nameTenant(customer) {
      const { _id: tenant_id, stripeCustomerId } = customer;
      await attempt(customer, (attemptKey) =>
        stripe.customers.update(
          stripeCustomerId,
          { metadata: { tenant_id } },
          { idempotencyKey: `customer-tenant:${attemptKey}` },
        ),
      );
      await countAttempt(customer);
    },

    async noteEmail(stripeCustomerId, email, author) {
      await auditLog.change(author, async (session, note) => {
        const before = await customers
          .findOneAndUpdate(ofCustomers(stripeCustomerId), { $set: { email } }, { session })
          .lean<BillingCustomerDoc>();
        if (!before) return;
        note({
          tenantId: before._id,
          action: 'customer.changed',
          before: { email: before.email },
          after: { email },
          personal: ['email'],
        });
      });
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
