import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../clock.js';
import { ofCustomers } from '../../models/billingCustomer.js';
import { type BillingSubscriptionDoc, ENDED } from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';
import type { Tiers } from '../tiers/tiers.js';
import type { Customers } from './customers.js';
import { isMissing, isRemembered } from './stripeErrors.js';
import { createSubscriptionReader, differencesOf } from './subscriptionState.js';

/** Writes customers and their subscriptions as Stripe has them now, whatever made us look. */
export interface SubscriptionSync {
  /** Fetches and writes. @returns why there was nothing to write, or null */
  sync(stripeCustomerId: string): Promise<string | null>;
  /** Fetches and compares, and writes nothing. @returns what `sync` would mend, or null */
  difference(stripeCustomerId: string): Promise<Difference | null>;
  /** @returns customers of subscriptions that, by themselves, do not fit what is stored: to be looked at */
  suspects(listed: readonly Stripe.Subscription[]): Promise<string[]>;
  /** The same for the tenant's customer, if it has one. */
  syncTenant(tenantId: string): Promise<void>;
  /**
   * Changes a subscription at Stripe and writes the answer, unless something else wrote since it was read: then it
   * fetches. A failure that Stripe repeats under its idempotency key makes the next try another revision.
   * @param change its answer has the schedule expanded: see `WITH_SCHEDULE`
   * @returns what is stored then
   */
  change(
    subscription: BillingSubscriptionDoc,
    change: () => Promise<Stripe.Subscription>,
  ): Promise<BillingSubscriptionDoc>;
}

/** What is not as Stripe has it, in a person's words. */
export interface Difference {
  kind: 'subscription' | 'customer';
  /** Stripe's id. */
  object: string;
  tenantId: string;
  found: string;
}

/** What an answer must have of a subscription for its scheduled tier to be read. */
export const WITH_SCHEDULE = ['schedule'];

/** What Stripe has of a customer now, its subscriptions newest first. */
interface Present {
  customer: Stripe.Customer;
  subscriptions: Stripe.Subscription[];
}

/** The newest of a customer; more are not looked at. */
const MAX_LISTED = 100;
const MAX_TRIES = 20;
const DUPLICATE_KEY = 11_000;

export function createSubscriptionSync(deps: {
  models: Models;
  stripe: Stripe;
  tiers: Tiers;
  customers: Customers;
  clock: Clock;
  log: Logger;
  /** Tells the caches that a tenant's tier may have changed. */
  changed: (tenantId: string) => void;
}): SubscriptionSync {
  const { models, stripe, tiers, customers, clock, log, changed } = deps;
  const subscriptions = models.billingSubscriptions;
  const { stateOf, foremost } = createSubscriptionReader({ tiers, clock, log });

  /** @returns false when something else wrote since `stored` was read */
  async function write(
    tenantId: string,
    stored: BillingSubscriptionDoc | null,
    subscription: Stripe.Subscription,
  ): Promise<boolean> {
    const state = stateOf(subscription, stored);
    if (stored && differencesOf(stored, state).length === 0) return confirm(stored);
    try {
      const result = stored
        ? await subscriptions.updateOne(
            { _id: tenantId, revision: stored.revision },
            { $set: state, $inc: { revision: 1 } },
          )
        : await subscriptions.updateOne(
            { _id: tenantId, revision: 1 },
            { $setOnInsert: state },
            { upsert: true },
          );
      const landed = stored ? result.matchedCount === 1 : result.upsertedCount === 1;
      if (landed) changed(tenantId);
      return landed;
    } catch (error) {
      if ((error as { code?: number }).code === DUPLICATE_KEY) return false;
      throw error;
    }
  }

  /**
   * Nothing has changed, but what another fetched before this must not be written after it. Past mongoose, whose hook
   * would have it announced.
   * @returns false when something else wrote since
   */
  async function confirm({ _id, revision }: BillingSubscriptionDoc): Promise<boolean> {
    const unchanged = { _id: _id as never, revision };
    const result = await subscriptions.collection.updateOne(unchanged, { $inc: { revision: 1 } });
    return result.matchedCount === 1;
  }

  /** A customer that is gone has no subscription any more. */
  async function end(tenantId: string, stripeCustomerId: string): Promise<void> {
    await subscriptions.updateOne(
      { _id: tenantId, stripeCustomerId, status: { $nin: ENDED } },
      { $set: { status: 'canceled', pastDueSince: null }, $inc: { revision: 1 } },
    );
    await customers.forget(stripeCustomerId);
    changed(tenantId);
  }

  /** One request, unless the customer has no subscription yet. @returns null when Stripe does not have the customer */
  async function fetchPresent(id: string): Promise<Present | null> {
    try {
      const { data: found } = await stripe.subscriptions.list({
        customer: id,
        status: 'all',
        limit: MAX_LISTED,
        expand: ['customer', ...WITH_SCHEDULE].map((field) => `data.${field}`),
      });
      const expanded = found.map(({ customer }) => customer).find((customer) => typeof customer === 'object');
      const customer = expanded ?? (await stripe.customers.retrieve(id));
      return customer.deleted ? null : { customer, subscriptions: found };
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** @returns the tenant that the customer is tied to now, or why it is nobody's */
  async function adopt(customer: Stripe.Customer | undefined): Promise<{ tenantId: string } | string> {
    const tenantId = customer?.metadata.tenant_id;
    if (!customer || !tenantId || !(await models.tenants.exists({ _id: tenantId })))
      return 'the customer belongs to no tenant';
    return (await customers.adopt(tenantId, customer.id)) ? { tenantId } : 'the tenant has another customer';
  }

  async function sync(stripeCustomerId: string): Promise<string | null> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      // Read before Stripe is asked: if another writes in between, this write does not land and is made anew.
      const known = await customers.tenantOf(stripeCustomerId);
      const stored = known
        ? await subscriptions.findById(known.tenantId).lean<BillingSubscriptionDoc>()
        : null;
      const present = await fetchPresent(stripeCustomerId);
      // Of a tenant that is found only now nothing was read: what it may have stored keeps this write from landing.
      const adopted = known ?? (await adopt(present?.customer));
      if (typeof adopted === 'string') return adopted;
      const { tenantId } = adopted;
      if (!present) {
        await end(tenantId, stripeCustomerId);
        return null;
      }
      const { email } = present.customer;
      if (email !== known?.email) await customers.noteEmail(stripeCustomerId, email);
      const subscription = foremost(present.subscriptions, stored);
      if (!subscription || (await write(tenantId, stored, subscription))) return null;
    }
    throw new Error(`The subscription of ${stripeCustomerId} changed too often while it was written`);
  }

  /** What differs; null when all are alike. */
  function unlike(subscription: Stripe.Subscription, stored: BillingSubscriptionDoc | null): string | null {
    if (!stored) return `${subscription.id} is not known here`;
    // When a payment failed first is our own note.
    const { pastDueSince: _, ...state } = stateOf(subscription, stored);
    const faults = differencesOf(stored, state);
    return faults.length > 0 ? faults.join('; ') : null;
  }

  async function difference(stripeCustomerId: string): Promise<Difference | null> {
    const known = await customers.tenantOf(stripeCustomerId);
    const present = await fetchPresent(stripeCustomerId);
    if (!known) return untied(present?.customer);
    const { tenantId } = known;
    const ofCustomer = { kind: 'customer' as const, object: stripeCustomerId, tenantId };
    if (!present) return { ...ofCustomer, found: 'Stripe does not have the customer any more' };
    const stored = await subscriptions.findById(tenantId).lean<BillingSubscriptionDoc>();
    const subscription = foremost(present.subscriptions, stored);
    const found = subscription && unlike(subscription, stored);
    if (found) return { kind: 'subscription', object: subscription.id, tenantId, found };
    const email = (await customers.find(tenantId))?.email ?? null;
    if (email === present.customer.email) return null;
    return { ...ofCustomer, found: 'the e-mail is another one' };
  }

  async function untied(customer: Stripe.Customer | undefined): Promise<Difference | null> {
    const tenantId = customer?.metadata.tenant_id;
    if (!customer || !tenantId || !(await models.tenants.exists({ _id: tenantId }))) return null;
    if ((await customers.find(tenantId))?.stripeCustomerId) return null;
    return { kind: 'customer', object: customer.id, tenantId, found: 'it is not tied to its tenant' };
  }

  async function suspects(listed: readonly Stripe.Subscription[]): Promise<string[]> {
    const idOf = ({ customer }: Stripe.Subscription) =>
      typeof customer === 'string' ? customer : customer.id;
    const tied = await models.billingCustomers
      .find(ofCustomers(...new Set(listed.map(idOf))), { stripeCustomerId: 1 })
      .lean<{ _id: string; stripeCustomerId: string }[]>();
    const known = await subscriptions
      .find({ _id: { $in: tied.map(({ _id }) => _id) } })
      .lean<BillingSubscriptionDoc[]>();
    const storedOf = new Map(known.map((stored) => [stored.stripeCustomerId, stored]));
    const ours = new Set(tied.map(({ stripeCustomerId }) => stripeCustomerId));
    const odd = listed.filter((subscription) => {
      const stored = storedOf.get(idOf(subscription));
      if (stored?.stripeSubscriptionId === subscription.id) return isUnlike(subscription, stored);
      const hasEnded = ENDED.some((ended) => ended === subscription.status);
      return !hasEnded || (!stored && ours.has(idOf(subscription)));
    });
    return odd.map(idOf);
  }

  /** What cannot be compared has to be looked at. */
  function isUnlike(subscription: Stripe.Subscription, stored: BillingSubscriptionDoc): boolean {
    try {
      return unlike(subscription, stored) !== null;
    } catch {
      return true;
    }
  }

  return {
    sync,
    difference,
    suspects,

    async syncTenant(tenantId) {
      const customer = await customers.find(tenantId);
      if (customer?.stripeCustomerId) await sync(customer.stripeCustomerId);
    },

    async change(subscription, change) {
      const { _id, stripeCustomerId } = subscription;
      const changed = await change().catch(async (error: unknown) => {
        // It ended meanwhile, perhaps by an earlier try of which the answer was lost.
        if (isMissing(error)) return null;
        if (isRemembered(error)) {
          const { revision } = subscription;
          await subscriptions.updateOne({ _id, revision }, { $inc: { revision: 1 } });
        }
        throw error;
      });
      if (!changed || !(await write(_id, subscription, changed))) await sync(stripeCustomerId);
      const stored = await subscriptions.findById(_id).lean<BillingSubscriptionDoc>();
      if (!stored) throw new Error(`The subscription of ${_id} is gone`);
      return stored;
    },
  };
}
