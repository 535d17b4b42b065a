import { AsyncLocalStorage } from 'node:async_hooks';

/** On whose behalf a request to Stripe is made, which decides the share of the request rate that it uses. */
export type Requester =
  | { kind: 'tenant'; tenantId: string }
  /** The worker that applies webhook events. */
  | { kind: 'worker' }
  /** Work that can wait, such as usage reports and reconcile. */
  | { kind: 'background' };

const requesters = new AsyncLocalStorage<Requester>();

/** The default is background, so that a caller that sets no requester never uses the share of others. */
export const currentRequester = (): Requester => requesters.getStore() ?? { kind: 'background' };

/** Runs a tenant's operation. Within background work the requests stay background requests. */
export function forTenant<T>(tenantId: string, run: () => Promise<T>): Promise<T> {
  return requesters.getStore() ? run() : requesters.run({ kind: 'tenant', tenantId }, run);
}

/** Runs the webhook worker, even when a tenant's request woke it. */
export const forWorker = <T>(run: () => Promise<T>): Promise<T> => requesters.run({ kind: 'worker' }, run);

/** Runs work that can wait. */
export const forBackground = <T>(run: () => Promise<T>): Promise<T> =>
  requesters.run({ kind: 'background' }, run);
