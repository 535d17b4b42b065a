import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { stripeAuthor } from '../../audit/author.js';
import type { Metrics } from '../../infrastructure/metrics.js';
import { forWorker } from '../stripe/requester.js';
import { describeFailure } from '../stripe/stripeErrors.js';
import type { CustomerQueues } from './customerQueues.js';
import type { EventEffect } from './eventEffects.js';

/** Applies pending events, several queues at a time, until none is due. */
export interface QueueWorker {
  start(): void;
  /** Events may be due. */
  wake(): void;
  /** Resolves when no event is due any more, at the latest after `maxMs`. */
  idle(maxMs: number): Promise<void>;
  stop(): Promise<void>;
}

const POLL_MS = 5_000;
/** Enough to use Stripe's whole request rate when a response takes half a second. */
const MAX_QUEUES = 16;
/** Storing and answering events has priority: while they wait for that, queues are found and started this far apart. */
const BUSY_SPACING_MS = 100;
/** How often the worker checks whether that is over. */
const BUSY_LOOK_MS = 10;

export function createQueueWorker(deps: {
  queues: CustomerQueues;
  effect: EventEffect;
  log: Logger;
  metrics: Metrics;
  /** Whether so many events arrive now that applying them would delay the responses to Stripe. */
  isBusy: () => boolean;
}): QueueWorker {
  const { queues, effect, log, metrics, isBusy } = deps;
  const active = new Map<string, Promise<void>>();
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> | null = null;
  let wanted = false;
  let stopped = false;
  let woken = () => {};
  let lastBegunMs = Number.NEGATIVE_INFINITY;

  async function apply(queue: string): Promise<void> {
    const leased = await queues.lease(queue);
    if (!leased) return;
    const { count } = leased;
    try {
      const newest = await leased.ignoreDuplicates();
      if (newest === null) return;
      const outcome = await forWorker(() => effect(queue, stripeAuthor(newest)));
      const { kind, ...details } = outcome;
      switch (outcome.kind) {
        case 'applied':
          await leased.applied(outcome.note);
          break;
        case 'ignored':
          await leased.ignored(outcome.reason);
          break;
        case 'moved':
          await leased.moved(outcome.to);
          break;
      }
      metrics.eventsHandled(kind, count);
      log.info({ queue, events: count, ...details }, `webhook.${kind}`);
    } catch (error) {
      metrics.eventsHandled('retried', count);
      log.error({ err: error, queue, events: count }, 'webhook.retry');
      await leased.failed(describeFailure(error));
    } finally {
      await leased.release();
    }
  }

  function begin(queue: string): void {
    lastBegunMs = performance.now();
    const applying = apply(queue)
      .catch((error: unknown) => {
        // The lease expires, and the queue is found again.
        log.warn({ err: error, queue }, 'webhook.database_unavailable');
      })
      .finally(() => {
        active.delete(queue);
        // A search for due queues that is already running excludes this one, so search again.
        wanted = true;
      });
    active.set(queue, applying);
  }

  const hasRoom = () => active.size < MAX_QUEUES;
  const mayBegin = () => hasRoom() && (!isBusy() || performance.now() >= lastBegunMs + BUSY_SPACING_MS);

  async function work(): Promise<void> {
    let due: string[] = [];
    while (!stopped) {
      if (due.length === 0 && mayBegin()) {
        wanted = false;
        due = await queues.due(active.keys());
        // Events that arrive for an active queue are found once that queue has finished.
        if (due.length === 0 && active.size === 0 && !wanted) {
          // Set in the same step, so that the next `wake` starts a new run.
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
      .catch((error: unknown) => log.warn({ err: error }, 'webhook.database_unavailable'))
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
