import { type Cycle, type PricedTier, priceAt, pricesIn } from '@continuum-billing/react/core';
import { formatMoney } from '../design/index.js';
import type { PriceTermsFragment } from '../generated/graphql.js';
import { graphql } from '../generated/index.js';

/** What tiers cost, in the words that customers read too (packages/react). */

export type Price = PriceTermsFragment;

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

/** @returns for instance `Monthly`, `Yearly`, `Every 3 months` */
export function cycleLabel({ interval, intervalCount }: Cycle): string {
  if (intervalCount > 1) return `Every ${intervalCount} ${interval.toLowerCase()}s`;
  return interval === 'YEAR' ? 'Yearly' : 'Monthly';
}

/** @returns for instance `$29` and `a month`, or `$12` and `per seat a year` */
function priceOf(
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
