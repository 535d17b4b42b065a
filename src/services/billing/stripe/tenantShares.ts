import { serviceUnavailable } from '../../../common/errors.js';

/** Limits how many of a tenant's requests to Stripe run and wait on this instance. */
export interface TenantShares {
  /**
   * Resolves when the tenant's request may start.
   * @returns a function that ends the request
   * @throws SERVICE_UNAVAILABLE when too many of the tenant's requests or of all requests wait, and after 5 s
   */
  begin(tenantId: string): Promise<() => void>;
}

/** The page of a tenant's account makes two requests at once; more would not help a person. */
export const MAX_AT_ONCE = 4;
/** For each tenant: enough for a few dozen clicks at once. */
export const MAX_WAITING = 32;
/** For all tenants on this instance. */
const MAX_WAITING_TOTAL = 1_000;
const MAX_WAIT_MS = 5_000;

interface Share {
  active: number;
  /** In order of arrival. */
  waiting: Set<() => void>;
}

export function createTenantShares(): TenantShares {
  const shares = new Map<string, Share>();
  let waitingTotal = 0;

  function end(tenantId: string, share: Share): void {
    share.active -= 1;
    const [next] = share.waiting;
    if (next) next();
    else if (share.active === 0) shares.delete(tenantId);
  }

  function wait(share: Share): Promise<void> {
    if (share.waiting.size >= MAX_WAITING || waitingTotal >= MAX_WAITING_TOTAL) throw tooMany();
    waitingTotal += 1;
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        share.waiting.delete(begin);
        waitingTotal -= 1;
      };
      const begin = () => {
        leave();
        share.active += 1;
        resolve();
      };
      const timer = setTimeout(() => {
        leave();
        reject(tooMany());
      }, MAX_WAIT_MS);
      share.waiting.add(begin);
    });
  }

  return {
    async begin(tenantId) {
      const share = shares.get(tenantId) ?? { active: 0, waiting: new Set() };
      shares.set(tenantId, share);
      if (share.active < MAX_AT_ONCE) share.active += 1;
      else await wait(share);
      return () => end(tenantId, share);
    },
  };
}

export const tooMany = () =>
  serviceUnavailable('Too many requests are waiting for the payment provider; try again shortly');
