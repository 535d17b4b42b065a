import type { OutgoingEventType } from '../../generated/graphql.js';

/** All events that an endpoint can take. A type that the API adds does not compile before it is here. */
const TYPES: Record<OutgoingEventType, string> = {
  TIER_CHANGED: 'tier.changed',
  SUBSCRIPTION_UPDATED: 'subscription.updated',
  USAGE_ALERT: 'usage.alert',
  TENANT_SUSPENDED: 'tenant.suspended',
  TENANT_REINSTATED: 'tenant.reinstated',
  TENANT_ERASED: 'tenant.erased',
  PAYMENT_SUCCEEDED: 'payment.succeeded',
  PAYMENT_FAILED: 'payment.failed',
  PAYMENT_ACTION_REQUIRED: 'payment.action_required',
  INVOICE_FINALIZED: 'invoice.finalized',
  INVOICE_VOIDED: 'invoice.voided',
  INVOICE_UNCOLLECTIBLE: 'invoice.uncollectible',
  CHECKOUT_COMPLETED: 'checkout.completed',
  CHECKOUT_EXPIRED: 'checkout.expired',
  CHECKOUT_PAYMENT_SUCCEEDED: 'checkout.payment_succeeded',
  CHECKOUT_PAYMENT_FAILED: 'checkout.payment_failed',
  SUBSCRIPTION_TRIAL_WILL_END: 'subscription.trial_will_end',
  SUBSCRIPTION_PAUSED: 'subscription.paused',
  PAYMENTS_PAUSED: 'subscription.payments_paused',
  PAYMENTS_RESUMED: 'subscription.payments_resumed',
  SUBSCRIPTION_RESUMED: 'subscription.resumed',
  SUBSCRIPTION_SCHEDULE_CHANGED: 'subscription.schedule_changed',
  CHARGE_REFUNDED: 'charge.refunded',
  CHARGE_DISPUTED: 'charge.disputed',
};

export const EVENT_TYPES = Object.keys(TYPES) as OutgoingEventType[];

/** The type as the receiver reads it. */
export const typeName = (type: OutgoingEventType): string => TYPES[type];
