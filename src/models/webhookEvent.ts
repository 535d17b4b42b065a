import { Schema } from 'mongoose';
import type { OutboxSource } from './outbox.js';

export enum WebhookEventStatus {
  PENDING = 'PENDING',
  APPLIED = 'APPLIED',
  IGNORED = 'IGNORED',
  FAILED = 'FAILED',
}

/** The inbox: each event that Stripe delivered, once, under its own id. */
export interface WebhookEventDoc extends OutboxSource {
  _id: string;
  type: string;
  /** JSON as it came: names and depth mean nothing to the database. */
  payload: string;
  /** The event in the other format that tells of the same change; null: none is known. */
  twinId: string | null;
  /** Stripe's id of what it is about. */
  object: string | null;
  /** Events of one lane are applied together, and never at two places at once; null: it has no effect. */
  lane: string | null;
  state: WebhookEventStatus;
  /** Why it was ignored, or what an operator should know of what was applied. */
  reason: string | null;
  lastError: string | null;
  attempts: number;
  nextAttemptAt: Date;
  /** Of the worker that took it last: only that one says what became of it. */
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
    lane: { type: String, default: null },
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
// Stripe sends an event again for 30 days at most: until long after, its id must be known.
webhookEventSchema.index({ endedAt: 1 }, { expireAfterSeconds: 90 * 86_400 });
const WAITING = { partialFilterExpression: { state: WebhookEventStatus.PENDING } };
webhookEventSchema.index({ state: 1, nextAttemptAt: 1, lane: 1 }, WAITING);
webhookEventSchema.index({ state: 1, lane: 1 }, WAITING);
webhookEventSchema.index({ state: 1, receivedAt: -1, _id: -1 });
webhookEventSchema.index({ state: 1, _id: 1 }, { partialFilterExpression: { unannounced: true } });
// When payments failed, for the grace period.
webhookEventSchema.index({ object: 1 }, { partialFilterExpression: { type: 'invoice.payment_failed' } });
webhookEventSchema.index({ twinId: 1 }, { partialFilterExpression: { twinId: { $type: 'string' } } });
