import { randomUUID } from 'node:crypto';
import type { mongo } from 'mongoose';
import type { Clock } from '../../../common/clock.js';
import type { Models } from '../../../models/models.js';
import { type WebhookEventDoc, WebhookEventStatus, withTwin } from '../../../models/webhookEvent.js';
import { createLease } from '../../infrastructure/lease.js';

/** Waiting events, by the object that they are about. */
export interface CustomerQueues {
  /** @returns lanes with events that are due, those that wait longest first, without those that are being worked on */
  due(except: Iterable<string>): Promise<string[]>;
  /**
   * Takes a lane with all events that wait in it, so that no other worker has it until it is released.
   * @returns null when another worker has it, or nothing waits in it any more
   */
  claim(lane: string): Promise<LeasedQueue | null>;
}

/** What is done about the events that were taken: those that came later wait for the next claim. */
export interface LeasedQueue {
  readonly count: number;
  /** Sets aside events whose twin in the other format was applied. @returns whether any is left */
  ignoreDuplicates(): Promise<boolean>;
  /** @param note what an operator should know of it */
  applied(note: string | null): Promise<void>;
  ignored(reason: string): Promise<void>;
  moved(lane: string): Promise<void>;
  /** Those that were due wait before another try, or are given up. */
  failed(error: string): Promise<void>;
  release(): Promise<void>;
}

const LEASE_MS = 30_000;
const RENEW_MS = 10_000;
const MAX_DUE = 1_000;
const MAX_TWINS = 1_000;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 15 * 60_000;
/** About a day of tries. */
export const MAX_ATTEMPTS = 100;

/**
 * What became of an event is worth no wait for a disk: if it is lost, the event waits again, and is answered by the state
 * that Stripe has then.
 */
const QUICK = { writeConcern: { w: 1 } } as const;

const LEASE_PREFIX = 'webhook lane ';
const { PENDING, APPLIED, IGNORED, FAILED } = WebhookEventStatus;

export function createCustomerQueues({ models, clock }: { models: Models; clock: Clock }): CustomerQueues {
  const events = models.connection.collection<WebhookEventDoc>(models.webhookEvents.collection.name);
  const leases = models.connection.collection<{ _id: string }>(models.leases.collection.name);

  /** Few: every worker has a bounded number of lanes at a time. */
  async function leased(): Promise<string[]> {
    const names = { $gt: LEASE_PREFIX, $lt: `${LEASE_PREFIX}~` };
    const found = await leases
      .find({ _id: names, $expr: { $gt: ['$until', '$$NOW'] } }, { projection: { _id: 1 } })
      .toArray();
    return found.map(({ _id }) => _id.slice(LEASE_PREFIX.length));
  }

  async function take(lane: string, claim: string, now: Date): Promise<number> {
    const isDue = { $lte: ['$nextAttemptAt', now] };
    const attempts = { $add: ['$attempts', { $cond: [isDue, 1, 0] }] };
    // Those that wait for another try are taken along: the state that is fetched answers them, too.
    const taken = await events.updateMany({ state: PENDING, lane }, [{ $set: { claim, attempts } }], QUICK);
    return taken.matchedCount;
  }

  function claimed(
    lane: string,
    claim: string,
    now: Date,
    count: number,
    release: () => Promise<void>,
  ): LeasedQueue {
    const mine = { state: PENDING, lane, claim };
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
          .find(mine, { projection: { twinId: 1 } })
          .limit(MAX_TWINS)
          .toArray();
        const twinIds = found.flatMap(({ twinId }) => twinId ?? []);
        const told = [...twinIds, ...found.map(({ _id }) => _id)];
        const twins = await events
          .find(
            // The state is looked at here: an index that begins with it would be all that was ever applied.
            { $or: [{ _id: { $in: twinIds } }, withTwin(told)] },
            { projection: { twinId: 1, state: 1 } },
          )
          .limit(2 * MAX_TWINS)
          .toArray();
        const applied = twins.filter(({ state }) => state === APPLIED);
        if (applied.length === 0) return true;
        const done = new Set(applied.flatMap(({ _id, twinId }) => (twinId ? [_id, twinId] : [_id])));
        const again = found.filter(({ _id, twinId }) => done.has(twinId ?? _id)).map(({ _id }) => _id);
        await end(IGNORED, 'the same change came in the other format', { _id: { $in: again } });
        return again.length < count;
      },

      async moved(to) {
        const attempts = { $subtract: ['$attempts', { $cond: [isDue, 1, 0] }] };
        await events.updateMany(mine, [{ $set: { lane: to, claim: null, attempts } }], QUICK);
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

    async claim(lane) {
      const lease = createLease({ models, name: `${LEASE_PREFIX}${lane}`, ttlMs: LEASE_MS });
      if (!(await lease.hold())) return null;
      // A lease that is lost all the same harms nothing: the write to the subscription notices another's.
      const renewal = setInterval(() => void lease.hold().catch(() => undefined), RENEW_MS).unref();
      const release = async () => {
        clearInterval(renewal);
        await lease.release();
      };
      try {
        const claim = randomUUID();
        const now = new Date(clock.now());
        const count = await take(lane, claim, now);
        if (count > 0) return claimed(lane, claim, now, count, release);
        await release();
        return null;
      } catch (error) {
        clearInterval(renewal);
        throw error;
      }
    },
  };
}
