import type { Catalogue, TierDefinition, TierLimits } from '../../catalogue/catalogue.js';
import type { OveragePrice } from '../../catalogue/overagePrice.js';

/** The tiers for sale: limits, features and their Stripe prices, as the catalogue defines them. */
export interface Tiers {
  readonly catalogue: Catalogue;
  readonly defaultTier: TierDefinition;
  all(): readonly TierDefinition[];
  /**
   * @param version the version that was bought; if the catalogue lacks it, the current one is returned
   * @throws Error if the catalogue has no tier of that name
   */
  get(name: string, version?: number): TierDefinition;
  /** The version of a tier that a subscription has. The catalogue may lack it. */
  versionOf(name: string, bought: BoughtVersion): number;
  has(name: string): boolean;
  getTierLimits(name: string): TierLimits;
  /** The price of calls beyond the quota; null if none are sold, or no Stripe price bills them. */
  getOverage(name: string): OveragePrice;
  /** The tier that a Stripe price buys; null for a price that is not in the catalogue. */
  getTierFromPriceId(priceId: string): TierDefinition | null;
  /** The Stripe price of a tier; null if it has none. */
  getStripePriceId(name: string): string | null;
  /** The metered Stripe price of a tier's overage; null if none is sold. */
  getOveragePriceId(name: string): string | null;
  isOveragePriceId(priceId: string): boolean;
}

/** What is known about the purchase of a subscription's tier. */
export interface BoughtVersion {
  priceId: string;
  /** The version in the subscription's metadata at Stripe. */
  noted: number | null;
  /** The version stored earlier for the same subscription and tier. */
  known: number | null;
}

/** Stripe price ids by tier name. */
export type PriceIds = Readonly<Record<string, string>>;

/** @param overagePriceIds of the tiers whose overage is sold; null: another process bills it, per the catalogue */
export function createTiers(
  catalogue: Catalogue,
  priceIds: PriceIds,
  overagePriceIds: PriceIds | null,
): Tiers {
  const priceIdOf = new Map(Object.entries(priceIds));
  const overagePriceIdOf = new Map(Object.entries(overagePriceIds ?? {}));
  const isOverage = new Set(overagePriceIdOf.values());
  const byName = new Map(catalogue.tiers.map((tier) => [tier.name, tier]));
  const salesOf = new Map(
    catalogue.tiers.map((tier) => [tier.name, salesIn(tier, priceIdOf.get(tier.name))] as const),
  );
  const byPriceId = new Map(
    catalogue.tiers.flatMap((tier) =>
      (salesOf.get(tier.name) ?? [])
        .toReversed()
        .flatMap(({ version, priceIds }) => priceIds.map((id) => [id, asOf(tier, version)] as const)),
    ),
  );
  const get = (name: string, version?: number) => {
    const tier = byName.get(name);
    if (!tier) throw new Error(`The catalogue has no tier ${name}`);
    return version === undefined ? tier : asOf(tier, version);
  };
  return {
    catalogue,
    defaultTier: get(catalogue.defaultTier),
    all: () => catalogue.tiers,
    get,
    versionOf(name, { priceId, noted, known }) {
      const { version: present } = get(name);
      const sales = salesOf.get(name) ?? [];
      const bought = noted ?? known ?? present;
      const sold = sales.filter(({ priceIds }) => priceIds.includes(priceId)).map(({ version }) => version);
      // At a price made for one contract, any version may have been bought.
      if (sold.length === 0 || sold.includes(bought)) return bought;
      const isLost = sales.every(({ version }) => version !== bought);
      return isLost && sold.includes(present) ? bought : (sold[0] ?? present);
    },
    has: (name) => byName.has(name),
    getTierLimits: (name) => get(name).limits,
    getOverage: (name) => (overagePriceIds === null || overagePriceIdOf.has(name) ? get(name).overage : null),
    getTierFromPriceId: (priceId) => byPriceId.get(priceId) ?? null,
    getStripePriceId: (name) => priceIdOf.get(name) ?? null,
    getOveragePriceId: (name) => overagePriceIdOf.get(name) ?? null,
    isOveragePriceId: (priceId) => isOverage.has(priceId),
  };
}

interface Sale {
  version: number;
  /** The Stripe prices that buy this version. */
  priceIds: readonly string[];
}

/** @returns the newest first; a former version without prices was sold at those of the next version */
function salesIn({ version, former }: TierDefinition, priceId: string | undefined): Sale[] {
  const sales: Sale[] = [{ version, priceIds: priceId ? [priceId] : [] }];
  for (const { version, stripePriceIds } of former.toSorted((a, b) => b.version - a.version)) {
    const priceIds = stripePriceIds.length > 0 ? stripePriceIds : (sales.at(-1)?.priceIds ?? []);
    sales.push({ version, priceIds });
  }
  return sales;
}

/** An earlier version of a tier, with today's overage. */
function asOf(tier: TierDefinition, version: number): TierDefinition {
  const former = tier.former.find((one) => one.version === version);
  if (!former) return tier;
  const { monthlyPriceCents, features, limits } = former;
  return { ...tier, version, monthlyPriceCents, features, limits };
}
