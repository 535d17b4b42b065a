import { AsyncLocalStorage } from 'node:async_hooks';

/** For whom a request to Stripe is made: it decides which share of the requests it uses. */
export type Requester =
  | { kind: 'tenant'; tenantId: string }
  /** Applies webhooks. */
  | { kind: 'worker' }
  /** Work that can wait: reports of usage, the comparison with Stripe. */
  | { kind: 'background' };

const requesters = new AsyncLocalStorage<Requester>();

/** What says nothing of itself can wait, so that a forgotten caller never uses the share of others. */
export const currentRequester = (): Requester => requesters.getStore() ?? { kind: 'background' };

/** Requests that a tenant's operation makes. Inside of background work they remain part of that work. */
export function forTenant<T>(tenantId: string, run: () => Promise<T>): Promise<T> {
  return requesters.getStore() ? run() : requesters.run({ kind: 'tenant', tenantId }, run);
}

/** Requests of the webhook worker, whoever woke it. */
export const forWorker = <T>(run: () => Promise<T>): Promise<T> => requesters.run({ kind: 'worker' }, run);

/** Requests of work that can wait. */
export const forBackground = <T>(run: () => Promise<T>): Promise<T> =>
  requesters.run({ kind: 'background' }, run);
