import { Schema } from 'mongoose';

/**
 * What a tenant used on one UTC day. The same document enforces the limits (conditional increments on `calls` and
 * `minute`) and records usage, so the two cannot disagree.
 */
export interface UsageDayDoc {
  /** `<tenantId>:<YYYY-MM-DD>`: a range over it is a tenant's history. */
  _id: string;
  calls: number;
  /** The minute that was last charged (minutes since the epoch) and its calls. It only moves forward. */
  minute: { at: number; calls: number };
  /** Calls by endpoint; the names are encoded, see services/admission/endpointName.ts. */
  endpoints: Record<string, number>;
  /** Calls by UTC hour, `0` to `23`. */
  hours: Record<string, number>;
  /** The last batch of each server instance that is counted here: tells a batch that was applied from one that was not. */
  batches: Record<string, number>;
  /** The last batch of usage events of each writer that is counted here. */
  recorded?: Record<string, number>;
  /** The last give-back of each server instance that is counted here. */
  takenBack?: Record<string, number>;
  /** How many usage events are counted here; absent: none. */
  recordedEvents?: number;
  /** 1 for each charge that carries a mark, until its request is answered; 0: the charge was returned. */
  marks?: Record<string, number>;
  federationShares: number;
  extractions: number;
  /** Calls past the day's quota that are paid for; absent while there were none. */
  overage?: DayOverage;
  /** While some of the day's overage may have to be reported to Stripe, or taken back. */
  overageLedger?: 'OPEN';
  /**
   * Set while one instance that works alone keeps the day in memory: nobody else may charge it. `settled` is the last
   * batch of that epoch's journal that is counted here.
   */
  claim?: { epoch: number; settled: number };
}

/** A day's part in its month's overage. */
export interface DayOverage {
  /** Calls past the quota, as it was when they were made. */
  used: number;
  /** Of `used`, by the span in which they are billed: see services/admission/overageSpans.ts. */
  spans?: Record<string, number>;
  /** What a call cost, by the span in which the day was opened. */
  prices?: Record<string, { priceCents: number; perCalls: number }>;
  /** How many this day may have: all that is left of the month, while the day is open; else what it used. */
  allotted: number;
  /** The month's, when the day was opened; 0: closed, since another day of the month is open. */
  allowance: number;
  /** Of the month's days the one with the highest was opened last. */
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
// Only claimed days are in it: who takes over finds them without a look at the others.
usageDaySchema.index({ 'claim.epoch': 1 }, { sparse: true });
// Only days with overage to report are in it.
usageDaySchema.index({ overageLedger: 1, _id: 1 }, { sparse: true });
