import Stripe from 'stripe';
import { type Disorder, type Fate, fateOf } from './disorder.js';
import type { Log } from './log.js';
import type { Clock } from './storage/clock.js';
import type { Collections } from './storage/collections.js';
import type { EventDocument } from './storage/documents.js';

const LANES = 4;
const TIMEOUT_MS = 20_000;
/** Longer than a try can take, so that nobody else takes up what is under way. */
const LEASE_MS = 30_000;
/** How often events of a crashed or restarted instance are looked for. */
const SWEEP_MS = 5_000;
/** How often it is asked whether our endpoint listens by now. */
const ENDPOINT_POLL_MS = 100;
/** Waits after the first, second, … failed try; after the last the event counts as failed. */
const BACKOFF_MS = [1, 2, 5, 15, 60, 300, 900, 3600].map((seconds) => seconds * 1000);

const UNHARMED: Fate = { dropped: false, copies: 1, delayMs: 0 };

export interface DeliveryDeps {
  collections: Collections;
  /** Dates the signature: the endpoint compares it with the same clock. */
  clock: Clock;
  log: Log;
  webhookSecret: () => string;
  webhookUrl: () => string | undefined;
}

/** Posts every event to our webhook until it is taken. Waits between tries are real time, whatever the clocks say. */
export interface Delivery {
  start(): void;
  stop(): Promise<void>;
  /** There may be something to deliver. */
  wake(): void;
  /** What comes from now on arrives late, twice or never; null: in order again. */
  disturb(disorder: Disorder | null): void;
  /** @returns how many events have not been tried yet, or wait for another try */
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
  const lanes = new Set<Promise<void>>();
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

  /** @returns null when the event was taken, else why not */
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

  /** Only the claim that is still the latest one says how it went. */
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

  /** What becomes of an event is settled at its first try. @returns null for one that is lost, or put off */
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
      // Where there is one there may be more: they need not wait for this one's answer.
      wake();
      await deliver(event, url);
    }
  }

  function wake(): void {
    if (!started || stopping.signal.aborted) return;
    if (lanes.size >= LANES) return;
    const lane: Promise<void> = drain()
      .catch((error: unknown) =>
        log.error({ event: 'mock.delivery.failed', err: error }, '[MOCK] webhook delivery failed'),
      )
      .finally(() => {
        lanes.delete(lane);
        if (lanes.size === 0) plan().catch(() => undefined);
      });
    lanes.add(lane);
  }

  /** Sets the alarm for the next try that is due. */
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
      await Promise.all(lanes);
    },
    wake,
    disturb(wanted) {
      disorder = wanted;
      ordinal = 0;
    },
    pending: () => events.countDocuments({ 'delivery.state': 'pending' }),
  };
}
