import type { Clock } from '../../common/clock.js';
import { NOT_ENDED } from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';

/** How many tenants have something, by the document that says so. */
export interface Holders {
  subscriptions: number;
  scheduledChanges: number;
  contracts: number;
  /** They store something of it. */
  stored: number;
}

/** Finds who has what of the catalogue. Counting stops at 100,000. */
export interface TierHolders {
  /** The names under which tiers are stored that somebody has, or had. */
  heldTiers(): Promise<string[]>;
  /** @param version default: all. Contracts always have the present version */
  count(tier: string, version?: number): Promise<Holders>;
  /** Reads every ledger. */
  countStored(resource: string): Promise<number>;
  /** @returns the ids of the first tenants that have a tier by subscription or by contract */
  list(tier: string, first: number): Promise<string[]>;
}

/** Counting stops here: the operator learns that there are many. */
const MAX_COUNTED = 100_000;
/** The filter of the partial indexes, which lets MongoDB skip from one tier to the next. */
const ANY_TIER = { $gt: '' };

export function createTierHolders(deps: { models: Models; clock: Clock }): TierHolders {
  const { models, clock } = deps;
  const subscriptions = models.billingSubscriptions.collection;
  const tenants = models.tenants.collection;
  const limit = { limit: MAX_COUNTED };

  const subscriptionsOf = (filter: object) =>
    subscriptions.countDocuments({ ...filter, status: { $in: [...NOT_ENDED] } }, limit);

  /** Overrides that have ended give nothing. */
  async function contractsOf(tier: string): Promise<number> {
    const ended = { 'contract.until': { $lte: new Date(clock.now()) } };
    const [all, over] = await Promise.all(
      [{}, ended].map((filter) => tenants.countDocuments({ 'contract.tier': tier, ...filter }, limit)),
    );
    return (all ?? 0) - (over ?? 0);
  }

  return {
    async heldTiers() {
      const names = await Promise.all([
        subscriptions.distinct('tier'),
        subscriptions.distinct('scheduledTier', { scheduledTier: ANY_TIER }),
        tenants.distinct('contract.tier', { 'contract.tier': ANY_TIER }),
      ]);
      return [...new Set<string>(names.flat())];
    },
    async count(tier, version) {
      const [held, scheduledChanges, contracts] = await Promise.all([
        subscriptionsOf({ tier, ...(version !== undefined && { tierVersion: version }) }),
        subscriptionsOf({ scheduledTier: tier }),
        contractsOf(tier),
      ]);
      return { subscriptions: held, scheduledChanges, contracts, stored: 0 };
    },
    countStored: (resource) =>
      models.ledgers.collection.countDocuments({ [`levels.${resource}`]: { $gt: 0 } }, limit),
    async list(tier, first) {
      const only = { projection: { _id: 1 }, limit: first } as const;
      const [bought, agreed] = await Promise.all([
        subscriptions.find({ tier, status: { $in: [...NOT_ENDED] } }, only).toArray(),
        tenants.find({ 'contract.tier': tier }, only).toArray(),
      ]);
      return [...new Set([...bought, ...agreed].map(({ _id }) => String(_id)))].slice(0, first);
    },
  };
}

/** @returns for instance `2 tenants by subscription, 1 tenant by contract`; empty if there is none */
export function holdersText({
  subscriptions = 0,
  scheduledChanges = 0,
  contracts = 0,
  stored = 0,
}: Partial<Holders>): string {
  return [
    ...countIn(subscriptions, 'by subscription'),
    ...countIn(scheduledChanges, 'by a scheduled change'),
    ...countIn(contracts, 'by contract'),
    ...countIn(stored, 'by what they store'),
  ].join(', ');
}

function countIn(count: number, how: string): string[] {
  if (count === 0) return [];
  const least = count >= MAX_COUNTED ? 'at least ' : '';
  return [`${least}${count} tenant${count === 1 ? '' : 's'} ${how}`];
}
