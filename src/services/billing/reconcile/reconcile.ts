import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { serviceUnavailable } from '../../../common/errors.js';
import { GRANTING } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import {
  RECONCILE_PHASES,
  type ReconcilePhase,
  type ReconcileRunDoc,
  type Repair,
} from '../../../models/reconcileRun.js';
import type { Lease } from '../../infrastructure/lease.js';
import type { Inbox } from '../inbox/inbox.js';
import { forBackground } from '../stripe/requester.js';
import { isMissing } from '../stripe/stripeErrors.js';
import type { SubscriptionSync } from '../sync/subscriptionSync.js';
import { isTooMany, Stopped, stopReasonOf } from './reconcileGuard.js';
import { createReconcilePhases, type Page } from './reconcilePhases.js';

export type { ReconcilePhase, ReconcileRunDoc, Repair };

/** Compares everything with Stripe, and mends what is not as Stripe has it: after lost events, or an old backup. */
export interface Reconcile {
  /**
   * Goes on where a run of the last day was cut short.
   * @param options.dryRun says what it would mend, and changes nothing else
   * @param options.force goes on however many subscriptions it ends
   * @returns the run; its `stopReason` says why it stopped before it had changed anything
   * @throws SERVICE_UNAVAILABLE while another server does it, or when this one is stopped
   */
  run(options: {
    dryRun: boolean;
    force?: boolean;
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

const RESUME_MS = 86_400_000;
const EVERY_MS = 6 * 3_600_000;
const TICK_MS = 60_000;
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
  const { models, lease, clock, log } = deps;
  const phases = createReconcilePhases(deps);
  const runs = models.reconcileRuns;
  const schedule = models.connection.collection<{ _id: string; at: Date }>('settings');
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> | null = null;
  let isStopped = false;

  /** @returns the run that was cut short, or a new one */
  async function open(dryRun: boolean, force: boolean): Promise<ReconcileRunDoc> {
    const now = clock.now();
    const recent = { dryRun, finishedAt: null, startedAt: { $gt: new Date(now - RESUME_MS) } };
    const cutShort = await runs
      .findOneAndUpdate(recent, { $set: { force } }, { sort: { startedAt: -1 }, returnDocument: 'after' })
      .lean<ReconcileRunDoc>();
    if (cutShort) return cutShort;
    const run: ReconcileRunDoc = {
      _id: `rec_${randomUUID()}`,
      dryRun,
      force,
      startedAt: new Date(now),
      finishedAt: null,
      phase: RECONCILE_PHASES[0],
      cursor: null,
      seen: {},
      giving: await models.billingSubscriptions.countDocuments({ status: { $in: GRANTING } }),
      ends: 0,
      unseen: 0,
      endedCount: 0,
      stopReason: null,
      mendedCount: 0,
      mended: [],
    };
    await runs.create(run);
    return run;
  }

  /** @returns the run after one page */
  async function advance(run: ReconcileRunDoc): Promise<{ run: ReconcileRunDoc; done: number }> {
    const page = await phases[run.phase](run).catch((error: unknown): Page => {
      // The object at which the last page ended is gone: the phase begins again, for there is no other way to go on.
      const again = { seen: 0, cursor: '', done: 0 };
      const counted = { ends: 0, unseen: 0 };
      if (run.cursor !== null && isMissing(error))
        return run.phase === 'endings' ? { ...again, counted } : again;
      throw error;
    });
    const counted = page.counted ?? { ends: run.ends, unseen: run.unseen };
    const isOver = page.counted !== undefined && isTooMany(run, counted);
    if (isOver && !run.dryRun && !run.force) throw new Stopped(run, counted);
    // There is no more to count.
    const next = isOver ? 'subscriptions' : RECONCILE_PHASES[RECONCILE_PHASES.indexOf(run.phase) + 1];
    const isPhaseOver = isOver || page.cursor === null;
    const stored = await update(run, {
      [`seen.${run.phase}`]: page.seen,
      ...counted,
      ...(isOver && !run.force && { stopReason: stopReasonOf(run, counted) }),
      cursor: isPhaseOver ? null : page.cursor || null,
      ...(isPhaseOver && (next ? { phase: next } : { finishedAt: new Date(clock.now()) })),
    });
    return { run: stored, done: isPhaseOver ? 1 : page.done };
  }

  async function update({ _id }: ReconcileRunDoc, fields: object): Promise<ReconcileRunDoc> {
    const stored = await runs
      .findOneAndUpdate({ _id }, { $set: fields }, { returnDocument: 'after' })
      .lean<ReconcileRunDoc>();
    if (!stored) throw new Error(`The run ${_id} is gone`);
    return stored;
  }

  async function stop(run: ReconcileRunDoc, why: Stopped): Promise<ReconcileRunDoc> {
    const { message: stopReason, counted } = why;
    const stopped = await update(run, { stopReason, ...counted, finishedAt: new Date(clock.now()) });
    log.error({ run: run._id, reason: stopReason }, 'reconcile.stopped');
    return stopped;
  }

  /** Until it has come to its end, or has stopped. */
  async function finish(begun: ReconcileRunDoc, onProgress?: (progress: ReconcileProgress) => void) {
    let current = begun;
    while (current.finishedAt === null) {
      if (isStopped || !(await lease.hold()))
        throw serviceUnavailable('It was stopped; the next run goes on from here');
      const { phase } = current;
      const advanced = await advance(current);
      current = advanced.run;
      onProgress?.({
        phase,
        seen: current.seen[phase] ?? 0,
        done: Math.min(1, advanced.done),
        mendedCount: current.mendedCount,
      });
    }
    const { _id, dryRun, seen, mendedCount, endedCount, unseen } = current;
    log.info({ run: _id, dryRun, seen, mended: mendedCount, ended: endedCount, unseen }, 'reconcile.done');
    return current;
  }

  const run: Reconcile['run'] = (options) => forBackground(() => compare(options));

  const compare: Reconcile['run'] = async ({ dryRun, force = false, onProgress }) => {
    if (!(await lease.hold())) throw serviceUnavailable('Another server compares with Stripe at this moment');
    try {
      const begun = await open(dryRun, force);
      return await finish(begun, onProgress).catch((error: unknown) => {
        if (error instanceof Stopped) return stop(begun, error);
        throw error;
      });
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
          .catch((error: unknown) => log.warn({ err: error }, 'reconcile.failed'))
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
