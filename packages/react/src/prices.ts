import type { Tier, TierPrice } from '@continuum-billing/client';

/** How often prices are paid. */
export type Cycle = Pick<TierPrice, 'interval' | 'intervalCount'>;

/** A tier as far as prices go. */
export type PricedTier = Pick<Tier, 'prices' | 'currency' | 'monthlyPriceCents'>;

export const cycleKey = ({ interval, intervalCount }: Cycle): string => `${intervalCount} ${interval}`;

export const monthsIn = ({ interval, intervalCount }: Cycle): number =>
  interval === 'YEAR' ? 12 * intervalCount : intervalCount;

const shortestFirst = (a: Cycle, b: Cycle): number => monthsIn(a) - monthsIn(b);

/** @returns the intervals at which any of the tiers is sold, the shortest first */
export function cyclesOf(tiers: readonly PricedTier[]): Cycle[] {
  const all = new Map(tiers.flatMap(({ prices }) => prices).map((price) => [cycleKey(price), price]));
  return [...all.values()].sort(shortestFirst);
}

/** @returns the currencies in which any of the tiers is sold, the catalogue's first */
export const currenciesOf = (tiers: readonly PricedTier[]): string[] => [
  ...new Set(tiers.flatMap(({ currency, prices }) => [currency, ...prices.map((price) => price.currency)])),
];

/**
 * @param currency null: the catalogue's
 * @returns the prices of a tier in one currency, the shortest interval first; none: it is free or by agreement
 */
export const pricesIn = (tier: PricedTier, currency: string | null = null): TierPrice[] =>
  tier.prices.filter((price) => price.currency === (currency ?? tier.currency)).sort(shortestFirst);

/**
 * @param cycle null: the shortest
 * @returns the price of a tier, at another interval if it is not sold at this one; null: it is free or by agreement
 */
export function priceAt(
  tier: PricedTier,
  cycle: Cycle | null,
  currency: string | null = null,
): TierPrice | null {
  const prices = pricesIn(tier, currency);
  return prices.find((price) => cycle && cycleKey(price) === cycleKey(cycle)) ?? prices[0] ?? null;
}

/** The input of mutations that buy at a price; the seats only where it is by the seat. */
export const termsOf = (price: TierPrice | null, seats: number | null = null) => ({
  ...(price && { interval: price.interval, intervalCount: price.intervalCount }),
  ...(price?.perSeat && seats !== null && { seats }),
});

/** The API's. */
const MAX_SEATS = 100_000;
const MAX_AMOUNT = 99_999_999;

/** More would cost more than Stripe charges at once. */
export const maxSeatsAt = ({ unitAmount }: Pick<TierPrice, 'unitAmount'>): number =>
  Math.max(1, Math.min(MAX_SEATS, Math.floor(MAX_AMOUNT / Math.max(1, unitAmount))));
