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
 * A tenant's storage. The totals contain what is stored and what is reserved for running operations; a reservation is
 * committed in the transaction that stores, or released. The totals are beside the other fields, by resource; the total
 * of a resource that was never stored may be missing.
 */
export interface StorageAccountDoc {
  _id: string;
  /** The bytes that other services store, which they may change; absent means 0. */
  externalBytes?: number;
  holds: StorageReservation[];
  /** The length of all embeddings of the tenant, so that they can be compared; null while there are none. */
  dimensions: number | null;
}

export const storageAccountSchema = new Schema<StorageAccountDoc>(
  {
    _id: String,
    holds: [new Schema({ id: String, at: Date, elsewhere: Boolean }, { _id: false, strict: false })],
    dimensions: Number,
  },
  // Not strict, because the catalogue defines the resources.
  { collection: 'storage_accounts', versionKey: false, strict: false },
);
// Contains only accounts with a reservation, so that the sweep reads nothing else.
storageAccountSchema.index({ 'holds.at': 1 }, { sparse: true });
