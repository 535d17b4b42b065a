import type { Logger } from 'pino';
import Stripe from 'stripe';
import { ofCustomers } from '../../../models/billingCustomer.js';
import { type BillingSubscriptionDoc, GRANTING } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import {
  MAX_REPAIRS,
  type ReconcilePhase,
  type ReconcileRunDoc,
  type Repair,
} from '../../../models/reconcileRun.js';
import { inOtherFormat } from '../../../models/webhookEvent.js';
import { systemAuthor } from '../../audit/author.js';
import { isDatabaseUnavailable } from '../../infrastructure/databaseErrors.js';
import { EFFECTIVE_TYPES } from '../inbox/eventTarget.js';
import type { Inbox } from '../inbox/inbox.js';
import { readEvent } from '../inbox/receivedEvent.js';
import { expanding } from '../stripe/olderApi.js';
import { describeFailure } from '../stripe/stripeErrors.js';
import { LISTED_WITH_SCHEDULE } from '../sync/fetchedCustomer.js';
import type { SubscriptionSync } from '../sync/subscriptionSync.js';
import { isTooMany, ReconcileStopped, type Threats } from './reconcileGuard.js';

/** The result of comparing one page with Stripe. */
export interface Page {
  seen: number;
  /** null: that was the last page. */
  cursor: string | null;
  done: number;
  /** The run's counts so far. */
  counted?: Threats;
}

/** Each phase compares one page, and repairs what is out of sync unless it is a dry run. @throws ReconcileStopped */
export type ReconcilePhases = Record<ReconcilePhase, (run: ReconcileRunDoc) => Promise<Page>>;

const PAGE = 100;
const EVENTS_MS = 30 * 86_400_000;
/** The most types by which Stripe filters one list of events. */
const MAX_TYPES = 20;

export function createReconcilePhases(deps: {
  models: Models;
  stripe: Stripe;
  sync: SubscriptionSync;
  inbox: Inbox;
  log: Logger;
}): ReconcilePhases {
  const { models, stripe, sync, inbox, log } = deps;
  const runs = models.reconcileRuns;
  const subscriptions = models.connection.collection<BillingSubscriptionDoc & { seenInRun?: string }>(
    models.billingSubscriptions.collection.name,
  );
  const customers = models.connection.collection<{
    _id: string;
    stripeCustomerId: string;
    email: string | null;
  }>(models.billingCustomers.collection.name);

  /** Records each repair once, before it is made, so that a crash loses no record. @throws ReconcileStopped */
  async function note(run: ReconcileRunDoc, repair: Repair, ends = false): Promise<void> {
    const { _id } = run;
    log.warn({ ...repair, run: _id, dryRun: run.dryRun }, 'reconcile.out_of_sync');
    const noted = await runs
      .findOneAndUpdate(
        { _id, mended: { $ne: repair } },
        {
          $push: { mended: { $each: [repair], $slice: MAX_REPAIRS } },
          $inc: { mendedCount: 1, endedCount: ends ? 1 : 0 },
        },
        { returnDocument: 'after' },
      )
      .lean<ReconcileRunDoc>();
    // The earlier phases counted too, but Stripe's state or the key may have changed since.
    if (noted && !run.dryRun && !run.force && isTooMany(noted, { ends: noted.endedCount, unseen: 0 }))
      throw new ReconcileStopped(noted, { ends: noted.endedCount, unseen: noted.unseen });
  }

  /** Counts subscriptions that grant a tier and would end or are not shown. It stops as soon as they are too many. */
  async function count(
    run: ReconcileRunDoc,
    counted: Threats,
    customerIds: Iterable<string>,
  ): Promise<Threats> {
    const { ends, unseen } = counted;
    const found = { ends, unseen };
    for (const customerId of new Set(customerIds)) {
      if (isTooMany(run, found)) break;
      const threat = (await orNull(() => sync.diff(customerId)))?.threat;
      if (threat) found[threat] += 1;
    }
    return found;
  }

  /** An object that cannot be compared is recorded in a later phase. */
  async function orNull<T>(compare: () => Promise<T>): Promise<T | null> {
    try {
      return await compare();
    } catch (error) {
      if (error instanceof Stripe.errors.StripeError || isDatabaseUnavailable(error)) throw error;
      return null;
    }
  }

  /** Compares customers in full, and repairs those that are out of sync unless it is a dry run. */
  async function repairAll(run: ReconcileRunDoc, customerIds: Iterable<string>): Promise<void> {
    for (const customerId of new Set(customerIds)) {
      try {
        const diff = await sync.diff(customerId);
        if (!diff) continue;
        const { threat, ...repair } = diff;
        await note(run, repair, threat === 'ends');
        if (!run.dryRun && !diff.unseen) await sync.sync(customerId, systemAuthor('reconcile'));
      } catch (error) {
        const isFatal = error instanceof Stripe.errors.StripeError || error instanceof ReconcileStopped;
        if (isFatal || isDatabaseUnavailable(error)) throw error;
        // One object that needs a person's attention does not stop the repair of others.
        const found = `the customer cannot be compared: ${describeFailure(error)}`;
        await note(run, { kind: 'customer', object: customerId, tenantId: null, found });
      }
    }
  }

  const after = (cursor: string | null) => (cursor ? { starting_after: cursor } : {});

  return {
    async endings(run) {
      const page = await stripe.subscriptions.list({ status: 'all', limit: PAGE, ...after(run.cursor) });
      const ids = page.data.map(({ id }) => id);
      const ended = page.data.filter(({ status }) => !GRANTING.some((granting) => granting === status));
      const missed = await subscriptions
        .find({ stripeSubscriptionId: { $in: ended.map(({ id }) => id) }, status: { $in: [...GRANTING] } })
        .toArray();
      const counted = await count(
        run,
        run,
        missed.map(({ stripeCustomerId }) => stripeCustomerId),
      );
      // The next phase looks for stored objects that Stripe did not list.
      await subscriptions.updateMany(
        { stripeSubscriptionId: { $in: ids } },
        { $set: { seenInRun: run._id } },
      );
      const seen = seenIn(run) + ids.length;
      const all = await models.billingSubscriptions.estimatedDocumentCount();
      return { ...pageOf(page, seen, seen / all), counted };
    },

    async unseen(run) {
      const unlisted = await subscriptions
        .find({
          _id: { $gt: run.cursor ?? '' },
          status: { $in: [...GRANTING] },
          seenInRun: { $ne: run._id },
          createdAt: { $lt: run.startedAt },
        })
        .sort({ _id: 1 })
        .limit(PAGE)
        .toArray();
      const counted = await count(
        run,
        run,
        unlisted.map(({ stripeCustomerId }) => stripeCustomerId),
      );
      const data = unlisted.map(({ _id }) => ({ id: _id }));
      const hasMore = unlisted.length === PAGE;
      return { ...pageOf({ data, has_more: hasMore }, seenIn(run) + unlisted.length, 0.5), counted };
    },

    async subscriptions(run) {
      const page = await expanding([], LISTED_WITH_SCHEDULE, (expand) =>
        stripe.subscriptions.list({ status: 'all', limit: PAGE, expand, ...after(run.cursor) }),
      );
      await repairAll(run, await sync.outOfSync(page.data));
      const seen = seenIn(run) + page.data.length;
      return pageOf(page, seen, seen / (await models.billingSubscriptions.estimatedDocumentCount()));
    },

    async customers(run) {
      const page = await stripe.customers.list({ limit: PAGE, ...after(run.cursor) });
      const ids = page.data.map(({ id }) => id);
      const known = await customers.find(ofCustomers(...ids)).toArray();
      const emailOf = new Map(known.map(({ stripeCustomerId, email }) => [stripeCustomerId, email]));
      const outOfSync = page.data.filter(({ id, email, metadata }) =>
        emailOf.has(id) ? emailOf.get(id) !== email : metadata.tenant_id,
      );
      await repairAll(
        run,
        outOfSync.map(({ id }) => id),
      );
      // The next phase looks for stored objects that Stripe did not list.
      await customers.updateMany(ofCustomers(...ids), { $set: { seenInRun: run._id } });
      const seen = seenIn(run) + ids.length;
      return pageOf(page, seen, seen / (await models.billingCustomers.estimatedDocumentCount()));
    },

    async gone(run) {
      const unseen = await customers
        .find({
          _id: { $gt: run.cursor ?? '' },
          stripeCustomerId: { $type: 'string' },
          seenInRun: { $ne: run._id },
          createdAt: { $lt: run.startedAt },
        })
        .sort({ _id: 1 })
        .limit(PAGE)
        .toArray();
      await repairAll(
        run,
        unseen.map(({ stripeCustomerId }) => stripeCustomerId),
      );
      const hasMore = unseen.length === PAGE;
      const data = unseen.map(({ _id }) => ({ id: _id }));
      return pageOf({ data, has_more: hasMore }, seenIn(run) + unseen.length, 0.5);
    },

    async events(run) {
      const since = run.startedAt.getTime() - EVENTS_MS;
      const created = { gte: Math.floor(since / 1000) };
      const { list, after: from } = readEventsCursor(run.cursor);
      const types = EFFECTIVE_TYPES.slice(list * MAX_TYPES, (list + 1) * MAX_TYPES);
      const page = await stripe.events.list({ types, created, limit: PAGE, ...after(from) });
      const ids = page.data.map(({ id }) => id);
      const stored = await models.webhookEvents
        .find({ $or: [{ _id: { $in: ids } }, inOtherFormat(ids)] }, { twinId: 1 })
        .lean<{ _id: string; twinId: string | null }[]>();
      const known = new Set(stored.flatMap(({ _id, twinId }) => (twinId ? [_id, twinId] : [_id])));
      for (const event of page.data.filter(({ id }) => !known.has(id))) {
        const found = `${event.type} was never received`;
        await note(run, { kind: 'event', object: event.id, tenantId: null, found });
        if (!run.dryRun) await inbox.receive(readEvent(JSON.stringify(event)));
      }
      const lists = Math.ceil(EFFECTIVE_TYPES.length / MAX_TYPES);
      const last = page.has_more ? page.data.at(-1) : undefined;
      const oldestMs = (last?.created ?? created.gte) * 1000;
      const done = (list + (run.startedAt.getTime() - oldestMs) / EVENTS_MS) / lists;
      const next = last ? `${list}:${last.id}` : list + 1 < lists ? `${list + 1}:` : null;
      return { seen: seenIn(run) + ids.length, cursor: next, done };
    },
  };
}

const seenIn = ({ seen, phase }: ReconcileRunDoc): number => seen[phase] ?? 0;

/** Events are read list by list: `<which list>:<the last event seen>`. */
function readEventsCursor(cursor: string | null): { list: number; after: string | null } {
  if (!cursor) return { list: 0, after: null };
  const colon = cursor.indexOf(':');
  return { list: Number(cursor.slice(0, Math.max(colon, 0))), after: cursor.slice(colon + 1) || null };
}

const pageOf = (list: { data: { id: string }[]; has_more: boolean }, seen: number, done: number): Page => ({
  seen,
  cursor: list.has_more ? (list.data.at(-1)?.id ?? null) : null,
  done,
});
