import type { Entitlement } from '../tiers/entitlements.js';
import type { WindowUse } from './ledger/admission.js';
import { endOfDay, endOfMinute } from './ledger/windows.js';

/** Headers of every metered response: the report's and the IETF draft's (draft-ietf-httpapi-ratelimit-headers). */
export function rateLimitHeaders({ tier, limits }: Entitlement, used: WindowUse): Map<string, string> {
  const day = Math.max(0, limits.apiCallsPerDay - used.day);
  const minute = Math.max(0, limits.apiCallsPerMinute - used.minute);
  const dayEnd = endOfDay(used.atMs);
  const minuteEnd = endOfMinute(used.atMs);
  const seconds = (until: Date) => Math.max(0, Math.ceil((until.getTime() - used.atMs) / 1000));
  // The reset is that of the window that runs out first.
  const reset = day === 0 || day < minute ? dayEnd : minuteEnd;
  return new Map([
    ['x-ratelimit-limit-day', String(limits.apiCallsPerDay)],
    ['x-ratelimit-limit-minute', String(limits.apiCallsPerMinute)],
    ['x-ratelimit-remaining-day', String(day)],
    ['x-ratelimit-remaining-minute', String(minute)],
    ['x-ratelimit-reset', String(Math.floor(reset.getTime() / 1000))],
    ['x-tier', tier.toLowerCase()],
    [
      'ratelimit-policy',
      `"minute";q=${limits.apiCallsPerMinute};w=60, "day";q=${limits.apiCallsPerDay};w=86400`,
    ],
    ['ratelimit', `"minute";r=${minute};t=${seconds(minuteEnd)}, "day";r=${day};t=${seconds(dayEnd)}`],
  ]);
}
