import { Schema } from 'mongoose';

/** The calls of one tenant to one field that has a limit of its own. */
export interface FieldWindowDoc {
  /** `<tenantId>:<Type.field>` */
  _id: string;
  /** Milliseconds since the epoch, oldest first; never more than the limit. */
  calls: number[];
  expiresAt: Date;
}

export const fieldWindowSchema = new Schema<FieldWindowDoc>(
  { _id: String, calls: [Number], expiresAt: Date },
  { collection: 'field_windows', versionKey: false },
);
fieldWindowSchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });
