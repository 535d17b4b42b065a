import { Schema } from 'mongoose';

/** A request with an idempotency key: under way, or with what is answered when it comes again. */
export interface IdempotencyKeyDoc {
  /** `<tenantId>:<field>:<key>` */
  _id: string;
  /** SHA-256 of what was asked for. */
  hash: string;
  /** Names the attempt that is under way; it is also the mark of its charge in the usage day. */
  attempt: string;
  startedAt: Date;
  /** Until then nobody else may try it. */
  leaseUntil: Date;
  /** The earlier attempt that was charged, and was ended by a crash; null: none. */
  chargedBy: string | null;
  /** null: not known yet. */
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
