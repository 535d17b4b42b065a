import { badInput } from '../../../common/errors.js';
import { ofCustomers } from '../../../models/billingCustomer.js';
import { type BillingSubscriptionDoc, GRANTING } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import {
  ERASED_INDEX,
  firstMatchOf,
  SEARCH_INDEX,
  SUSPENDED_INDEX,
  searchTermOf,
  type TenantDoc,
} from '../../../models/tenant.js';
import { TenantState } from '../../../models/tenantStanding.js';
import type { Alerts } from '../../usage/alerts/alerts.js';

/** A tenant that may match, and the key at which its list goes on. */
export interface Candidate {
  id: string;
  key: string;
}

export interface CandidateBatch {
  candidates: Candidate[];
  /** Where the next batch goes on; null if nothing was read. */
  lastKey: string | null;
  /** Whether no more come. */
  isLast: boolean;
}

/** Reads the tenants that may match from one index, in order. @param after the key of the last one seen */
export type Candidates = (after: string | null, count: number) => Promise<CandidateBatch>;

/** The levels of usage alerts that a state is about; at the lowest of them, a tenant has the state. */
export const LEVEL_OF = { [TenantState.OVER_LIMIT]: 100, [TenantState.NEAR_LIMIT]: 80 } as const;

/** Greater than every text that begins with the prefix. */
const endOf = (prefix: string): string => `${prefix}\u{10ffff}`;

/** Ids of ours and of Stripe's that a search may be for. */
const ID = /^(?:ten|cus|sub)_\w+$/;

export function createCandidates(deps: { models: Models; alerts: Alerts; defaultTier: string }) {
  const { models, alerts, defaultTier } = deps;
  const tenants = models.tenants.collection;

  const byId = (ids: readonly string[], count: number): CandidateBatch => ({
    candidates: ids.map((id) => ({ id, key: id })),
    lastKey: ids.at(-1) ?? null,
    isLast: ids.length < count,
  });
  const later = (after: string | null) => (after === null ? {} : { _id: { $gt: after } });

  const all: Candidates = async (after, count) => {
    const found = await models.tenants
      .find(later(after), { _id: 1 })
      .sort({ _id: 1 })
      .limit(count)
      .lean<TenantDoc[]>();
    return byId(
      found.map(({ _id }) => _id),
      count,
    );
  };

  const erased: Candidates = async (after, count) => {
    const found = await models.tenants
      .find({ ...later(after), 'erasure.startedAt': { $type: 'date' } }, { _id: 1 })
      .sort({ _id: 1 })
      .hint(ERASED_INDEX)
      .limit(count)
      .lean<TenantDoc[]>();
    return byId(
      found.map(({ _id }) => _id),
      count,
    );
  };

  const suspended: Candidates = async (after, count) => {
    const found = await models.tenants
      .find({ ...later(after), suspendedAt: { $type: 'date' } }, { _id: 1 })
      .sort({ _id: 1 })
      .hint(SUSPENDED_INDEX)
      .limit(count)
      .lean<TenantDoc[]>();
    return byId(
      found.map(({ _id }) => _id),
      count,
    );
  };

  async function withSubscription(filter: object, count: number): Promise<string[]> {
    const found = await models.billingSubscriptions
      .find(filter, { _id: 1 })
      .sort({ _id: 1 })
      .limit(count)
      .lean<BillingSubscriptionDoc[]>();
    return found.map(({ _id }) => _id);
  }

  const pastDue: Candidates = async (after, count) =>
    byId(await withSubscription({ ...later(after), status: 'past_due' }, count), count);

  /** Tenants that a contract or a subscription may give the tier. */
  const ofTier =
    (tier: string): Candidates =>
    async (after, count) => {
      const [bySubscription, byContract] = await Promise.all([
        withSubscription({ ...later(after), tier, status: { $in: GRANTING } }, count),
        models.tenants
          .find({ ...later(after), 'contract.tier': tier }, { _id: 1 })
          .sort({ _id: 1 })
          .limit(count)
          .lean<TenantDoc[]>(),
      ]);
      const ids = new Set([...bySubscription, ...byContract.map(({ _id }) => _id)]);
      return byId([...ids].toSorted().slice(0, count), count);
    };

  const atLevel =
    (level: number): Candidates =>
    async (after, count) => {
      const { tenantIds, isLast } = await alerts.tenantsAt(level, after, count);
      return { ...byId(tenantIds, count), isLast };
    };

  /** @returns the tenants that a search for an id of ours or of Stripe's finds; null for a search that is not for one */
  async function withId(search: string): Promise<string[] | null> {
    if (!ID.test(search)) return null;
    const found = await Promise.all([
      models.tenants.findById(search, { _id: 1 }).lean<{ _id: string }>(),
      models.billingCustomers.findOne(ofCustomers(search), { _id: 1 }).lean<{ _id: string }>(),
      models.billingSubscriptions
        .findOne({ stripeSubscriptionId: search }, { _id: 1 })
        .lean<{ _id: string }>(),
    ]);
    const ids = found.flatMap((doc) => (doc ? [doc._id] : []));
    return ids.length > 0 ? [...new Set(ids)] : null;
  }

  /** Where a page goes on: behind the tenant's term that the key names. */
  async function positionOf(key: string, prefix: string): Promise<{ term: string; id: string }> {
    const [id = '', index] = key.split(':');
    const tenant = await models.tenants.findById(id).lean<TenantDoc>();
    const term = tenant?.searchTerms?.[Number(index)];
    if (term?.startsWith(prefix)) return { term, id };
    throw badInput('after', 'names a tenant that no longer matches the search; begin again without it');
  }

  /**
   * Walks through the terms that begin with the search, in their order, without reading the tenants. A tenant with
   * several such terms comes once, at the first of them.
   */
  const matching =
    (search: string): Candidates =>
    async (after, count) => {
      const ids = await withId(search);
      if (ids) return byId(after ? [] : ids, count);
      const prefix = searchTermOf(search);
      const position = after ? await positionOf(after, prefix) : { term: prefix, id: '' };
      const entries = (await tenants
        .find({}, { returnKey: true })
        .hint(SEARCH_INDEX)
        // The smallest id behind this one.
        .min({ searchTerms: position.term, _id: `${position.id}\0` as never })
        .max({ searchTerms: endOf(prefix), _id: '' as never })
        .limit(count)
        .toArray()) as unknown as { searchTerms: string; _id: string }[];
      const docs = await models.tenants
        .find({ _id: { $in: entries.map(({ _id }) => _id) } }, { searchTerms: 1 })
        .lean<TenantDoc[]>();
      const termsOf = new Map(docs.map(({ _id, searchTerms = [] }) => [_id, searchTerms]));
      const keyOf = ({ searchTerms: term, _id: id }: { searchTerms: string; _id: string }) =>
        `${id}:${termsOf.get(id)?.indexOf(term) ?? -1}`;
      const last = entries.at(-1);
      return {
        candidates: entries
          .filter(({ searchTerms, _id }) => firstMatchOf(termsOf.get(_id) ?? [], prefix) === searchTerms)
          .map((entry) => ({ id: entry._id, key: keyOf(entry) })),
        lastKey: last ? keyOf(last) : null,
        isLast: entries.length < count,
      };
    };

  return (search: string | null, tier: string | null, state: TenantState | null): Candidates => {
    if (search) return matching(search);
    switch (state) {
      case TenantState.SUSPENDED:
        return suspended;
      case TenantState.ERASED:
        return erased;
      case TenantState.PAST_DUE:
        return pastDue;
      case TenantState.OVER_LIMIT:
      case TenantState.NEAR_LIMIT:
        return atLevel(LEVEL_OF[state]);
      case null:
        // Most tenants have the default tier, and no document says so.
        return tier && tier !== defaultTier ? ofTier(tier) : all;
    }
  };
}
