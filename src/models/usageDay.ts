import { Schema } from 'mongoose';

/** What is recorded of a tenant's UTC day, apart from the number of calls. Absent fields are empty or 0. */
export interface DayRecord {
  /** Calls by endpoint. The names are encoded, see services/limits/ledger/endpointNames.ts. */
  endpoints?: Record<string, number>;
  /** Calls by UTC hour, `0` to `23`. */
  hours?: Record<string, number>;
  federationShares?: number;
  extractions?: number;
  /** The last batch of usage events that is counted here, by writer. */
  recorded?: Record<string, number>;
  /** Number of usage events that are counted here. */
  recordedEvents?: number;
  /** For each charge with a mark: 1 until its request is answered, 0 if the charge was returned. */
  marks?: Record<string, number>;
  /** Paid calls beyond the day's quota; absent if there were none. */
  overage?: DayOverage;
  /** Set while overage of the day may have to be reported to Stripe or canceled there. */
  overageLedger?: 'OPEN';
}

/** A day's share of the month's overage. */
export interface DayOverage {
  /** Calls beyond the quota that applied when they were made. */
  used: number;
  /** `used`, by the span in which the calls are billed (see services/tiers/overage.ts). */
  spans?: Record<string, number>;
  /** The price of a call, by the span in which calls were first made at it. */
  prices?: Record<string, { priceCents: number; perCalls: number }>;
}

/**
 * What a tenant used on one UTC day. The day in the tenant's ledger comes here when it is over. What is recorded or returned
 * later is added here.
 */
export interface UsageDayDoc extends DayRecord {
  /** `<tenantId>:<YYYY-MM-DD>`, so that a tenant's history is a range. */
  _id: string;
  calls: number;
  /** The last return of calls by each server that is included here. */
  returned?: Record<string, number>;
  /** Whether the ledger's record of the day is included. Without it the day was never in the ledger. */
  sealed?: true;
}

export const usageDaySchema = new Schema<UsageDayDoc>(
  {
    _id: String,
    calls: Number,
    endpoints: Schema.Types.Mixed,
    hours: Schema.Types.Mixed,
    recorded: Schema.Types.Mixed,
    recordedEvents: Number,
    returned: Schema.Types.Mixed,
    marks: Schema.Types.Mixed,
    federationShares: Number,
    extractions: Number,
    overage: Schema.Types.Mixed,
    overageLedger: String,
    sealed: Boolean,
  },
  { collection: 'usage_days', minimize: false, versionKey: false },
);
// Contains only days with overage to report. A sparse index would contain every day, because each has an `_id`.
usageDaySchema.index(
  { overageLedger: 1, _id: 1 },
  { name: 'open_overage', partialFilterExpression: { overageLedger: 'OPEN' } },
);
