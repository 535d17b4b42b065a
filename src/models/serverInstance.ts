import { Schema } from 'mongoose';

/** A running server. Heartbeats only suggest when to try the single-writer ledger; the journal decides. */
export interface ServerInstanceDoc {
  _id: string;
  /** The last heartbeat, by the database's clock. */
  seenAt: Date;
  /** The epoch in which it is the single writer; null in the multi-writer ledger. */
  epoch: number | null;
}

export const serverInstanceSchema = new Schema<ServerInstanceDoc>(
  { _id: String, seenAt: Date, epoch: Number },
  { collection: 'server_instances', versionKey: false },
);
serverInstanceSchema.index({ seenAt: 1 }, { expireAfterSeconds: 86_400 });
