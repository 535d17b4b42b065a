import { expect, it } from 'vitest';
import { sizeOfJson } from '../../src/common/jsonSize.js';

const NONE = Number.MAX_SAFE_INTEGER;
const written = (value: unknown) => Buffer.byteLength(JSON.stringify(value));

it('a value has the size of its JSON in UTF-8', () => {
  const texts = ['', 'abc', '"\\/', 'é€😀', '\ud800', '\udc00x', 'a\ud800', '\u007f\u0080\u07ff\uffff'];
  const controls = Array.from({ length: 32 }, (_, i) => String.fromCharCode(i));
  for (const text of [...texts, ...controls]) expect(sizeOfJson(text, NONE), text).toBe(written(text));
  for (const value of [0, -1.5, 1e21, 5e-324, true, false, null, new Date(0)])
    expect(sizeOfJson(value, NONE)).toBe(written(value));
});

it('a list or an object is at most a comma larger', () => {
  for (const value of [[], [1, 2], {}, { a: 1, b: [{ c: 'ü' }] }, [[[]]]]) {
    const size = sizeOfJson(value, NONE);
    expect(size).toBeGreaterThanOrEqual(written(value));
    expect(size).toBeLessThanOrEqual(written(value) * 2);
  }
});

it('is measured no further than needed', () => {
  const unread = Object.defineProperty({ a: 'x'.repeat(2_000) }, 'b', {
    enumerable: true,
    get: () => expect.fail('was read'),
  });
  expect(sizeOfJson(unread, 1_000)).toBeGreaterThan(1_000);
  expect(sizeOfJson('x'.repeat(100), 10)).toBeGreaterThan(10);
});
