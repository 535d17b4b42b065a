import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import Stripe from 'stripe';
import type { Clock } from '../../clock.js';
import { serviceUnavailable } from '../../errors.js';
import { ofCustomers } from '../../models/billingCustomer.js';
import type { Models } from '../../models/models.js';
import {
  type Mend,
  RECONCILE_PHASES,
  type ReconcilePhase,
  type ReconcileRunDoc,
} from '../../models/reconcileRun.js';
import { isDatabaseAway } from '../databaseErrors.js';
import type { Lease } from '../lease.js';
import { EFFECTIVE_TYPES } from './eventTarget.js';
import { describeFailure } from './failureText.js';
import type { Inbox } from './inbox.js';
import { readEvent } from './receivedEvent.js';
import { isMissing } from './stripeErrors.js';
import { type SubscriptionSync, WITH_SCHEDULE } from './subscriptionSync.js';

export type { Mend, ReconcilePhase, ReconcileRunDoc };

/** Compares everything with Stripe, and mends what is not as Stripe has it: after lost events, or an old backup. */
export interface Reconcile {
  /**
   * Goes on where a run of the last day was cut short.
   * @param options.dryRun says what it would mend, and changes nothing else
   * @throws SERVICE_UNAVAILABLE while another server does it, or when this one is stopped
   */
  run(options: {
    dryRun: boolean;
    onProgress?: (progress: ReconcileProgress) => void;
  }): Promise<ReconcileRunDoc>;
  /** Runs it every six hours, on one server. */
  start(): void;
  stop(): Promise<void>;
}

export interface ReconcileProgress {
  phase: ReconcilePhase;
  /** Objects looked at in this phase. */
  seen: number;
  /** How much of the phase is done, 0 to 1, by estimate. */
  done: number;
  mendedCount: number;
}

interface Page {
  seen: number;
  /** null: that was the last page. */
  cursor: string | null;
  done: number;
}

const PAGE = 100;
const EVENTS_MS = 30 * 86_400_000;
const RESUME_MS = 86_400_000;
const EVERY_MS = 6 * 3_600_000;
const TICK_MS = 60_000;
const MAX_MENDED = 1_000;

export function createReconcile(deps: {
  models: Models;
  stripe: Stripe;
  sync: SubscriptionSync;
  inbox: Inbox;
  /** Longer than a page takes, with as many fetches as it has objects. */
  lease: Lease;
  clock: Clock;
  log: Logger;
}): Reconcile {
  const { models, stripe, sync, inbox, lease, clock, log } = deps;
  const runs = models.reconcileRuns;
  const customers = models.connection.collection<{
    _id: string;
    stripeCustomerId: string;
    email: string | null;
  }>(models.billingCustomers.collection.name);
  const schedule = models.connection.collection<{ _id: string; at: Date }>('settings');
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> | null = null;
  let isStopped = false;

  /** @returns the run that was cut short, or a new one */
  async function open(dryRun: boolean): Promise<ReconcileRunDoc> {
    const now = clock.now();
    const recent = { dryRun, finishedAt: null, startedAt: { $gt: new Date(now - RESUME_MS) } };
    const cutShort = await runs.findOne(recent).sort({ startedAt: -1 }).lean<ReconcileRunDoc>();
    if (cutShort) return cutShort;
    const run: ReconcileRunDoc = {
      _id: `rec_${randomUUID()}`,
      dryRun,
      startedAt: new Date(now),
      finishedAt: null,
      phase: RECONCILE_PHASES[0],
      cursor: null,
      seen: { subscriptions: 0, customers: 0, gone: 0, events: 0 },
      mendedCount: 0,
      mended: [],
    };
    await runs.create(run);
    return run;
  }

  /** Noted before it is done, and once: a crash in between leaves no mend untold. */
  async function note({ _id }: ReconcileRunDoc, mend: Mend): Promise<void> {
    log.warn({ ...mend, run: _id }, 'not as Stripe has it');
    await runs.updateOne(
      { _id, mended: { $ne: mend } },
      { $push: { mended: { $each: [mend], $slice: MAX_MENDED } }, $inc: { mendedCount: 1 } },
    );
  }

  async function look(run: ReconcileRunDoc, customerIds: Iterable<string>): Promise<void> {
    for (const customerId of new Set(customerIds)) {
      try {
        const mend = await sync.difference(customerId);
        if (!mend) continue;
        await note(run, mend);
        if (!run.dryRun) await sync.sync(customerId);
      } catch (error) {
        if (error instanceof Stripe.errors.StripeError || isDatabaseAway(error)) throw error;
        // One that a person has to look at keeps no other from being mended.
        const found = `it cannot be compared: ${describeFailure(error)}`;
        await note(run, { kind: 'customer', object: customerId, tenantId: null, found });
      }
    }
  }

  const after = (cursor: string | null) => (cursor ? { starting_after: cursor } : {});

  const phases: Record<ReconcilePhase, (run: ReconcileRunDoc) => Promise<Page>> = {
    async subscriptions(run) {
      const page = await stripe.subscriptions.list({
        status: 'all',
        limit: PAGE,
        expand: WITH_SCHEDULE.map((field) => `data.${field}`),
        ...after(run.cursor),
      });
      await look(run, await sync.suspects(page.data));
      const seen = run.seen.subscriptions + page.data.length;
      return pageOf(page, seen, seen / (await models.billingSubscriptions.estimatedDocumentCount()));
    },

    async customers(run) {
      const page = await stripe.customers.list({ limit: PAGE, ...after(run.cursor) });
      const ids = page.data.map(({ id }) => id);
      const known = await customers.find(ofCustomers(...ids)).toArray();
      const emailOf = new Map(known.map(({ stripeCustomerId, email }) => [stripeCustomerId, email]));
      const odd = page.data.filter(({ id, email, metadata }) =>
        emailOf.has(id) ? emailOf.get(id) !== email : metadata.tenant_id,
      );
      await look(
        run,
        odd.map(({ id }) => id),
      );
      // For the next phase, which looks for those that Stripe did not list.
      await customers.updateMany(ofCustomers(...ids), { $set: { seenInRun: run._id } });
      const seen = run.seen.customers + ids.length;
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
      await look(
        run,
        unseen.map(({ stripeCustomerId }) => stripeCustomerId),
      );
      const hasMore = unseen.length === PAGE;
      const data = unseen.map(({ _id }) => ({ id: _id }));
      return pageOf({ data, has_more: hasMore }, run.seen.gone + unseen.length, 0.5);
    },

    async events(run) {
      const since = run.startedAt.getTime() - EVENTS_MS;
      const created = { gte: Math.floor(since / 1000) };
      const page = await stripe.events.list({
        types: [...EFFECTIVE_TYPES],
        created,
        limit: PAGE,
        ...after(run.cursor),
      });
      const ids = page.data.map(({ id }) => id);
      const stored = await models.webhookEvents
        .find({ $or: [{ _id: { $in: ids } }, { twinId: { $in: ids } }] }, { twinId: 1 })
        .lean<{ _id: string; twinId: string | null }[]>();
      const known = new Set(stored.flatMap(({ _id, twinId }) => (twinId ? [_id, twinId] : [_id])));
      for (const event of page.data.filter(({ id }) => !known.has(id))) {
        const found = `${event.type} was never received`;
        await note(run, { kind: 'event', object: event.id, tenantId: null, found });
        if (!run.dryRun) await inbox.receive({ ...readEvent(JSON.stringify(event)), digest: '' });
      }
      const oldest = (page.data.at(-1)?.created ?? created.gte) * 1000;
      return pageOf(page, run.seen.events + ids.length, (run.startedAt.getTime() - oldest) / EVENTS_MS);
    },
  };

  /** @returns the run after one page */
  async function advance(run: ReconcileRunDoc): Promise<{ run: ReconcileRunDoc; done: number }> {
    const page = await phases[run.phase](run).catch((error: unknown): Page => {
      // The object at which the last page ended is gone: the phase begins anew, for there is no other way to go on.
      if (run.cursor !== null && isMissing(error)) return { seen: 0, cursor: '', done: 0 };
      throw error;
    });
    const next = RECONCILE_PHASES[RECONCILE_PHASES.indexOf(run.phase) + 1];
    const isPhaseOver = page.cursor === null;
    const place = {
      [`seen.${run.phase}`]: page.seen,
      cursor: page.cursor || null,
      ...(isPhaseOver && (next ? { phase: next } : { finishedAt: new Date(clock.now()) })),
    };
    const stored = await runs
      .findOneAndUpdate({ _id: run._id }, { $set: place }, { returnDocument: 'after' })
      .lean<ReconcileRunDoc>();
    if (!stored) throw new Error(`The run ${run._id} is gone`);
    return { run: stored, done: isPhaseOver ? 1 : page.done };
  }

  const run: Reconcile['run'] = async ({ dryRun, onProgress }) => {
    if (!(await lease.hold())) throw serviceUnavailable('Another server compares with Stripe at this moment');
    try {
      let current = await open(dryRun);
      while (current.finishedAt === null) {
        if (isStopped || !(await lease.hold()))
          throw serviceUnavailable('It was stopped; the next run goes on from here');
        const { phase } = current;
        const advanced = await advance(current);
        current = advanced.run;
        onProgress?.({
          phase,
          seen: current.seen[phase],
          done: Math.min(1, advanced.done),
          mendedCount: current.mendedCount,
        });
      }
      log.info(
        { run: current._id, dryRun, seen: current.seen, mended: current.mendedCount },
        'compared with Stripe',
      );
      return current;
    } finally {
      await lease.release();
    }
  };

  /** On the first server of a database there is nothing to mend: the first run is due six hours later. */
  async function runIfDue(): Promise<void> {
    const now = clock.now();
    const { at } = (await schedule.findOneAndUpdate(
      { _id: 'reconcile' },
      { $setOnInsert: { at: new Date(now) } },
      { upsert: true, returnDocument: 'after' },
    )) ?? { at: new Date(now) };
    if (at.getTime() > now - EVERY_MS || !(await lease.hold())) return;
    await run({ dryRun: false });
    await schedule.updateOne({ _id: 'reconcile' }, { $set: { at: new Date(now) } });
  }

  return {
    run,
    start() {
      timer = setInterval(() => {
        running ??= runIfDue()
          .catch((error: unknown) => log.warn({ err: error }, 'the comparison with Stripe did not end'))
          .finally(() => {
            running = null;
          });
      }, TICK_MS).unref();
    },
    async stop() {
      isStopped = true;
      clearInterval(timer);
      await running;
    },
  };
}

const pageOf = (list: { data: { id: string }[]; has_more: boolean }, seen: number, done: number): Page => ({
  seen,
  cursor: list.has_more ? (list.data.at(-1)?.id ?? null) : null,
  done,
});
