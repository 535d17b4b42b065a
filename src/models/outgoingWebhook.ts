import { Schema } from 'mongoose';

export enum OutgoingEventType {
  TIER_CHANGED = 'tier.changed',
  TENANT_SUSPENDED = 'tenant.suspended',
  TENANT_REINSTATED = 'tenant.reinstated',
  TENANT_ERASED = 'tenant.erased',
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
  PAYMENTS_PAUSED = 'subscription.payments_paused',
  PAYMENTS_RESUMED = 'subscription.payments_resumed',
  SUBSCRIPTION_SCHEDULE_CHANGED = 'subscription.schedule_changed',
  CHARGE_REFUNDED = 'charge.refunded',
  CHARGE_DISPUTED = 'charge.disputed',
}

export enum WebhookEndpointStatus {
  ENABLED = 'ENABLED',
  /** It kept failing. Its events wait, and one of them is tried from time to time. */
  PAUSED = 'PAUSED',
  /** Nothing is sent to it, and its events are dropped. */
  DISABLED = 'DISABLED',
}

/** A URL of the operator's own systems that receives events. */
export interface WebhookEndpointDoc {
  _id: string;
  url: string;
  events: OutgoingEventType[];
  /** `whsec_…`. Events are signed with it, so it is stored as plain text. */
  secret: string;
  createdAt: Date;
  /** Absent means enabled. */
  status?: WebhookEndpointStatus;
  /** Why it is paused or disabled. */
  statusReason?: string | null;
  /** When it was paused or disabled. */
  pausedAt?: Date | null;
  /** Deliveries that failed since the last success. */
  failures?: number;
  /** When the first of them failed. */
  failingSince?: Date | null;
  /** Nothing is sent before this, because the endpoint is paused or answered with `Retry-After`. */
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

/** The delivery of one event to one endpoint. */
export interface WebhookDeliveryDoc {
  /** `<event>:<endpoint>`. Event ids increase with time. */
  _id: string;
  endpointId: string;
  /** The receiver's id for the event, which is the same in every attempt. */
  eventId: string;
  type: OutgoingEventType;
  /** The tenant that the event is about. Absent from deliveries of older versions. */
  tenantId?: string;
  /** The body that is signed and sent. */
  body: string;
  status: DeliveryStatus;
  tries: number;
  /** HTTP status of the last response; null if there was none. */
  responseStatus: number | null;
  error: string | null;
  at: Date;
  deliveredAt: Date | null;
  /** A sender that takes the delivery moves this ahead, so that no other takes it meanwhile. Absent once it has ended. */
  nextTryAt?: Date;
  expiresAt: Date;
}

export const webhookDeliverySchema = new Schema<WebhookDeliveryDoc>(
  {
    _id: String,
    endpointId: String,
    eventId: String,
    type: String,
    tenantId: String,
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
// Counts those that failed.
webhookDeliverySchema.index({ status: 1 }, { partialFilterExpression: { status: DeliveryStatus.FAILED } });
// List deliveries, newest first. A list that is filtered by one of these names all values of the fields before it.
export const DELIVERY_TYPE_INDEX = 'type';
webhookDeliverySchema.index({ type: 1, status: 1, _id: -1 }, { name: DELIVERY_TYPE_INDEX });
export const DELIVERY_ENDPOINT_INDEX = 'endpoint';
webhookDeliverySchema.index(
  { endpointId: 1, type: 1, status: 1, _id: -1 },
  { name: DELIVERY_ENDPOINT_INDEX },
);
export const DELIVERY_TENANT_INDEX = 'tenantId_1__id_1';
webhookDeliverySchema.index({ tenantId: 1, _id: 1 });
webhookDeliverySchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });

/** The state of a tenant that was published last. Differences from it are published next. */
export interface PublishedStateDoc {
  /** The tenant's id. */
  _id: string;
  tier: string;
  /** The data of the last `subscription.updated` as JSON; `null` without a subscription. Absent if none was published. */
  subscription?: string;
  /** Absent: the tenant was not suspended. */
  suspendedAt?: Date;
  /** Absent: the tenant was not erased. */
  erasedAt?: Date;
}

export const publishedStateSchema = new Schema<PublishedStateDoc>(
  { _id: String, tier: String, subscription: String, suspendedAt: Date, erasedAt: Date },
  { collection: 'announced_states', versionKey: false },
);
