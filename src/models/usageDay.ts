import { Schema } from 'mongoose';

/**
 * What a tenant used on one UTC day. The same document enforces the limits (conditional increments on `calls` and
 * `minute`) and records usage, so the two cannot disagree.
 *
 * Some stored names differ from the words of the code: `claim` is a single writer's lease, `epoch` and `turn` are
 * generations, and `takenBack` is about returned calls.
 */
export interface UsageDayDoc {
  /** `<tenantId>:<YYYY-MM-DD>`, so that a tenant's history is a range. */
  _id: string;
  calls: number;
  /** The minute that was charged last (in minutes since the Unix epoch) and its calls. It never moves back. */
  minute: { at: number; calls: number };
  /** Calls by endpoint. The names are encoded, see services/limits/calls/endpointNames.ts. */
  endpoints: Record<string, number>;
  /** Calls by UTC hour, `0` to `23`. */
  hours: Record<string, number>;
  /** The last batch of each server instance that is counted here: tells a batch that was applied from one that was not. */
  batches: Record<string, number>;
  /** The last batch of usage events that is counted here, by writer. */
  recorded?: Record<string, number>;
  /** The last return of calls by each server instance that is counted here. */
  takenBack?: Record<string, number>;
  /** Number of usage events that are counted here; absent if there are none. */
  recordedEvents?: number;
  /** For each charge with a mark: 1 until its request is answered, 0 if the charge was returned. */
  marks?: Record<string, number>;
  federationShares: number;
  extractions: number;
  /** Paid calls beyond the day's quota; absent if there were none. */
  overage?: DayOverage;
  /** Set while overage of the day may have to be reported to Stripe or canceled there. */
  overageLedger?: 'OPEN';
  /**
   * Set while the single-writer ledger of one instance has the day in memory, and no other instance may charge it.
   * `settled` is the last batch of that generation's journal that is counted here.
   */
  claim?: { epoch: number; settled: number };
}

/** A day's share of the month's overage. */
export interface DayOverage {
  /** Calls beyond the quota that applied when they were made. */
  used: number;
  /** `used`, by the span in which the calls are billed (see services/tiers/overage.ts). */
  spans?: Record<string, number>;
  /** The price of a call, by the span in which the day was opened. */
  prices?: Record<string, { priceCents: number; perCalls: number }>;
  /** The calls that the day may use: all that are left in the month while the day is open, otherwise what it used. */
  allotted: number;
  /** The month's allowance when the day was opened; 0 if it is closed because another day of the month is open. */
  allowance: number;
  /** The day with the highest number in the month was opened last. */
  turn: number;
}

export const EMPTY_USAGE_DAY: Readonly<Omit<UsageDayDoc, '_id'>> = {
  calls: 0,
  minute: { at: 0, calls: 0 },
  endpoints: {},
  hours: {},
  batches: {},
  federationShares: 0,
  extractions: 0,
};

export const usageDaySchema = new Schema<UsageDayDoc>(
  {
    _id: String,
    calls: Number,
    minute: { type: new Schema({ at: Number, calls: Number }, { _id: false }) },
    endpoints: Schema.Types.Mixed,
    hours: Schema.Types.Mixed,
    batches: Schema.Types.Mixed,
    recorded: Schema.Types.Mixed,
    recordedEvents: Number,
    takenBack: Schema.Types.Mixed,
    marks: Schema.Types.Mixed,
    federationShares: Number,
    extractions: Number,
    overage: Schema.Types.Mixed,
    overageLedger: String,
    claim: Schema.Types.Mixed,
  },
  { collection: 'usage_days', minimize: false, versionKey: false },
);
// Contains only days in the memory of an instance, so that an instance that takes over reads nothing else.
usageDaySchema.index({ 'claim.epoch': 1 }, { sparse: true });
// Contains only days with overage to report. A sparse index would contain every day, because each has an `_id`.
usageDaySchema.index(
  { overageLedger: 1, _id: 1 },
  { name: 'open_overage', partialFilterExpression: { overageLedger: 'OPEN' } },
);
