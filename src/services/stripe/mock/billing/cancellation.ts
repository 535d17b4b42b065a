import { type StoredSubscription, subscriptions } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import { cancelScheduleOf } from './phases.js';

/** Ends a subscription at once. */
export async function cancelNow(
  change: Change,
  stored: StoredSubscription,
  reason: 'cancellation_requested' | 'payment_failed',
): Promise<void> {
  const { tx, nowS, emit } = change;
  const { body, hidden } = stored;
  await cancelScheduleOf(change, stored);
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
