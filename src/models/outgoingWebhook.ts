import { Schema } from 'mongoose';

export enum OutgoingEventType {
  TIER_CHANGED = 'tier.changed',
  SUBSCRIPTION_UPDATED = 'subscription.updated',
  USAGE_ALERT = 'usage.alert',
  PAYMENT_SUCCEEDED = 'payment.succeeded',
  PAYMENT_FAILED = 'payment.failed',
  PAYMENT_ACTION_REQUIRED = 'payment.action_required',
  INVOICE_FINALIZED = 'invoice.finalized',
  INVOICE_VOIDED = 'invoice.voided',
  INVOICE_UNCOLLECTIBLE = 'invoice.uncollectible',
  CHECKOUT_COMPLETED = 'checkout.completed',
  CHECKOUT_EXPIRED = 'checkout.expired',
  CHECKOUT_PAYMENT_SUCCEEDED = 'checkout.payment_succeeded',
  CHECKOUT_PAYMENT_FAILED = 'checkout.payment_failed',
  SUBSCRIPTION_TRIAL_WILL_END = 'subscription.trial_will_end',
  SUBSCRIPTION_PAUSED = 'subscription.paused',
  SUBSCRIPTION_RESUMED = 'subscription.resumed',
  SUBSCRIPTION_SCHEDULE_CHANGED = 'subscription.schedule_changed',
  CHARGE_REFUNDED = 'charge.refunded',
  CHARGE_DISPUTED = 'charge.disputed',
}

export enum WebhookEndpointStatus {
  ENABLED = 'ENABLED',
  /** It kept failing: its events wait, and one of them is tried now and then. */
  PAUSED = 'PAUSED',
  /** Nothing is sent to it, and events are not kept for it. */
  DISABLED = 'DISABLED',
}

/** Where the operator's own systems take events. */
export interface WebhookEndpointDoc {
  _id: string;
  url: string;
  events: OutgoingEventType[];
  /** `whsec_…`: what is sent is signed with it, so it is kept as it is. */
  secret: string;
  createdAt: Date;
  /** Absent: enabled. */
  status?: WebhookEndpointStatus;
  /** Why it is paused or disabled. */
  statusReason?: string | null;
  /** When it was paused or disabled. */
  pausedAt?: Date | null;
  /** Deliveries that failed since one succeeded. */
  failures?: number;
  /** When the first of them failed. */
  failingSince?: Date | null;
  /** Until then nothing is sent: the endpoint asked for it, or it is paused. */
  waitUntil?: Date | null;
}

export const webhookEndpointSchema = new Schema<WebhookEndpointDoc>(
  {
    _id: String,
    url: String,
    events: [String],
    secret: String,
    createdAt: Date,
    status: String,
    statusReason: String,
    pausedAt: Date,
    failures: Number,
    failingSince: Date,
    waitUntil: Date,
  },
  { collection: 'webhook_endpoints', versionKey: false },
);

export enum DeliveryStatus {
  PENDING = 'PENDING',
  DELIVERED = 'DELIVERED',
  FAILED = 'FAILED',
}

/** One event on its way to one endpoint. */
export interface WebhookDeliveryDoc {
  /** `<event>:<endpoint>`; events' ids rise with time. */
  _id: string;
  endpointId: string;
  /** What the receiver knows the event by: the same at every try. */
  eventId: string;
  type: OutgoingEventType;
  /** The body, as it is signed and sent. */
  body: string;
  status: DeliveryStatus;
  tries: number;
  /** The last answer's HTTP status; null: none. */
  responseStatus: number | null;
  error: string | null;
  at: Date;
  deliveredAt: Date | null;
  /** A sender that takes it moves this ahead: another may take it only then. Absent: nothing is left to do. */
  nextTryAt?: Date;
  expiresAt: Date;
}

export const webhookDeliverySchema = new Schema<WebhookDeliveryDoc>(
  {
    _id: String,
    endpointId: String,
    eventId: String,
    type: String,
    body: String,
    status: String,
    tries: Number,
    responseStatus: Number,
    error: String,
    at: Date,
    deliveredAt: Date,
    nextTryAt: Date,
    expiresAt: Date,
  },
  { collection: 'webhook_deliveries', versionKey: false },
);
webhookDeliverySchema.index(
  { endpointId: 1, nextTryAt: 1 },
  { partialFilterExpression: { nextTryAt: { $exists: true } } },
);
webhookDeliverySchema.index({ endpointId: 1, _id: -1 });
webhookDeliverySchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });

/** What was announced of a tenant last: what differs from it is to be announced. */
export interface PublishedStateDoc {
  /** The tenant. */
  _id: string;
  tier: string;
  /** What `subscription.updated` said of it, as JSON; `null`: there was none. Absent: not announced yet. */
  subscription?: string;
}

export const publishedStateSchema = new Schema<PublishedStateDoc>(
  { _id: String, tier: String, subscription: String },
  { collection: 'announced_states', versionKey: false },
);
