import type { BillingError } from '../errors.js';
import type { Tenants } from './identity/tenants.js';
import type { Entitlement, Entitlements } from './tiers/entitlements.js';
import { callsFor, costOf } from './tiers/overagePrice.js';
import { type Usage, UsagePeriod } from './usage.js';

/** A tenant's overage in the present UTC month. */
export interface OverageState {
  /** null: not opted in. */
  monthlyCapCents: number | null;
  /** Of `perCalls` calls; null: the tier sells none. */
  priceCents: number | null;
  perCalls: number | null;
  currency: string;
  allowedCalls: number;
  usedCalls: number;
  remainingCalls: number;
  costCents: number;
}

/** What a tenant pays for calls past its daily quota, and how it opts in. Admission enforces it. */
export interface Overage {
  get(tenantId: string): Promise<OverageState>;
  /**
   * @param monthlyCapCents null: no overage any more
   * @throws FEATURE_NOT_AVAILABLE when the tenant's tier sells none
   */
  set(tenantId: string, monthlyCapCents: number | null): Promise<OverageState>;
}

export function createOverage(deps: {
  tenants: Pick<Tenants, 'setOverage'>;
  entitlements: Entitlements;
  usage: Usage;
  currency: string;
  notAvailable: (tier: string) => BillingError;
}): Overage {
  const { tenants, entitlements, usage, currency, notAvailable } = deps;

  async function stateOf(tenantId: string, terms: Entitlement): Promise<OverageState> {
    const [month] = await usage.current([{ tenantId, period: UsagePeriod.MONTH, terms }]);
    const { price, monthlyCapCents } = terms.overage;
    const usedCalls = month?.overageCalls ?? 0;
    const allowedCalls = callsFor(monthlyCapCents ?? 0, price);
    return {
      monthlyCapCents,
      priceCents: price?.priceCents ?? null,
      perCalls: price?.perCalls ?? null,
      currency,
      allowedCalls,
      usedCalls,
      remainingCalls: Math.max(0, allowedCalls - usedCalls),
      costCents: costOf(usedCalls, price),
    };
  }

  return {
    get: async (tenantId) => stateOf(tenantId, await entitlements.get(tenantId)),

    async set(tenantId, monthlyCapCents) {
      const { tier, overage } = await entitlements.get(tenantId);
      // To opt out is always possible.
      if (monthlyCapCents !== null && !overage.price) throw notAvailable(tier);
      await tenants.setOverage(tenantId, monthlyCapCents);
      return stateOf(tenantId, await entitlements.get(tenantId));
    },
  };
}
