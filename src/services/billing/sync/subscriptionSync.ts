import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { type BillingSubscriptionDoc, ENDED } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import type { AuditLog } from '../../audit/auditLog.js';
import { type Author, systemAuthor } from '../../audit/author.js';
import type { Tiers } from '../../tiers/tiers.js';
import type { Customers } from '../customers/customers.js';
import { isRemembered } from '../stripe/stripeErrors.js';
import { answeredAt, fetchCustomer, NotVisibleError } from './fetchedCustomer.js';
import { createListedSubscriptions, type ListedSubscriptions } from './listedSubscriptions.js';
import { createLosses } from './losses.js';
import { createPaymentFailures } from './paymentFailures.js';
import { createProductTiers } from './productTiers.js';
import { createSnapshotGrants, type SnapshotGrants } from './snapshotGrants.js';
import { createSubscriptionDiff, outsideCatalogueNote, type SubscriptionDiff } from './subscriptionDiff.js';
import { createSubscriptionReader } from './subscriptionState.js';
import { createSubscriptionWriter, type SyncOutcome, subscriptionChange } from './subscriptionWriter.js';

export { WITH_SCHEDULE } from './fetchedCustomer.js';

/** Writes customers and their subscriptions as Stripe has them now. */
export interface SubscriptionSync extends SubscriptionDiff, ListedSubscriptions, SnapshotGrants {
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
  const writer = createSubscriptionWriter({ models, reader, failures, auditLog, clock, log, changed });
  const losses = createLosses({ tiers });
  const listed = createListedSubscriptions({ models, stripe, customers, reader, losses, writer, link, log });
  const grants = createSnapshotGrants({ models, tiers, losses, writer, clock, log });

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
  async function link(
    customer: Stripe.Customer | null,
    author: Author,
  ): Promise<{ tenantId: string } | string> {
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
      const linked = known ?? (await link(fetched.kind === 'found' ? fetched.customer : null, author));
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
      const state = await writer.write(tenantId, stored, primary.subscription, fetched.asOf, author);
      if (state) return { kind: 'written', note: outsideCatalogueNote(state) };
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

  return {
    ...subscriptionDiff,
    ...listed,
    ...grants,
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
      if (!(await writer.write(_id, subscription, changed, answeredAt(changed), author))) {
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

const WRITTEN: SyncOutcome = { kind: 'written', note: null };
