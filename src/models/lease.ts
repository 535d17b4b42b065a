import { Schema } from 'mongoose';

/** Work that one server does at a time, by the database's clock. It saves work; nothing that must be exact relies on it. */
export interface LeaseDoc {
  /** The work's name. */
  _id: string;
  holder: string;
  /** Of work that is done once. The lease expires a day later. */
  until?: Date;
  /** In place of `until`, of periodic work: so that it stays known when that was done. */
  periodicUntil?: Date;
  /** When the holder acquired or renewed it last. */
  at?: Date;
}

export const leaseSchema = new Schema<LeaseDoc>(
  { _id: String, holder: String, until: Date, periodicUntil: Date, at: Date },
  { collection: 'leases', versionKey: false },
);
leaseSchema.index({ until: 1 }, { expireAfterSeconds: 86_400 });
