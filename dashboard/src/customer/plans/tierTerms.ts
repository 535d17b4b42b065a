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

/** @returns for instance `$29` and `a month` */
export function priceOf({ monthlyPriceCents, currency }: Tier): { price: string; per?: string } {
  if (monthlyPriceCents === null) return { price: 'By agreement' };
  const price = formatMoney(monthlyPriceCents, currency, { whole: true });
  return monthlyPriceCents === 0 ? { price } : { price, per: 'a month' };
}

/** What a price card says of the trial. */
export const trialText = ({ trialDays, trialRequiresCard }: Tier): string =>
  `${formatCount(trialDays, 'day')} free at first${trialRequiresCard ? '' : ', no card needed'}`;

/** In a sentence: `$29 a month`. */
export function priceText(tier: Tier): string {
  const { price, per } = priceOf(tier);
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
