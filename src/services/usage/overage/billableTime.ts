import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';

/** Stripe leaves an invoice open to late usage for an hour; less, for the way there. */
export const INVOICE_OPEN_MS = 50 * 60_000;
const SECOND_MS = 1_000;

/**
 * The time with which usage is reported, so that an invoice has it: that of its use while the invoice of its period is
 * open, else inside the time in which the subscription bills overage, in the period after it. Usage without a
 * subscription that bills it keeps its time.
 * @param used when it was used, and when the span of time began in which it is billed; null: not known
 */
export function billableTime(
  used: { atMs: number; spanStartMs: number | null },
  subscription: BillingSubscriptionDoc | null,
  nowMs: number,
): number {
  const items = subscription?.overageItems;
  if (!subscription || !items) return used.atMs;
  const { currentPeriodStart } = subscription;
  const startMs = currentPeriodStart?.getTime() ?? 0;
  const isClosed = nowMs > startMs + INVOICE_OPEN_MS;
  // The period that ended billed it, perhaps by an item that went with it.
  if (used.spanStartMs && used.atMs < startMs && !isClosed) return used.atMs;
  const sinceMs = Math.min(...items.map(({ since }) => since.getTime()));
  const earliestMs = Math.max(used.atMs, sinceMs, isClosed ? startMs : 0);
  const endMs = endOf(subscription);
  const latestMs = endMs === null ? nowMs : Math.min(nowMs, endMs - SECOND_MS);
  return Math.min(earliestMs, latestMs);
}

/** When it ended, or is to end. */
function endOf({ endedAt, cancelAt, cancelAtPeriodEnd, currentPeriodEnd }: BillingSubscriptionDoc) {
  const end = endedAt ?? cancelAt ?? (cancelAtPeriodEnd ? currentPeriodEnd : null);
  return end?.getTime() ?? null;
}

/**
 * When spans of overage begin and end, in order: at the starts of the spans themselves, and where the subscription's
 * periods do.
 * @param starts of the spans
 */
export function boundariesOf(
  starts: readonly number[],
  subscription: BillingSubscriptionDoc | null,
  nowMs: number,
): number[] {
  const { currentPeriodStart, currentPeriodEnd, endedAt } = subscription ?? {};
  // The next period has begun, though Stripe has not reported that yet.
  const hasEnded = currentPeriodEnd && currentPeriodEnd.getTime() <= nowMs;
  const known = [currentPeriodStart, hasEnded ? currentPeriodEnd : null, endedAt];
  return [...starts, ...known.flatMap((at) => at?.getTime() ?? [])].sort((a, b) => a - b);
}
