import { setTimeout as sleep } from 'node:timers/promises';
import { createGroupCommit } from '@continuum-billing/limits/core';
import { mongo } from 'mongoose';
import type { Clock } from '../../../common/clock.js';
import { badInput, serviceUnavailable } from '../../../common/errors.js';
import { type BillingCustomerDoc, erasedAmong } from '../../../models/billingCustomer.js';
import type { Models } from '../../../models/models.js';
import {
  ERASED_PAYLOAD,
  EventUrgency,
  type WebhookEventDoc,
  WebhookEventStatus,
} from '../../../models/webhookEvent.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';
import type { Metrics } from '../../infrastructure/metrics.js';
import { isOfOtherMode, plainTypeOf, subscriptionOf, targetOf } from './eventTarget.js';
import { urgencyOf } from './eventUrgency.js';
import { isForwarded } from './forwardedEvents.js';
import type { ReceivedEvent } from './receivedEvent.js';
import type { Rejections } from './rejections.js';

/** Stores events, many in one statement. */
export interface EventIntake {
  /**
   * Resolves when the event is on disk on a majority of the replica set.
   * @returns whether it is new
   * @throws BAD_USER_INPUT when another event has the id; SERVICE_UNAVAILABLE
   */
  receive(event: ReceivedEvent): Promise<'stored' | 'known'>;
  /** The number of events that are not on disk yet. */
  waiting(): number;
  /** Resolves when no event is being written. */
  idle(): Promise<void>;
}

interface Waiting {
  doc: WebhookEventDoc;
  bytes: number;
  resolve(outcome: 'stored' | 'known'): void;
  reject(error: unknown): void;
}

type Known = Pick<WebhookEventDoc, '_id' | 'type' | 'object' | 'state'>;

const MAX_WAITING = 10_000;
/** While one batch waits for the disk, the next is on its way, so that no event waits for two. */
const MAX_BATCHES = 2;
const MAX_WAITING_BYTES = 64 * 1_048_576;
const STATEMENT_TIMEOUT_MS = 5_000;
const MAX_TRIES = 100;
const RETRY_MS = 5;

/** @param deps.stored called when there are new events to apply */
export function createEventIntake(deps: {
  models: Models;
  clock: Clock;
  metrics: Metrics;
  rejections: Rejections;
  /** Whether the server's key belongs to Stripe's live mode; null: unknown. */
  isLive: boolean | null;
  stored: () => void;
}): EventIntake {
  const { models, clock, metrics, rejections, isLive } = deps;
  const events = models.webhookEvents.collection;
  const queue = createGroupCommit<Waiting>(commit, MAX_WAITING, MAX_BATCHES);
  let waitingBytes = 0;
  let waiting = 0;

  async function commit(batch: Waiting[]): Promise<void> {
    const startedAtMs = performance.now();
    for (const { bytes } of batch) waitingBytes -= bytes;
    // If a batch has several events with one id, the first is stored and the others find it.
    const first = new Map<string, Waiting>();
    for (const one of batch) if (!first.has(one.doc._id)) first.set(one.doc._id, one);
    try {
      const known = await storeAll(await withoutErased([...first.values()].map(({ doc }) => doc)));
      await revive([...known.values()].filter(({ state }) => state === WebhookEventStatus.FAILED));
      for (const one of batch) settle(one, first.get(one.doc._id) as Waiting, known);
      metrics.batchCommitted('webhook_events', batch.length, startedAtMs);
      if (batch.some(({ doc }) => doc.lane !== null)) deps.stored();
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      waiting -= batch.length;
    }
  }

  function settle(waiting: Waiting, first: Waiting, known: ReadonlyMap<string, Known>): void {
    const { _id } = waiting.doc;
    const before = known.get(_id);
    if (!isSameEvent(before ?? first.doc, waiting.doc)) {
      rejections.count('conflict');
      waiting.reject(badInput('body', `another event with the id ${_id} was received before`));
      return;
    }
    const outcome = before || waiting !== first ? 'known' : 'stored';
    metrics.eventsHandled(outcome, 1);
    waiting.resolve(outcome);
  }

  /** Stripe may send events long after a tenant was erased, and they contain its name and e-mail address. */
  async function withoutErased(docs: WebhookEventDoc[]): Promise<WebhookEventDoc[]> {
    const ids = docs.flatMap(({ customer }) => customer ?? []);
    if (ids.length === 0) return docs;
    const erased = await models.billingCustomers
      .find(erasedAmong(ids), { formerStripeIds: 1 })
      .lean<BillingCustomerDoc[]>();
    const erasedIds = new Set(erased.flatMap(({ formerStripeIds = [] }) => formerStripeIds));
    return docs.map((doc) => (doc.customer && erasedIds.has(doc.customer) ? contentless(doc) : doc));
  }

  /** @returns the events that were stored before, by id; all others are stored now */
  async function storeAll(docs: readonly WebhookEventDoc[]): Promise<Map<string, Known>> {
    const known = new Map<string, Known>();
    let open = docs;
    for (let tries = 1; open.length > 0; tries++) {
      if (tries > MAX_TRIES)
        throw serviceUnavailable('The same event is being stored by another server; try again');
      // The index shows another server's insert before a majority has it, and only then can it be read.
      if (tries > 2) await sleep(RETRY_MS);
      open = await insert(open);
      for (const found of await read(open)) known.set(found._id, found);
      open = open.filter(({ _id }) => !known.has(_id));
    }
    return known;
  }

  /** @returns the events whose id is taken */
  async function insert(docs: readonly WebhookEventDoc[]): Promise<WebhookEventDoc[]> {
    try {
      await events.insertMany(docs as never[], { ordered: false, timeoutMS: STATEMENT_TIMEOUT_MS });
      return [];
    } catch (error) {
      if (!(error instanceof mongo.MongoBulkWriteError) || !isDuplicateKey(error)) throw error;
      const writeErrors = [error.writeErrors].flat();
      // All others must be on disk on a majority.
      if (!writeErrors.every(isDuplicateKey) || error.result.getWriteConcernError()) throw error;
      return writeErrors.map(({ index }) => docs[index] as WebhookEventDoc);
    }
  }

  async function read(docs: readonly WebhookEventDoc[]): Promise<Known[]> {
    if (docs.length === 0) return [];
    const found = await events
      .find(
        { _id: { $in: docs.map(({ _id }) => _id) as never[] } },
        { projection: { type: 1, object: 1, state: 1 }, readConcern: { level: 'majority' } },
      )
      .toArray();
    return found as unknown as Known[];
  }

  /** When Stripe sends a failed event again, it is retried. */
  async function revive(failed: readonly Known[]): Promise<void> {
    if (failed.length === 0) return;
    await events.updateMany(
      { _id: { $in: failed.map(({ _id }) => _id) as never[] }, state: WebhookEventStatus.FAILED },
      { $set: pendingAgain(clock.now()) },
    );
  }

  return {
    receive(event) {
      return new Promise((resolve, reject) => {
        const bytes = event.payload.length;
        if (waitingBytes + bytes > MAX_WAITING_BYTES)
          throw serviceUnavailable('The server is overloaded; try again shortly');
        if (isOfOtherMode(event, isLive)) rejections.count('livemode');
        queue.submit({ doc: documentOf(event, clock.now(), isLive), bytes, resolve, reject });
        waitingBytes += bytes;
        waiting += 1;
      });
    },
    waiting: () => waiting,
    idle: queue.idle,
  };
}

/**
 * Two endpoints with different API versions deliver one event with different bodies, so only type and object are
 * compared. An event whose object has no id matches any object.
 */
function isSameEvent(one: Pick<Known, 'type' | 'object'>, other: Pick<Known, 'type' | 'object'>): boolean {
  if (plainTypeOf(one.type) !== plainTypeOf(other.type)) return false;
  return !one.object || !other.object || one.object === other.object;
}

/** The stored fields `lane` and `twinId` are the event's queue and the id of its snapshot. */
export function documentOf(event: ReceivedEvent, nowMs: number, isLive: boolean | null): WebhookEventDoc {
  const { queue, object, customer, reason } = targetOf(event, isLive);
  const { id, type, payload, snapshotId, occurredAt } = event;
  const now = new Date(nowMs);
  const outcome =
    queue === null
      ? { state: WebhookEventStatus.IGNORED, endedAt: now }
      : { state: WebhookEventStatus.PENDING, endedAt: null };
  const urgency = urgencyOf(event);
  const { id: subscription, createdAt } = subscriptionOf(event);
  // What may be lost is decided by all of the customer's subscriptions.
  const subscribedAt = urgency === EventUrgency.TAKES ? null : createdAt;
  const about = { urgency, subscription, subscribedAt, occurredAt };
  const target = { lane: queue, object, customer, reason, ...about };
  const outbox = queue !== null && isForwarded(type) ? { unannounced: true as const } : {};
  const waiting = { lastError: null, attempts: 0, nextAttemptAt: now, claim: null, receivedAt: now };
  return { _id: id, type, payload, twinId: snapshotId, ...target, ...waiting, ...outcome, ...outbox };
}

const contentless = ({ unannounced: _, ...doc }: WebhookEventDoc): WebhookEventDoc => ({
  ...doc,
  payload: ERASED_PAYLOAD,
  lane: null,
  state: WebhookEventStatus.IGNORED,
  reason: 'its tenant was erased',
  endedAt: doc.receivedAt,
});

/** The fields that make a finished event pending again, as if it had just been received. */
export const pendingAgain = (nowMs: number) => ({
  state: WebhookEventStatus.PENDING,
  reason: null,
  attempts: 0,
  nextAttemptAt: new Date(nowMs),
  endedAt: null,
});
