import { Schema } from 'mongoose';

/** How operators filter tenants. */
export enum TenantState {
  SUSPENDED = 'SUSPENDED',
  PAST_DUE = 'PAST_DUE',
  OVER_LIMIT = 'OVER_LIMIT',
  NEAR_LIMIT = 'NEAR_LIMIT',
  ERASED = 'ERASED',
}

/** An amount in the smallest unit of its currency. */
export interface CurrencyAmount {
  currency: string;
  cents: number;
}

/**
 * What follows from a tenant's documents, for lists and counts: never the authority for anything. It is written in the
 * transaction that publishes a change of the tenant, and checked by a periodic count.
 */
export interface TenantStandingDoc {
  /** The tenant's id. */
  _id: string;
  /** The tier that it has, and the version of it. */
  tier: string;
  tierVersion: number;
  /** The tier of the subscription that it pays for; null: it pays nothing. A contract may give it another tier. */
  paidTier: string | null;
  /** What the subscription costs a month in the catalogue's currency; null: nothing, or it is not known, or in another. */
  monthlyCents: number | null;
  /** What it costs a month in another currency. */
  monthlyOther: CurrencyAmount | null;
  states: TenantState[];
  /** The lists that the tenant is in, see `listName`. */
  lists: string[];
  pastDueSince: Date | null;
  graceEndsAt: Date | null;
  /** When it changes without a write; absent: never. */
  dueAt?: Date;
  /** `<cents, 12 digits>:<tenant>`, the tenant's place by revenue. */
  revenueKey: string;
  /** `<YYYY-MM>:<calls, 16 digits>:<tenant>`, its place by calls of a UTC month. It follows within a minute. */
  usageKey: string;
}

/** The list of the tenants that match both filters. */
export const listName = (tier: string | null, state: TenantState | null): string =>
  `${state ?? '*'}/${tier ?? '*'}`;

export const tenantStandingSchema = new Schema<TenantStandingDoc>(
  {
    _id: String,
    tier: String,
    tierVersion: Number,
    paidTier: { type: String, default: null },
    monthlyCents: { type: Number, default: null },
    monthlyOther: { type: Schema.Types.Mixed, default: null },
    states: [String],
    lists: [String],
    pastDueSince: { type: Date, default: null },
    graceEndsAt: { type: Date, default: null },
    dueAt: Date,
    revenueKey: String,
    usageKey: String,
  },
  { collection: 'tenant_standings', versionKey: false },
);
// Each list in each order, so that a page reads nothing but its own entries.
tenantStandingSchema.index({ lists: 1, _id: 1 });
tenantStandingSchema.index({ lists: 1, revenueKey: 1 });
tenantStandingSchema.index({ lists: 1, usageKey: 1 });
// Contains only tenants whose payment is overdue.
tenantStandingSchema.index(
  { graceEndsAt: 1, _id: 1 },
  { partialFilterExpression: { graceEndsAt: { $type: 'date' } } },
);
tenantStandingSchema.index({ dueAt: 1 }, { sparse: true });
