import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exceeds, inSlices, stringifyResult, writeSlices } from '../../src/directives/largeResults.js';

describe('a large result', () => {
  it('is written as JSON.stringify writes it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 5 }), async (value) => {
        const result = { data: { value }, absent: undefined };
        expect(await writeSlices(result, 1_000_000)).toBe(JSON.stringify(result));
      }),
    );
    const odd = { data: { at: new Date(0), none: null, empty: {}, list: [undefined, Number.NaN, [], {}] } };
    expect(await writeSlices(odd, 1_000)).toBe(JSON.stringify(odd));
  });

  it('is the same whether it was written in slices or not, and known to be too large', async () => {
    const data = { list: Array.from({ length: 50_000 }, (_, i) => `é${i}`) };
    for (const result of [{ data }, { errors: [{ message: 'no' }], data }, { errors: [{ message: 'no' }] }]) {
      const text = JSON.stringify(result);
      const bytes = Buffer.byteLength(text);
      expect(await exceeds(result, bytes - 20)).toBe(true);
      expect(await exceeds(result, bytes + 20)).toBe(false);
      expect(stringifyResult(result)).toBe(text);
    }
  });

  it('leaves turns to others while it is written, and while its lists are completed', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => ({ name: `row ${i}`, values: [1.5, 2.5, i] }));
    for (const work of [
      writeSlices({ rows }, 10_000_000),
      Promise.all(inSlices(rows.map((row) => () => row))),
    ]) {
      let turns = 0;
      const count = () => {
        turns++;
        pending = setImmediate(count);
      };
      let pending = setImmediate(count);
      await work;
      clearImmediate(pending);
      expect(turns).toBeGreaterThan(3);
    }
  });

  it('has its items in order', async () => {
    const items = Array.from({ length: 2_345 }, (_, i) => i);
    expect(await Promise.all(inSlices(items.map((item) => () => item)))).toEqual(items);
  });
});
