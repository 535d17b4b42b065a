import { callsLeft, UNLIMITED } from '../../catalogue/unlimited.js';
import type { Entitlement } from '../tiers/entitlements.js';
import type { WindowUse } from './ledger/admission.js';
import { endOfDay, endOfMinute } from './ledger/windows.js';

/** Headers of every metered response: the report's and the IETF draft's (draft-ietf-httpapi-ratelimit-headers). A window without a limit has none. */
export function rateLimitHeaders({ tierName, limits }: Entitlement, used: WindowUse): Map<string, string> {
  const { day, minute } = callsLeft(limits, used);
  const dayEnd = endOfDay(used.atMs);
  const minuteEnd = endOfMinute(used.atMs);
  const seconds = (until: Date) => Math.max(0, Math.ceil((until.getTime() - used.atMs) / 1000));
  // The reset is that of the window that runs out first.
  const reset = day === 0 || day < minute ? dayEnd : minuteEnd;
  const windows = [
    { name: 'minute', quota: limits.apiCallsPerMinute, left: minute, windowS: 60, end: minuteEnd },
    { name: 'day', quota: limits.apiCallsPerDay, left: day, windowS: 86_400, end: dayEnd },
  ].filter(({ left }) => left !== UNLIMITED);
  if (windows.length === 0) return new Map([['x-tier', tierName.toLowerCase()]]);
  return new Map([
    ...windows.flatMap(({ name, quota, left }): [string, string][] => [
      [`x-ratelimit-limit-${name}`, String(quota)],
      [`x-ratelimit-remaining-${name}`, String(left)],
    ]),
    ['x-ratelimit-reset', String(Math.floor(reset.getTime() / 1000))],
    ['x-tier', tierName.toLowerCase()],
    [
      'ratelimit-policy',
      windows.map(({ name, quota, windowS }) => `"${name}";q=${quota};w=${windowS}`).join(', '),
    ],
    ['ratelimit', windows.map(({ name, left, end }) => `"${name}";r=${left};t=${seconds(end)}`).join(', ')],
  ]);
}
