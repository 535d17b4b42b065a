import { createGroupCommit } from '@continuum-billing/limits/core';
import { expect, it } from 'vitest';

it('serves all that arrived while a batch was committed by the next one', async () => {
  const batches: number[][] = [];
  const queue = createGroupCommit<number>(async (batch) => {
    batches.push(batch);
    await new Promise(setImmediate);
  }, 100);
  queue.submit(1);
  queue.submit(2);
  await new Promise((resolve) => process.nextTick(resolve));
  await Promise.resolve();
  for (const item of [3, 4, 5]) queue.submit(item);
  await queue.idle();
  expect(batches).toEqual([
    [1, 2],
    [3, 4, 5],
  ]);
});

it('commits no more batches at once than it may', async () => {
  const batches: number[][] = [];
  const ends: (() => void)[] = [];
  const queue = createGroupCommit<number>(
    (batch) => {
      batches.push(batch);
      return new Promise((resolve) => ends.push(resolve));
    },
    100,
    2,
  );
  for (const item of [1, 2, 3, 4]) {
    queue.submit(item);
    await new Promise(setImmediate);
  }
  expect(batches).toEqual([[1], [2]]);
  ends[1]?.();
  await new Promise(setImmediate);
  expect(batches).toEqual([[1], [2], [3, 4]]);
  ends[0]?.();
  ends[2]?.();
  await queue.idle();
  queue.submit(5);
  await new Promise(setImmediate);
  expect(batches).toHaveLength(4);
  ends[3]?.();
  await queue.idle();
});

it('rejects at once with SERVICE_UNAVAILABLE past its bound, and takes more when there is room again', async () => {
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const committed: number[] = [];
  const queue = createGroupCommit<number>(async (batch) => {
    await held;
    committed.push(...batch);
  }, 3);
  queue.submit(0);
  await Promise.resolve();
  for (const item of [1, 2, 3]) queue.submit(item);
  expect(() => queue.submit(4)).toThrow(expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }));
  release();
  await queue.idle();
  queue.submit(5);
  await queue.idle();
  expect(committed).toEqual([0, 1, 2, 3, 5]);
});

it('gives up what waits when asked, and commits none of it', async () => {
  const committed: number[] = [];
  const queue = createGroupCommit<number>(async (batch) => {
    committed.push(...batch);
    await new Promise(setImmediate);
    expect(queue.drain()).toEqual([2, 3]);
  }, 10);
  queue.submit(1);
  await Promise.resolve();
  queue.submit(2);
  queue.submit(3);
  await queue.idle();
  expect(committed).toEqual([1]);
});
