import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { type BillingSubscriptionDoc, ENDED } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import type { Tiers } from '../../tiers/tiers.js';
import type { Customers } from '../customers/customers.js';
import { isRemembered } from '../stripe/stripeErrors.js';
import { type FetchedCustomer, fetchCustomer, NotVisibleError } from './fetchedCustomer.js';
import { createPaymentFailures } from './paymentFailures.js';
import { createProductTiers } from './productTiers.js';
import {
  createSubscriptionDiff,
  diffFields,
  outsideCatalogueNote,
  type SubscriptionDiff,
} from './subscriptionDiff.js';
import { createSubscriptionReader } from './subscriptionState.js';

export { WITH_SCHEDULE } from './fetchedCustomer.js';

/** Writes customers and their subscriptions as Stripe has them now, whatever made us look. */
export interface SubscriptionSync extends SubscriptionDiff {
  /** Fetches and writes. @throws NotVisibleError when Stripe shows less to our key than what is stored */
  sync(stripeCustomerId: string): Promise<SyncOutcome>;
  /** The same for the tenant's customer, if it has one that Stripe shows. */
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

export type SyncOutcome =
  /** @property note what an operator should know of what was written */
  { kind: 'written'; note: string | null } | { kind: 'ignored'; reason: string };

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
  const products = createProductTiers({ stripe, tiers, clock, log });
  const reader = createSubscriptionReader({ tiers, products, clock, log });
  const comparison = createSubscriptionDiff({ models, stripe, customers, reader });
  const failures = createPaymentFailures({ models, stripe, log });

  /** @returns false when something else wrote since `stored` was read */
  async function write(
    tenantId: string,
    stored: BillingSubscriptionDoc | null,
    subscription: Stripe.Subscription,
  ): Promise<boolean> {
    const failedAt = subscription.status === 'past_due' ? await failures.firstOf(subscription.id) : null;
    const state = await reader.stateOf(subscription, stored, failedAt);
    if (stored && diffFields(stored, state).length === 0) return confirm(stored);
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
      if (landed && state.outsideCatalogue) {
        const { stripeSubscriptionId, priceId, tier } = state;
        log.warn({ tenantId, stripeSubscriptionId, priceId, tier }, 'subscription.outside_catalogue');
      }
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

  /** A customer that Stripe says was deleted has no subscription any more. */
  async function end(tenantId: string, stripeCustomerId: string): Promise<void> {
    await subscriptions.updateOne(
      { _id: tenantId, stripeCustomerId, status: { $nin: ENDED } },
      { $set: { status: 'canceled', pastDueSince: null }, $inc: { revision: 1 } },
    );
    await customers.forget(stripeCustomerId);
    changed(tenantId);
  }

  /** @returns the tenant that the customer is tied to now, or why it is nobody's */
  async function link(present: FetchedCustomer): Promise<{ tenantId: string } | string> {
    const customer = present.kind === 'present' ? present.customer : null;
    const tenantId = customer?.metadata.tenant_id;
    if (!customer || !tenantId || !(await models.tenants.exists({ _id: tenantId })))
      return 'the customer belongs to no tenant';
    return (await customers.link(tenantId, customer.id)) ? { tenantId } : 'the tenant has another customer';
  }

  async function sync(stripeCustomerId: string): Promise<SyncOutcome> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      // Read before Stripe is asked: if another writes in between, this write does not land and is made anew.
      const known = await customers.tenantOfCustomer(stripeCustomerId);
      const stored = known
        ? await subscriptions.findById(known.tenantId).lean<BillingSubscriptionDoc>()
        : null;
      const present = await fetchCustomer(stripe, stripeCustomerId, stored);
      // Of a tenant that is found only now nothing was read: what it may have stored keeps this write from landing.
      const adopted = known ?? (await link(present));
      if (typeof adopted === 'string') return { kind: 'ignored', reason: adopted };
      const { tenantId } = adopted;
      if (present.kind === 'unseen') throw new NotVisibleError(stripeCustomerId);
      if (present.kind === 'deleted') {
        await end(tenantId, stripeCustomerId);
        return WRITTEN;
      }
      const { email } = present.customer;
      if (email !== known?.email) await customers.noteEmail(stripeCustomerId, email);
      const primary = await reader.primaryOf(present.subscriptions, stored);
      if (stored && present.isStoredUnseen && !primary?.grantsTier)
        throw new NotVisibleError(stored.stripeSubscriptionId);
      if (!primary) return WRITTEN;
      const { subscription } = primary;
      if (await write(tenantId, stored, subscription)) return written(tenantId);
    }
    throw new Error(`The subscription of ${stripeCustomerId} changed too often while it was written`);
  }

  async function written(tenantId: string): Promise<SyncOutcome> {
    const stored = await subscriptions.findById(tenantId).lean<BillingSubscriptionDoc>();
    return { kind: 'written', note: stored && outsideCatalogueNote(stored) };
  }

  return {
    ...comparison,
    sync,

    async syncTenant(tenantId) {
      const customer = await customers.find(tenantId);
      if (!customer?.stripeCustomerId) return;
      try {
        await sync(customer.stripeCustomerId);
      } catch (error) {
        if (!(error instanceof NotVisibleError)) throw error;
        log.warn({ tenantId, reason: error.message }, 'customer.not_visible');
      }
    },

    async change(subscription, change) {
      const { _id, stripeCustomerId } = subscription;
      const changed = await change().catch(async (error: unknown) => {
        if (isRemembered(error)) {
          const { revision } = subscription;
          await subscriptions.updateOne({ _id, revision }, { $inc: { revision: 1 } });
        }
        throw error;
      });
      if (!(await write(_id, subscription, changed))) await sync(stripeCustomerId);
      const stored = await subscriptions.findById(_id).lean<BillingSubscriptionDoc>();
      if (!stored) throw new Error(`The subscription of ${_id} is gone`);
      return stored;
    },
  };
}

const WRITTEN: SyncOutcome = { kind: 'written', note: null };
