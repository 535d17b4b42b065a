import { Schema } from 'mongoose';

/** A request with an idempotency key: in progress, or with the response for its repetitions. */
export interface IdempotencyKeyDoc {
  /** `<tenantId>:<field>:<key>` */
  _id: string;
  /** SHA-256 of the request's content. */
  hash: string;
  /** Identifies the current attempt. It is also the mark of its charge in the usage day. */
  attempt: string;
  startedAt: Date;
  /** No other attempt may start before this. */
  leaseUntil: Date;
  /** An earlier attempt that was charged and then interrupted by a crash; null if there is none. */
  chargedBy: string | null;
  /** null while it is not known. */
  answer: Record<string, unknown> | null;
  expiresAt: Date;
}

export const idempotencyKeySchema = new Schema<IdempotencyKeyDoc>(
  {
    _id: String,
    hash: String,
    attempt: String,
    startedAt: Date,
    leaseUntil: Date,
    chargedBy: String,
    answer: Schema.Types.Mixed,
    expiresAt: Date,
  },
  { collection: 'idempotency_keys', minimize: false, versionKey: false },
);
idempotencyKeySchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });
