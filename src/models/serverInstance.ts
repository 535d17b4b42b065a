import { Schema } from 'mongoose';

/** A running server. Heartbeats only tell when to try to work alone; what is true, the journal tells. */
export interface ServerInstanceDoc {
  _id: string;
  /** By the database's clock. */
  seenAt: Date;
  /** The epoch in which it works alone; null: it shares. */
  epoch: number | null;
}

export const serverInstanceSchema = new Schema<ServerInstanceDoc>(
  { _id: String, seenAt: Date, epoch: Number },
  { collection: 'server_instances', versionKey: false },
);
serverInstanceSchema.index({ seenAt: 1 }, { expireAfterSeconds: 86_400 });
