import { EventUrgency } from '../../../models/webhookEvent.js';
import { plainTypeOf } from './eventTarget.js';
import type { ReceivedEvent } from './receivedEvent.js';

/** By Stripe's event type. All other events are neutral, or a subscription's state decides. */
const BY_TYPE: ReadonlyMap<string, EventUrgency> = new Map([
  ...[
    'customer.subscription.created',
    'customer.subscription.resumed',
    'invoice.payment_succeeded',
    'checkout.session.completed',
    'checkout.session.async_payment_succeeded',
  ].map((type): [string, EventUrgency] => [type, EventUrgency.GRANTS]),
  ...[
    'customer.deleted',
    'customer.subscription.deleted',
    'customer.subscription.paused',
    'invoice.payment_failed',
    'invoice.voided',
    'invoice.marked_uncollectible',
    'checkout.session.expired',
    'checkout.session.async_payment_failed',
    'charge.refunded',
    'charge.dispute.created',
  ].map((type): [string, EventUrgency] => [type, EventUrgency.TAKES]),
]);

const PAID: readonly unknown[] = ['active', 'trialing'];
const UNPAID: readonly unknown[] = ['past_due', 'unpaid', 'paused', 'canceled', 'incomplete_expired'];
/** What a subscription buys, and whether it is paid. */
const DECISIVE = ['status', 'items', 'plan', 'quantity'];

/**
 * Who waits for what was paid goes before who loses something. It is a guess from the event alone and decides only the
 * order: the state comes from Stripe.
 */
export function urgencyOf({ type, subject, changed }: ReceivedEvent): EventUrgency {
  const plainType = plainTypeOf(type);
  const isSubscription = plainType.startsWith('customer.subscription.');
  // A subscription may be created before it is paid.
  if (isSubscription && UNPAID.includes(subject.status)) return EventUrgency.TAKES;
  const byType = BY_TYPE.get(plainType);
  if (byType !== undefined) return byType;
  const isPaid = isSubscription && PAID.includes(subject.status);
  return isPaid && DECISIVE.some((field) => changed.includes(field))
    ? EventUrgency.GRANTS
    : EventUrgency.NEUTRAL;
}
