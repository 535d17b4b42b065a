import type { BillingSubscriptionDoc } from '../../models/billingSubscription.js';
import type { TenantDoc } from '../../models/tenant.js';
import { listName, type TenantStandingDoc, TenantState } from '../../models/tenantStanding.js';
import { endOfDay } from '../limits/ledger/windows.js';
import type { Entitlements } from '../tiers/entitlements.js';
import type { Tiers } from '../tiers/tiers.js';
import { monthlyRevenueOf } from './monthlyRevenue.js';

/** What is stored about a tenant, without its rank by usage. */
export type Standing = Omit<TenantStandingDoc, 'usageKey'>;

/** What a tenant's standing follows from. */
export interface StandingSources {
  tenant: TenantDoc;
  subscription: BillingSubscriptionDoc | null;
  /** The highest level of its usage alerts in a current window; 0: none. */
  alertLevel: number;
}

export const revenueKeyOf = (tenantId: string, cents: number): string =>
  `${String(cents).padStart(12, '0')}:${tenantId}`;

const OVER_LEVEL = 100;
const NEAR_LEVEL = 80;

/** Derives standings from documents. */
export function createStandingRule(deps: {
  entitlements: Pick<Entitlements, 'derive' | 'graceEndsAt'>;
  tiers: Tiers;
}): (sources: StandingSources, nowMs: number) => Standing {
  const { entitlements, tiers } = deps;

  return ({ tenant, subscription, alertLevel }, nowMs) => {
    const { _id } = tenant;
    if (tenant.erasure) return erasedStanding(_id, tiers.defaultTier.name, tiers.defaultTier.version);
    const { tier, tierVersion, endsAt } = entitlements.derive(tenant, subscription);
    const graceEndsAt = entitlements.graceEndsAt(subscription);
    const isInGrace = graceEndsAt !== null && graceEndsAt.getTime() > nowMs;
    const revenue = monthlyRevenueOf(subscription, isInGrace, tiers);
    const states = [
      ...(tenant.suspendedAt ? [TenantState.SUSPENDED] : []),
      ...(subscription?.status === 'past_due' ? [TenantState.PAST_DUE] : []),
      ...(alertLevel >= OVER_LEVEL ? [TenantState.OVER_LIMIT] : []),
      ...(alertLevel >= NEAR_LEVEL && alertLevel < OVER_LEVEL ? [TenantState.NEAR_LIMIT] : []),
    ];
    const changesAt = [
      endsAt?.getTime() ?? Number.POSITIVE_INFINITY,
      isInGrace ? graceEndsAt.getTime() : Number.POSITIVE_INFINITY,
      // The alerts of a day end with it; those of a month are looked at once a day.
      alertLevel > 0 ? endOfDay(nowMs).getTime() : Number.POSITIVE_INFINITY,
    ];
    const dueMs = Math.min(...changesAt);
    return {
      _id,
      tier,
      tierVersion,
      ...revenue,
      states,
      lists: listsOf(tier, states),
      pastDueSince: subscription?.status === 'past_due' ? subscription.pastDueSince : null,
      graceEndsAt,
      ...(Number.isFinite(dueMs) && { dueAt: new Date(dueMs) }),
      revenueKey: revenueKeyOf(_id, revenue.monthlyCents ?? 0),
    };
  };
}

const listsOf = (tier: string, states: readonly TenantState[]): string[] =>
  [null, ...states].flatMap((state) => [listName(null, state), listName(tier, state)]);

const erasedStanding = (tenantId: string, tier: string, tierVersion: number): Standing => ({
  _id: tenantId,
  tier,
  tierVersion,
  paidTier: null,
  monthlyCents: null,
  monthlyOther: null,
  states: [TenantState.ERASED],
  lists: [listName(null, TenantState.ERASED), listName(tier, TenantState.ERASED)],
  pastDueSince: null,
  graceEndsAt: null,
  revenueKey: revenueKeyOf(tenantId, 0),
});

/** Whether nothing would be written. */
export function isSameStanding(stored: TenantStandingDoc, standing: Standing): boolean {
  const { usageKey: _, ...rest } = stored;
  return textOf(rest) === textOf(standing);
}

const textOf = ({ dueAt, ...standing }: Standing): string =>
  JSON.stringify(
    Object.entries({ ...standing, dueAt: dueAt ?? null }).toSorted(([a], [b]) => a.localeCompare(b)),
  );
