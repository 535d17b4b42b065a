import { randomUUID } from 'node:crypto';
import type { mongo } from 'mongoose';
import type { Clock } from '../../../common/clock.js';
import type { Models } from '../../../models/models.js';
import { inOtherFormat, type WebhookEventDoc, WebhookEventStatus } from '../../../models/webhookEvent.js';
import { createLease } from '../../infrastructure/lease.js';

/**
 * Pending webhook events, one queue for each customer. An event that does not name its customer waits in a queue of its
 * own object first, until the customer has been looked up. MongoDB stores the queue in the field `lane`.
 */
export interface CustomerQueues {
  /** @returns queues with events that are due and that nobody works on; the longest wait comes first */
  due(except: Iterable<string>): Promise<string[]>;
  /**
   * Leases a queue with all its pending events. No other worker gets it before it is released.
   * @returns null when another worker has the lease, or no event is pending
   */
  lease(queue: string): Promise<LeasedQueue | null>;
}

/** Records the outcome of the events that were pending when the lease began. Later events wait for the next lease. */
export interface LeasedQueue {
  readonly count: number;
  /**
   * Ignores events that were already applied in the other format.
   * @returns the id of the newest event that is left; null: none
   */
  ignoreDuplicates(): Promise<string | null>;
  /** @param note what an operator should know about it */
  applied(note: string | null): Promise<void>;
  ignored(reason: string): Promise<void>;
  /** @param queue of the customer, which the events did not name */
  moved(queue: string): Promise<void>;
  /** Events that were due wait for a retry, or become FAILED after the last one. */
  failed(error: string): Promise<void>;
  release(): Promise<void>;
}

const LEASE_MS = 30_000;
const RENEW_MS = 10_000;
const MAX_DUE = 1_000;
const MAX_DUPLICATES = 1_000;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 15 * 60_000;
/** About a day of retries. */
export const MAX_ATTEMPTS = 100;

/**
 * The outcome of an event need not reach the disk. If it is lost, the event is pending again and is applied with the
 * state that Stripe has then.
 */
const QUICK = { writeConcern: { w: 1 } } as const;

const LEASE_PREFIX = 'webhook queue ';
const { PENDING, APPLIED, IGNORED, FAILED } = WebhookEventStatus;

export function createCustomerQueues({ models, clock }: { models: Models; clock: Clock }): CustomerQueues {
  const events = models.connection.collection<WebhookEventDoc>(models.webhookEvents.collection.name);
  const leases = models.connection.collection<{ _id: string }>(models.leases.collection.name);

  /** The list is short, because each worker leases a bounded number of queues. */
  async function leased(): Promise<string[]> {
    const names = { $gt: LEASE_PREFIX, $lt: `${LEASE_PREFIX}~` };
    const found = await leases
      .find({ _id: names, $expr: { $gt: ['$until', '$$NOW'] } }, { projection: { _id: 1 } })
      .toArray();
    return found.map(({ _id }) => _id.slice(LEASE_PREFIX.length));
  }

  async function take(queue: string, token: string, now: Date): Promise<number> {
    const isDue = { $lte: ['$nextAttemptAt', now] };
    const attempts = { $add: ['$attempts', { $cond: [isDue, 1, 0] }] };
    // Events that wait for a retry are included: the fetched state applies to them as well.
    const taken = await events.updateMany(
      { state: PENDING, lane: queue },
      [{ $set: { claim: token, attempts } }],
      QUICK,
    );
    return taken.matchedCount;
  }

  function leasedQueue(
    queue: string,
    token: string,
    now: Date,
    count: number,
    release: () => Promise<void>,
  ): LeasedQueue {
    const mine = { state: PENDING, lane: queue, claim: token };
    const isDue = { $lte: ['$nextAttemptAt', now] };
    const end = async (
      state: WebhookEventStatus,
      reason: string | null,
      which: mongo.Filter<WebhookEventDoc> = {},
    ) => {
      const ended = { state, reason, lastError: null, claim: null, endedAt: new Date(clock.now()) };
      await events.updateMany({ ...mine, ...which }, { $set: ended }, QUICK);
    };

    return {
      count,
      release,
      applied: (note) => end(APPLIED, note),
      ignored: (reason) => end(IGNORED, reason),

      async ignoreDuplicates() {
        const found = await events
          .find(mine, { projection: { twinId: 1, receivedAt: 1 } })
          .limit(MAX_DUPLICATES)
          .toArray();
        const twinIds = found.flatMap(({ twinId }) => twinId ?? []);
        const sameIds = [...twinIds, ...found.map(({ _id }) => _id)];
        const copies = await events
          .find(
            // `state` is checked below: an index that begins with it would hold every event ever applied.
            { $or: [{ _id: { $in: twinIds } }, inOtherFormat(sameIds)] },
            { projection: { twinId: 1, state: 1 } },
          )
          .limit(2 * MAX_DUPLICATES)
          .toArray();
        const applied = copies.filter(({ state }) => state === APPLIED);
        if (applied.length === 0) return newestOf(found);
        const done = new Set(applied.flatMap(({ _id, twinId }) => (twinId ? [_id, twinId] : [_id])));
        const duplicates = found.filter(({ _id, twinId }) => done.has(twinId ?? _id)).map(({ _id }) => _id);
        await end(IGNORED, 'already applied: the event also arrived in the other format', {
          _id: { $in: duplicates },
        });
        return newestOf(found.filter(({ _id }) => !duplicates.includes(_id)));
      },

      async moved(to) {
        const attempts = { $subtract: ['$attempts', { $cond: [isDue, 1, 0] }] };
        const customer = to.slice(to.indexOf(':') + 1);
        await events.updateMany(mine, [{ $set: { lane: to, customer, claim: null, attempts } }], QUICK);
      },

      async failed(error) {
        const nowMs = clock.now();
        const isOver = { $gte: ['$attempts', MAX_ATTEMPTS] };
        const doubled = { $multiply: [FIRST_RETRY_MS, { $pow: [2, { $subtract: ['$attempts', 1] }] }] };
        const next = { $add: [new Date(nowMs), { $min: [doubled, MAX_RETRY_MS] }] };
        await events.updateMany(
          { ...mine, nextAttemptAt: { $lte: now } },
          [
            {
              $set: {
                lastError: { $literal: error },
                claim: null,
                nextAttemptAt: next,
                state: { $cond: [isOver, FAILED, PENDING] },
                endedAt: { $cond: [isOver, new Date(nowMs), null] },
              },
            },
          ],
          QUICK,
        );
      },
    };
  }

  return {
    async due(except) {
      const taken = [...except, ...(await leased())];
      const found = await events
        .find(
          { state: PENDING, nextAttemptAt: { $lte: new Date(clock.now()) }, lane: { $nin: taken } },
          { projection: { _id: 0, lane: 1 } },
        )
        .sort({ nextAttemptAt: 1 })
        .limit(MAX_DUE)
        .toArray();
      return [...new Set(found.map(({ lane }) => lane as string))];
    },

    async lease(queue) {
      const lease = createLease({ models, name: `${LEASE_PREFIX}${queue}`, ttlMs: LEASE_MS });
      if (!(await lease.acquire())) return null;
      // Losing the lease does no harm: the subscription's revision rejects a write based on an older state.
      const renewal = setInterval(() => void lease.acquire().catch(() => undefined), RENEW_MS).unref();
      const release = async () => {
        clearInterval(renewal);
        await lease.release();
      };
      try {
        const token = randomUUID();
        const now = new Date(clock.now());
        const count = await take(queue, token, now);
        if (count > 0) return leasedQueue(queue, token, now, count, release);
        await release();
        return null;
      } catch (error) {
        clearInterval(renewal);
        throw error;
      }
    },
  };
}

const newestOf = (events: readonly Pick<WebhookEventDoc, '_id' | 'receivedAt'>[]): string | null =>
  events.toSorted((a, b) => b.receivedAt.getTime() - a.receivedAt.getTime())[0]?._id ?? null;
