const MAX_WAIT_MS = 24 * 3_600_000;

/**
 * How long a response's `Retry-After` asks to wait: seconds or an HTTP date, a day at most.
 * @returns 0 for none, for a date that has passed, and for what is neither
 */
export function retryAfterMs(header: string | null, nowMs: number): number {
  if (header === null) return 0;
  const waitMs = /^\s*\d+\s*$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - nowMs;
  return Number.isNaN(waitMs) ? 0 : Math.min(Math.max(0, waitMs), MAX_WAIT_MS);
}
