import { OutgoingEventType } from '../../../models/outgoingWebhook.js';
import type { WebhookEventDoc } from '../../../models/webhookEvent.js';
import { idOf, subscriptionOfInvoice } from '../stripe/stripeObjects.js';
import { plainTypeOf } from './eventTarget.js';

/** An event for the operator's own systems, when a Stripe event says more than a subscription's new state. */
export interface ForwardedEvent {
  type: OutgoingEventType;
  data: { tenantId: string } & Record<string, unknown>;
}

type StripeObject = Readonly<Record<string, unknown>>;
type Reader = (object: StripeObject) => Record<string, unknown>;

const MAX_CHARS = 500;

const text = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? value.slice(0, MAX_CHARS) : null;
const number = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;
const instant = (seconds: unknown): string | null => {
  const at = new Date(typeof seconds === 'string' ? seconds : (number(seconds) ?? Number.NaN) * 1000);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
};
const objectOf = (value: unknown): StripeObject =>
  typeof value === 'object' && value !== null ? (value as StripeObject) : {};

const invoice: Reader = (one) => ({
  invoiceId: idOf(one),
  number: text(one.number),
  status: text(one.status),
  currency: text(one.currency),
  amountDue: number(one.amount_due),
  amountPaid: number(one.amount_paid),
  attemptCount: number(one.attempt_count),
  nextPaymentAttemptAt: instant(one.next_payment_attempt),
  hostedInvoiceUrl: text(one.hosted_invoice_url),
  stripeSubscriptionId: subscriptionOfInvoice(one),
});
const checkout: Reader = (one) => ({
  checkoutSessionId: idOf(one),
  status: text(one.status),
  paymentStatus: text(one.payment_status),
  currency: text(one.currency),
  amountTotal: number(one.amount_total),
  stripeSubscriptionId: idOf(one.subscription),
});
const subscription: Reader = (one) => ({
  stripeSubscriptionId: idOf(one),
  status: text(one.status),
  trialEnd: instant(one.trial_end),
});
const schedule: Reader = (one) => ({
  scheduleId: idOf(one),
  status: text(one.status),
  stripeSubscriptionId: idOf(one.subscription ?? one.released_subscription),
});
const charge: Reader = (one) => ({
  chargeId: idOf(one),
  currency: text(one.currency),
  amount: number(one.amount),
  amountRefunded: number(one.amount_refunded),
});
const dispute: Reader = (one) => ({
  disputeId: idOf(one),
  chargeId: idOf(one.charge),
  currency: text(one.currency),
  amount: number(one.amount),
  reason: text(one.reason),
  status: text(one.status),
  evidenceDueBy: instant(objectOf(one.evidence_details).due_by),
});

const SCHEDULE_CHANGES = ['created', 'updated', 'released', 'canceled', 'completed', 'aborted', 'expiring'];

/** By Stripe's event type. */
const FORWARDED: ReadonlyMap<string, [OutgoingEventType, Reader]> = new Map([
  ['invoice.payment_succeeded', [OutgoingEventType.PAYMENT_SUCCEEDED, invoice]],
  ['invoice.payment_failed', [OutgoingEventType.PAYMENT_FAILED, invoice]],
  ['invoice.payment_action_required', [OutgoingEventType.PAYMENT_ACTION_REQUIRED, invoice]],
  ['invoice.finalized', [OutgoingEventType.INVOICE_FINALIZED, invoice]],
  ['invoice.voided', [OutgoingEventType.INVOICE_VOIDED, invoice]],
  ['invoice.marked_uncollectible', [OutgoingEventType.INVOICE_UNCOLLECTIBLE, invoice]],
  ['checkout.session.completed', [OutgoingEventType.CHECKOUT_COMPLETED, checkout]],
  ['checkout.session.expired', [OutgoingEventType.CHECKOUT_EXPIRED, checkout]],
  ['checkout.session.async_payment_succeeded', [OutgoingEventType.CHECKOUT_PAYMENT_SUCCEEDED, checkout]],
  ['checkout.session.async_payment_failed', [OutgoingEventType.CHECKOUT_PAYMENT_FAILED, checkout]],
  ['customer.subscription.trial_will_end', [OutgoingEventType.SUBSCRIPTION_TRIAL_WILL_END, subscription]],
  ['customer.subscription.paused', [OutgoingEventType.SUBSCRIPTION_PAUSED, subscription]],
  ['customer.subscription.resumed', [OutgoingEventType.SUBSCRIPTION_RESUMED, subscription]],
  ...SCHEDULE_CHANGES.map((what): [string, [OutgoingEventType, Reader]] => [
    `subscription_schedule.${what}`,
    [OutgoingEventType.SUBSCRIPTION_SCHEDULE_CHANGED, schedule],
  ]),
  ['charge.refunded', [OutgoingEventType.CHARGE_REFUNDED, charge]],
  ['charge.dispute.created', [OutgoingEventType.CHARGE_DISPUTED, dispute]],
]);

/** Whether events of a Stripe type are forwarded once they are applied. */
export const isForwarded = (stripeType: string): boolean => FORWARDED.has(plainTypeOf(stripeType));

/** @returns null for a type that is not forwarded; a thin event yields no more than the object's id and type */
export function toForwardedEvent(event: WebhookEventDoc, tenantId: string): ForwardedEvent | null {
  const stripeType = plainTypeOf(event.type);
  const rule = FORWARDED.get(stripeType);
  if (!rule) return null;
  const [type, read] = rule;
  const { created, data } = JSON.parse(event.payload) as StripeObject;
  const object = objectOf(objectOf(data).object);
  return {
    type,
    data: {
      tenantId,
      stripeEventId: event._id,
      stripeEventType: stripeType,
      occurredAt: instant(created),
      object: event.object,
      ...read(object),
    },
  };
}
