import { Schema } from 'mongoose';

/** Work that one server does at a time, by the database's clock. It saves work; nothing that must be exact relies on it. */
export interface LeaseDoc {
  /** The work's name. */
  _id: string;
  holder: string;
  until: Date;
}

export const leaseSchema = new Schema<LeaseDoc>(
  { _id: String, holder: String, until: Date },
  { collection: 'leases', versionKey: false },
);
leaseSchema.index({ until: 1 }, { expireAfterSeconds: 86_400 });
