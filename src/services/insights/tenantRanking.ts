import { badInput } from '../../common/errors.js';
import type { Models } from '../../models/models.js';
import type { TenantDoc } from '../../models/tenant.js';
import { listName, type TenantStandingDoc, TenantState } from '../../models/tenantStanding.js';

export { TenantState };

export enum TenantSort {
  OLDEST = 'OLDEST',
  NEWEST = 'NEWEST',
  USAGE = 'USAGE',
  REVENUE = 'REVENUE',
}

export interface RankingQuery {
  first: number;
  /** The key of the last tenant seen, in the same order. */
  after: string | null;
  tier: string | null;
  state: TenantState | null;
  sort: Exclude<TenantSort, TenantSort.OLDEST>;
}

export interface RankedPage {
  tenants: { tenant: TenantDoc; key: string }[];
  hasNextPage: boolean;
  /** The key of the last one. */
  endKey: string | null;
}

/** Lists tenants in an order, with filters. A page reads its own entries of one index, wherever in the list it is. */
export interface TenantRanking {
  /** @throws BAD_USER_INPUT for the key of another order */
  page(query: RankingQuery): Promise<RankedPage>;
}

const ORDERS = {
  [TenantSort.NEWEST]: { field: '_id', key: /^[\w-]+$/ },
  [TenantSort.USAGE]: { field: 'usageKey', key: /^\d{4}-\d{2}:\d{16}:/ },
  [TenantSort.REVENUE]: { field: 'revenueKey', key: /^\d{12}:/ },
} as const;

export function createTenantRanking(deps: {
  models: Models;
  findTenants: (tenantIds: readonly string[]) => Promise<(TenantDoc | null)[]>;
}): TenantRanking {
  const standings = deps.models.connection.collection<TenantStandingDoc>(
    deps.models.tenantStandings.collection.name,
  );
  return {
    async page({ first, after, tier, state, sort }) {
      const { field, key } = ORDERS[sort];
      if (after !== null && !key.test(after))
        throw badInput('after', 'is a cursor of another order: begin again without it');
      const found = await standings
        .find({ lists: listName(tier, state), ...(after !== null && { [field]: { $lt: after } }) })
        .sort({ [field]: -1 })
        // With another index, all tenants of the list would be sorted.
        .hint({ lists: 1, [field]: 1 })
        .limit(first + 1)
        .toArray();
      const shown = found.slice(0, first);
      const tenants = await deps.findTenants(shown.map(({ _id }) => _id));
      return {
        tenants: shown.flatMap((standing, i) => {
          const tenant = tenants[i];
          return tenant ? [{ tenant, key: standing[field] }] : [];
        }),
        hasNextPage: found.length > first,
        endKey: shown.at(-1)?.[field] ?? null,
      };
    },
  };
}
