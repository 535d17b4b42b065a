import type { Logger } from 'pino';
import type { Clock } from '../../clock.js';
import type { Models } from '../../models/models.js';
import type { WebhookEventDoc } from '../../models/webhookEvent.js';
import type { EventEffect } from './eventEffects.js';
import type { ReceivedEvent } from './webhookVerifier.js';

/** Webhook events: stored once under their id, answered, then applied by a worker that tries until it is done. */
export interface Inbox {
  /** Resolves when the event is on disk. @returns whether it is new */
  receive(event: ReceivedEvent): Promise<'stored' | 'known'>;
  start(): void;
  /** Resolves when nothing that is due waits any more, at latest after `maxMs`. */
  idle(maxMs: number): Promise<void>;
  stop(): Promise<void>;
}

const LEASE_MS = 30_000;
const POLL_MS = 5_000;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 15 * 60_000;
/** About a day of tries. */
const MAX_ATTEMPTS = 100;
const DUPLICATE_KEY = 11_000;

export function createInbox(deps: { models: Models; clock: Clock; log: Logger; effect: EventEffect }): Inbox {
  const { models, clock, log, effect } = deps;
  const events = models.webhookEvents;
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> | null = null;
  let wanted = false;
  let stopped = false;

  /** The lease lets another instance take the event when this one dies with it. */
  async function claim(): Promise<WebhookEventDoc | null> {
    const now = clock.now();
    return events
      .findOneAndUpdate(
        { state: 'PENDING', nextAttemptAt: { $lte: new Date(now) } },
        { $set: { nextAttemptAt: new Date(now + LEASE_MS) }, $inc: { attempts: 1 } },
        { sort: { nextAttemptAt: 1 }, returnDocument: 'after' },
      )
      .lean<WebhookEventDoc>();
  }

  async function apply(event: WebhookEventDoc): Promise<void> {
    const endedAt = () => new Date(clock.now());
    try {
      const reason = await effect(event.payload as ReceivedEvent);
      const state = reason === null ? 'APPLIED' : 'IGNORED';
      await events.updateOne({ _id: event._id }, { $set: { state, reason, endedAt: endedAt() } });
      log.info({ eventId: event._id, type: event.type, state, reason }, 'webhook event');
    } catch (error) {
      const given = event.attempts >= MAX_ATTEMPTS;
      const reason = error instanceof Error ? error.message : String(error);
      log.error(
        { err: error, eventId: event._id, type: event.type, attempts: event.attempts },
        'webhook event failed',
      );
      const waitMs = Math.min(FIRST_RETRY_MS * 2 ** (event.attempts - 1), MAX_RETRY_MS);
      const next = given
        ? { state: 'FAILED', reason, endedAt: endedAt() }
        : { reason, nextAttemptAt: new Date(clock.now() + waitMs) };
      // Only the claim that is still the latest one says that it failed: another may have applied it by now.
      const { _id, attempts } = event;
      await events.updateOne({ _id, state: 'PENDING', attempts }, { $set: next });
    }
  }

  async function work(): Promise<void> {
    try {
      while (wanted && !stopped) {
        wanted = false;
        for (let event = await claim(); event && !stopped; event = await claim()) await apply(event);
      }
    } catch (error) {
      log.warn({ err: error }, 'the webhook worker could not reach the database; it tries again');
    } finally {
      running = null;
    }
  }

  /** @returns whether the event had been given up, and its being sent once more makes it wait again */
  async function revive(eventId: string, now: Date): Promise<boolean> {
    const revived = await events.updateOne(
      { _id: eventId, state: 'FAILED' },
      { $set: { state: 'PENDING', attempts: 0, nextAttemptAt: now, endedAt: null } },
    );
    return revived.matchedCount === 1;
  }

  function wake(): void {
    if (stopped) return;
    wanted = true;
    running ??= work();
  }

  return {
    async receive(event) {
      const now = new Date(clock.now());
      try {
        await events.create({
          _id: event.id,
          type: event.type,
          payload: event,
          state: 'PENDING',
          reason: null,
          attempts: 0,
          nextAttemptAt: now,
          receivedAt: now,
          endedAt: null,
        });
      } catch (error) {
        if ((error as { code?: number }).code !== DUPLICATE_KEY) throw error;
        if (await revive(event.id, now)) wake();
        return 'known';
      }
      wake();
      return 'stored';
    },
    start() {
      timer = setInterval(wake, POLL_MS).unref();
      wake();
    },
    async idle(maxMs) {
      const timeout = new Promise<void>((resolve) => setTimeout(resolve, maxMs).unref());
      while (running) {
        const outcome = await Promise.race([running.then(() => 'ended'), timeout.then(() => 'late')]);
        if (outcome === 'late') return;
      }
    },
    async stop() {
      stopped = true;
      if (timer) clearInterval(timer);
      await running;
    },
  };
}
