import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inSlices, stringifyInSlices, writeSlices } from '../../src/largeResults.js';

describe('a large result', () => {
  it('is written as JSON.stringify writes it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 5 }), async (value) => {
        const result = { data: { value }, absent: undefined };
        expect(await writeSlices(result)).toBe(JSON.stringify(result));
      }),
    );
    const odd = { data: { at: new Date(0), none: null, empty: {}, list: [undefined, Number.NaN, [], {}] } };
    expect(await writeSlices(odd)).toBe(JSON.stringify(odd));
  });

  it('leaves turns to others while it is written, and while its lists are completed', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => ({ name: `row ${i}`, values: [1.5, 2.5, i] }));
    for (const work of [stringifyInSlices({ data: { rows } }), Promise.all(inSlices(rows))]) {
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
    expect(await Promise.all(inSlices(items))).toEqual(items);
  });
});
