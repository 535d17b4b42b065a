import type { DayOverage } from '../../models/usageDay.js';
import { costOf, type OveragePrice } from './overagePrice.js';
import { callsBySpan } from './overageSpans.js';

/**
 * @param price of calls whose own price was not kept
 * @param counts which spans are meant; all, if absent
 * @returns what the calls of these days cost at the prices at which they were made, with fractions
 */
export function costOfOverage(
  days: readonly Pick<DayOverage, 'used' | 'spans' | 'prices'>[],
  price: OveragePrice,
  counts: (span: string) => boolean = () => true,
): number {
  // Summed up by price first: no error of rounding adds up.
  const callsAt = new Map<string, { price: OveragePrice; calls: number }>();
  for (const day of days) {
    for (const [span, calls] of callsBySpan(day)) {
      if (!counts(span)) continue;
      const paid = priceIn(day.prices, span) ?? price;
      const key = paid ? `${paid.priceCents}/${paid.perCalls}` : '';
      callsAt.set(key, { price: paid, calls: calls + (callsAt.get(key)?.calls ?? 0) });
    }
  }
  return [...callsAt.values()].reduce((sum, known) => sum + costOf(known.calls, known.price), 0);
}

/** The price that was noted last before the span, or in it; else the first one that was noted. */
function priceIn(prices: DayOverage['prices'], span: string) {
  const noted = Object.entries(prices ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return (noted.findLast(([key]) => key <= span) ?? noted[0])?.[1];
}
