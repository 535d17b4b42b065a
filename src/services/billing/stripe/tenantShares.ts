import { serviceUnavailable } from '../../../common/errors.js';

/** How many requests to Stripe one tenant may have under way and waiting, on this instance. */
export interface TenantShares {
  /**
   * Resolves when the tenant's request may begin.
   * @returns ends it
   * @throws SERVICE_UNAVAILABLE when too many of the tenant's, or of all, wait already, and after 5 s
   */
  begin(tenantId: string): Promise<() => void>;
}

/** A page of a tenant's account reads two things at once; more does not help a person. */
export const MAX_AT_ONCE = 4;
/** Of one tenant: a few dozen clicks at once are served. */
export const MAX_WAITING = 32;
/** Of all tenants on this instance. */
const MAX_WAITING_IN_ALL = 1_000;
const MAX_WAIT_MS = 5_000;

interface Share {
  active: number;
  /** In order: the first one begins next. */
  waiting: Set<() => void>;
}

export function createTenantShares(): TenantShares {
  const shares = new Map<string, Share>();
  let waitingInAll = 0;

  function end(tenantId: string, share: Share): void {
    share.active -= 1;
    const [next] = share.waiting;
    if (next) next();
    else if (share.active === 0) shares.delete(tenantId);
  }

  function wait(share: Share): Promise<void> {
    if (share.waiting.size >= MAX_WAITING || waitingInAll >= MAX_WAITING_IN_ALL) throw tooMany();
    waitingInAll += 1;
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        share.waiting.delete(begin);
        waitingInAll -= 1;
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
  serviceUnavailable('Too many requests wait for the payment provider; try again shortly');
