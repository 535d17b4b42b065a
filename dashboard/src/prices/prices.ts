import { formatMoney } from '../design/index.js';
import type { PriceTermsFragment, TierPricesFragment } from '../generated/graphql.js';
import { graphql } from '../generated/index.js';

/** What tiers cost, in the words that customers read too (packages/react). */

export type Price = PriceTermsFragment;
export type PricedTier = Omit<TierPricesFragment, '__typename'>;

export const PRICE_TERMS = graphql(`
  fragment PriceTerms on TierPrice {
    id
    interval
    intervalCount
    currency
    unitAmount
    perSeat
    per
  }
`);

export const TIER_PRICES = graphql(`
  fragment TierPrices on Tier {
    monthlyPriceCents
    currency
    prices {
      ...PriceTerms
    }
  }
`);

/** How often prices are paid. */
export type Cycle = Pick<Price, 'interval' | 'intervalCount'>;

export const cycleKey = ({ interval, intervalCount }: Cycle): string => `${intervalCount} ${interval}`;

export const monthsIn = ({ interval, intervalCount }: Cycle): number =>
  interval === 'YEAR' ? 12 * intervalCount : intervalCount;

const shortestFirst = (a: Cycle, b: Cycle): number => monthsIn(a) - monthsIn(b);

/** @returns for instance `Monthly`, `Yearly`, `Every 3 months` */
export function cycleLabel({ interval, intervalCount }: Cycle): string {
  if (intervalCount > 1) return `Every ${intervalCount} ${interval.toLowerCase()}s`;
  return interval === 'YEAR' ? 'Yearly' : 'Monthly';
}

/**
 * @param currency null: the catalogue's
 * @returns the prices of a tier in one currency, the shortest interval first; none: it is free or by agreement
 */
export const pricesIn = (tier: PricedTier, currency: string | null = null): Price[] =>
  tier.prices.filter((price) => price.currency === (currency ?? tier.currency)).sort(shortestFirst);

/**
 * @param cycle null: the shortest
 * @returns the price of a tier, at another interval if it is not sold at this one; null: it is free or by agreement
 */
export function priceAt(tier: PricedTier, cycle: Cycle | null, currency: string | null = null): Price | null {
  const prices = pricesIn(tier, currency);
  return prices.find((price) => cycle && cycleKey(price) === cycleKey(cycle)) ?? prices[0] ?? null;
}

/** @returns for instance `$29` and `a month`, or `$12` and `per seat a year` */
export function priceOf(
  tier: PricedTier,
  price: Price | null = priceAt(tier, null),
): { price: string; per?: string } {
  if (price) return { price: formatMoney(price.unitAmount, price.currency, { whole: true }), per: price.per };
  if (tier.monthlyPriceCents !== 0) return { price: 'By agreement' };
  return { price: formatMoney(0, tier.currency, { whole: true }) };
}

/** In a sentence: `$29 a month`. */
export function priceText(tier: PricedTier, paid?: Price | null): string {
  const { price, per } = priceOf(tier, paid ?? undefined);
  return per ? `${price} ${per}` : tier.monthlyPriceCents === 0 ? 'free' : 'priced by agreement';
}

/** All prices in one currency, for a label: `$29 a month, or $290 a year`. */
export function pricesText(tier: PricedTier, currency: string | null = null): string {
  const prices = pricesIn(tier, currency);
  if (prices.length > 0) return prices.map((price) => priceText(tier, price)).join(', or ');
  return tier.monthlyPriceCents === 0 ? 'Free' : 'By agreement';
}

/** The input of mutations that buy at a price; the seats only where it is by the seat. */
export const termsOf = (price: Price | null, seats: number | null = null) => ({
  ...(price && { interval: price.interval, intervalCount: price.intervalCount }),
  ...(price?.perSeat && seats !== null && { seats }),
});

/** The API's. */
const MAX_SEATS = 100_000;
const MAX_AMOUNT = 99_999_999;

/** More would cost more than Stripe charges at once. */
export const maxSeatsAt = ({ unitAmount }: Price): number =>
  Math.max(1, Math.min(MAX_SEATS, Math.floor(MAX_AMOUNT / Math.max(1, unitAmount))));
