import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { forWorker } from '../stripe/requester.js';
import { describeFailure } from '../stripe/stripeErrors.js';
import type { CustomerQueues } from './customerQueues.js';
import type { EventEffect } from './eventEffects.js';

/** Applies what waits, several lanes at a time, until nothing is due. */
export interface QueueWorker {
  start(): void;
  /** There may be something to apply. */
  wake(): void;
  /** Resolves when nothing that is due waits any more, at latest after `maxMs`. */
  idle(maxMs: number): Promise<void>;
  stop(): Promise<void>;
}

const POLL_MS = 5_000;
/** Enough to use what Stripe lets us ask a second, while an answer takes half a second. */
const MAX_LANES = 16;
/** While events wait to be stored and answered, applying is second to that: a lane is begun, or looked for, this long after the last. */
const BUSY_SPACING_MS = 100;
/** How soon the end of such a time is noticed. */
const BUSY_LOOK_MS = 10;

export function createQueueWorker(deps: {
  lanes: CustomerQueues;
  effect: EventEffect;
  log: Logger;
  /** Whether so many events come at this moment that their answers must not wait for this. */
  isBusy: () => boolean;
}): QueueWorker {
  const { lanes, effect, log, isBusy } = deps;
  const active = new Map<string, Promise<void>>();
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> | null = null;
  let wanted = false;
  let stopped = false;
  let woken = () => {};
  let lastBegunMs = Number.NEGATIVE_INFINITY;

  async function apply(lane: string): Promise<void> {
    const claimed = await lanes.claim(lane);
    if (!claimed) return;
    const { count } = claimed;
    try {
      if (!(await claimed.ignoreDuplicates())) return;
      const outcome = await forWorker(() => effect(lane));
      switch (outcome.kind) {
        case 'applied':
          await claimed.applied(outcome.note);
          break;
        case 'ignored':
          await claimed.ignored(outcome.reason);
          break;
        case 'moved':
          await claimed.moved(outcome.lane);
          break;
      }
      log.info({ lane, events: count, ...outcome }, 'webhook events');
    } catch (error) {
      log.error({ err: error, lane, events: count }, 'webhook events failed');
      await claimed.failed(describeFailure(error));
    } finally {
      await claimed.release();
    }
  }

  function begin(lane: string): void {
    lastBegunMs = performance.now();
    const applying = apply(lane)
      .catch((error: unknown) => {
        // The lease runs out by itself, and somebody takes the lane again.
        log.warn({ err: error, lane }, 'the webhook worker could not reach the database; it tries again');
      })
      .finally(() => {
        active.delete(lane);
        // A look for lanes that is under way leaves this one out.
        wanted = true;
      });
    active.set(lane, applying);
  }

  const hasRoom = () => active.size < MAX_LANES;
  const mayBegin = () => hasRoom() && (!isBusy() || performance.now() >= lastBegunMs + BUSY_SPACING_MS);

  async function work(): Promise<void> {
    let due: string[] = [];
    while (!stopped) {
      if (due.length === 0 && mayBegin()) {
        wanted = false;
        due = await lanes.due(active.keys());
        // What came for a lane that is being worked on is found when that has ended.
        if (due.length === 0 && active.size === 0 && !wanted) {
          // In the same step that found nothing: who wakes us from now on starts anew.
          running = null;
          return;
        }
        if (due.length === 0) lastBegunMs = performance.now();
      }
      while (due.length > 0 && mayBegin()) begin(due.shift() as string);
      if (due.length === 0 && wanted && mayBegin()) continue;
      const signal = new Promise<void>((resolve) => {
        woken = resolve;
      });
      const mayBeginSoon = hasRoom() && isBusy();
      await Promise.race([...active.values(), signal, ...(mayBeginSoon ? [sleep(BUSY_LOOK_MS)] : [])]);
    }
  }

  function wake(): void {
    if (stopped) return;
    wanted = true;
    if (mayBegin()) woken();
    if (running) return;
    const run: Promise<void> = work()
      .catch((error: unknown) =>
        log.warn({ err: error }, 'the webhook worker could not reach the database; it tries again'),
      )
      .finally(() => {
        if (running === run) running = null;
      });
    running = run;
  }

  return {
    wake,
    start() {
      timer ??= setInterval(wake, POLL_MS).unref();
      wake();
    },
    async idle(maxMs) {
      const timeout = new Promise<'late'>((resolve) => setTimeout(resolve, maxMs, 'late').unref());
      while (running) {
        if ((await Promise.race([running, timeout])) === 'late') return;
      }
    },
    async stop() {
      stopped = true;
      if (timer) clearInterval(timer);
      woken();
      await running;
      await Promise.all(active.values());
    },
  };
}
