import { randomUUID } from 'node:crypto';
import { createGroupCommit, sumOf } from '@continuum-billing/limits/core';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import { BillingError, serviceUnavailable } from '../../../common/errors.js';
import { groupBy } from '../../../common/groups.js';
import type { LedgerDoc } from '../../../models/ledger.js';
import type { Models } from '../../../models/models.js';
import { sendUpdates } from '../../infrastructure/conditionalUpdates.js';
import type { Metrics } from '../../infrastructure/metrics.js';
import { createTurns, type Turns } from '../../infrastructure/turns.js';
import type { ServerInstances } from '../../tiers/serverInstances.js';
import type { Admission, Decision, Taken, TakenLimits } from './admission.js';
import { createDayEnds, type DayEnds } from './dayEnds.js';
import { createHeartbeat } from './heartbeat.js';
import { type LedgerTake, takeUpdate } from './ledgerUpdates.js';
import {
  addTaken,
  copyOf,
  emptyView,
  exceedEmptyLedger,
  freshViewOf,
  fullStorage,
  fullWindow,
  hasTooManyReservations,
  type LedgerView,
  MAX_RESERVATIONS,
  useOf,
  viewOf,
  windowsToCharge,
} from './ledgerView.js';
import { createReturnedCalls } from './returnedCalls.js';

export interface RunningAdmission extends Admission {
  /** The id of this server in `server_instances`. */
  readonly instance: string;
  readonly dayEnds: DayEnds;
  /**
   * Runs a transaction that changes the ledgers of these tenants while this instance decides nothing for them, because the
   * two would wait for each other in MongoDB, in growing steps.
   */
  alone: Turns['run'];
  start(): Promise<void>;
  /** Finishes decisions in progress. */
  stop(): Promise<void>;
}

/** An operation that waits for its decision. */
interface Waiting {
  tenantId: string;
  limits: TakenLimits;
  taken: Taken;
  calls: number;
  resolve(decision: Decision): void;
  reject(error: Error): void;
}

/** The waiting operations of one tenant, in order of arrival. */
interface Group {
  tenantId: string;
  limits: TakenLimits;
  waiting: Waiting[];
}

interface Attempt {
  group: Group;
  granted: Waiting[];
  take: LedgerTake;
}

const MAX_WAITING = 10_000;
const SETTLE_MS = 1_000;
const MAX_VIEWS = 100_000;
/** How long a tenant is rejected from memory before the database is read again. */
const REJECT_FROM_MEMORY_MS = 1_000;
/** How often a view is read again, so that it includes the charges of other instances. */
const REFRESH_MS = 2_000;
/** After this time the caller gets SERVICE_UNAVAILABLE. */
const READ_TIMEOUT_MS = 1_800;
/** Each round either finishes a group or has seen others change its ledger in between. */
const MAX_ROUNDS = 100;

/**
 * Decides operations in batches: those that arrive while a batch is being written form the next one. A batch is one bulk of
 * conditional updates, one for each tenant. If fewer ledgers changed than were sent, the ledgers show which, and the
 * remaining room is granted in order of arrival.
 */
export function createAdmission(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  instances?: ServerInstances;
}): RunningAdmission {
  const { models, clock, log, metrics, instances } = deps;
  const instance = `i${randomUUID().replaceAll('-', '').slice(0, 12)}`;
  const ledgers = models.connection.collection<LedgerDoc>(models.ledgers.collection.name);
  const heartbeat = createHeartbeat({ models, log, instance, instances });
  const dayEnds = createDayEnds({ models, clock, log });
  const returnedCalls = createReturnedCalls({ models, log, instance, dayEnds });
  const queue = createGroupCommit<Waiting>(commit, MAX_WAITING);
  const views = new LRUCache<string, LedgerView>({ max: MAX_VIEWS });
  const turns = createTurns();
  /** Those of tenants whose turn has not come yet. */
  const groups = new Map<string, Group>();
  const running = new Set<Promise<void>>();
  /** Batches without an answer, by tenant. */
  const uncertain = new Map<string, LedgerTake>();
  const batchOf = `batches.${instance}`;
  let lastBatch = 0;
  let settling: NodeJS.Timeout | undefined;

  async function commit(batch: Waiting[]): Promise<void> {
    const startedAtMs = performance.now();
    const added = batch.flatMap(addToGroup);
    const byTurn = groupBy(added, turns.isTaken);
    const [taken, free] = [byTurn.get(true), byTurn.get(false)];
    // Beside the next batch: other tenants do not wait for a transaction of these.
    if (taken) runBeside(turns.run(taken, () => decideAll(taken)));
    if (free) await turns.run(free, () => decideAll(free));
    metrics.batchCommitted('calls', batch.length, startedAtMs);
  }

  function runBeside(deciding: Promise<void>): void {
    running.add(deciding);
    void deciding.finally(() => running.delete(deciding));
  }

  /** @returns the tenant if it had no group */
  function addToGroup(item: Waiting): string[] {
    const { tenantId, limits } = item;
    const group = groups.get(tenantId);
    if (group) {
      group.waiting.push(item);
      group.limits = limits;
      return [];
    }
    groups.set(tenantId, { tenantId, limits, waiting: [item] });
    return [tenantId];
  }

  async function decideAll(tenantIds: readonly string[]): Promise<void> {
    let open = tenantIds.map((tenantId) => groups.get(tenantId) as Group);
    for (const tenantId of tenantIds) groups.delete(tenantId);
    try {
      await settleUncertain(tenantIds);
      for (let rounds = 1; open.length > 0; rounds++) {
        if (rounds > MAX_ROUNDS)
          throw serviceUnavailable('Too many servers decide for this tenant at once; try again shortly');
        open = await round(open);
      }
    } catch (error) {
      log.error({ err: error }, 'admission.batch_failed');
      // What was sent may or may not be counted: read the ledgers again next time.
      for (const { tenantId } of open) views.delete(tenantId);
      const away = serviceUnavailable('The database does not answer; try again shortly');
      // Operations answered before the failure stay answered. Those that wait would only wait as long for the same failure.
      for (const item of [...open.flatMap(({ waiting }) => waiting), ...queue.drain()])
        item.reject(error instanceof BillingError ? error : away);
    }
  }

  /** @returns the groups that are still undecided */
  async function round(open: readonly Group[]): Promise<Group[]> {
    const nowMs = clock.now();
    await readViews(open.filter((group) => mustRead(group, nowMs)));
    await beginDays(open, nowMs);
    const batch = ++lastBatch;
    const attempts = open.map((group) => attempt(group, batch, nowMs)).filter((a) => a.granted.length > 0);
    for (const { tenantId } of open) forgetStorage(tenantId);
    if (attempts.length === 0) return [];
    try {
      return await commitAttempts(attempts, batch, nowMs);
    } catch (error) {
      for (const { group, take } of attempts) uncertain.set(group.tenantId, take);
      throw error;
    }
  }

  /** @returns the groups of which nothing was taken */
  async function commitAttempts(
    attempts: readonly Attempt[],
    batch: number,
    nowMs: number,
  ): Promise<Group[]> {
    const changed = await sendUpdates(
      models.ledgers,
      attempts.map(({ take }) => takeUpdate(take)),
    );
    if (changed === attempts.length) {
      for (const tried of attempts) grant(tried);
      return [];
    }
    const docs = await readLedgers(attempts.map(({ group }) => group));
    return attempts.flatMap((tried) => {
      const { group, granted } = tried;
      const doc = docs.get(group.tenantId);
      const isGranted = doc?.batches?.[instance] === batch;
      if (isGranted) grant(tried);
      views.set(group.tenantId, isGranted ? viewOf(doc, nowMs) : freshViewOf(doc, nowMs));
      return isGranted ? [] : [{ ...group, waiting: granted }];
    });
  }

  /**
   * Finds out whether a batch without an answer was applied, before another batch of the tenant follows, and prevents that it
   * still is. Its operations got an error, so what they were charged is returned.
   */
  async function settleUncertain(tenantIds: readonly string[]): Promise<void> {
    const takes = tenantIds.flatMap((tenantId) => uncertain.get(tenantId) ?? []);
    if (takes.length > 0) await Promise.all(takes.map(settleTake));
  }

  async function settleTake({ tenantId, batch, calls, charges, view, atMs }: LedgerTake): Promise<void> {
    const before = await ledgers.findOneAndUpdate(
      { _id: tenantId },
      // A later number: the statement, if it still comes, changes nothing any more.
      { $set: { [batchOf]: ++lastBatch } },
      { returnDocument: 'before', projection: { [batchOf]: 1 }, timeoutMS: READ_TIMEOUT_MS },
    );
    uncertain.delete(tenantId);
    views.delete(tenantId);
    if (before?.batches?.[instance] === batch && calls > 0)
      await returnedCalls.apply(tenantId, charges, useOf(view, null, atMs).atMs);
  }

  /** Begins the day in ledgers that have an earlier one, or none. */
  async function beginDays(open: readonly Group[], nowMs: number): Promise<void> {
    const beginning = open.flatMap((group) => {
      const view = viewFor(group.tenantId);
      const { day } = windowsToCharge(view, nowMs);
      return view.windows.day.at < day ? [{ group, day }] : [];
    });
    if (beginning.length === 0) return;
    for (const [day, ofDay] of groupBy(beginning, (one) => one.day))
      await dayEnds.begin(
        day,
        ofDay.map(({ group }) => group.tenantId),
      );
    await readViews(beginning.map(({ group }) => group));
  }

  function forgetStorage(tenantId: string): void {
    const view = views.get(tenantId);
    if (view) view.storage = null;
  }

  const viewFor = (tenantId: string): LedgerView => views.get(tenantId) ?? emptyView();

  /** Whether the ledger must be read before this decision: nothing is known of it, or what is known is too old for that. */
  function mustRead({ tenantId, limits, waiting }: Group, nowMs: number): boolean {
    const view = viewFor(tenantId);
    const ageMs = nowMs - view.readAtMs;
    if (ageMs >= REFRESH_MS) return true;
    const storing = view.storage ? [] : waiting.filter(({ taken }) => taken.reserved);
    if (storing.length > 0 && exceedEmptyLedger(storing, limits.storage)) return true;
    const calls = waiting.reduce((sum, item) => sum + item.calls, 0);
    if (fullWindow(view, limits.calls, calls, windowsToCharge(view, nowMs)) === null) return false;
    // Full storage is the answer that comes first.
    return ageMs >= REJECT_FROM_MEMORY_MS || storing.length > 0;
  }

  /** Grants the operations that have room, in order of arrival, and rejects the rest. */
  function attempt(group: Group, batch: number, nowMs: number): Attempt {
    const { tenantId, limits } = group;
    const before = viewFor(tenantId);
    const view = copyOf(before);
    const windows = windowsToCharge(view, nowMs);
    const granted: Waiting[] = [];
    for (const item of group.waiting) {
      if (isRejected(item, limits, view, nowMs)) continue;
      addTaken(view, limits, item, windows);
      granted.push(item);
    }
    const calls = granted.reduce((sum, item) => sum + item.calls, 0);
    const take = {
      tenantId,
      limits,
      calls,
      charges: granted.flatMap(({ taken }) => taken.charges),
      windows,
      reserved: granted.flatMap(({ taken }) => taken.reserved ?? []),
      atMs: nowMs,
      view: before,
      instance,
      batch,
    };
    return { group, granted, take };
  }

  /** Answers an operation that has no room. */
  function isRejected(item: Waiting, limits: TakenLimits, view: LedgerView, nowMs: number): boolean {
    const { taken, calls } = item;
    if (hasTooManyReservations(view, taken)) {
      const text = `More than ${MAX_RESERVATIONS} operations that store are under way; try again shortly`;
      item.reject(serviceUnavailable(text));
      return true;
    }
    const used = () => useOf(view, limits.calls, nowMs);
    const storage = fullStorage(view, taken, limits.storage);
    if (storage) {
      item.resolve({ admitted: false, used: used(), storage });
      return true;
    }
    const window = calls > 0 && fullWindow(view, limits.calls, calls, windowsToCharge(view, nowMs));
    if (window) item.resolve({ admitted: false, used: used(), window });
    return Boolean(window);
  }

  /** Answers each operation with the usage up to and including itself. */
  function grant({ group: { tenantId, limits }, granted, take }: Attempt): void {
    const view = copyOf(take.view);
    for (const item of granted) {
      addTaken(view, limits, item, take.windows);
      item.resolve({ admitted: true, used: useOf(view, limits.calls, take.atMs) });
    }
    view.storage = null;
    views.set(tenantId, view);
  }

  async function readLedgers(wanted: readonly Group[]): Promise<Map<string, LedgerDoc>> {
    if (wanted.length === 0) return new Map();
    const ids = wanted.map(({ tenantId }) => tenantId);
    const stores = wanted.some(({ waiting }) => waiting.some(({ taken }) => taken.reserved));
    const projection = {
      windows: 1,
      [batchOf]: 1,
      ...(stores && { levels: 1, reservations: 1 }),
    };
    const found = await ledgers
      .find({ _id: { $in: ids } }, { projection, timeoutMS: READ_TIMEOUT_MS })
      .toArray();
    return new Map(found.map((doc) => [doc._id, doc]));
  }

  async function readViews(wanted: readonly Group[]): Promise<void> {
    const docs = await readLedgers(wanted);
    const nowMs = clock.now();
    for (const { tenantId } of wanted) views.set(tenantId, freshViewOf(docs.get(tenantId), nowMs));
  }

  /** Settles those of tenants that do not call again. */
  function settleIdle(): void {
    for (const tenantId of uncertain.keys())
      if (!turns.isTaken(tenantId))
        runBeside(turns.run([tenantId], () => settleUncertain([tenantId])).catch(() => undefined));
  }

  const changed = (tenantIds: readonly string[]): void => {
    for (const tenantId of tenantIds) views.delete(tenantId);
  };

  return {
    instance,
    dayEnds,
    alone: turns.run,
    changed,
    admit(tenantId, limits, taken) {
      return new Promise((resolve, reject) => {
        queue.submit({ tenantId, limits, taken, calls: sumOf(taken.charges), resolve, reject });
      });
    },
    async look(tenantId) {
      const nowMs = clock.now();
      const known = views.get(tenantId);
      if (known) return useOf(known, null, nowMs);
      const doc = await models.ledgers.findById(tenantId, { windows: 1 }).lean<LedgerDoc>();
      return useOf(viewOf(doc, nowMs), null, nowMs);
    },
    async returnCalls(tenantId, charges, { atMs }) {
      await returnedCalls.apply(tenantId, charges, atMs);
      changed([tenantId]);
    },
    async start() {
      await heartbeat.start();
      dayEnds.start();
      settling = setInterval(settleIdle, SETTLE_MS).unref();
    },
    async stop() {
      clearInterval(settling);
      await queue.idle();
      await Promise.all(running);
      await returnedCalls.idle();
      await dayEnds.stop();
      await heartbeat.stop();
    },
  };
}
