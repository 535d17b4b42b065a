import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { type BillingSubscriptionDoc, ENDED } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import { changedFields } from '../../audit/auditedFields.js';
import type { AuditLog, Change } from '../../audit/auditLog.js';
import { type Author, systemAuthor } from '../../audit/author.js';
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
  /**
   * Fetches a customer and writes it.
   * @param author of the change that may be found
   * @throws NotVisibleError when the key cannot see something that is stored
   */
  sync(stripeCustomerId: string, author: Author): Promise<SyncOutcome>;
  /**
   * Syncs the tenant's customer, if it has one. A customer that Stripe does not show is logged and left as it is.
   * @param author default: what is found was changed by nobody who is known here
   */
  syncTenant(tenantId: string, author?: Author): Promise<void>;
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
    author: Author,
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
  auditLog: AuditLog;
  /** Called when a tenant's tier may have changed, to invalidate caches. */
  changed: (tenantId: string) => void;
}): SubscriptionSync {
  const { models, stripe, tiers, customers, clock, log, auditLog, changed } = deps;
  const subscriptions = models.billingSubscriptions;
  const products = createProductTiers({ stripe, tiers, clock, log });
  const reader = createSubscriptionReader({ tiers, products, clock, log });
  const failures = createPaymentFailures({ models, stripe, log });
  const subscriptionDiff = createSubscriptionDiff({ models, stripe, customers, reader, failures });

  /** @returns false if something else wrote since `stored` was read */
  async function write(
    tenantId: string,
    stored: BillingSubscriptionDoc | null,
    subscription: Stripe.Subscription,
    author: Author,
  ): Promise<boolean> {
    const failedAt = subscription.status === 'past_due' ? await failures.firstOf(subscription.id) : null;
    const state = await reader.stateOf(subscription, stored, failedAt);
    if (stored && diffFields(stored, state).length === 0) return confirm(stored);
    try {
      // Only a changed state pays for a transaction.
      const isWritten = await auditLog.change(author, async (session, note) => {
        const result = stored
          ? await subscriptions.updateOne(
              { _id: tenantId, revision: stored.revision },
              { $set: state, $inc: { revision: 1 } },
              { session },
            )
          : await subscriptions.updateOne(
              { _id: tenantId, revision: 1 },
              { $setOnInsert: state },
              { upsert: true, session },
            );
        const isDone = stored ? result.matchedCount === 1 : result.upsertedCount === 1;
        if (isDone) note(subscriptionChange(tenantId, stored, state));
        return isDone;
      });
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
  async function end(tenantId: string, stripeCustomerId: string, author: Author): Promise<void> {
    await auditLog.change(author, async (session, note) => {
      const ended = { status: 'canceled', pastDueSince: null } as const;
      const before = await subscriptions
        .findOneAndUpdate(
          { _id: tenantId, stripeCustomerId, status: { $nin: ENDED } },
          { $set: ended, $inc: { revision: 1 } },
          { session },
        )
        .lean<BillingSubscriptionDoc>();
      if (before) note(subscriptionChange(tenantId, before, { ...before, ...ended }));
      if (await customers.forget(stripeCustomerId, session))
        note({ tenantId, action: 'customer.deleted', before: { stripeCustomerId }, after: null });
    });
    changed(tenantId);
  }

  /** @returns the tenant that the customer is now linked to, or the reason why it cannot be linked */
  async function link(fetched: FetchedCustomer, author: Author): Promise<{ tenantId: string } | string> {
    const customer = fetched.kind === 'found' ? fetched.customer : null;
    const tenantId = customer?.metadata.tenant_id;
    if (!customer || !tenantId || !(await models.tenants.exists({ _id: tenantId, erasure: null })))
      return 'the customer belongs to no tenant';
    const isLinked = await customers.link(tenantId, customer.id, author);
    return isLinked ? { tenantId } : 'the tenant has another customer';
  }

  async function sync(stripeCustomerId: string, author: Author): Promise<SyncOutcome> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      // Read before the request to Stripe: if something else writes in between, this write is rejected and repeated.
      const known = await customers.tenantOfCustomer(stripeCustomerId);
      const stored = known
        ? await subscriptions.findById(known.tenantId).lean<BillingSubscriptionDoc>()
        : null;
      const fetched = await fetchCustomer(stripe, stripeCustomerId, stored);
      // Nothing was read for a tenant that is linked only now. If it has a stored subscription, the write is rejected.
      const linked = known ?? (await link(fetched, author));
      if (typeof linked === 'string') return { kind: 'ignored', reason: linked };
      const { tenantId } = linked;
      if (fetched.kind === 'unseen') throw new NotVisibleError(stripeCustomerId);
      if (fetched.kind === 'deleted') {
        await end(tenantId, stripeCustomerId, author);
        return WRITTEN;
      }
      const { email } = fetched.customer;
      if (email !== known?.email) await customers.noteEmail(stripeCustomerId, email, author);
      const primary = await reader.primaryOf(fetched.subscriptions, stored);
      if (stored && fetched.isStoredUnseen && !primary?.grantsTier)
        throw new NotVisibleError(stored.stripeSubscriptionId);
      if (!primary) return WRITTEN;
      const { subscription } = primary;
      if (await write(tenantId, stored, subscription, author)) return written(tenantId);
    }
    throw new Error(
      `The subscription of ${stripeCustomerId} changed during each of ${MAX_TRIES} attempts to write it`,
    );
  }

  /** If the webhook of a change was faster, the entry of the change names the event. This one names who asked for it. */
  async function noteFaster(known: BillingSubscriptionDoc, author: Author): Promise<void> {
    const { _id } = known;
    await auditLog.change(author, async (session, note) => {
      const now = await subscriptions.findById(_id, null, { session }).lean<BillingSubscriptionDoc>();
      if (now) note({ ...subscriptionChange(_id, known, now), action: 'subscription.change_requested' });
    });
  }

  async function written(tenantId: string): Promise<SyncOutcome> {
    const stored = await subscriptions.findById(tenantId).lean<BillingSubscriptionDoc>();
    return { kind: 'written', note: stored && outsideCatalogueNote(stored) };
  }

  return {
    ...subscriptionDiff,
    sync,

    async syncTenant(tenantId, author = FOUND_AT_STRIPE) {
      const customer = await customers.find(tenantId);
      if (!customer?.stripeCustomerId) return;
      try {
        await sync(customer.stripeCustomerId, author);
      } catch (error) {
        if (!(error instanceof NotVisibleError)) throw error;
        log.warn({ tenantId, reason: error.message }, 'customer.not_visible');
      }
    },

    async change(subscription, change, author) {
      const { _id, stripeCustomerId } = subscription;
      const changed = await change().catch(async (error: unknown) => {
        if (isRemembered(error)) {
          const { revision } = subscription;
          await subscriptions.updateOne({ _id, revision }, { $inc: { revision: 1 } });
        }
        throw error;
      });
      if (!(await write(_id, subscription, changed, author))) {
        await noteFaster(subscription, author);
        await sync(stripeCustomerId, author);
      }
      const stored = await subscriptions.findById(_id).lean<BillingSubscriptionDoc>();
      if (!stored) throw new Error(`The stored subscription of ${_id} was deleted`);
      return stored;
    },
  };
}

/** The author of changes that were found at Stripe without an event. */
const FOUND_AT_STRIPE = systemAuthor('sync');

type SubscriptionState = Partial<BillingSubscriptionDoc>;

function subscriptionChange(
  tenantId: string,
  before: BillingSubscriptionDoc | null,
  after: SubscriptionState,
): Change {
  const audited = auditedState(after);
  if (!before) return { tenantId, action: 'subscription.created', before: null, after: audited };
  const [from, to] = changedFields(auditedState(before), audited);
  return { tenantId, action: 'subscription.changed', before: from, after: to };
}

/** The state at Stripe, without what this server keeps for itself. */
function auditedState(state: SubscriptionState) {
  const { _id, revision, createdAt, updatedAt, unannounced, announceRetry, ...rest } = state;
  return rest;
}

const WRITTEN: SyncOutcome = { kind: 'written', note: null };
