import { formatBytes, formatCount, formatMoney, formatNumber, intLimit } from '../../design/index.js';
import type { TierTermsFragment } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';

export type Tier = TierTermsFragment;

/** What a price card shows of a tier. */
export const TIER_TERMS = graphql(`
  fragment TierTerms on Tier {
    name
    displayName
    description
    version
    ...TierPrices
    trialDays
    trialRequiresCard
    trialEndWithoutCard
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

/** What a price card says of the trial. */
export const trialText = ({ trialDays, trialRequiresCard }: Tier): string =>
  `${formatCount(trialDays, 'day')} free at first${trialRequiresCard ? '' : ', no card needed'}`;

/** What is not in the tier at all has no line. */
export function amountsOf({ limits, overage, currency }: Tier): string[] {
  const { apiCallsPerDay, apiCallsPerMinute, concurrentRequests, maxMemories, maxStorageBytes, stored } =
    limits;
  const amounts: [number, string][] = [
    [apiCallsPerDay, `${formatCount(apiCallsPerDay, 'call')} a day`],
    [apiCallsPerMinute, `${formatCount(intLimit(apiCallsPerMinute), 'call')} a minute`],
    [concurrentRequests, `${formatCount(intLimit(concurrentRequests), 'call')} at once`],
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
