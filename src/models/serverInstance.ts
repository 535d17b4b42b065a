import { Schema } from 'mongoose';

export enum ServerInstanceKind {
  /** A billing server. */
  SERVER = 'SERVER',
  /** A team's own server that decides on the database (`directLimits`). */
  DIRECT = 'DIRECT',
}

/** A running server. */
export interface ServerInstanceDoc {
  _id: string;
  /** The last heartbeat, by the database's clock. */
  seenAt: Date;
  kind?: ServerInstanceKind;
  version?: string;
  startedAt?: Date;
  /** Of the catalogue that it enforces, which all instances must have in common. */
  catalogueDigest?: string;
}

export const serverInstanceSchema = new Schema<ServerInstanceDoc>(
  {
    _id: String,
    seenAt: Date,
    kind: String,
    version: String,
    startedAt: Date,
    catalogueDigest: String,
  },
  { collection: 'server_instances', versionKey: false },
);
serverInstanceSchema.index({ seenAt: 1 }, { expireAfterSeconds: 86_400 });
