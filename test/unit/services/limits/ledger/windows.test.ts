import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  dayOf,
  daysOfMonth,
  endOfDay,
  endOfMinute,
  endOfMonth,
  monthOf,
  startOfDay,
  startOfMonth,
  usageDayId,
} from '../../../../../src/services/limits/ledger/windows.js';

const instants = fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) });
const at = (text: string) => new Date(text).getTime();

describe('windows', () => {
  it('contain the instant, and the next one begins where they end, in UTC', () => {
    fc.assert(
      fc.property(instants, (ms) => {
        for (const [start, end] of [
          [startOfDay(ms), endOfDay(ms)],
          [startOfMonth(ms), endOfMonth(ms)],
        ] as const) {
          expect(start.getTime()).toBeLessThanOrEqual(ms);
          expect(end.getTime()).toBeGreaterThan(ms);
        }
        expect(startOfDay(endOfDay(ms).getTime())).toEqual(endOfDay(ms));
        expect(startOfMonth(endOfMonth(ms).getTime())).toEqual(endOfMonth(ms));
        expect(endOfMinute(ms).getTime() - ms).toBeGreaterThan(0);
        expect(endOfMinute(ms).getTime() - ms).toBeLessThanOrEqual(60_000);
      }),
    );
  });

  it.each([
    ['2026-12-31T23:59:59.999Z', '2026-12-31', '2027-01-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
    ['2024-02-28T12:00:00.000Z', '2024-02-28', '2024-02-29T00:00:00.000Z', '2024-03-01T00:00:00.000Z'],
    ['2026-02-28T12:00:00.000Z', '2026-02-28', '2026-03-01T00:00:00.000Z', '2026-03-01T00:00:00.000Z'],
    ['2026-12-01T00:00:00.000Z', '2026-12-01', '2026-12-02T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
  ])('of %s are the day %s until %s and the month until %s', (instant, day, dayEnd, monthEnd) => {
    expect(dayOf(at(instant))).toBe(day);
    expect(endOfDay(at(instant)).toISOString()).toBe(dayEnd);
    expect(endOfMonth(at(instant)).toISOString()).toBe(monthEnd);
  });

  it('list a day among the days of its own month, whatever the tenant is called', () => {
    fc.assert(
      fc.property(fc.string(), instants, (tenantId, ms) => {
        const id = usageDayId(tenantId, dayOf(ms));
        expect(daysOfMonth(id)).toContain(id);
        expect(new Set(daysOfMonth(id).map(monthOf))).toEqual(new Set([monthOf(id)]));
      }),
    );
  });
});
