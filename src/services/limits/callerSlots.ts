import type { Clock } from '../../common/clock.js';
import { type BillingError, rateLimited } from '../../common/errors.js';
import { clientNetwork } from '../../common/network.js';
import type { Principal } from '../accounts/principal.js';
import type { Entitlements } from '../tiers/entitlements.js';

/** Who sent a request. */
export interface RequestSender {
  principal: Principal | null;
  /** By which callers without a key are counted. */
  address: string;
}

/**
 * Bounds how many requests each caller has under way that its tier does not bound: those that cost no calls. Callers
 * without a key are counted by address, so they take nothing from a tenant.
 */
export interface CallerSlots {
  /**
   * Waits for at most a second.
   * @param paying whether it changes what the tenant buys: it has slots of its own, which nothing else fills
   * @returns frees the slot; to be called once
   * @throws RATE_LIMITED
   */
  take(caller: RequestSender, paying: boolean): Promise<() => void>;
}

/** At once. */
const MAX_UNDER_WAY = { anonymous: 20, tenant: 50, paying: 5, operator: 100, service: 200 };
/** A waiting request without a key holds its document in memory, so fewer of them may wait. */
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
  /** Only of callers with something under way. */
  const queues = new Map<string, Queue>();

  function free(name: string, lane: Queue): void {
    const [next] = lane.waiting;
    if (next) {
      // The slot goes from one to the other.
      lane.waiting.delete(next);
      next();
    } else if (--lane.underWay === 0) {
      queues.delete(name);
    }
  }

  /** @returns whether there was a slot in time */
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
        ...(known && { tier: known.tier }),
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
      const lane = queues.get(name) ?? { underWay: 0, waiting: new Set() };
      if (lane.underWay < limit) {
        lane.underWay++;
        queues.set(name, lane);
      } else if (!(await wait(lane, MAX_WAITING[group]))) {
        throw await rejected(caller, limit);
      }
      let freed = false;
      return () => {
        if (freed) return;
        freed = true;
        free(name, lane);
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
