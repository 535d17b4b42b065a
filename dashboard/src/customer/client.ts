import { type BillingClient, createBillingClient } from '@continuum-billing/client';

const TIMEOUT_MS = 60_000;

const clientWith = (init: RequestInit, headers: Record<string, string> = {}): BillingClient =>
  createBillingClient({
    url: location.origin,
    timeoutMs: TIMEOUT_MS,
    fetch: (url, given) => fetch(url, { ...given, ...init, headers: { ...given?.headers, ...headers } }),
  });

/** For what anyone may read. The cookie of a session that has ended would be an error there. */
export const publicClient = clientWith({ credentials: 'omit' });

/** With the cookie of a billing page's session. */
export const sessionClient = (): BillingClient =>
  clientWith({ credentials: 'same-origin' }, { 'x-session': 'billing' });
