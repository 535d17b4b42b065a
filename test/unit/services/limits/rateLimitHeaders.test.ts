import { describe, expect, it } from 'vitest';
import { rateLimitHeaders } from '../../../../src/services/limits/rateLimitHeaders.js';

const AT_MS = Date.parse('2026-12-31T23:58:30.250Z');
const MINUTE_END_S = Date.parse('2026-12-31T23:59:00Z') / 1000;
const DAY_END_S = Date.parse('2027-01-01T00:00:00Z') / 1000;
const entitlement = { tierName: 'PRO', limits: { apiCallsPerDay: 1_000, apiCallsPerMinute: 10 } } as never;
const headersAfter = (day: number, minute: number) =>
  Object.fromEntries(rateLimitHeaders(entitlement, { day, minute, overageOfMonth: 0, atMs: AT_MS }));

describe('rate limit headers', () => {
  it('say what is left of both windows, and round the wait up to whole seconds', () => {
    expect(headersAfter(100, 4)).toMatchObject({
      'x-tier': 'pro',
      'x-ratelimit-remaining-day': '900',
      'x-ratelimit-remaining-minute': '6',
      ratelimit: '"minute";r=6;t=30, "day";r=900;t=90',
    });
  });

  it.each([
    ['the minute, which is used up first', 100, 10, MINUTE_END_S],
    ['the day once it is used up', 1_000, 0, DAY_END_S],
    ['the day when less is left of it than of the minute', 997, 0, DAY_END_S],
  ])('name the end of %s', (_, day, minute, resetS) => {
    expect(headersAfter(day, minute)['x-ratelimit-reset']).toBe(String(resetS));
  });

  it('never say that less than nothing is left', () => {
    const headers = headersAfter(1_500, 20);
    expect(headers['x-ratelimit-remaining-day']).toBe('0');
    expect(headers['x-ratelimit-remaining-minute']).toBe('0');
  });
});
