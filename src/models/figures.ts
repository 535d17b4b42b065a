import { Schema } from 'mongoose';

/** Sums over tenants. Each tenant's share follows from its standing alone. Absent names mean 0. */
export interface TenantFigures {
  /** Without erased tenants. */
  tenants?: number;
  /** By tier. */
  tiers?: Record<string, number>;
  /** By tier and version. */
  versions?: Record<string, Record<string, number>>;
  /** By the tier that is paid for: all who pay, and what they pay in the catalogue's currency. */
  revenue?: Record<string, { cents?: number; tenants?: number }>;
  /** What is paid in other currencies than the catalogue's, by currency. */
  currencies?: Record<string, { cents?: number; tenants?: number }>;
  /** Tenants that pay a price that is not known. */
  unpriced?: number;
  /** By state. */
  states?: Record<string, number>;
}

/** The figures of all tenants, in one document. */
export interface TenantCountsDoc {
  _id: 'tenants';
  live: TenantFigures;
  /** When the last complete count ended; absent: there was none yet. */
  countedAt?: Date;
  /** The rules that it counted by: the catalogue and the grace period. */
  countedBy?: string;
  /** Is written by a transaction that must come before others. */
  locks?: number;
  /** A count that is running: the sums over all tenants up to `after`, which writes keep up to date. */
  recount?: { startedAt: Date; rules: string; after: string; sums: TenantFigures };
}

export const tenantCountsSchema = new Schema<TenantCountsDoc>(
  {
    _id: String,
    live: Schema.Types.Mixed,
    countedAt: Date,
    countedBy: String,
    locks: Number,
    recount: Schema.Types.Mixed,
  },
  { collection: 'tenant_counts', minimize: false, versionKey: false },
);

/** The figures of one UTC day, as they were when it ended, or are now. */
export interface DailyFiguresDoc {
  /** `YYYY-MM-DD`. */
  _id: string;
  /** Absent from a day of which only changes are known. */
  figures?: TenantFigures;
  calls?: number;
  rejections?: number;
  /** Tenants that were created, that began to pay, and that stopped. */
  created?: number;
  startedPaying?: number;
  stoppedPaying?: number;
  at?: Date;
  expiresAt: Date;
}

export const dailyFiguresSchema = new Schema<DailyFiguresDoc>(
  {
    _id: String,
    figures: Schema.Types.Mixed,
    calls: Number,
    rejections: Number,
    created: Number,
    startedPaying: Number,
    stoppedPaying: Number,
    at: Date,
    expiresAt: Date,
  },
  { collection: 'daily_figures', minimize: false, versionKey: false },
);
dailyFiguresSchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });

/** What one server instance counted in an hour. */
export interface InstanceActivity {
  calls: number;
  /** By reason. */
  rejected: Record<string, number>;
}

/** Calls and rejections of all tenants in one UTC hour. */
export interface HourlyActivityDoc {
  /** `YYYY-MM-DDTHH`. */
  _id: string;
  /** By instance. Each writes its own total, so that repeating a write changes nothing. */
  by: Record<string, InstanceActivity>;
  expiresAt: Date;
}

export const hourlyActivitySchema = new Schema<HourlyActivityDoc>(
  { _id: String, by: Schema.Types.Mixed, expiresAt: Date },
  { collection: 'hourly_activity', minimize: false, versionKey: false },
);
hourlyActivitySchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });
