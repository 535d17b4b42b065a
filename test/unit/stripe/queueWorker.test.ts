import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { Bursts } from '../../../src/services/billing/inbox/bursts.js';
import type { CustomerQueues, LeasedQueue } from '../../../src/services/billing/inbox/customerQueues.js';
import { createQueueWorker } from '../../../src/services/billing/inbox/queueWorker.js';
import { noMetrics } from '../../../src/services/infrastructure/metrics.js';
import { soon } from '../../support/soon.js';

const done = async () => undefined;
const LEASED: Omit<LeasedQueue, 'queue'> = {
  count: 1,
  newest: 'evt_1',
  listed: null,
  grants: [],
  applied: done,
  ignored: done,
  moved: done,
  failed: done,
  putBack: done,
  release: done,
};

const dueQueue = (queue: string) => ({ queue, subscribedAt: null });
const NO_BURSTS: Bursts = { grant: async () => new Set(), settle: done };

/** A worker with `count` due queues, and when each was started. */
function workerWith(count: number, isBusy: () => boolean) {
  const waiting = Array.from({ length: count }, (_, i) => `customer:cus_${i}`);
  const begunMs: number[] = [];
  const queues: CustomerQueues = {
    due: async () => waiting.map(dueQueue),
    async lease(names) {
      return names.map((queue) => {
        waiting.splice(waiting.indexOf(queue), 1);
        begunMs.push(performance.now());
        return { ...LEASED, queue };
      });
    },
    payloadsOf: async () => new Map(),
  };
  const effect = async () => ({ kind: 'applied' as const, note: null });
  return {
    worker: createQueueWorker({
      queues,
      effect,
      bursts: NO_BURSTS,
      log: pino({ level: 'silent' }),
      metrics: noMetrics,
      isBusy,
    }),
    begunMs,
  };
}

it('starts queues slowly while events wait to be stored, and at full speed after that', async () => {
  let isBusy = true;
  const { worker, begunMs } = workerWith(200, () => isBusy);
  worker.wake();
  await soon(() => expect(begunMs.length).toBeGreaterThanOrEqual(3));
  const [first, second, third] = begunMs as [number, number, number];
  expect(second - first).toBeGreaterThanOrEqual(99);
  expect(third - second).toBeGreaterThanOrEqual(99);
  isBusy = false;
  const freeMs = performance.now();
  await worker.idle(10_000);
  expect(begunMs).toHaveLength(200);
  // At the slow pace it would take 20 s.
  expect(performance.now() - freeMs).toBeLessThan(5_000);
  await worker.stop();
});

it('stops when nothing is due, even while events wait to be stored', async () => {
  const { worker, begunMs } = workerWith(2, () => true);
  worker.wake();
  await worker.idle(10_000);
  expect(begunMs).toHaveLength(2);
  await worker.stop();
});

it('finds an event that arrives for a queue that finishes during a search that excludes it', async () => {
  const queue = 'customer:cus_1';
  let waiting = 1;
  let applied = 0;
  let looks = 0;
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const queues: CustomerQueues = {
    async due(except) {
      looks += 1;
      const found = new Set(except).has(queue) || waiting === 0 ? [] : [dueQueue(queue)];
      if (looks === 2) {
        waiting += 1;
        end();
        await soon(() => expect(applied).toBe(1));
      }
      return found;
    },
    payloadsOf: async () => new Map(),
    async lease() {
      waiting -= 1;
      const release = async () => {
        applied += 1;
      };
      return [{ ...LEASED, queue, release }];
    },
  };
  const effect = async () => {
    await ended;
    return { kind: 'applied' as const, note: null };
  };
  const worker = createQueueWorker({
    queues,
    effect,
    bursts: NO_BURSTS,
    log: pino({ level: 'silent' }),
    metrics: noMetrics,
    isBusy: () => false,
  });
  worker.wake();
  await soon(() => expect(waiting).toBe(0));
  worker.wake();
  await worker.idle(10_000);
  expect(applied).toBe(2);
  await worker.stop();
});

it('begins what is more urgent before what it has found already', async () => {
  const waiting = Array.from({ length: 100 }, (_, i) => `customer:cus_${i}`);
  const begun: string[] = [];
  const queues: CustomerQueues = {
    due: async (except) => {
      const taken = new Set(except);
      return waiting.filter((queue) => !taken.has(queue)).map(dueQueue);
    },
    async lease(names) {
      for (const queue of names) waiting.splice(waiting.indexOf(queue), 1);
      begun.push(...names);
      return names.map((queue) => ({ ...LEASED, queue }));
    },
    payloadsOf: async () => new Map(),
  };
  const worker = createQueueWorker({
    queues,
    effect: async () => {
      await sleep(200);
      return { kind: 'applied', note: null };
    },
    bursts: NO_BURSTS,
    log: pino({ level: 'silent' }),
    metrics: noMetrics,
    isBusy: () => false,
  });
  worker.wake();
  await soon(() => expect(begun.length).toBeGreaterThan(0));
  waiting.unshift('customer:cus_urgent');
  worker.wake();
  await worker.idle(10_000);
  expect(begun).toHaveLength(101);
  expect(begun.indexOf('customer:cus_urgent')).toBeLessThan(90);
  await worker.stop();
});
