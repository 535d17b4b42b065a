import type { Catalogue, TierDefinition, TierLimits } from '../../catalogue/catalogue.js';
import { publicNameOf } from '../../catalogue/displayNames.js';
import type { OveragePrice } from '../../catalogue/overagePrice.js';
import { type BillingCycle, type Price, priceName, pricesOf } from '../../catalogue/prices.js';
import { badInput } from '../../common/errors.js';

/** The tiers of the catalogue: limits, features and their Stripe prices, as the catalogue defines them. */
export interface Tiers {
  readonly catalogue: Catalogue;
  readonly defaultTier: TierDefinition;
  all(): readonly TierDefinition[];
  /** The tiers on price lists, the smallest first. @param held a tier that is listed in any case */
  listed(held?: string | null): readonly TierDefinition[];
  /**
   * @param version the version that was bought; if the catalogue lacks it, the current one is returned
   * @throws Error if the catalogue has no tier of that name
   */
  get(name: string, version?: number): TierDefinition;
  /** The version of a tier that a subscription has. The catalogue may lack it. */
  versionOf(name: string, bought: BoughtVersion): number;
  has(name: string): boolean;
  /** What clients and operators call a tier; a name that the catalogue lacks is itself. */
  publicNameOf(name: string): string;
  /** The name under which a tier is stored, by any name that it has or had, in whatever case; null: there is none. */
  storedNameOf(name: string): string | null;
  getTierLimits(name: string): TierLimits;
  /** What a tier costs at each interval; empty if it is free or priced by contract. */
  pricesOf(tier: TierDefinition): readonly Price[];
  /**
   * @param currency default: the catalogue's
   * @returns the price of calls beyond the quota; null if none are sold in the currency, or no Stripe price bills them
   */
  getOverage(name: string, currency?: string | null): OveragePrice;
  /** The tier that a Stripe price buys; null for a price that is not in the catalogue. */
  getTierFromPriceId(priceId: string): TierDefinition | null;
  /** The price of the catalogue that a Stripe price is; null for one that is not in the catalogue. */
  getPriceFromPriceId(priceId: string): Price | null;
  /** @param cycle default: monthly. @returns the Stripe price of a tier; null if it has none */
  getStripePriceId(name: string, cycle?: BillingCycle): string | null;
  /** The Stripe prices of a tier, at every interval. */
  getStripePriceIds(name: string): readonly string[];
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

/** Stripe price ids by the name of the price: `PRO`, `PRO_YEARLY`. */
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
  const storedNames = new Map(
    catalogue.tiers.flatMap(({ name, renamedFrom }) =>
      [name, ...renamedFrom, publicNameOf(catalogue, name)].map((one) => [one, name] as const),
    ),
  );
  const ownPrices = (tier: TierDefinition) => pricesOf(tier, catalogue.currency);
  /** The monthly price first: a tier that is priced by contract has one, too. */
  const namesOf = (tier: TierDefinition) =>
    new Set([tier.name, ...ownPrices(tier).map((price) => priceName(tier.name, price))]);
  const idsOf = (tier: TierDefinition) => [...namesOf(tier)].flatMap((name) => priceIdOf.get(name) ?? []);
  const salesOf = new Map(catalogue.tiers.map((tier) => [tier.name, salesIn(tier, idsOf(tier))] as const));
  const byPriceId = new Map(
    catalogue.tiers.flatMap((tier) =>
      (salesOf.get(tier.name) ?? [])
        .toReversed()
        .flatMap(({ version, priceIds }) => priceIds.map((id) => [id, asOf(tier, version)] as const)),
    ),
  );
  const soldPrices = new Map(
    catalogue.tiers.flatMap((tier) =>
      ownPrices(tier).flatMap((price) => {
        const id = priceIdOf.get(priceName(tier.name, price));
        return id ? [[id, price] as const] : [];
      }),
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
    listed: (held = null) =>
      catalogue.tiers.filter(({ name, hidden, retired }) => name === held || !(hidden || retired)),
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
    publicNameOf: (name) => publicNameOf(catalogue, name),
    storedNameOf: (name) => storedNames.get(name.toUpperCase()) ?? null,
    getTierLimits: (name) => get(name).limits,
    pricesOf: ownPrices,
    getOverage(name, currency = null) {
      const { overage } = get(name);
      if (!overage || (overagePriceIds !== null && !overagePriceIdOf.has(name))) return null;
      const { amounts = {}, ...price } = overage;
      if (currency === null || currency === catalogue.currency) return price;
      const priceCents = amounts[currency];
      return priceCents === undefined ? null : { ...price, priceCents };
    },
    getTierFromPriceId: (priceId) => byPriceId.get(priceId) ?? null,
    getPriceFromPriceId: (priceId) => soldPrices.get(priceId) ?? null,
    getStripePriceId: (name, cycle = MONTHLY) => priceIdOf.get(priceName(name, cycle)) ?? null,
    getStripePriceIds: (name) => idsOf(get(name)),
    getOveragePriceId: (name) => overagePriceIdOf.get(name) ?? null,
    isOveragePriceId: (priceId) => isOverage.has(priceId),
  };
}

/** @throws BAD_USER_INPUT for a tier that is no longer sold */
export function rejectRetired(tiers: Tiers, tier: string, path: string): void {
  const { retired, successor } = tiers.get(tier);
  if (!retired) return;
  const name = tiers.publicNameOf(tier).toLowerCase();
  const instead = successor && `; ${tiers.publicNameOf(successor)} takes its place`;
  throw badInput(`${path}tier`, `The ${name} tier is no longer sold${instead ?? ''}`);
}

const MONTHLY: BillingCycle = { interval: 'month', intervalCount: 1 };

interface Sale {
  version: number;
  /** The Stripe prices that buy this version. */
  priceIds: readonly string[];
}

/** @returns the newest first; a former version without prices was sold at those of the next version */
function salesIn({ version, former }: TierDefinition, present: readonly string[]): Sale[] {
  const sales: Sale[] = [{ version, priceIds: present }];
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
  const { monthlyPriceCents, prices, features, limits, limitsPerSeat, settings } = former;
  return { ...tier, version, monthlyPriceCents, prices, features, limits, limitsPerSeat, settings };
}
