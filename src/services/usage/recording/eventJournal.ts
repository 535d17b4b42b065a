import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGroupCommit } from '@continuum-billing/limits/core';
import { mongo } from 'mongoose';
import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import { BillingError, serviceUnavailable } from '../../../common/errors.js';
import type { Models } from '../../../models/models.js';
import type { UsageEvent, UsageEventBatchDoc } from '../../../models/usageEventBatch.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';
import type { Metrics } from '../../infrastructure/metrics.js';
import type { DayCounts } from './dayCounts.js';

/** Stores usage events durably and has them counted, each id of a tenant once. */
export interface EventJournal {
  /**
   * @param events must have distinct ids
   * @returns the events that had been recorded before, by id; the others are now recorded and counted
   * @throws SERVICE_UNAVAILABLE when the outcome is unknown; recording the same events again is safe
   */
  record(tenantId: string, events: readonly UsageEvent[]): Promise<ReadonlyMap<string, UsageEvent>>;
  /** @returns the recorded events with these ids, by id */
  find(tenantId: string, ids: readonly string[]): Promise<ReadonlyMap<string, UsageEvent>>;
  /** Counts batches that were stored but not counted, because a process or the database stopped in between. */
  countLeftovers(): Promise<void>;
  stop(): Promise<void>;
}

/** One call's events. */
interface Waiting {
  tenantId: string;
  events: readonly UsageEvent[];
  resolve(before: ReadonlyMap<string, UsageEvent>): void;
  reject(error: Error): void;
}

/** One tenant's events that are stored together. */
interface Group {
  tenantId: string;
  calls: Waiting[];
  /** Events to store, each with the call that brought it first. */
  fresh: Map<string, { event: UsageEvent; call: Waiting }>;
  /** Events that the database has already. */
  found: Map<string, UsageEvent>;
}

/** Longer than an event may be late, so that none is counted again after its id has expired. */
const KEEP_IDS_MS = 32 * 86_400_000;
const MAX_WAITING_CALLS = 10_000;
const MAX_WAITING_EVENTS = 100_000;
const MAX_EVENTS_PER_DOCUMENT = 5_000;
const MAX_EVENTS_PER_ROUND = 20_000;
const MAX_TRIES = 100;
const RETRY_MS = 5;
const STATEMENT_TIMEOUT_MS = 5_000;
const LEFTOVERS_PER_READ = 100;

/**
 * Each round stores one document for each waiting tenant and then counts all of them in one bulk write; calls that arrive
 * meanwhile share the next round. One statement stores a whole document, so a crash leaves no open transaction, and no
 * lock on a usage day outlives a statement.
 *
 * After a failure it is unknown whether a document was or will be stored, so the writer's name is retired and a new one
 * begins. A writer's uncounted document is therefore always its last for the tenant, and may be counted at any time.
 */
export function createEventJournal(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  dayCounts: DayCounts;
}): EventJournal {
  const { models, clock, log, metrics, dayCounts } = deps;
  const batches = models.usageEventBatches.collection;
  const queue = createGroupCommit<Waiting>(commit, MAX_WAITING_CALLS);
  let writer = newWriter();
  let sequence = 0;
  let waitingEvents = 0;
  let marking: Promise<void> = Promise.resolve();

  async function commit(calls: Waiting[]): Promise<void> {
    for (const call of calls) waitingEvents -= call.events.length;
    let rest = calls;
    while (rest.length > 0) {
      const { groups, later } = gather(rest);
      await commitGroups(groups);
      rest = later;
    }
  }

  async function commitGroups(groups: Group[]): Promise<void> {
    const startedAtMs = performance.now();
    try {
      const stored = await storeAll(groups);
      await dayCounts.count(stored);
      const count = groups.reduce((sum, { fresh }) => sum + fresh.size, 0);
      metrics.batchCommitted('usage_events', count, startedAtMs);
      mark(stored);
      for (const group of groups) {
        for (const call of group.calls) call.resolve(recordedBefore(group, call));
      }
    } catch (error) {
      writer = newWriter();
      log.error({ err: error }, 'usage_events.record_failed');
      const away =
        error instanceof BillingError
          ? error
          : serviceUnavailable('The database does not answer; send the same events again shortly');
      for (const call of groups.flatMap(({ calls }) => calls)) call.reject(away);
    }
  }

  async function storeAll(groups: readonly Group[]): Promise<UsageEventBatchDoc[]> {
    const stored: UsageEventBatchDoc[] = [];
    let open = groups.filter(({ fresh }) => fresh.size > 0);
    for (let tries = 1; open.length > 0; tries++) {
      if (tries > MAX_TRIES)
        throw serviceUnavailable('Another request is recording the same events; send them again');
      // The unique index rejects what another instance stored before a majority has it, and so before it can be read.
      if (tries > 2) await sleep(RETRY_MS);
      const docs = open.map(documentOf);
      const rejected = await insert(docs);
      stored.push(...docs.filter((_, i) => !rejected.has(i)));
      open = open.filter((_, i) => rejected.has(i));
      await Promise.all(open.map(separateFound));
      open = open.filter(({ fresh }) => fresh.size > 0);
    }
    return stored;
  }

  function documentOf({ tenantId, fresh }: Group): UsageEventBatchDoc {
    const nowMs = clock.now();
    sequence++;
    return {
      _id: `${tenantId}:${writer}:${sequence}`,
      tenantId,
      writer,
      sequence,
      events: [...fresh.values()].map(({ event }) => event),
      recordedAt: new Date(nowMs),
      uncounted: true,
      expiresAt: new Date(nowMs + KEEP_IDS_MS),
    };
  }

  /** @returns the indexes of documents with an id that is stored already; nothing of these documents was stored */
  async function insert(docs: readonly UsageEventBatchDoc[]): Promise<Set<number>> {
    try {
      await batches.insertMany(docs as never[], { ordered: false, timeoutMS: STATEMENT_TIMEOUT_MS });
      return new Set();
    } catch (error) {
      if (!(error instanceof mongo.MongoBulkWriteError) || !isDuplicateKey(error)) throw error;
      const errors = [error.writeErrors].flat();
      // The other documents must be on disk on a majority.
      if (!errors.every(isDuplicateKey) || error.result.getWriteConcernError()) throw error;
      return new Set(errors.map(({ index }) => index));
    }
  }

  /** Moves events that are stored already from `fresh` to `found`. */
  async function separateFound({ tenantId, fresh, found }: Group): Promise<void> {
    for (const [id, event] of await find(tenantId, [...fresh.keys()])) {
      fresh.delete(id);
      found.set(id, event);
    }
  }

  async function find(tenantId: string, ids: readonly string[]): Promise<Map<string, UsageEvent>> {
    const withId = { 'events.id': { $in: [...ids] } };
    const read = await batches
      .aggregate<{ events: UsageEvent }>(
        [
          { $match: { tenantId, ...withId } },
          { $project: { _id: 0, events: 1 } },
          { $unwind: '$events' },
          { $match: withId },
        ],
        // An event reported as recorded must survive the loss of this primary.
        { readConcern: { level: 'majority' }, timeoutMS: STATEMENT_TIMEOUT_MS },
      )
      .toArray();
    return new Map(read.map(({ events: event }) => [event.id, event]));
  }

  /** Marks documents as counted, in the background: counting them again would change nothing. */
  function mark(counted: readonly UsageEventBatchDoc[]): void {
    if (counted.length === 0) return;
    marking = Promise.all([marking, markCounted(counted)]).then(
      () => undefined,
      (error: unknown) => log.warn({ err: error }, 'usage_events.mark_failed'),
    );
  }

  async function markCounted(counted: readonly Pick<UsageEventBatchDoc, '_id'>[]): Promise<void> {
    const ids = counted.map(({ _id }) => _id) as never[];
    await batches.updateMany(
      { _id: { $in: ids } },
      { $unset: { uncounted: '' } },
      { timeoutMS: STATEMENT_TIMEOUT_MS },
    );
  }

  /** A batch that fails is retried by the next sweep and does not block the others. */
  async function countLeftover(batch: UsageEventBatchDoc): Promise<void> {
    try {
      await dayCounts.count([batch]);
      await markCounted([batch]);
    } catch (error) {
      log.error({ err: error, batch: batch._id }, 'usage_events.count_failed');
    }
  }

  return {
    find,

    record(tenantId, events) {
      return new Promise((resolve, reject) => {
        if (waitingEvents + events.length > MAX_WAITING_EVENTS)
          throw serviceUnavailable('The server is overloaded; try again shortly');
        queue.submit({ tenantId, events, resolve, reject });
        waitingEvents += events.length;
      });
    },

    async countLeftovers() {
      for (let after = ''; ; ) {
        const found = await models.usageEventBatches
          .find({ uncounted: true, _id: { $gt: after } })
          .sort({ _id: 1 })
          .limit(LEFTOVERS_PER_READ)
          // A document that only a lost primary had must not be counted.
          .read('primary')
          .readConcern('majority')
          .lean<UsageEventBatchDoc[]>();
        for (const batch of found) await countLeftover(batch);
        after = found.at(-1)?._id ?? '';
        if (found.length < LEFTOVERS_PER_READ) return;
      }
    },

    async stop() {
      await queue.idle();
      await marking;
    },
  };
}

const newWriter = (): string => `w${randomUUID().replaceAll('-', '').slice(0, 16)}`;

/** One group for each tenant, in order of arrival, within the bounds. */
function gather(calls: readonly Waiting[]): { groups: Group[]; later: Waiting[] } {
  const groups = new Map<string, Group>();
  const later: Waiting[] = [];
  let gathered = 0;
  for (const call of calls) {
    const { tenantId, events } = call;
    const group: Group = groups.get(tenantId) ?? {
      tenantId,
      calls: [],
      fresh: new Map(),
      found: new Map(),
    };
    const isFull = group.fresh.size + events.length > MAX_EVENTS_PER_DOCUMENT;
    if (isFull || gathered + events.length > MAX_EVENTS_PER_ROUND) {
      later.push(call);
      continue;
    }
    gathered += events.length;
    groups.set(tenantId, group);
    group.calls.push(call);
    for (const event of events) {
      if (!group.fresh.has(event.id)) group.fresh.set(event.id, { event, call });
    }
  }
  return { groups: [...groups.values()], later };
}

/** The call's events that were stored before, or that another call of the group brought first. */
function recordedBefore({ fresh, found }: Group, call: Waiting): Map<string, UsageEvent> {
  const before = new Map<string, UsageEvent>();
  for (const { id } of call.events) {
    const first = fresh.get(id);
    const event = found.get(id) ?? (first && first.call !== call ? first.event : undefined);
    if (event) before.set(id, event);
  }
  return before;
}
