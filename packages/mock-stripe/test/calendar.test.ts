import { describe, expect, it } from 'vitest';
import { addIntervals, nextBoundary } from '../src/calendar.js';

const at = (iso: string) => Date.parse(iso) / 1000;
const iso = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 19);

describe('a month', () => {
  it.each([
    ['2027-01-31T10:20:30Z', 1, '2027-02-28T10:20:30'],
    ['2028-01-31T10:20:30Z', 1, '2028-02-29T10:20:30'],
    ['2027-01-31T10:20:30Z', 2, '2027-03-31T10:20:30'],
    ['2027-11-30T23:59:59Z', 3, '2028-02-29T23:59:59'],
    ['2027-12-15T00:00:00Z', 1, '2028-01-15T00:00:00'],
  ])(
    'from %s, %i of them, ends at the same time of the same day or the month’s last',
    (from, months, until) => {
      expect(iso(addIntervals(at(from), 'month', months))).toBe(until);
    },
  );
});

describe('the next boundary', () => {
  it('is the first one later than the moment, for every interval and however late the moment', () => {
    const anchor = at('2027-01-31T12:00:00Z');
    for (const interval of ['day', 'week', 'month', 'year'] as const) {
      for (const count of [1, 3]) {
        for (let index = 1; index < 60; index += 1) {
          const boundary = addIntervals(anchor, interval, index * count);
          const next = addIntervals(anchor, interval, (index + 1) * count);
          expect(nextBoundary(anchor, interval, count, boundary - 1)).toBe(boundary);
          expect(nextBoundary(anchor, interval, count, boundary)).toBe(next);
        }
      }
    }
  });

  it('of a leap day’s year is the last day of February, and the leap day again four years on', () => {
    const anchor = at('2028-02-29T00:00:00Z');
    expect(iso(nextBoundary(anchor, 'year', 1, anchor))).toBe('2029-02-28T00:00:00');
    expect(iso(nextBoundary(anchor, 'year', 1, at('2031-06-01T00:00:00Z')))).toBe('2032-02-29T00:00:00');
  });
});
