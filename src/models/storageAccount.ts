import { Schema } from 'mongoose';

/** Storage promised to an operation that has not stored yet. The amounts are beside its other fields, by resource. */
export interface StorageHold {
  id: string;
  at: Date;
  /**
   * Whether another service stores, which cannot do it in one transaction with us. When nobody says how it ended, it
   * counts as stored: too much may be counted then, but no limit is passed.
   */
  elsewhere?: boolean;
}

/**
 * A tenant's storage: what is stored plus what is held for operations under way. What is stored is the totals less
 * the holds; a hold ends in the transaction that stores, or is given back. The totals are beside the other fields, by
 * resource; one that was never stored may be missing.
 */
export interface StorageAccountDoc {
  _id: string;
  /** The part of the bytes stored that other services have, which they may change; absent: 0. */
  externalBytes?: number;
  holds: StorageHold[];
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
// Only accounts with a hold are in it: the sweep of holds that a crash left reads nothing else.
storageAccountSchema.index({ 'holds.at': 1 }, { sparse: true });
