import Stripe from 'stripe';
import { type Disorder, type Fate, fateOf } from './disorder.js';
import type { Log } from './log.js';
import type { Clock } from './storage/clock.js';
import type { Collections } from './storage/collections.js';
import type { EventDocument } from './storage/documents.js';

const MAX_CONCURRENT = 4;
const TIMEOUT_MS = 20_000;
/** Longer than an attempt can take, so that no other instance claims an event under way. */
const LEASE_MS = 30_000;
/** How often an instance looks for events of a crashed or restarted one. */
const SWEEP_MS = 5_000;
/** How often it checks whether there is a webhook URL by now. */
const ENDPOINT_POLL_MS = 100;
/** Waits after the first, second, … failed attempt; after the last the event counts as failed. */
const BACKOFF_MS = [1, 2, 5, 15, 60, 300, 900, 3600].map((seconds) => seconds * 1000);

const UNHARMED: Fate = { dropped: false, copies: 1, delayMs: 0 };

export interface DeliveryDeps {
  collections: Collections;
  /** Dates the signatures. */
  clock: Clock;
  log: Log;
  webhookSecret: () => string;
  webhookUrl: () => string | undefined;
}

/** Posts every event to the webhook URL until it is answered with 2xx. Waits between attempts are real time, whatever the clocks say. */
export interface Delivery {
  start(): void;
  stop(): Promise<void>;
  /** Called after a commit that may have written events. */
  wake(): void;
  /** From now on events arrive late, twice or never; null: as usual again. */
  disturb(disorder: Disorder | null): void;
  /** @returns how many events have not been attempted yet, or wait for another attempt */
  pending(): Promise<number>;
}

export function createDelivery({
  collections,
  clock,
  log,
  webhookSecret,
  webhookUrl,
}: DeliveryDeps): Delivery {
  const { events } = collections;
  const { webhooks } = new Stripe('sk_unused');
  let stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const workers = new Set<Promise<void>>();
  let started = false;
  let disorder: Disorder | null = null;
  let ordinal = 0;

  async function claim(): Promise<EventDocument | null> {
    const now = new Date();
    return events.findOneAndUpdate(
      { 'delivery.state': 'pending', 'delivery.nextAttemptAt': { $lte: now } },
      {
        $inc: { 'delivery.attempts': 1 },
        $set: { 'delivery.nextAttemptAt': new Date(now.getTime() + LEASE_MS) },
      },
      { sort: { 'delivery.nextAttemptAt': 1, seq: 1 }, returnDocument: 'after' },
    );
  }

  /** @returns null when the event was delivered, else why not */
  async function post(event: EventDocument, url: string): Promise<string | null> {
    const payload = JSON.stringify(event.body, null, 2);
    const signature = webhooks.generateTestHeaderString({
      payload,
      secret: webhookSecret(),
      timestamp: Math.floor(clock.now() / 1000),
    });
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json; charset=utf-8', 'Stripe-Signature': signature },
        body: payload,
        redirect: 'manual',
        signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      await response.body?.cancel();
      return response.ok ? null : `HTTP ${response.status}`;
    } catch (error) {
      return (error as { cause?: Error }).cause?.message ?? (error as Error).message;
    }
  }

  /** Only the latest claim records its outcome. */
  async function settle({ _id, delivery }: EventDocument, problem: string | null): Promise<void> {
    const mine = { _id, 'delivery.attempts': delivery.attempts };
    if (problem === null) {
      await events.updateOne(mine, { $set: { 'delivery.state': 'delivered', 'delivery.lastError': null } });
      return;
    }
    if (stopping.signal.aborted) {
      const again = { $set: { 'delivery.nextAttemptAt': new Date() }, $inc: { 'delivery.attempts': -1 } };
      await events.updateOne(mine, again);
      return;
    }
    const waitMs = BACKOFF_MS[delivery.attempts - 1];
    const next =
      waitMs === undefined
        ? { 'delivery.state': 'failed' as const }
        : { 'delivery.nextAttemptAt': new Date(Date.now() + waitMs) };
    await events.updateOne(mine, { $set: { ...next, 'delivery.lastError': problem } });
  }

  /** The first attempt decides whether an event is disturbed. @returns null for one that is dropped or delayed */
  async function suffer(event: EventDocument): Promise<Fate | null> {
    if (event.delivery.attempts > 1) return UNHARMED;
    ordinal += 1;
    const fate = fateOf(ordinal, disorder);
    const mine = { _id: event._id, 'delivery.attempts': event.delivery.attempts };
    if (fate.dropped) {
      const lost = { 'delivery.state': 'failed' as const, 'delivery.lastError': 'dropped' };
      await events.updateOne(mine, { $set: lost });
      return null;
    }
    if (fate.delayMs === 0) return fate;
    await events.updateOne(mine, {
      $set: { 'delivery.nextAttemptAt': new Date(Date.now() + fate.delayMs) },
    });
    return null;
  }

  async function deliver(event: EventDocument, url: string): Promise<void> {
    const fate = await suffer(event);
    if (!fate) return;
    if (fate.copies > 1) await post(event, url);
    const problem = await post(event, url);
    await settle(event, problem);
    const fields = { eventId: event._id, type: event.type, attempt: event.delivery.attempts };
    if (problem)
      log.warn({ event: 'mock.webhook.failed', ...fields, problem }, `[MOCK] webhook ${event.type} failed`);
    else log.debug({ event: 'mock.webhook.delivered', ...fields }, `[MOCK] webhook ${event.type} delivered`);
  }

  async function drain(): Promise<void> {
    while (!stopping.signal.aborted) {
      const url = webhookUrl();
      if (url === undefined) return;
      const event = await claim();
      if (!event) return;
      // There may be more events: they need not wait for this one's answer.
      wake();
      await deliver(event, url);
    }
  }

  function wake(): void {
    if (!started || stopping.signal.aborted) return;
    if (workers.size >= MAX_CONCURRENT) return;
    const worker: Promise<void> = drain()
      .catch((error: unknown) =>
        log.error({ event: 'mock.delivery.failed', err: error }, '[MOCK] webhook delivery failed'),
      )
      .finally(() => {
        workers.delete(worker);
        if (workers.size === 0) plan().catch(() => undefined);
      });
    workers.add(worker);
  }

  /** Sets the timer for the next attempt that is due. */
  async function plan(): Promise<void> {
    if (stopping.signal.aborted) return;
    clearTimeout(timer);
    timer = setTimeout(wake, SWEEP_MS).unref();
    if (webhookUrl() === undefined) {
      clearTimeout(timer);
      timer = setTimeout(wake, ENDPOINT_POLL_MS).unref();
      return;
    }
    const [next] = await events
      .find({ 'delivery.state': 'pending' }, { projection: { delivery: 1 } })
      .sort({ 'delivery.nextAttemptAt': 1 })
      .limit(1)
      .toArray();
    if (!next || stopping.signal.aborted) return;
    const waitMs = Math.min(SWEEP_MS, Math.max(0, next.delivery.nextAttemptAt.getTime() - Date.now()));
    clearTimeout(timer);
    timer = setTimeout(wake, waitMs).unref();
  }

  return {
    start() {
      started = true;
      stopping = new AbortController();
      wake();
    },
    async stop() {
      started = false;
      stopping.abort();
      clearTimeout(timer);
      await Promise.all(workers);
    },
    wake,
    disturb(wanted) {
      disorder = wanted;
      ordinal = 0;
    },
    pending: () => events.countDocuments({ 'delivery.state': 'pending' }),
  };
}
