import { describe, expect, it } from 'vitest';
import { callPriceOf, callsFor, costOf } from '../../src/catalogue/overagePrice.js';

describe('the price of a call', () => {
  it.each([
    [10, 1_000, '0.01'],
    [1, 1, '1'],
    [250, 100, '2.5'],
    [1, 1_000_000_000_000, '0.000000000001'],
    [7, 8, '0.875'],
    [120, 1, '120'],
    [3, 7, null],
    [1, 10_000_000_000_000, null],
  ])('of %i cents for %i is %s', (priceCents, perCalls, decimal) => {
    expect(callPriceOf({ priceCents, perCalls })).toBe(decimal);
  });

  it('is the one by which usage shows the cost, and the cap its calls', () => {
    for (const [priceCents, perCalls] of [
      [10, 1_000],
      [7, 8],
      [3, 64],
    ] as const) {
      const price = { priceCents, perCalls };
      const call = Number(callPriceOf(price));
      expect(costOf(12_345, price)).toBeCloseTo(12_345 * call, 9);
      expect(costOf(callsFor(100, price), price)).toBeLessThanOrEqual(100);
      expect(costOf(callsFor(100, price) + 1, price)).toBeGreaterThan(100);
    }
  });
});
