import { Schema } from 'mongoose';

/** The recent calls of a tenant to a field that has its own limit. */
export interface FieldWindowDoc {
  /** `<tenantId>:<Type.field>` */
  _id: string;
  /** Milliseconds since the Unix epoch, oldest first; never more than the limit. */
  calls: number[];
  expiresAt: Date;
}

export const fieldWindowSchema = new Schema<FieldWindowDoc>(
  { _id: String, calls: [Number], expiresAt: Date },
  { collection: 'field_windows', versionKey: false },
);
fieldWindowSchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });
