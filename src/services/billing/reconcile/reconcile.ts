import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientSession } from 'mongoose';
import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { serviceUnavailable } from '../../../common/errors.js';
import { GRANTING } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import {
  NOT_COUNTED,
  RECONCILE_PHASES,
  type ReconcilePhase,
  type ReconcileRunDoc,
  ReconcileTrigger,
} from '../../../models/reconcileRun.js';
import type { AuditLog } from '../../audit/auditLog.js';
import type { Author } from '../../audit/author.js';
import type { Lease } from '../../infrastructure/lease.js';
import type { Inbox } from '../inbox/inbox.js';
import { forBackground } from '../stripe/requester.js';
import { describeFailure, isMissing } from '../stripe/stripeErrors.js';
import type { SubscriptionSync } from '../sync/subscriptionSync.js';
import { isTooMany, ReconcileStopped, stopReasonOf } from './reconcileGuard.js';
import { createReconcilePhases, type Page } from './reconcilePhases.js';

export type { ReconcilePhase, ReconcileRunDoc };
export { ReconcileTrigger };

/** Compares everything with Stripe and repairs what is out of sync, for example after lost events or an old backup. */
export interface Reconcile {
  /**
   * Resumes an interrupted run of the last day, or starts one, and waits for its end.
   * @param options.dryRun only reports what it would repair
   * @param options.force continues, however many subscriptions it ends
   * @returns the run; its `stopReason` says why it stopped early
   * @throws SERVICE_UNAVAILABLE while another run is under way, or when this server is stopped
   */
  run(options: ReconcileOptions): Promise<ReconcileRunDoc>;
  /**
   * Starts a run, or resumes one, without waiting for its end. While one is under way on any server, nothing is started.
   * @returns the run that is under way now
   * @throws SERVICE_UNAVAILABLE when this server is stopped
   */
  begin(dryRun: boolean, author: Author): Promise<ReconcileRunDoc>;
  /** Runs every six hours, on one server. */
  start(): void;
  stop(): Promise<void>;
}

export interface ReconcileOptions {
  dryRun: boolean;
  force?: boolean;
  /** Default: SCHEDULE. */
  trigger?: ReconcileTrigger;
  onProgress?: (progress: ReconcileProgress) => void;
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
/** How long a request waits for a run that is just beginning or ending on another server. */
const BEGIN_TRIES = 10;
const BEGIN_RETRY_MS = 100;

export function createReconcile(deps: {
  models: Models;
  stripe: Stripe;
  sync: SubscriptionSync;
  inbox: Inbox;
  auditLog: AuditLog;
  /** Must be longer than one page takes, with a request for each of its objects. */
  lease: Lease;
  clock: Clock;
  log: Logger;
}): Reconcile {
  const { models, lease, auditLog, clock, log } = deps;
  const phases = createReconcilePhases(deps);
  const runs = models.reconcileRuns;
  const schedule = models.connection.collection<{ _id: string; at: Date }>('settings');
  let timer: NodeJS.Timeout | undefined;
  /** The check whether a run is due. */
  let checking: Promise<unknown> | null = null;
  /** A run that a request has begun. */
  let begun: Promise<unknown> | null = null;
  /** This server has the lease, which it would get a second time. */
  let isRunning = false;
  let isStopped = false;

  /** @returns whether this server may run now */
  async function take(): Promise<boolean> {
    if (isRunning) return false;
    isRunning = true;
    try {
      isRunning = await lease.acquire();
    } catch (error) {
      isRunning = false;
      throw error;
    }
    return isRunning;
  }

  async function leave(): Promise<void> {
    isRunning = false;
    await lease.release();
  }

  interface Wanted {
    dryRun: boolean;
    force: boolean;
    trigger: ReconcileTrigger;
    startedBy: string | null;
  }

  /** @returns the interrupted run of the last day, or a new one */
  async function open(
    wanted: Wanted,
    session: ClientSession | null = null,
  ): Promise<{ run: ReconcileRunDoc; isNew: boolean }> {
    const { dryRun, force } = wanted;
    const now = clock.now();
    const recent = { dryRun, finishedAt: null, startedAt: { $gt: new Date(now - RESUME_MS) } };
    const interrupted = await runs
      .findOneAndUpdate(
        recent,
        { $set: { force, error: null } },
        { sort: { startedAt: -1 }, returnDocument: 'after', session },
      )
      .lean<ReconcileRunDoc>();
    if (interrupted) return { run: interrupted, isNew: false };
    const run: ReconcileRunDoc = {
      _id: `rec_${randomUUID()}`,
      ...wanted,
      startedAt: new Date(now),
      finishedAt: null,
      phase: RECONCILE_PHASES[0],
      cursor: null,
      phaseDone: 0,
      seen: {},
      giving: NOT_COUNTED,
      ends: 0,
      unseen: 0,
      endedCount: 0,
      stopReason: null,
      error: null,
      mendedCount: 0,
      mended: [],
    };
    await runs.create([run], { session });
    return { run, isNew: true };
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
    // An estimate of nothing is not a number.
    const done = isPhaseOver ? 1 : Math.min(1, page.done || 0);
    const stored = await update(run, {
      [`seen.${run.phase}`]: page.seen,
      ...counted,
      ...(isOverLimit && !run.force && { stopReason: stopReasonOf(run, counted) }),
      cursor: isPhaseOver ? null : page.cursor || null,
      phaseDone: isPhaseOver ? 0 : done,
      ...(isPhaseOver && (next ? { phase: next } : { finishedAt: new Date(clock.now()) })),
    });
    return { run: stored, done };
  }

  /** Counting takes longer the more subscriptions there are, so nobody waits for it. */
  async function counted(run: ReconcileRunDoc): Promise<ReconcileRunDoc> {
    const granting = { status: { $in: GRANTING } };
    return update(run, { giving: await models.billingSubscriptions.countDocuments(granting) });
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
  async function pages(
    started: ReconcileRunDoc,
    onProgress?: (progress: ReconcileProgress) => void,
  ): Promise<ReconcileRunDoc> {
    let current = started.giving === NOT_COUNTED ? await counted(started) : started;
    while (current.finishedAt === null) {
      if (isStopped || !(await lease.acquire()))
        throw serviceUnavailable('The reconcile was interrupted; the next run resumes it');
      const { phase } = current;
      const { run, done } = await advance(current);
      current = run;
      onProgress?.({ phase, seen: current.seen[phase] ?? 0, done, found: current.mendedCount });
    }
    const { _id, dryRun, seen, mendedCount, endedCount, unseen } = current;
    log.info({ run: _id, dryRun, seen, repairs: mendedCount, ended: endedCount, unseen }, 'reconcile.done');
    return current;
  }

  async function finish(
    run: ReconcileRunDoc,
    onProgress?: (progress: ReconcileProgress) => void,
  ): Promise<ReconcileRunDoc> {
    try {
      return await pages(run, onProgress);
    } catch (error) {
      if (error instanceof ReconcileStopped) return stop(run, error);
      // The database may be what fails. Its failure is logged, like this one.
      await update(run, { error: describeFailure(error) }).catch(() => undefined);
      throw error;
    }
  }

  /** @returns null while another run is under way */
  async function attempt(options: ReconcileOptions): Promise<ReconcileRunDoc | null> {
    const { dryRun, force = false, trigger = ReconcileTrigger.SCHEDULE, onProgress } = options;
    if (!(await take())) return null;
    try {
      const { run } = await open({ dryRun, force, trigger, startedBy: null });
      return await finish(run, onProgress);
    } finally {
      await leave();
    }
  }

  /** Opens a run and lets it go on by itself. Only the server that has the lease may call it. */
  async function launch(dryRun: boolean, author: Author): Promise<ReconcileRunDoc> {
    const wanted = { dryRun, force: false, trigger: ReconcileTrigger.OPERATOR, startedBy: author.actor };
    const run = await auditLog.change(author, async (session, note) => {
      const { run: opened, isNew } = await open(wanted, session);
      const action = isNew ? 'reconcile.started' : 'reconcile.resumed';
      note({ tenantId: null, action, before: null, after: { id: opened._id, dryRun } });
      return opened;
    });
    begun = forBackground(() => finish(run))
      .catch((error: unknown) => log.warn({ err: error, run: run._id }, 'reconcile.failed'))
      .then(leave)
      .catch((error: unknown) => log.warn({ err: error }, 'reconcile.failed'));
    return run;
  }

  /** A new database has nothing to repair, so its first run is due after six hours. */
  async function runIfDue(): Promise<void> {
    const now = clock.now();
    const { at } = (await schedule.findOneAndUpdate(
      { _id: 'reconcile' },
      { $setOnInsert: { at: new Date(now) } },
      { upsert: true, returnDocument: 'after' },
    )) ?? { at: new Date(now) };
    if (at.getTime() > now - EVERY_MS) return;
    if (!(await forBackground(() => attempt({ dryRun: false })))) return;
    await schedule.updateOne({ _id: 'reconcile' }, { $set: { at: new Date(now) } });
  }

  return {
    async run(options) {
      const done = await forBackground(() => attempt(options));
      if (!done) throw serviceUnavailable('Another reconcile is running; try again later');
      return done;
    },

    async begin(dryRun, author) {
      for (let tries = 0; tries < BEGIN_TRIES && !isStopped; tries++) {
        if (await take()) {
          try {
            return await launch(dryRun, author);
          } catch (error) {
            await leave();
            throw error;
          }
        }
        const running = await runs
          .findOne({ finishedAt: null })
          .sort({ startedAt: -1 })
          .lean<ReconcileRunDoc>();
        if (running) return running;
        await sleep(BEGIN_RETRY_MS);
      }
      throw serviceUnavailable('Another reconcile is just beginning or ending; try again shortly');
    },

    start() {
      timer = setInterval(() => {
        checking ??= runIfDue()
          .catch((error: unknown) => log.warn({ err: error }, 'reconcile.failed'))
          .finally(() => {
            checking = null;
          });
      }, TICK_MS).unref();
    },

    async stop() {
      isStopped = true;
      clearInterval(timer);
      await checking;
      await begun;
    },
  };
}
