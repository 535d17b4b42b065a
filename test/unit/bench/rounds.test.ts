import { expect, it } from 'vitest';
import { median, quantile } from '../../../bench/median.js';
import { compete } from '../../../bench/rounds.js';

const quietly = { seconds: 1, progress: () => undefined };

/** @param throughputs of its rounds */
function contestant(name: string, throughputs: number[], order: string[]) {
  let next = 0;
  return {
    name,
    async round() {
      order.push(name);
      return { throughput: throughputs[next++] as number, p50Ms: next, p99Ms: 10 * next };
    },
  };
}

it('everybody takes part in each round, in turn', async () => {
  const order: string[] = [];
  await compete([contestant('a', [1, 1], order), contestant('b', [1, 1], order)], { ...quietly, rounds: 2 });
  expect(order).toEqual(['a', 'b', 'a', 'b']);
});

it('a machine that gets slower from round to round changes no ratio', async () => {
  const standings = await compete(
    [contestant('base', [1000, 500, 10], []), contestant('twice', [2000, 1000, 20], [])],
    { ...quietly, rounds: 3 },
  );
  expect(standings).toEqual([
    { name: 'base', throughput: 500, ratio: 1, p50Ms: 2, p99Ms: 20 },
    { name: 'twice', throughput: 1000, ratio: 2, p50Ms: 2, p99Ms: 20 },
  ]);
});

it('quantiles lie on the values, or between two of them', () => {
  const hundred = Array.from({ length: 101 }, (_, i) => 100 - i);
  expect(quantile(hundred, 0.99)).toBe(99);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNaN();
});
