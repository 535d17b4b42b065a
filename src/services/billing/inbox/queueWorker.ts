import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { stripeAuthor } from '../../audit/author.js';
import type { Metrics } from '../../infrastructure/metrics.js';
import { forWorker } from '../stripe/requester.js';
import { describeFailure, isAway } from '../stripe/stripeErrors.js';
import type { BurstOutcome, Bursts } from './bursts.js';
import type { CustomerQueues, DueQueue, LeasedQueue } from './customerQueues.js';
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
/** Enough to use Stripe's whole request rate when a response and the writes around it take 0.8 s. */
const MAX_QUEUES = 20;
/** More than a second of Stripe's request rate: from here on, lists bring the state sooner. */
const MIN_BURST = 25;
const MAX_BURST = 1_000;
/** Leasing many queues takes the database a moment, so that events which arrive meanwhile wait: then bursts are small and rare. */
const MAX_BURST_WHILE_STORING = 200;
const BURST_SPACING_WHILE_STORING_MS = 5_000;
/** What comes meanwhile is listed together: the more customers are wanted, the more of them a list brings. */
const BURST_SPACING_MS = 1_000;
const CALM_MS = 200;
/** Storing and answering events has priority: while they wait for that, queues are found and started this far apart. */
const BUSY_SPACING_MS = 100;
/** How often the worker checks whether that is over. */
const BUSY_LOOK_MS = 10;
/** While queues are worked on, a search for others reads what the last one read. */
const SEARCH_SPACING_MS = 50;
/** What has come since a search may be more urgent than what it found. */
const STALE_MS = 500;

export function createQueueWorker(deps: {
  queues: CustomerQueues;
  effect: EventEffect;
  bursts: Bursts;
  log: Logger;
  metrics: Metrics;
  /** Whether so many events arrive now that applying them would delay the responses to Stripe. */
  isBusy: () => boolean;
}): QueueWorker {
  const { queues, effect, bursts, log, metrics } = deps;
  /** All queues that are being worked on. */
  const active = new Set<string>();
  /** Those of them that are fetched one by one. */
  let single = 0;
  let burst: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> | null = null;
  let wanted = false;
  let stopped = false;
  let woken = () => {};
  let lastBegunMs = Number.NEGATIVE_INFINITY;
  let lastSearchMs = Number.NEGATIVE_INFINITY;
  let lastBusyMs = Number.NEGATIVE_INFINITY;
  let lastBurstMs = Number.NEGATIVE_INFINITY;

  function isBusy(): boolean {
    const now = deps.isBusy();
    if (now) lastBusyMs = performance.now();
    return now;
  }

  function end(queue: string): void {
    active.delete(queue);
    searchAgain();
  }

  /** A search for due queues that is already running excludes those that have just ended. */
  function searchAgain(): void {
    wanted = true;
    woken();
  }

  /** The lease expires, and the queue is found again. */
  function lost(error: unknown, queue?: string): void {
    log.warn({ err: error, queue }, 'webhook.database_unavailable');
  }

  async function apply(leased: LeasedQueue): Promise<void> {
    const { queue, count, newest } = leased;
    try {
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
      if (isAway(error) && leased.grants.length > 0) await bursts.grant([leased]);
      await leased.failed(describeFailure(error));
    } finally {
      await leased.release();
    }
  }

  /** @returns those that nobody else works on */
  async function lease(names: readonly string[]): Promise<LeasedQueue[]> {
    const leased = await queues.lease(names).catch((error: unknown) => {
      lost(error);
      return [];
    });
    const found = new Set(leased.map(({ queue }) => queue));
    for (const name of names) if (!found.has(name)) end(name);
    return leased;
  }

  async function beginEach(names: readonly string[]): Promise<void> {
    lastBegunMs = performance.now();
    for (const name of names) active.add(name);
    single += names.length;
    const leased = await lease(names);
    single -= names.length - leased.length;
    for (const one of leased) {
      void apply(one)
        .catch((error: unknown) => lost(error, one.queue))
        .finally(() => {
          single -= 1;
          end(one.queue);
        });
    }
    woken();
  }

  async function settle(leased: LeasedQueue, outcome: BurstOutcome): Promise<void> {
    const { queue, count } = leased;
    try {
      if (outcome.kind === 'granted' || outcome.kind === 'open') {
        await leased.putBack(outcome.kind === 'granted');
      } else {
        const { kind, ...details } = outcome;
        await (outcome.kind === 'applied' ? leased.applied(outcome.note) : leased.ignored(outcome.reason));
        metrics.eventsHandled(kind, count);
        log.info({ queue, events: count, listed: true, ...details }, `webhook.${kind}`);
      }
      await leased.release();
    } catch (error) {
      lost(error, queue);
    } finally {
      active.delete(queue);
      // What is applied needs no search until all have ended.
      if (outcome.kind === 'granted' || outcome.kind === 'open') searchAgain();
    }
  }

  async function beginBurst(names: readonly string[]): Promise<void> {
    for (const name of names) active.add(name);
    const leased = await lease(names);
    try {
      await forWorker(() => bursts.settle(leased, settle, pace));
    } catch (error) {
      lost(error);
      await Promise.all(leased.map((one) => settle(one, { kind: 'open' })));
    }
  }

  /** @returns whether to go on */
  async function pace(): Promise<boolean> {
    while (!stopped && !mayHurry()) await sleep(BUSY_LOOK_MS);
    lastBegunMs = performance.now();
    return !stopped;
  }

  const mayHurry = () => !isBusy() || performance.now() >= lastBegunMs + BUSY_SPACING_MS;
  const room = () => MAX_QUEUES - single;
  const mayBegin = () => room() > 0 && mayHurry();
  const maySearch = () =>
    mayBegin() && (active.size === 0 || performance.now() >= lastSearchMs + SEARCH_SPACING_MS);

  const isStale = () => wanted && performance.now() >= lastSearchMs + STALE_MS;

  /** @returns how many queues a burst may have now */
  function burstSize(): number {
    if (burst || isBusy()) return 0;
    const nowMs = performance.now();
    const isCalm = nowMs >= lastBusyMs + CALM_MS;
    const spacingMs = isCalm ? BURST_SPACING_MS : BURST_SPACING_WHILE_STORING_MS;
    if (nowMs < lastBurstMs + spacingMs) return 0;
    return isCalm ? MAX_BURST : MAX_BURST_WHILE_STORING;
  }

  /** Begins what there is room for. @returns the others */
  function begin(due: readonly DueQueue[]): readonly DueQueue[] {
    const listed = due.filter(({ subscribedAt }) => subscribedAt);
    const size = listed.length >= MIN_BURST ? burstSize() : 0;
    if (size > 0) {
      lastBurstMs = performance.now();
      burst = beginBurst(listed.slice(0, size).map(({ queue }) => queue)).finally(() => {
        burst = null;
        searchAgain();
      });
    }
    // They wait for the next lists, which cost fewer requests.
    const isListed = burst !== null || listed.length >= MIN_BURST;
    let left = isListed ? due.filter(({ subscribedAt }) => !subscribedAt) : due;
    while (left.length > 0 && mayBegin()) {
      const count = isBusy() ? 1 : room();
      void beginEach(left.slice(0, count).map(({ queue }) => queue));
      left = left.slice(count);
    }
    return isListed && !burst ? [...left, ...listed] : left;
  }

  async function work(): Promise<void> {
    let due: readonly DueQueue[] = [];
    while (!stopped) {
      if ((due.length === 0 || isStale()) && maySearch()) {
        wanted = false;
        lastSearchMs = performance.now();
        due = await queues.due(active);
        // Events that arrive for an active queue are found once that queue has finished.
        if (due.length === 0 && active.size === 0 && !wanted) {
          // Set in the same step, so that the next `wake` starts a new run.
          running = null;
          return;
        }
        if (due.length === 0) lastBegunMs = performance.now();
      }
      const signal = new Promise<void>((resolve) => {
        woken = resolve;
      });
      due = begin(due);
      if (due.length === 0 && wanted && maySearch()) continue;
      const isSoon = room() > 0 && (isBusy() || due.length > 0 || wanted);
      await Promise.race([signal, ...(isSoon ? [sleep(BUSY_LOOK_MS)] : [])]);
    }
  }

  function wake(): void {
    if (stopped) return;
    wanted = true;
    if (mayBegin()) woken();
    if (running) return;
    const run: Promise<void> = work()
      .catch((error: unknown) => lost(error))
      .finally(() => {
        if (running === run) running = null;
      });
    running = run;
  }

  /** Resolves when nothing is worked on. */
  async function inactive(): Promise<void> {
    while (active.size > 0) {
      await new Promise<void>((resolve) => {
        woken = resolve;
      });
    }
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
      await inactive();
    },
  };
}
