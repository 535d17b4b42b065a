import { periodOf, type StoredSubscription, subscriptions } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import { draft, waitingLines } from './invoicing.js';
import { cancelScheduleOf } from './phases.js';
import { spansOf } from './usage.js';

/**
 * Ends a subscription at once.
 * @param billUsage with a last invoice of what waits for one, and of what was used
 */
export async function cancelNow(
  change: Change,
  stored: StoredSubscription,
  reason: 'cancellation_requested' | 'payment_failed',
  billUsage = false,
): Promise<void> {
  const { tx, nowS, emit } = change;
  const { body, hidden } = stored;
  await cancelScheduleOf(change, stored);
  const spans = billUsage ? spansOf(stored, nowS) : [];
  if (spans.length > 0) {
    const terms = {
      reason: 'subscription_cycle' as const,
      lines: waitingLines(stored),
      period: periodOf(body),
    };
    await draft(change, stored, terms, spans);
  }
  body.schedule = null;
  body.status = 'canceled';
  body.ended_at = nowS;
  body.canceled_at ??= nowS;
  body.cancellation_details = {
    comment: null,
    feedback: null,
    feedback_option: null,
    ...body.cancellation_details,
    reason,
  };
  hidden.retryAtS = null;
  hidden.pending = [];
  await tx.save(subscriptions, stored);
  await emit('customer.subscription.deleted', body);
}
