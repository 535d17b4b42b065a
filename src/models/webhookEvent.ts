import { Schema } from 'mongoose';

export type WebhookEventState = 'PENDING' | 'APPLIED' | 'IGNORED' | 'FAILED';

/** The inbox: each event that Stripe delivered, once, under its own id. */
export interface WebhookEventDoc {
  _id: string;
  type: string;
  payload: Record<string, unknown>;
  state: WebhookEventState;
  /** Why it was ignored, or its last error. */
  reason: string | null;
  attempts: number;
  /** A worker that takes the event moves this ahead: another may take it only when the lease has run out. */
  nextAttemptAt: Date;
  receivedAt: Date;
  endedAt: Date | null;
}

export const webhookEventSchema = new Schema<WebhookEventDoc>(
  {
    _id: String,
    type: { type: String, required: true },
    payload: { type: Schema.Types.Mixed, required: true },
    state: { type: String, required: true },
    reason: { type: String, default: null },
    attempts: { type: Number, required: true },
    nextAttemptAt: { type: Date, required: true },
    receivedAt: { type: Date, required: true },
    endedAt: { type: Date, default: null },
  },
  { collection: 'webhook_events', minimize: false, versionKey: false },
);
// Stripe sends an event again for 30 days at most: until long after, its id must be known.
webhookEventSchema.index({ endedAt: 1 }, { expireAfterSeconds: 90 * 86_400 });
webhookEventSchema.index({ nextAttemptAt: 1 }, { partialFilterExpression: { state: 'PENDING' } });
