import type { Tier, TierPrice } from '@continuum-billing/client';
import { useMemo } from 'react';
import { useBillingContext } from './BillingProvider.js';
import { type Formats, intLimit, isUnlimited } from './formats.js';
import { type PricedTier, priceAt } from './prices.js';
import type { Texts } from './texts.js';

/** Prices, counts and terms in words. */
export interface Words {
  calls(count: number): string;
  seats(count: number): string;
  days(count: number): string;
  number(limit: number): string;
  bytes(limit: number): string;
  /** `$29` and `a month`. @param price undefined: the shortest interval's */
  priceOf(tier: PricedTier, price?: TierPrice | null): { price: string; per?: string };
  /** In a sentence: `$29 a month`. */
  priceText(tier: PricedTier, price?: TierPrice | null): string;
  /** `$0.10 for 1,000 calls` */
  overage(overage: NonNullable<Tier['overage']>, currency: string): string;
  /** What is counted, one line each. What is not in the tier at all has none. @param more lines after those of calls */
  amountsOf(tier: Tier, more?: readonly string[]): string[];
}

type Line = [amount: number, text: string];

const present = (lines: readonly Line[]): string[] =>
  lines.filter(([amount]) => amount > 0).map(([, text]) => text);

function createWords(texts: Texts, formats: Formats): Words {
  const limited = (format: (value: number) => string) => (value: number) =>
    isUnlimited(value) ? texts.unlimited : format(value);
  const number = limited(formats.number);
  const bytes = limited(formats.bytes);
  const calls = (count: number) => texts.calls(count, number(count));
  const overage: Words['overage'] = ({ priceCents, perCalls }, currency) =>
    texts.overage(formats.money(priceCents, currency), calls(perCalls));

  const priceOf: Words['priceOf'] = (tier, given) => {
    const price = given ?? priceAt(tier, null);
    if (price)
      return {
        price: formats.money(price.unitAmount, price.currency, { whole: true }),
        per: texts.per(price),
      };
    if (tier.monthlyPriceCents !== 0) return { price: texts.byAgreement };
    return { price: formats.money(0, tier.currency, { whole: true }) };
  };

  return {
    calls,
    seats: (count) => texts.seats(count, formats.number(count)),
    days: (count) => texts.days(count, formats.number(count)),
    number,
    bytes,
    overage,
    priceOf,
    priceText(tier, given) {
      const { price, per } = priceOf(tier, given);
      if (per) return texts.priced(price, per);
      return tier.monthlyPriceCents === 0 ? texts.free : texts.pricedByAgreement;
    },
    amountsOf({ limits, currency, overage: sold }, more = []) {
      const { apiCallsPerDay, apiCallsPerMinute, concurrentRequests, stored, maxStorageBytes } = limits;
      const ofCalls: Line[] = [
        [apiCallsPerDay, texts.perDay(calls(apiCallsPerDay))],
        [apiCallsPerMinute, texts.perMinute(calls(intLimit(apiCallsPerMinute)))],
        [concurrentRequests, texts.atOnce(calls(intLimit(concurrentRequests)))],
      ];
      const ofStorage: Line[] = [
        ...stored.map(({ displayName, limit }): Line => [limit, texts.stored(displayName, number(limit))]),
        [maxStorageBytes, texts.storage(bytes(maxStorageBytes))],
      ];
      return [
        ...present(ofCalls),
        ...more,
        ...present(ofStorage),
        ...(sold ? [texts.moreCalls(overage(sold, currency))] : []),
      ];
    },
  };
}

export function useWords(): Words {
  const { texts, formats } = useBillingContext();
  return useMemo(() => createWords(texts, formats), [texts, formats]);
}
