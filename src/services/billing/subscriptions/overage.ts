import { callsFor } from '../../../catalogue/overagePrice.js';
import { type BillingError, badInput } from '../../../common/errors.js';
import type { Tenants } from '../../accounts/tenants.js';
import type { Author } from '../../audit/author.js';
import type { Entitlement, Entitlements } from '../../tiers/entitlements.js';
import type { Tiers } from '../../tiers/tiers.js';
import type { UnbilledOverage } from '../../usage/overage/unbilledOverage.js';
import { type Usage, UsagePeriod } from '../../usage/usage.js';
import type { CurrentSubscriptions } from './currentSubscriptions.js';
import type { OverageItems } from './overageItems.js';

/** A tenant's overage in the current UTC month. */
export interface OverageState {
  /** null: not opted in. */
  monthlyCapCents: number | null;
  /** The price of `perCalls` calls; null: the tier sells no overage. */
  priceCents: number | null;
  perCalls: number | null;
  currency: string;
  allowedCalls: number;
  usedCalls: number;
  remainingCalls: number;
  costCents: number;
  /** Usage of this or an earlier month that is not on a closed invoice yet. */
  unbilledCents: number;
}

/** What a tenant pays for calls past its daily quota, and how it opts in. Admission enforces the cap. */
export interface Overage {
  get(tenantId: string): Promise<OverageState>;
  /**
   * @param monthlyCapCents null: opt out
   * @throws FEATURE_NOT_AVAILABLE when the tenant's tier sells no overage; BAD_USER_INPUT when it cannot be billed now
   */
  set(tenantId: string, monthlyCapCents: number | null, author: Author): Promise<OverageState>;
}

export function createOverage(deps: {
  tenants: Pick<Tenants, 'setOverage'>;
  entitlements: Entitlements;
  usage: Usage;
  tiers: Pick<Tiers, 'get' | 'getOverage' | 'publicNameOf'>;
  currentSubscriptions: Pick<CurrentSubscriptions, 'stored'>;
  items: OverageItems;
  unbilled: UnbilledOverage;
  notAvailable: (tier: string) => BillingError;
}): Overage {
  const { tenants, entitlements, usage, tiers, currentSubscriptions, items, unbilled, notAvailable } = deps;

  async function stateOf(tenantId: string, terms: Entitlement): Promise<OverageState> {
    const [month] = await usage.current([{ tenantId, period: UsagePeriod.MONTH, terms }]);
    const { price, monthlyCapCents, currency } = terms.overage;
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
      costCents: month?.overageCostCents ?? 0,
      unbilledCents: await unbilled.costOf(tenantId, price),
    };
  }

  async function rejectionOf(tenantId: string, tier: string): Promise<BillingError> {
    if (!tiers.get(tier).overage) return notAvailable(tiers.publicNameOf(tier));
    const subscription = await currentSubscriptions.stored(tenantId);
    const problem = tiers.getOverage(tier)
      ? subscription?.pause
        ? 'overage is not sold while payments are paused'
        : 'overage is not sold during a trial, because trials are not billed'
      : `overage is not for sale here: the operator must set STRIPE_PRICE_${tiers.publicNameOf(tier)}_OVERAGE`;
    return badInput('input.monthlyCapCents', problem);
  }

  return {
    get: async (tenantId) => stateOf(tenantId, await entitlements.get(tenantId)),

    async set(tenantId, monthlyCapCents, author) {
      const { tier, overage } = await entitlements.get(tenantId);
      // Opting out is always possible.
      if (monthlyCapCents !== null) {
        if (!overage.price) throw await rejectionOf(tenantId, tier);
        // Stripe bills only usage after the item exists, so this comes first: a cap without it would give calls away.
        await items.ensure(tenantId, author);
      }
      await tenants.setOverage(tenantId, monthlyCapCents, author);
      return stateOf(tenantId, await entitlements.get(tenantId));
    },
  };
}
