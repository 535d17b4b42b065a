import { Schema } from 'mongoose';

export interface StorageAmounts {
  memories: number;
  embeddings: number;
  bytes: number;
}

/** Storage promised to an operation that has not stored yet. */
export interface StorageHold extends StorageAmounts {
  id: string;
  at: Date;
}

/**
 * A tenant's storage: what is stored plus what is held for operations under way. What is stored is the totals less
 * the holds; a hold ends in the transaction that stores, or is given back.
 */
export interface StorageAccountDoc extends StorageAmounts {
  _id: string;
  holds: StorageHold[];
  /** Length of the tenant's embeddings: all are alike, so that they can be compared. null while there are none. */
  dimensions: number | null;
}

const amounts = { memories: Number, embeddings: Number, bytes: Number };

export const storageAccountSchema = new Schema<StorageAccountDoc>(
  {
    _id: String,
    ...amounts,
    holds: [new Schema({ id: String, at: Date, ...amounts }, { _id: false })],
    dimensions: Number,
  },
  { collection: 'storage_accounts', versionKey: false },
);
// Only accounts with a hold are in it: the sweep of holds that a crash left reads nothing else.
storageAccountSchema.index({ 'holds.at': 1 }, { sparse: true });
