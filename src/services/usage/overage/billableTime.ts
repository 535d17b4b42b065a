import { type BillingSubscriptionDoc, billedPeriodOf } from '../../../models/billingSubscription.js';

/** Stripe accepts late usage for an invoice for an hour; this leaves a margin for delivery. */
export const INVOICE_OPEN_MS = 50 * 60_000;
const SECOND_MS = 1_000;

/**
 * The timestamp under which usage is reported, chosen so that an invoice includes it: the time of use while the invoice
 * of that period is open, otherwise a time in the next period in which the subscription bills overage. Without a
 * subscription that bills it, usage keeps its time.
 * @param used the time of use, and the start of the span that bills it (null: unknown)
 */
export function billableTime(
  used: { atMs: number; spanStartMs: number | null },
  subscription: BillingSubscriptionDoc | null,
  nowMs: number,
): number {
  const items = subscription?.overageItems;
  if (!subscription || !items) return used.atMs;
  const startMs = billedPeriodOf(subscription).start?.getTime() ?? 0;
  const isClosed = nowMs > startMs + INVOICE_OPEN_MS;
  // The ended period billed it, perhaps by an item that was removed with it.
  if (used.spanStartMs && used.atMs < startMs && !isClosed) return used.atMs;
  const sinceMs = Math.min(...items.map(({ since }) => since.getTime()));
  const earliestMs = Math.max(used.atMs, sinceMs, isClosed ? startMs : 0);
  const endMs = endOf(subscription);
  const latestMs = endMs === null ? nowMs : Math.min(nowMs, endMs - SECOND_MS);
  return Math.min(earliestMs, latestMs);
}

/** When the subscription ended or will end. */
function endOf({ endedAt, cancelAt, cancelAtPeriodEnd, currentPeriodEnd }: BillingSubscriptionDoc) {
  const end = endedAt ?? cancelAt ?? (cancelAtPeriodEnd ? currentPeriodEnd : null);
  return end?.getTime() ?? null;
}

/**
 * The boundaries of overage spans, in order: the starts of the spans, and those of the subscription's periods.
 * @param starts the starts of the spans
 */
export function boundariesOf(
  starts: readonly number[],
  subscription: BillingSubscriptionDoc | null,
  nowMs: number,
): number[] {
  const { start = null, end = null } = subscription ? billedPeriodOf(subscription) : {};
  // The next period has begun, although Stripe has not reported it yet.
  const hasEnded = end && end.getTime() <= nowMs;
  const known = [start, hasEnded ? end : null, subscription?.endedAt];
  return [...starts, ...known.flatMap((at) => at?.getTime() ?? [])].sort((a, b) => a - b);
}
