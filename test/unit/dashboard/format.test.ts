import { describe, expect, it } from 'vitest';
import { toCsv } from '../../../dashboard/src/design/csv.js';
import {
  formatBytes,
  formatChange,
  formatCount,
  formatDuration,
  formatEnum,
  formatInstant,
  formatMoney,
  formatPercent,
  formatRelative,
  intLimit,
  UNLIMITED,
} from '../../../dashboard/src/design/format.js';

describe('numbers on the pages', () => {
  it('money comes from the smallest unit of its currency, with fractions of a cent', () => {
    expect(formatMoney(2_900, 'usd')).toBe('$29.00');
    expect(formatMoney(2_900, 'usd', { whole: true })).toBe('$29');
    expect(formatMoney(2_950, 'usd', { whole: true })).toBe('$29.50');
    expect(formatMoney(500, 'jpy')).toBe('¥500');
    expect(formatMoney(0.25, 'usd')).toBe('$0.0025');
    expect(formatMoney(-2_900, 'eur', { sign: true })).toBe('-€29.00');
    expect(formatMoney(null, 'usd')).toBe('—');
  });

  it('bytes have the same units as in the server’s messages', () => {
    expect(formatBytes(1)).toBe('1 byte');
    expect(formatBytes(104_857_600)).toBe('100 MB');
    expect(formatBytes(1_536)).toBe('1.5 KB');
  });

  it('only limits are unlimited, not a count that happens to be as large', () => {
    expect(formatCount(UNLIMITED, 'call')).toBe('unlimited calls');
    expect(formatCount(2_147_483_647, 'call')).toBe('2,147,483,647 calls');
    expect(formatCount(intLimit(2_147_483_647), 'call')).toBe('unlimited calls');
    expect(formatCount(intLimit(100), 'call')).toBe('100 calls');
  });

  it('only what is full shows 100%', () => {
    expect(formatPercent(0.9999)).toBe('99%');
    expect(formatPercent(1)).toBe('100%');
    expect(formatPercent(0.0123)).toBe('1.2%');
  });

  it('a change from nothing is no percentage', () => {
    expect(formatChange(5, 0)).toBeNull();
    expect(formatChange(112, 100)).toBe('+12%');
    expect(formatChange(50, 100)).toBe('-50%');
  });

  it('instants are in UTC and say so', () => {
    expect(formatInstant('2026-11-27T06:25:09.000Z')).toBe('Nov 27, 2026, 06:25 UTC');
    expect(formatInstant('2026-11-27T06:25:09.000Z', { seconds: true })).toBe('Nov 27, 2026, 06:25:09 UTC');
    expect(formatInstant('no date')).toBe('—');
    const now = Date.parse('2026-11-27T06:25:09.000Z');
    expect(formatRelative('2026-11-27T06:22:09.000Z', now)).toBe('3 minutes ago');
    expect(formatRelative('2026-11-29T06:25:09.000Z', now)).toBe('in 2 days');
  });

  it('durations and states are words', () => {
    expect(formatDuration(850)).toBe('850 ms');
    expect(formatDuration(200_000)).toBe('3 min 20 s');
    expect(formatDuration(7_500_000)).toBe('2 h 5 min');
    expect(formatEnum('PAST_DUE')).toBe('Past due');
  });
});

describe('CSV files', () => {
  it('a text never becomes a formula, and a negative number stays one', () => {
    expect(
      toCsv([
        ['=HYPERLINK("https://example.com")', '+1', '-1', '@SUM(A1)'],
        [-5, 0, null, undefined],
      ]),
    ).toBe('"\'=HYPERLINK(""https://example.com"")",\'+1,\'-1,\'@SUM(A1)\r\n-5,0,,\r\n');
  });

  it('commas, quotes and line breaks stay inside their cell', () => {
    expect(toCsv([['a,b', 'say "hi"', 'two\nlines', 'plain']])).toBe(
      '"a,b","say ""hi""","two\nlines",plain\r\n',
    );
  });
});
