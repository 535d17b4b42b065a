import { type BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import type { TenantDoc } from '../../../models/tenant.js';
import { TenantState } from '../../../models/tenantStanding.js';
import type { Entitlements } from '../../tiers/entitlements.js';
import type { Alerts } from '../../usage/alerts/alerts.js';
import { createCandidates, LEVEL_OF } from './candidates.js';

export { TenantState };

export interface TenantQuery {
  first: number;
  /** The key of the last tenant seen. */
  after: string | null;
  /** The beginning of a name, an e-mail address or an external id; or the whole id of a tenant, customer or subscription. */
  search: string | null;
  tier: string | null;
  state: TenantState | null;
}

export interface TenantPage {
  tenants: { tenant: TenantDoc; key: string }[];
  hasNextPage: boolean;
  /** Where the next page begins, also if this one is empty. */
  endKey: string | null;
}

/** Finds tenants for operators. */
export interface TenantSearch {
  /**
   * Reads candidates from an index and checks the other filters on them. A page ends after 2,000 candidates, so it may
   * have fewer tenants than asked for, or none, and yet a next page.
   */
  page(query: TenantQuery): Promise<TenantPage>;
}

const BATCH = 200;
const MAX_EXAMINED = 2_000;

export function createTenantSearch(deps: {
  models: Models;
  entitlements: Entitlements;
  alerts: Alerts;
  defaultTier: string;
}): TenantSearch {
  const { models, entitlements, alerts } = deps;
  const candidatesFor = createCandidates(deps);

  async function subscriptionsOf(ids: readonly string[]): Promise<Map<string, BillingSubscriptionDoc>> {
    const found = await models.billingSubscriptions
      .find({ _id: { $in: ids } })
      .lean<BillingSubscriptionDoc[]>();
    return new Map(found.map((subscription) => [subscription._id, subscription]));
  }

  /** @returns those of the tenants that have the tier and the state now */
  async function matching(
    ids: readonly string[],
    { search, tier, state }: TenantQuery,
  ): Promise<TenantDoc[]> {
    const isAboutLimits = state === TenantState.OVER_LIMIT || state === TenantState.NEAR_LIMIT;
    const [tenants, subscriptions, levels] = await Promise.all([
      models.tenants.find({ _id: { $in: ids } }).lean<TenantDoc[]>(),
      tier || state === TenantState.PAST_DUE ? subscriptionsOf(ids) : null,
      isAboutLimits ? alerts.levelsOf(ids) : null,
    ]);
    const hasState = (tenant: TenantDoc): boolean => {
      switch (state) {
        case null:
          // Nothing but its id finds one.
          return search !== null || !tenant.erasure;
        case TenantState.ERASED:
          return tenant.erasure !== undefined;
        case TenantState.SUSPENDED:
          return tenant.suspendedAt !== undefined;
        case TenantState.PAST_DUE:
          return subscriptions?.get(tenant._id)?.status === 'past_due';
        case TenantState.OVER_LIMIT:
          return (levels?.get(tenant._id) ?? 0) >= LEVEL_OF.OVER_LIMIT;
        case TenantState.NEAR_LIMIT: {
          const level = levels?.get(tenant._id) ?? 0;
          return level >= LEVEL_OF.NEAR_LIMIT && level < LEVEL_OF.OVER_LIMIT;
        }
      }
    };
    return tenants.filter(
      (tenant) =>
        hasState(tenant) &&
        (!tier || entitlements.derive(tenant, subscriptions?.get(tenant._id) ?? null).tier === tier),
    );
  }

  return {
    async page(query) {
      const { first, search, tier, state } = query;
      const candidates = candidatesFor(search, tier, state);
      const isFiltered = tier !== null || state !== null;
      const found: TenantPage['tenants'] = [];
      let endKey = query.after;
      for (let examined = 0; examined < MAX_EXAMINED; ) {
        const count = isFiltered ? BATCH : first + 1 - found.length;
        const batch = await candidates(endKey, count);
        examined += count;
        const ids = batch.candidates.map(({ id }) => id);
        const tenants = new Map((await matching(ids, query)).map((tenant) => [tenant._id, tenant]));
        for (const { id, key } of batch.candidates) {
          const tenant = tenants.get(id);
          if (!tenant) continue;
          if (found.length === first)
            return { tenants: found, hasNextPage: true, endKey: found.at(-1)?.key ?? null };
          found.push({ tenant, key });
        }
        endKey = batch.lastKey ?? endKey;
        if (batch.isLast) return { tenants: found, hasNextPage: false, endKey: found.at(-1)?.key ?? null };
      }
      return { tenants: found, hasNextPage: true, endKey };
    },
  };
}
