import type { BillingSubscriptionDoc } from '../../models/billingSubscription.js';

/** Stripe leaves an invoice open to late usage for an hour; less, for the way there. */
const INVOICE_OPEN_MS = 50 * 60_000;
const SECOND_MS = 1_000;

/**
 * The time with which usage is reported, so that an invoice has it: inside the time in which the subscription bills
 * overage, and not in a period whose invoice is closed, but in the one after it. Usage without a subscription that bills
 * it keeps its time.
 * @param usedAtMs when it was used
 */
export function billableTime(
  usedAtMs: number,
  subscription: BillingSubscriptionDoc | null,
  nowMs: number,
): number {
  const items = subscription?.overageItems;
  if (!subscription || !items) return usedAtMs;
  const { currentPeriodStart, currentPeriodEnd, cancelAt, cancelAtPeriodEnd } = subscription;
  const startMs = currentPeriodStart?.getTime() ?? 0;
  const isClosed = nowMs > startMs + INVOICE_OPEN_MS;
  const sinceMs = Math.min(...items.map(({ since }) => since.getTime()));
  const earliestMs = Math.max(usedAtMs, sinceMs, isClosed ? startMs : 0);
  const endMs = (cancelAt ?? (cancelAtPeriodEnd ? currentPeriodEnd : null))?.getTime();
  const latestMs = endMs === undefined ? nowMs : Math.min(nowMs, endMs - SECOND_MS);
  return Math.min(earliestMs, latestMs);
}
