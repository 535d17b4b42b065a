import { Schema } from 'mongoose';

/** Storage reserved for an operation that has not stored yet. The amounts are beside its other fields, by resource. */
export interface StorageReservation {
  id: string;
  at: Date;
  /**
   * Whether another service stores, which cannot share a transaction with this server. If it never reports the end, the
   * reservation counts as stored: too much may be counted then, but no limit is exceeded.
   */
  elsewhere?: boolean;
}

/**
 * A tenant's storage: what is stored plus what is reserved for running operations. What is stored is the totals less
 * the reservations; a reservation is committed in the transaction that stores, or released. The totals are beside the other fields, by
 * resource; one that was never stored may be missing.
 */
export interface StorageAccountDoc {
  _id: string;
  /** The part of the bytes stored that other services have, which they may change; absent: 0. */
  externalBytes?: number;
  holds: StorageReservation[];
  /** Length of the tenant's embeddings: all are alike, so that they can be compared. null while there are none. */
  dimensions: number | null;
}

export const storageAccountSchema = new Schema<StorageAccountDoc>(
  {
    _id: String,
    holds: [new Schema({ id: String, at: Date, elsewhere: Boolean }, { _id: false, strict: false })],
    dimensions: Number,
  },
  // The resources are the catalogue's.
  { collection: 'storage_accounts', versionKey: false, strict: false },
);
// Only accounts with a reservation are in it: the sweep reads nothing else.
storageAccountSchema.index({ 'holds.at': 1 }, { sparse: true });
