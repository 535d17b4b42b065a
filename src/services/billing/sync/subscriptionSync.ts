import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { type BillingSubscriptionDoc, ENDED } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';
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

/** Writes customers and their subscriptions as Stripe has them now. */
export interface SubscriptionSync extends SubscriptionDiff {
  /** Fetches a customer and writes it. @throws NotVisibleError when the key cannot see something that is stored */
  sync(stripeCustomerId: string): Promise<SyncOutcome>;
  /** Syncs the tenant's customer, if it has one. A customer that Stripe does not show is logged and left as it is. */
  syncTenant(tenantId: string): Promise<void>;
  /**
   * Changes a subscription at Stripe and writes the response. If the stored subscription changed in the meantime, it
   * fetches instead. After a failure that Stripe would repeat for the idempotency key, the revision is raised, so that
   * the next attempt has another key.
   * @param change its response has the schedule expanded: see `WITH_SCHEDULE`
   * @returns what is stored afterwards
   */
  change(
    subscription: BillingSubscriptionDoc,
    change: () => Promise<Stripe.Subscription>,
  ): Promise<BillingSubscriptionDoc>;
}

export type SyncOutcome =
  /** @property note what an operator should know about the written state */
  { kind: 'written'; note: string | null } | { kind: 'ignored'; reason: string };

const MAX_TRIES = 20;

export function createSubscriptionSync(deps: {
  models: Models;
  stripe: Stripe;
  tiers: Tiers;
  customers: Customers;
  clock: Clock;
  log: Logger;
  /** Called when a tenant's tier may have changed, to invalidate caches. */
  changed: (tenantId: string) => void;
}): SubscriptionSync {
  const { models, stripe, tiers, customers, clock, log, changed } = deps;
  const subscriptions = models.billingSubscriptions;
  const products = createProductTiers({ stripe, tiers, clock, log });
  const reader = createSubscriptionReader({ tiers, products, clock, log });
  const subscriptionDiff = createSubscriptionDiff({ models, stripe, customers, reader });
  const failures = createPaymentFailures({ models, stripe, log });

  /** @returns false if something else wrote since `stored` was read */
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
      const isWritten = stored ? result.matchedCount === 1 : result.upsertedCount === 1;
      if (isWritten) changed(tenantId);
      if (isWritten && state.outsideCatalogue) {
        const { stripeSubscriptionId, priceId, tier } = state;
        log.warn({ tenantId, stripeSubscriptionId, priceId, tier }, 'subscription.outside_catalogue');
      }
      return isWritten;
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
  }

  /**
   * Raises the revision of an unchanged subscription, so that nobody writes an older state after this one. It bypasses
   * mongoose, whose hook would publish the write.
   * @returns false if something else wrote since
   */
  async function confirm({ _id, revision }: BillingSubscriptionDoc): Promise<boolean> {
    const unchanged = { _id: _id as never, revision };
    const result = await subscriptions.collection.updateOne(unchanged, { $inc: { revision: 1 } });
    return result.matchedCount === 1;
  }

  /** Ends the subscription of a customer that was deleted at Stripe. */
  async function end(tenantId: string, stripeCustomerId: string): Promise<void> {
    await subscriptions.updateOne(
      { _id: tenantId, stripeCustomerId, status: { $nin: ENDED } },
      { $set: { status: 'canceled', pastDueSince: null }, $inc: { revision: 1 } },
    );
    await customers.forget(stripeCustomerId);
    changed(tenantId);
  }

  /** @returns the tenant that the customer is now linked to, or the reason why it cannot be linked */
  async function link(fetched: FetchedCustomer): Promise<{ tenantId: string } | string> {
    const customer = fetched.kind === 'found' ? fetched.customer : null;
    const tenantId = customer?.metadata.tenant_id;
    if (!customer || !tenantId || !(await models.tenants.exists({ _id: tenantId })))
      return 'the customer belongs to no tenant';
    return (await customers.link(tenantId, customer.id)) ? { tenantId } : 'the tenant has another customer';
  }

  async function sync(stripeCustomerId: string): Promise<SyncOutcome> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      // Read before the request to Stripe: if something else writes in between, this write is rejected and repeated.
      const known = await customers.tenantOfCustomer(stripeCustomerId);
      const stored = known
        ? await subscriptions.findById(known.tenantId).lean<BillingSubscriptionDoc>()
        : null;
      const fetched = await fetchCustomer(stripe, stripeCustomerId, stored);
      // Nothing was read for a tenant that is linked only now. If it has a stored subscription, the write is rejected.
      const linked = known ?? (await link(fetched));
      if (typeof linked === 'string') return { kind: 'ignored', reason: linked };
      const { tenantId } = linked;
      if (fetched.kind === 'unseen') throw new NotVisibleError(stripeCustomerId);
      if (fetched.kind === 'deleted') {
        await end(tenantId, stripeCustomerId);
        return WRITTEN;
      }
      const { email } = fetched.customer;
      if (email !== known?.email) await customers.noteEmail(stripeCustomerId, email);
      const primary = await reader.primaryOf(fetched.subscriptions, stored);
      if (stored && fetched.isStoredUnseen && !primary?.grantsTier)
        throw new NotVisibleError(stored.stripeSubscriptionId);
      if (!primary) return WRITTEN;
      const { subscription } = primary;
      if (await write(tenantId, stored, subscription)) return written(tenantId);
    }
    throw new Error(
      `The subscription of ${stripeCustomerId} changed during each of ${MAX_TRIES} attempts to write it`,
    );
  }

  async function written(tenantId: string): Promise<SyncOutcome> {
    const stored = await subscriptions.findById(tenantId).lean<BillingSubscriptionDoc>();
    return { kind: 'written', note: stored && outsideCatalogueNote(stored) };
  }

  return {
    ...subscriptionDiff,
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
      if (!stored) throw new Error(`The stored subscription of ${_id} was deleted`);
      return stored;
    },
  };
}

const WRITTEN: SyncOutcome = { kind: 'written', note: null };
