import type { Catalogue, TierDefinition, TierLimits } from './catalogue.js';
import type { OveragePrice } from './overagePrice.js';

/** The tiers that are for sale: limits, features and their Stripe prices, all from the catalogue. */
export interface Tiers {
  readonly catalogue: Catalogue;
  readonly defaultTier: TierDefinition;
  all(): readonly TierDefinition[];
  /** @throws Error for a name that the catalogue does not have */
  get(name: string): TierDefinition;
  has(name: string): boolean;
  getTierLimits(name: string): TierLimits;
  /** What calls past the quota cost; null: none are sold, or there is no Stripe price that would bill them. */
  getOverage(name: string): OveragePrice;
  /** The tier that a Stripe price buys; null for a price that is none of ours. */
  getTierFromPriceId(priceId: string): TierDefinition | null;
  /** The Stripe price of a tier; null when it has none. */
  getStripePriceId(name: string): string | null;
  /** The metered Stripe price of a tier's overage; null when none is sold. */
  getOveragePriceId(name: string): string | null;
  isOveragePriceId(priceId: string): boolean;
}

/** Stripe price ids by tier name. */
export type PriceIds = Readonly<Record<string, string>>;

/** @param overagePriceIds of the tiers whose overage is sold; null: another process bills it, as the catalogue says */
export function createTiers(
  catalogue: Catalogue,
  priceIds: PriceIds,
  overagePriceIds: PriceIds | null,
): Tiers {
  const priceIdOf = new Map(Object.entries(priceIds));
  const overagePriceIdOf = new Map(Object.entries(overagePriceIds ?? {}));
  const isOverage = new Set(overagePriceIdOf.values());
  const byName = new Map(catalogue.tiers.map((tier) => [tier.name, tier]));
  const byPriceId = new Map(
    catalogue.tiers.flatMap((tier) => {
      const priceId = priceIdOf.get(tier.name);
      return priceId ? [[priceId, tier] as const] : [];
    }),
  );
  const get = (name: string) => {
    const tier = byName.get(name);
    if (!tier) throw new Error(`The catalogue has no tier ${name}`);
    return tier;
  };
  return {
    catalogue,
    defaultTier: get(catalogue.defaultTier),
    all: () => catalogue.tiers,
    get,
    has: (name) => byName.has(name),
    getTierLimits: (name) => get(name).limits,
    getOverage: (name) => (overagePriceIds === null || overagePriceIdOf.has(name) ? get(name).overage : null),
    getTierFromPriceId: (priceId) => byPriceId.get(priceId) ?? null,
    getStripePriceId: (name) => priceIdOf.get(name) ?? null,
    getOveragePriceId: (name) => overagePriceIdOf.get(name) ?? null,
    isOveragePriceId: (priceId) => isOverage.has(priceId),
  };
}
