import type { Models } from '../../../models/models.js';
import { currentRequester } from './requester.js';
import { createRequestRate } from './requestRate.js';
import { createTenantShares } from './tenantShares.js';

/** Decides when a request to Stripe may start: within the tenant's share, and within Stripe's rate limit. */
export interface RequestSlots {
  /**
   * @param endpoint method and path, without ids
   * @returns a function that ends the request
   * @throws SERVICE_UNAVAILABLE when too many requests wait
   */
  take(endpoint: string): Promise<() => void>;
  /** How many requests wait now. */
  waiting(): number;
}

/** @param deps.perSecond Stripe's limit for one endpoint */
export function createRequestSlots(deps: { models: Models; perSecond: number }): RequestSlots {
  const rate = createRequestRate(deps);
  const shares = createTenantShares();
  let waiting = 0;

  async function take(endpoint: string): Promise<() => void> {
    const requester = currentRequester();
    const end = requester.kind === 'tenant' ? await shares.begin(requester.tenantId) : () => {};
    try {
      await rate.waitForSlot(endpoint, requester.kind);
      return end;
    } catch (error) {
      end();
      throw error;
    }
  }

  return {
    waiting: () => waiting,
    async take(endpoint) {
      waiting++;
      try {
        return await take(endpoint);
      } finally {
        waiting--;
      }
    },
  };
}
