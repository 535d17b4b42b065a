import { randomUUID } from 'node:crypto';
import { createGroupCommit } from '@continuum-billing/limits/core';
import type { mongo } from 'mongoose';
import type { Clock } from '../../../common/clock.js';
import { groupBy } from '../../../common/groups.js';
import type { Models } from '../../../models/models.js';
import {
  DUE_INDEX,
  EventUrgency,
  inOtherFormat,
  type WebhookEventDoc,
  WebhookEventStatus,
} from '../../../models/webhookEvent.js';
import { createLeaseSet } from '../../infrastructure/lease.js';
import { plainTypeOf } from './eventTarget.js';
import { createQueueOutcomes, QUICK, type QueueOutcomes } from './queueOutcomes.js';

/**
 * Pending webhook events, one queue for each customer. An event that does not name its customer waits in a queue of its
 * own object first, until the customer has been looked up. MongoDB stores the queue in the field `lane`.
 */
export interface CustomerQueues {
  /**
   * @returns queues with events that are due and that nobody works on. What may grant something comes first; every fourth
   *   is the one that waits longest, so that none waits for ever.
   */
  due(except: Iterable<string>): Promise<DueQueue[]>;
  /**
   * Leases queues with all their pending events, in a few statements. No other worker gets them before they are released.
   * @returns those that no other worker has and that have pending events
   */
  lease(queues: readonly string[]): Promise<LeasedQueue[]>;
  /** The stored payloads of events, by id. */
  payloadsOf(eventIds: readonly string[]): Promise<Map<string, string>>;
}

export interface DueQueue {
  queue: string;
  /** When the subscription that changed was created, by which Stripe's lists find it; null: see `WebhookEventDoc`. */
  subscribedAt: Date | null;
}

/** The events that were pending when the lease began. Later events wait for the next lease. */
export interface LeasedQueue extends QueueOutcomes {
  readonly queue: string;
  readonly count: number;
  /** The id of the newest event; null: all had been applied before in the other format, and are ignored now. */
  readonly newest: string | null;
  /** The only subscription that the events concern, if Stripe's lists can find it and no event may take anything. */
  readonly listed: { id: string; createdAt: Date } | null;
  /**
   * The events that grant something, of the same second, if nothing that happened to the subscription since is known.
   * Empty if there are none.
   */
  readonly grants: readonly { eventId: string; occurredAt: Date }[];
  release(): Promise<void>;
}

const LEASE_MS = 30_000;
const RENEW_MS = 10_000;
/** Events; a customer may have many. */
const MAX_DUE = 5_000;
/** Every so many-th queue is the one that waits longest. */
const OLDEST_EVERY = 4;
/** For each queue on average. */
const MAX_EVENTS_EACH = 1_000;
const MAX_EVENTS = 50_000;
/** What waits to be noted. */
const MAX_WAITING = 10_000;

const LEASE_PREFIX = 'webhook queue ';
const { PENDING, APPLIED } = WebhookEventStatus;
/** `null` matches events that an earlier version stored. */
const URGENCIES = [null, ...Object.values(EventUrgency).filter((one) => typeof one === 'number')] as never[];

const SUBSCRIPTION_TYPES = 'customer.subscription.';

type LeasedEvent = Pick<
  WebhookEventDoc,
  | '_id'
  | 'type'
  | 'lane'
  | 'twinId'
  | 'receivedAt'
  | 'urgency'
  | 'subscription'
  | 'subscribedAt'
  | 'occurredAt'
>;
const LEASED_FIELDS = {
  type: 1,
  lane: 1,
  twinId: 1,
  receivedAt: 1,
  urgency: 1,
  subscription: 1,
  subscribedAt: 1,
  occurredAt: 1,
} as const;

interface Release {
  name: string;
  resolve(): void;
  reject(error: unknown): void;
}

export function createCustomerQueues({ models, clock }: { models: Models; clock: Clock }): CustomerQueues {
  const events = models.connection.collection<WebhookEventDoc>(models.webhookEvents.collection.name);
  const leases = createLeaseSet({ models, ttlMs: LEASE_MS });
  const outcomes = createQueueOutcomes({ models, clock });
  const held = new Set<string>();
  let renewal: NodeJS.Timeout | null = null;

  const releases = createGroupCommit<Release>(async (batch) => {
    try {
      await leases.release(batch.map(({ name }) => name));
      for (const { resolve } of batch) resolve();
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }, MAX_WAITING);

  /** Losing a lease does no harm: the subscription's revision rejects a write based on an older state. */
  function renew(): void {
    void leases.renew([...held]).catch(() => undefined);
  }

  function hold(names: readonly string[]): void {
    for (const name of names) held.add(name);
    if (held.size > 0) renewal ??= setInterval(renew, RENEW_MS).unref();
  }

  function drop(name: string): void {
    held.delete(name);
    if (held.size > 0 || !renewal) return;
    clearInterval(renewal);
    renewal = null;
  }

  async function release(queue: string): Promise<void> {
    const name = LEASE_PREFIX + queue;
    drop(name);
    await new Promise<void>((resolve, reject) => releases.submit({ name, resolve, reject }));
  }

  async function find(
    taken: readonly string[],
    sort: mongo.Sort,
    limit: number,
  ): Promise<Pick<WebhookEventDoc, 'lane' | 'urgency' | 'nextAttemptAt' | 'subscribedAt'>[]> {
    const due = {
      state: PENDING,
      urgency: { $in: URGENCIES },
      nextAttemptAt: { $lte: new Date(clock.now()) },
    };
    // Only fields of the index, so that no event is read.
    const projection = { _id: 0, lane: 1, urgency: 1, nextAttemptAt: 1, subscribedAt: 1 };
    const options = { projection, sort, limit, hint: DUE_INDEX };
    return events.find({ ...due, lane: { $nin: [...taken] } }, options).toArray();
  }

  async function take(queues: readonly string[], token: string, now: Date): Promise<void> {
    const isDue = { $lte: ['$nextAttemptAt', now] };
    const attempts = { $add: ['$attempts', { $cond: [isDue, 1, 0] }] };
    // Events that wait for a retry are included: the fetched state applies to them as well.
    await events.updateMany(
      { state: PENDING, lane: { $in: [...queues] } },
      [{ $set: { claim: token, attempts } }],
      QUICK,
    );
  }

  /** @returns the ids of events that were already applied in the other format */
  async function duplicatesAmong(found: readonly LeasedEvent[]): Promise<Set<string>> {
    const twinIds = found.flatMap(({ twinId }) => twinId ?? []);
    const sameIds = [...twinIds, ...found.map(({ _id }) => _id)];
    const copies = await events
      .find(
        // `state` is checked below: an index that begins with it would hold every event ever applied.
        { $or: [{ _id: { $in: twinIds } }, inOtherFormat(sameIds)] },
        { projection: { twinId: 1, state: 1 } },
      )
      .limit(2 * MAX_EVENTS)
      .toArray();
    const applied = copies.filter(({ state }) => state === APPLIED);
    const done = new Set(applied.flatMap(({ _id, twinId }) => (twinId ? [_id, twinId] : [_id])));
    return new Set(found.filter(({ _id, twinId }) => done.has(twinId ?? _id)).map(({ _id }) => _id));
  }

  return {
    async due(except) {
      const leased = await leases.heldWith(LEASE_PREFIX);
      const taken = [...except, ...leased.map((name) => name.slice(LEASE_PREFIX.length))];
      const urgent = await find(taken, { urgency: 1, nextAttemptAt: 1 }, MAX_DUE);
      const isAll = urgent.length < MAX_DUE;
      const oldest = isAll
        ? urgent.toSorted((a, b) => a.nextAttemptAt.getTime() - b.nextAttemptAt.getTime())
        : await find(taken, { nextAttemptAt: 1 }, MAX_DUE / OLDEST_EVERY);
      const subscribedAt = new Map<string, Date>();
      for (const one of urgent) if (one.subscribedAt) subscribedAt.set(one.lane as string, one.subscribedAt);
      const names = interleaved(lanesOf(urgent), lanesOf(oldest), OLDEST_EVERY);
      return names.map((queue) => ({ queue, subscribedAt: subscribedAt.get(queue) ?? null }));
    },

    async lease(queues) {
      const acquired = await leases.acquire(queues.map((queue) => LEASE_PREFIX + queue));
      hold(acquired);
      const names = new Set(acquired.map((name) => name.slice(LEASE_PREFIX.length)));
      try {
        const token = randomUUID();
        const now = new Date(clock.now());
        await take([...names], token, now);
        const limit = Math.min(MAX_EVENTS, MAX_EVENTS_EACH * names.size);
        const found = await events
          .find({ state: PENDING, lane: { $in: [...names] }, claim: token }, { projection: LEASED_FIELDS })
          .limit(limit)
          .toArray();
        const duplicates = await duplicatesAmong(found);
        const eventsOf = groupBy(found as LeasedEvent[], ({ lane }) => lane as string);
        const leased = [...eventsOf].map(([queue, all]): LeasedQueue => {
          names.delete(queue);
          const open = all.filter(({ _id }) => !duplicates.has(_id));
          const isComplete = found.length < limit;
          return {
            ...outcomes.of({ queue, token, now }),
            queue,
            count: all.length,
            newest: newestOf(open),
            listed: isComplete ? listedOf(open) : null,
            grants: isComplete ? grantsIn(open) : [],
            release: () => release(queue),
          };
        });
        if (duplicates.size > 0) await outcomes.ignoreDuplicates([...duplicates], token);
        await Promise.all([...names].map(release));
        const placeOf = new Map(queues.map((queue, place) => [queue, place]));
        const place = ({ queue }: LeasedQueue) => placeOf.get(queue) ?? 0;
        return leased.toSorted((a, b) => place(a) - place(b));
      } catch (error) {
        for (const name of acquired) drop(name);
        throw error;
      }
    },

    async payloadsOf(eventIds) {
      const found = await events
        .find({ _id: { $in: [...eventIds] } }, { projection: { payload: 1 } })
        .toArray();
      return new Map(found.map(({ _id, payload }) => [_id, payload]));
    },
  };
}

const lanesOf = (events: readonly Pick<WebhookEventDoc, 'lane'>[]): string[] =>
  events.map(({ lane }) => lane as string);

/** Takes from the first list, and each `every`-th from the second, everything once. */
function interleaved(first: readonly string[], second: readonly string[], every: number): string[] {
  const [one, other] = [first.values(), second.values()];
  const names = new Set<string>();
  for (let turn = 1; ; turn++) {
    const { value, done } = turn % every === 0 ? other.next() : one.next();
    if (!done) names.add(value);
    else if (turn % every !== 0) break;
  }
  for (const name of other) names.add(name);
  return [...names];
}

const newestOf = (events: readonly LeasedEvent[]): string | null =>
  events.toSorted((a, b) => b.receivedAt.getTime() - a.receivedAt.getTime())[0]?._id ?? null;

function listedOf(events: readonly LeasedEvent[]): LeasedQueue['listed'] {
  if (events.some(({ urgency }) => urgency === EventUrgency.TAKES)) return null;
  const ids = new Set(events.flatMap(({ subscription }) => subscription ?? []));
  const createdAt = events.find(({ subscribedAt }) => subscribedAt)?.subscribedAt;
  const [id] = ids;
  return id && createdAt && ids.size === 1 ? { id, createdAt } : null;
}

function grantsIn(events: readonly LeasedEvent[]): LeasedQueue['grants'] {
  const decisive = events.filter(
    ({ type, urgency }) => urgency === EventUrgency.TAKES || plainTypeOf(type).startsWith(SUBSCRIPTION_TYPES),
  );
  const lastMs = Math.max(...decisive.map(({ occurredAt }) => occurredAt?.getTime() ?? Number.NaN));
  const last = decisive.filter(({ occurredAt }) => occurredAt?.getTime() === lastMs);
  const areGrants = last.every(
    ({ urgency, subscribedAt }) => urgency === EventUrgency.GRANTS && subscribedAt,
  );
  return areGrants ? last.map(({ _id: eventId }) => ({ eventId, occurredAt: new Date(lastMs) })) : [];
}
