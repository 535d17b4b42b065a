import { formatBytes, formatCount, formatMoney, formatNumber } from '../../design/index.js';
import type { TierTermsFragment } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';

export type Tier = TierTermsFragment;

/** What a price card shows of a tier. */
export const TIER_TERMS = graphql(`
  fragment TierTerms on Tier {
    name
    displayName
    version
    monthlyPriceCents
    currency
    prices {
      id
      interval
      intervalCount
      currency
      unitAmount
      perSeat
    }
    trialDays
    trialRequiresCard
    checkout
    support
    featureNames
    overage {
      priceCents
      perCalls
    }
    limits {
      apiCallsPerDay
      apiCallsPerMinute
      concurrentRequests
      maxMemories
      maxStorageBytes
      stored {
        resource
        displayName
        limit
      }
    }
  }
`);

export type Price = Tier['prices'][number];

/** How often prices are paid. */
export type Cycle = Pick<Price, 'interval' | 'intervalCount'>;

export const cycleKey = ({ interval, intervalCount }: Cycle): string => `${intervalCount} ${interval}`;

export const monthsIn = ({ interval, intervalCount }: Cycle): number =>
  interval === 'YEAR' ? 12 * intervalCount : intervalCount;

/** @returns the intervals at which any of the tiers is sold, the shortest first */
export function cyclesOf(tiers: readonly Tier[]): Cycle[] {
  const all = new Map(tiers.flatMap(({ prices }) => prices).map((price) => [cycleKey(price), price]));
  return [...all.values()].sort((a, b) => monthsIn(a) - monthsIn(b));
}

/** @returns for instance `Monthly`, `Yearly`, `Every 3 months` */
export function cycleLabel({ interval, intervalCount }: Cycle): string {
  if (intervalCount > 1) return `Every ${intervalCount} ${interval.toLowerCase()}s`;
  return interval === 'YEAR' ? 'Yearly' : 'Monthly';
}

/**
 * @param cycle null: the shortest
 * @param currency null: the catalogue's
 * @returns the price of a tier, at another interval if it is not sold at this one; null: it is free or by agreement
 */
export function priceAt(tier: Tier, cycle: Cycle | null, currency: string | null = null): Price | null {
  const prices = tier.prices
    .filter((price) => price.currency === (currency ?? tier.currency))
    .sort((a, b) => monthsIn(a) - monthsIn(b));
  return prices.find((price) => cycle && cycleKey(price) === cycleKey(cycle)) ?? prices[0] ?? null;
}

/** @returns for instance `$29` and `a month`, or `$12` and `per seat, a year` */
export function priceOf(
  tier: Tier,
  price: Price | null = priceAt(tier, null),
): { price: string; per?: string } {
  if (!price) {
    if (tier.monthlyPriceCents === null) return { price: 'By agreement' };
    return { price: formatMoney(tier.monthlyPriceCents, tier.currency, { whole: true }) };
  }
  const { interval, intervalCount, unitAmount, currency, perSeat } = price;
  const often =
    intervalCount > 1 ? `every ${intervalCount} ${interval.toLowerCase()}s` : `a ${interval.toLowerCase()}`;
  return {
    price: formatMoney(unitAmount, currency, { whole: true }),
    per: perSeat ? `per seat, ${often}` : often,
  };
}

/** What a price card says of the trial. */
export const trialText = ({ trialDays, trialRequiresCard }: Tier): string =>
  `${formatCount(trialDays, 'day')} free at first${trialRequiresCard ? '' : ', no card needed'}`;

/** In a sentence: `$29 a month`. */
export function priceText(tier: Tier, paid?: Price | null): string {
  const { price, per } = priceOf(tier, paid ?? undefined);
  return per ? `${price} ${per}` : tier.monthlyPriceCents === 0 ? 'free' : 'priced by agreement';
}

/** What is not in the tier at all has no line. */
export function amountsOf({ limits, overage, currency }: Tier): string[] {
  const { apiCallsPerDay, apiCallsPerMinute, concurrentRequests, maxMemories, maxStorageBytes, stored } =
    limits;
  const amounts: [number, string][] = [
    [apiCallsPerDay, `${formatCount(apiCallsPerDay, 'call')} a day`],
    [apiCallsPerMinute, `${formatCount(apiCallsPerMinute, 'call')} a minute`],
    [concurrentRequests, `${formatCount(concurrentRequests, 'call')} at once`],
    [maxMemories, `Memories: ${formatNumber(maxMemories)}`],
    ...stored.map(({ displayName, limit }): [number, string] => [
      limit,
      `${displayName}: ${formatNumber(limit)}`,
    ]),
    [maxStorageBytes, `Storage: ${formatBytes(maxStorageBytes)}`],
  ];
  const lines = amounts.filter(([amount]) => amount > 0).map(([, line]) => line);
  return overage ? [...lines, `More calls, if you allow them: ${overageText(overage, currency)}`] : lines;
}

/** @returns for instance `$0.10 for 1,000 calls` */
export function overageText(
  { priceCents, perCalls }: { priceCents: number; perCalls: number },
  currency: string,
): string {
  return `${formatMoney(priceCents, currency)} for ${formatCount(perCalls, 'call')}`;
}
