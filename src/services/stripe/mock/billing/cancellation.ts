import { type StoredSubscription, subscriptions } from '../objects/subscription.js';
import type { Change } from '../operation.js';

/** Ends a subscription at once. */
export async function cancelNow(
  { tx, nowS, emit }: Change,
  stored: StoredSubscription,
  reason: 'cancellation_requested' | 'payment_failed',
): Promise<void> {
  const { body, hidden } = stored;
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
