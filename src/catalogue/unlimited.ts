import type { TierLimits } from '../models/tierLimits.js';

/**
 * An unlimited limit is the largest number of the type in which the API returns it: it needs no rule of its own where
 * limits are enforced, and what a client reads of a tier it may write as an override.
 */
export const UNLIMITED = Number.MAX_SAFE_INTEGER;
/** Where the API returns an Int. */
export const UNLIMITED_INT = 2 ** 31 - 1;

const INT_LIMITS: ReadonlySet<string> = new Set([
  'apiCallsPerMinute',
  'concurrentRequests',
  'maxExtractionBatchSize',
  'federationPriority',
] satisfies (keyof TierLimits)[]);

/** @param name of a limit, or of a resource of the catalogue. @returns the number that is unlimited */
export const unlimitedOf = (name: string): number => (INT_LIMITS.has(name) ? UNLIMITED_INT : UNLIMITED);

/** @param name of a limit, or of a resource of the catalogue. @returns null: unlimited */
export const finiteLimit = (name: string, limit: number): number | null =>
  limit >= unlimitedOf(name) ? null : limit;

/** @returns the calls left in each window; UNLIMITED in one without a limit */
export function callsLeft(
  { apiCallsPerDay, apiCallsPerMinute }: Pick<TierLimits, 'apiCallsPerDay' | 'apiCallsPerMinute'>,
  used: { day: number; minute: number },
): { day: number; minute: number } {
  const left = (name: string, limit: number, calls: number) =>
    finiteLimit(name, limit) === null ? UNLIMITED : Math.max(0, limit - calls);
  return {
    day: left('apiCallsPerDay', apiCallsPerDay, used.day),
    minute: left('apiCallsPerMinute', apiCallsPerMinute, used.minute),
  };
}
