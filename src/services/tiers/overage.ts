import { costOf, type OveragePrice } from '../../catalogue/overagePrice.js';
import type { DayOverage } from '../../models/usageDay.js';

/**
 * Overage is counted by the span in which it is billed, so that each call is on the invoice of its own period however
 * late it is reported. A span starts with a billing period, or with the subscription item that bills overage if that is
 * younger, and lasts until the next one starts. Its key is its start in seconds since the Unix epoch.
 */
export interface OverageTerms {
  price: NonNullable<OveragePrice>;
  /** When the current span started; 0 if no subscription bills overage. */
  billedFromMs: number;
  /** When its period ends and the next one starts, whether Stripe has reported that yet or not; null if unknown. */
  billedUntilMs: number | null;
}

/** Wide enough that keys sort like their numbers. */
const KEY_LENGTH = 10;

export const spanKey = (startMs: number): string =>
  String(Math.floor(Math.max(0, startMs) / 1000)).padStart(KEY_LENGTH, '0');

export const startOfSpan = (key: string): number => Number(key) * 1000;

/** @returns the span of a call made now */
export function spanOf(terms: OverageTerms | null, nowMs: number): string {
  if (!terms) return spanKey(0);
  const { billedFromMs, billedUntilMs } = terms;
  const hasEnded = billedUntilMs !== null && nowMs >= billedUntilMs;
  return spanKey(hasEnded ? billedUntilMs : billedFromMs);
}

/**
 * @returns the calls of each span, which add up to those of the day: calls returned without a span are taken off the last
 * ones, and calls counted without a span are under the key of 0
 */
export function callsBySpan(overage: { used: number; spans?: Record<string, number> }): Map<string, number> {
  const calls = new Map<string, number>();
  let left = overage.used;
  for (const [key, counted] of Object.entries(overage.spans ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
    calls.set(key, Math.min(counted, left));
    left -= Math.min(counted, left);
  }
  if (left > 0) calls.set(spanKey(0), (calls.get(spanKey(0)) ?? 0) + left);
  return calls;
}

/**
 * @param price for calls whose own price was not stored
 * @param counts selects the spans; default: all
 * @returns the cost of the calls of these days at the prices at which they were made, with fractions
 */
export function costOfOverage(
  days: readonly Pick<DayOverage, 'used' | 'spans' | 'prices'>[],
  price: OveragePrice,
  counts: (span: string) => boolean = () => true,
): number {
  // Summed by price first, so that rounding errors do not add up.
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

/** The last price stored in or before the span, otherwise the first one stored. */
function priceIn(prices: DayOverage['prices'], span: string) {
  const noted = Object.entries(prices ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return (noted.findLast(([key]) => key <= span) ?? noted[0])?.[1];
}
