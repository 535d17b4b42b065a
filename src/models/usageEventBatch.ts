import { Schema } from 'mongoose';

/** Usage that an external service says has happened. */
export interface UsageEvent {
  /** The idempotency id: one tenant's event with this id is counted once. */
  id: string;
  endpoint: string;
  quantity: number;
  /** As it was given; null: when it was recorded. */
  at: Date | null;
}

/**
 * Events of one tenant that were recorded together. One document, so that it is stored whole or not at all, in one
 * statement; the unique index over the ids inside keeps an id from being recorded twice.
 */
export interface UsageEventBatchDoc {
  /** `<tenantId>:<writer>:<sequence>` */
  _id: string;
  tenantId: string;
  /** Who recorded it, and the number of its batch: tells whether a day has it already. */
  writer: string;
  sequence: number;
  events: UsageEvent[];
  recordedAt: Date;
  /** Until the days have it. */
  uncounted?: true;
  expiresAt: Date;
}

export const usageEventBatchSchema = new Schema<UsageEventBatchDoc>(
  {
    _id: String,
    tenantId: String,
    writer: String,
    sequence: Number,
    events: [
      new Schema<UsageEvent>({ id: String, endpoint: String, quantity: Number, at: Date }, { _id: false }),
    ],
    recordedAt: Date,
    uncounted: Boolean,
    expiresAt: Date,
  },
  { collection: 'usage_event_batches', versionKey: false },
);
usageEventBatchSchema.index({ tenantId: 1, 'events.id': 1 }, { unique: true });
usageEventBatchSchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });
// Only what a crash left is in it for long.
usageEventBatchSchema.index({ uncounted: 1, _id: 1 }, { partialFilterExpression: { uncounted: true } });
