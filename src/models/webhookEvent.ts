import { Schema } from 'mongoose';
import type { OutboxSource } from './outbox.js';

export enum WebhookEventStatus {
  PENDING = 'PENDING',
  APPLIED = 'APPLIED',
  IGNORED = 'IGNORED',
  FAILED = 'FAILED',
}

/** In which order events are applied when many wait: lower is sooner. */
export enum EventUrgency {
  /** It may give something that was paid for. */
  GRANTS = 0,
  NEUTRAL = 1,
  /** It may take something away. */
  TAKES = 2,
  /** What it grants was written from the event; a fetch confirms it. */
  CONFIRMS = 3,
}

/** The inbox: every event that Stripe delivered, stored once under its own id. */
export interface WebhookEventDoc extends OutboxSource {
  _id: string;
  type: string;
  /** JSON text as it was received, because MongoDB limits keys and depth. */
  payload: string;
  /** The id of the snapshot or thin event about the same change; null if none is known. */
  twinId: string | null;
  /** Stripe's id for the object that the event is about. */
  object: string | null;
  /** Stripe's id for the customer that it concerns; null or absent if that is not known. */
  customer?: string | null;
  /** The customer's queue. Its events are applied together, by one server at a time. null if the event has no effect. */
  lane: string | null;
  /** Absent from events that an earlier version stored. */
  urgency?: EventUrgency;
  /** Stripe's id for the subscription that it concerns, and of no other; null or absent if that is not known. */
  subscription?: string | null;
  /**
   * When that subscription was created, by which a list of Stripe's finds it. null: the event does not say, or the
   * customer has to be fetched by itself.
   */
  subscribedAt?: Date | null;
  /** When it happened, by Stripe's clock. */
  occurredAt?: Date | null;
  state: WebhookEventStatus;
  /** Why it was ignored, or what the operator should know about how it was applied. */
  reason: string | null;
  lastError: string | null;
  attempts: number;
  nextAttemptAt: Date;
  /** The lease of the worker that took it last. Only that worker may set the outcome. */
  claim: string | null;
  receivedAt: Date;
  endedAt: Date | null;
}

export const webhookEventSchema = new Schema<WebhookEventDoc>(
  {
    _id: String,
    type: { type: String, required: true },
    payload: { type: String, required: true },
    twinId: { type: String, default: null },
    object: { type: String, default: null },
    customer: { type: String, default: null },
    lane: { type: String, default: null },
    urgency: { type: Number, default: EventUrgency.NEUTRAL },
    subscription: { type: String, default: null },
    subscribedAt: { type: Date, default: null },
    occurredAt: { type: Date, default: null },
    state: { type: String, required: true },
    reason: { type: String, default: null },
    lastError: { type: String, default: null },
    attempts: { type: Number, required: true },
    nextAttemptAt: { type: Date, required: true },
    claim: { type: String, default: null },
    receivedAt: { type: Date, required: true },
    endedAt: { type: Date, default: null },
    // By what stores an event: the operator's systems are sent each once, when it is applied.
    unannounced: Boolean,
    announceRetry: Schema.Types.Mixed,
  },
  { collection: 'webhook_events', versionKey: false },
);
// Stripe retries an event for at most 30 days. Its id must be known until long after that.
webhookEventSchema.index({ endedAt: 1 }, { expireAfterSeconds: 90 * 86_400 });
const WAITING = { partialFilterExpression: { state: WebhookEventStatus.PENDING } };
// Finds what is due without reading an event.
export const DUE_INDEX = 'due';
webhookEventSchema.index(
  { state: 1, urgency: 1, nextAttemptAt: 1, lane: 1, subscribedAt: 1 },
  { ...WAITING, name: DUE_INDEX },
);
webhookEventSchema.index({ state: 1, lane: 1 }, WAITING);
export const STATE_INDEX = 'state_1_receivedAt_-1__id_-1';
webhookEventSchema.index({ state: 1, receivedAt: -1, _id: -1 }, { name: STATE_INDEX });
// Lists the events of a type, with or without a state.
export const TYPE_INDEX = 'type';
webhookEventSchema.index({ type: 1, state: 1, receivedAt: -1, _id: -1 }, { name: TYPE_INDEX });
// Lists the events of a tenant.
export const QUEUE_INDEX = 'queue';
webhookEventSchema.index({ lane: 1, receivedAt: -1, _id: -1 }, { name: QUEUE_INDEX });
webhookEventSchema.index({ state: 1, _id: 1 }, { partialFilterExpression: { unannounced: true } });
// Finds the events of a tenant, newest first.
webhookEventSchema.index({ customer: 1, receivedAt: -1, _id: -1 });
// Finds failed payments for the grace period.
webhookEventSchema.index({ object: 1 }, { partialFilterExpression: { type: 'invoice.payment_failed' } });
webhookEventSchema.index({ twinId: 1 }, { partialFilterExpression: { twinId: { $type: 'string' } } });

/** The payload of an event that was erased with its tenant. */
export const ERASED_PAYLOAD = '{}';

/** Finds thin events by their snapshot event. MongoDB uses the index above only for a filter that says it looks for strings. */
export const inOtherFormat = (eventIds: readonly string[]) => ({
  twinId: { $in: eventIds, $type: 'string' as const },
});
