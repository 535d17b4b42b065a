import type { TierDefinition } from '../../../catalogue/catalogue.js';
import { badInput } from '../../../common/errors.js';
import { STORED_LIMITS } from '../../../models/tierLimits.js';
import type { Tenants } from '../../accounts/tenants.js';
import type { Storage } from '../../limits/storage/storage.js';
import type { Entitlements } from '../../tiers/entitlements.js';

/** Keeps a tenant from having fewer seats than it uses. */
export interface SeatUse {
  /**
   * @param argument the argument that names the seats
   * @throws BAD_USER_INPUT if more of a resource is stored than so many seats of the tier allow
   */
  check(tenantId: string, tier: TierDefinition, seats: number, argument: string): Promise<void>;
}

/** The counted resource of a limit; each resource of the catalogue has its own name. */
const COUNTED: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(STORED_LIMITS).map(([resource, limit]) => [limit, resource]),
);

export function createSeatUse(deps: {
  storage: Pick<Storage, 'stored'>;
  tenants: Pick<Tenants, 'get'>;
  entitlements: Pick<Entitlements, 'isInForce'>;
  resources: readonly string[];
}): SeatUse {
  const { storage, tenants, entitlements, resources } = deps;

  return {
    async check(tenantId, { limits, limitsPerSeat }, seats, argument) {
      const all: Readonly<Record<string, unknown>> = { ...limits, ...limits.stored };
      const counted = limitsPerSeat.flatMap((name) => {
        const resource = COUNTED[name] ?? (resources.includes(name) ? name : null);
        return resource ? [{ name, resource, each: Number(all[name]) }] : [];
      });
      if (counted.length === 0) return;
      const { contract } = await tenants.get(tenantId);
      const own = entitlements.isInForce(contract) ? (contract.limits ?? {}) : {};
      // What was agreed with the tenant holds for any number of seats.
      const agreed: Readonly<Record<string, unknown>> = { ...own, ...own.stored };
      const [stored = {}] = await storage.stored([tenantId]);
      const tooFew = counted.flatMap(({ name, resource, each }) => {
        const used = stored[resource] ?? 0;
        if (agreed[name] != null || !(each > 0) || used <= each * seats) return [];
        return [{ used, resource, seatsNeeded: Math.ceil(used / each) }];
      });
      if (tooFew.length === 0) return;
      const problems = tooFew.map(
        ({ used, resource, seatsNeeded }) =>
          `${used} ${resource} are in use, which need ${seatsNeeded} seats`,
      );
      const seatsNeeded = Math.max(...tooFew.map((few) => few.seatsNeeded));
      throw badInput(argument, `too few: ${problems.join('; ')}`, { seatsNeeded });
    },
  };
}
