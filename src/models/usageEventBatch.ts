import { Schema } from 'mongoose';

/** Usage that an external service reported. */
export interface UsageEvent {
  /** The idempotency id: a tenant's event with this id is counted once. */
  id: string;
  endpoint: string;
  quantity: number;
  /** The reported time; null if it is the time of recording. */
  at: Date | null;
}

/**
 * Events of one tenant that were recorded together. They are one document, so that one statement stores all or none of
 * them. The unique index over their ids prevents an id from being recorded twice.
 */
export interface UsageEventBatchDoc {
  /** `<tenantId>:<writer>:<sequence>` */
  _id: string;
  tenantId: string;
  /** The writer and the number of its batch, by which a usage day knows whether it has counted the batch. */
  writer: string;
  sequence: number;
  events: UsageEvent[];
  recordedAt: Date;
  /** Set until the usage days have counted it. */
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
// An entry stays long only after a crash.
usageEventBatchSchema.index({ uncounted: 1, _id: 1 }, { partialFilterExpression: { uncounted: true } });
