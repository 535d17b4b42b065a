import type { Clock } from '../../common/clock.js';
import { type BillingError, rateLimited } from '../../common/errors.js';
import { clientNetwork } from '../../common/network.js';
import type { Principal } from '../accounts/principal.js';
import type { Entitlements } from '../tiers/entitlements.js';

/** Who sent a request. */
export interface RequestSender {
  principal: Principal | null;
  /** Identifies senders without a key. */
  address: string;
}

/**
 * Bounds the concurrent requests of each caller that its tier does not bound, because they cost no calls. Callers
 * without a key are counted by address, so they use no slots of a tenant.
 */
export interface CallerSlots {
  /**
   * Waits for at most a second.
   * @param paying whether the request changes what the tenant buys; such requests have slots of their own
   * @returns a function that releases the slot
   * @throws RATE_LIMITED
   */
  take(caller: RequestSender, paying: boolean): Promise<() => void>;
}

/** Concurrent requests. */
const MAX_UNDER_WAY = { anonymous: 20, tenant: 50, paying: 5, operator: 100, service: 200 };
/** A waiting request keeps its document in memory, so fewer requests without a key may wait. */
const MAX_WAITING = { anonymous: 50, tenant: 500, paying: 50, operator: 500, service: 500 };
const MAX_WAIT_MS = 1_000;

interface Queue {
  underWay: number;
  waiting: Set<() => void>;
}

export function createCallerSlots(deps: {
  entitlements: Pick<Entitlements, 'get'>;
  clock: Clock;
  upgradeUrl: () => string;
}): CallerSlots {
  /** Contains only callers with running requests. */
  const queues = new Map<string, Queue>();

  function free(name: string, queue: Queue): void {
    const [next] = queue.waiting;
    if (next) {
      // The slot passes to the next request.
      queue.waiting.delete(next);
      next();
    } else if (--queue.underWay === 0) {
      queues.delete(name);
    }
  }

  /** @returns whether a slot became free in time */
  function wait({ waiting }: Queue, maxWaiting: number): Promise<boolean> {
    if (waiting.size >= maxWaiting) return Promise.resolve(false);
    return new Promise((resolve) => {
      const begin = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        waiting.delete(begin);
        resolve(false);
      }, MAX_WAIT_MS);
      waiting.add(begin);
    });
  }

  async function rejected({ principal }: RequestSender, limit: number): Promise<BillingError> {
    const known = principal?.kind === 'tenant' ? await deps.entitlements.get(principal.tenantId) : null;
    const resetsAt = new Date(deps.clock.now() + MAX_WAIT_MS);
    return rateLimited(
      `Rate limit exceeded (${limit} concurrent requests that cost no calls). Wait for one to end`,
      {
        limit,
        window: 'concurrent',
        remaining: 0,
        resetsAt,
        ...(known && { tier: known.tierName }),
        upgradeUrl: deps.upgradeUrl(),
      },
      1,
    );
  }

  return {
    async take(caller, paying) {
      const kind = caller.principal?.kind ?? 'anonymous';
      const group = paying && kind === 'tenant' ? 'paying' : kind;
      const name = `${group} ${nameOf(caller)}`;
      const limit = MAX_UNDER_WAY[group];
      const queue = queues.get(name) ?? { underWay: 0, waiting: new Set() };
      if (queue.underWay < limit) {
        queue.underWay++;
        queues.set(name, queue);
      } else if (!(await wait(queue, MAX_WAITING[group]))) {
        throw await rejected(caller, limit);
      }
      let freed = false;
      return () => {
        if (freed) return;
        freed = true;
        free(name, queue);
      };
    },
  };
}

function nameOf({ principal, address }: RequestSender): string {
  switch (principal?.kind) {
    case undefined:
      return clientNetwork(address);
    case 'tenant':
      return principal.tenantId;
    case 'service':
      return principal.keyId;
    case 'operator':
      return '';
  }
}
