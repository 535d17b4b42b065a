import { Schema } from 'mongoose';

/** Rejections of one kind by the limits of one tenant, within one minute. */
export interface RejectionDoc {
  /** `<tenantId>:<YYYY-MM-DDTHH:MM>:<digest of what was rejected>`, so that a tenant's newest are at the end of its range. */
  _id: string;
  /** The error code that the client got. */
  code: string;
  reason: string;
  /** The field, feature or resource that the limit is about. */
  subject: string | null;
  tier: string | null;
  /** By instance: each writes its own total, so that repeating a write changes nothing. */
  by: Record<string, number>;
  firstAt: Date;
  lastAt: Date;
  expiresAt: Date;
}

export const rejectionSchema = new Schema<RejectionDoc>(
  {
    _id: String,
    code: String,
    reason: String,
    subject: { type: String, default: null },
    tier: { type: String, default: null },
    by: Schema.Types.Mixed,
    firstAt: Date,
    lastAt: Date,
    expiresAt: Date,
  },
  { collection: 'rejections', versionKey: false },
);
rejectionSchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });
