import { Schema } from 'mongoose';
import type { DayRecord } from './usageDay.js';

/** How much of a limit was used in a window of time. */
export interface WindowCount {
  /** The number of the window, counted from the Unix epoch. It never moves back. */
  at: number;
  used: number;
}

/**
 * The windows in which calls are limited. `overage` is a UTC month, and counts the paid calls beyond the quotas of its
 * days.
 */
export type WindowName = 'minute' | 'day' | 'overage';

/** Storage reserved for an operation that has not stored yet. */
export interface StorageReservation {
  id: string;
  at: Date;
  /** By resource. */
  amounts: Record<string, number>;
  /**
   * Whether another service stores, which cannot share a transaction with this server. If it never reports the end, the
   * reservation counts as stored: too much may be counted then, but no limit is exceeded.
   */
  external?: true;
}

/** A day that is over, until the history has it. */
export type EndedDay = DayRecord & { at: number; calls: number };

/**
 * Everything of a tenant that is limited and counted at present. One conditional update of this document decides an
 * operation, takes what it needs of every limit, and records it, so that limits and records cannot disagree. Days that are
 * over move to the usage days.
 */
export interface LedgerDoc {
  /** The tenant's id. */
  _id: string;
  windows?: Partial<Record<WindowName, WindowCount>>;
  /** What is recorded of the day in `windows.day`. */
  today?: DayRecord;
  ended?: EndedDay;
  /**
   * What is stored and what is reserved for running operations, by resource. `externalBytes` are those of the bytes that
   * other services store, which they may change.
   */
  levels?: Record<string, number>;
  /** A reservation is committed in the transaction that stores, or released. */
  reservations?: StorageReservation[];
  /** The length of all embeddings of the tenant, so that they can be compared; null while there are none. */
  dimensions?: number | null;
  /** The last batch of each server that is included: tells a batch that was applied from one that was not. */
  batches?: Record<string, number>;
  /** The last return of calls by each server that is included. */
  returned?: Record<string, number>;
}

export const ledgerSchema = new Schema<LedgerDoc>(
  {
    _id: String,
    windows: Schema.Types.Mixed,
    today: Schema.Types.Mixed,
    ended: Schema.Types.Mixed,
    levels: Schema.Types.Mixed,
    reservations: [
      new Schema<StorageReservation>(
        { id: String, at: Date, amounts: Schema.Types.Mixed, external: Boolean },
        { _id: false },
      ),
    ],
    dimensions: Number,
    batches: Schema.Types.Mixed,
    returned: Schema.Types.Mixed,
  },
  { collection: 'ledgers', minimize: false, versionKey: false },
);
// Each contains few ledgers, so that the sweeps read nothing else.
ledgerSchema.index(
  { 'reservations.at': 1 },
  { name: 'open_reservations', partialFilterExpression: { 'reservations.at': { $exists: true } } },
);
ledgerSchema.index(
  { 'ended.at': 1 },
  { name: 'ended_days', partialFilterExpression: { 'ended.at': { $exists: true } } },
);
ledgerSchema.index(
  { 'today.overageLedger': 1, 'windows.day.at': 1 },
  { name: 'open_overage', partialFilterExpression: { 'today.overageLedger': 'OPEN' } },
);
