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
import { isTooMany, ReconcileStopped, stopReasonOf } from './reconcileGuard.js';
import { createReconcilePhases, type Page } from './reconcilePhases.js';

export type { ReconcilePhase, ReconcileRunDoc, Repair };

/** Compares everything with Stripe and repairs what is out of sync, for example after lost events or an old backup. */
export interface Reconcile {
  /**
   * Resumes an interrupted run of the last day, or starts one.
   * @param options.dryRun only reports what it would repair
   * @param options.force continues, however many subscriptions it ends
   * @returns the run; its `stopReason` says why it stopped early
   * @throws SERVICE_UNAVAILABLE while another server runs it, or when this server is stopped
   */
  run(options: {
    dryRun: boolean;
    force?: boolean;
    onProgress?: (progress: ReconcileProgress) => void;
  }): Promise<ReconcileRunDoc>;
  /** Runs every six hours, on one server. */
  start(): void;
  stop(): Promise<void>;
}

export interface ReconcileProgress {
  phase: ReconcilePhase;
  /** Objects compared in this phase. */
  seen: number;
  /** The estimated part of the phase that is done, 0 to 1. */
  done: number;
  /** Objects found out of sync so far. */
  found: number;
}

const RESUME_MS = 86_400_000;
const EVERY_MS = 6 * 3_600_000;
const TICK_MS = 60_000;

export function createReconcile(deps: {
  models: Models;
  stripe: Stripe;
  sync: SubscriptionSync;
  inbox: Inbox;
  /** Must be longer than one page takes, with a request for each of its objects. */
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

  /** @returns the interrupted run, or a new one */
  async function open(dryRun: boolean, force: boolean): Promise<ReconcileRunDoc> {
    const now = clock.now();
    const recent = { dryRun, finishedAt: null, startedAt: { $gt: new Date(now - RESUME_MS) } };
    const interrupted = await runs
      .findOneAndUpdate(recent, { $set: { force } }, { sort: { startedAt: -1 }, returnDocument: 'after' })
      .lean<ReconcileRunDoc>();
    if (interrupted) return interrupted;
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
      // The last object of the previous page was deleted, so there is no cursor any more and the phase starts again.
      const again = { seen: 0, cursor: '', done: 0 };
      const counted = { ends: 0, unseen: 0 };
      if (run.cursor !== null && isMissing(error))
        return run.phase === 'endings' ? { ...again, counted } : again;
      throw error;
    });
    const counted = page.counted ?? { ends: run.ends, unseen: run.unseen };
    const isOverLimit = page.counted !== undefined && isTooMany(run, counted);
    if (isOverLimit && !run.dryRun && !run.force) throw new ReconcileStopped(run, counted);
    // Nothing more needs to be counted.
    const next = isOverLimit ? 'subscriptions' : RECONCILE_PHASES[RECONCILE_PHASES.indexOf(run.phase) + 1];
    const isPhaseOver = isOverLimit || page.cursor === null;
    const stored = await update(run, {
      [`seen.${run.phase}`]: page.seen,
      ...counted,
      ...(isOverLimit && !run.force && { stopReason: stopReasonOf(run, counted) }),
      cursor: isPhaseOver ? null : page.cursor || null,
      ...(isPhaseOver && (next ? { phase: next } : { finishedAt: new Date(clock.now()) })),
    });
    return { run: stored, done: isPhaseOver ? 1 : page.done };
  }

  async function update({ _id }: ReconcileRunDoc, fields: object): Promise<ReconcileRunDoc> {
    const stored = await runs
      .findOneAndUpdate({ _id }, { $set: fields }, { returnDocument: 'after' })
      .lean<ReconcileRunDoc>();
    if (!stored) throw new Error(`The reconcile run ${_id} was deleted`);
    return stored;
  }

  async function stop(run: ReconcileRunDoc, why: ReconcileStopped): Promise<ReconcileRunDoc> {
    const { message: stopReason, counted } = why;
    const stopped = await update(run, { stopReason, ...counted, finishedAt: new Date(clock.now()) });
    log.error({ run: run._id, reason: stopReason }, 'reconcile.stopped');
    return stopped;
  }

  /** Runs page by page until the run is finished. @throws ReconcileStopped */
  async function finish(started: ReconcileRunDoc, onProgress?: (progress: ReconcileProgress) => void) {
    let current = started;
    while (current.finishedAt === null) {
      if (isStopped || !(await lease.acquire()))
        throw serviceUnavailable('The reconcile was interrupted; the next run resumes it');
      const { phase } = current;
      const advanced = await advance(current);
      current = advanced.run;
      onProgress?.({
        phase,
        seen: current.seen[phase] ?? 0,
        done: Math.min(1, advanced.done),
        found: current.mendedCount,
      });
    }
    const { _id, dryRun, seen, mendedCount, endedCount, unseen } = current;
    log.info({ run: _id, dryRun, seen, repairs: mendedCount, ended: endedCount, unseen }, 'reconcile.done');
    return current;
  }

  const run: Reconcile['run'] = (options) => forBackground(() => compare(options));

  const compare: Reconcile['run'] = async ({ dryRun, force = false, onProgress }) => {
    if (!(await lease.acquire()))
      throw serviceUnavailable('Another server is running a reconcile; try again later');
    try {
      const started = await open(dryRun, force);
      return await finish(started, onProgress).catch((error: unknown) => {
        if (error instanceof ReconcileStopped) return stop(started, error);
        throw error;
      });
    } finally {
      await lease.release();
    }
  };

  /** A new database has nothing to repair, so its first run is due after six hours. */
  async function runIfDue(): Promise<void> {
    const now = clock.now();
    const { at } = (await schedule.findOneAndUpdate(
      { _id: 'reconcile' },
      { $setOnInsert: { at: new Date(now) } },
      { upsert: true, returnDocument: 'after' },
    )) ?? { at: new Date(now) };
    if (at.getTime() > now - EVERY_MS || !(await lease.acquire())) return;
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
