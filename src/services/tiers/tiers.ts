import type { Catalogue, TierDefinition, TierLimits } from '../../catalogue/catalogue.js';
import type { OveragePrice } from '../../catalogue/overagePrice.js';

/** The tiers that are for sale: limits, features and their Stripe prices, all from the catalogue. */
export interface Tiers {
  readonly catalogue: Catalogue;
  readonly defaultTier: TierDefinition;
  all(): readonly TierDefinition[];
  /**
   * @param version that was bought; one that the catalogue does not have any more is the present one
   * @throws Error for a name that the catalogue does not have
   */
  get(name: string, version?: number): TierDefinition;
  /** The version that a subscription has of a tier. @returns one that was noted, whether the catalogue has it or not */
  versionOf(name: string, bought: BoughtVersion): number;
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

/** What is known of when a subscription's tier was bought. */
export interface BoughtVersion {
  priceId: string;
  /** With the subscription, at Stripe. */
  noted: number | null;
  /** What was read of the same subscription and tier before. */
  known: number | null;
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
      // At a contract's own price any version may have been bought.
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
  /** Stripe prices that buy it. */
  priceIds: readonly string[];
}

/** @returns newest first; a former version that names no prices was sold at those of the next one */
function salesIn({ version, former }: TierDefinition, priceId: string | undefined): Sale[] {
  const sales: Sale[] = [{ version, priceIds: priceId ? [priceId] : [] }];
  for (const { version, stripePriceIds } of former.toSorted((a, b) => b.version - a.version)) {
    const priceIds = stripePriceIds.length > 0 ? stripePriceIds : (sales.at(-1)?.priceIds ?? []);
    sales.push({ version, priceIds });
  }
  return sales;
}

/** A tier in an earlier version; overage is sold as it is now. */
function asOf(tier: TierDefinition, version: number): TierDefinition {
  const former = tier.former.find((one) => one.version === version);
  if (!former) return tier;
  const { monthlyPriceCents, features, limits } = former;
  return { ...tier, version, monthlyPriceCents, features, limits };
}
