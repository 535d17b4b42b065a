import { expect, it } from 'vitest';
import { amountText, bytesText } from '../../src/common/amounts.js';

it('bytes are shown in the unit that suits them, and never as 0 of a larger one', () => {
  const shown = [0, 1, 512, 1_023, 1_024, 1_536, 104_857_600, 10 * 2 ** 30, Number.MAX_SAFE_INTEGER].map(
    bytesText,
  );
  expect(shown).toEqual([
    '0 bytes',
    '1 byte',
    '512 bytes',
    '1,023 bytes',
    '1 KB',
    '1.5 KB',
    '100 MB',
    '10 GB',
    '8 PB',
  ]);
});

it('one of something is in the singular', () => {
  expect([1, 2, 1_000].map((amount) => amountText(amount, 'memories'))).toEqual([
    '1 memory',
    '2 memories',
    '1,000 memories',
  ]);
  expect(amountText(1, 'calls')).toBe('1 call');
  expect(amountText(0, 'embeddings')).toBe('0 embeddings');
});
