import { Schema } from 'mongoose';

/** The first two change nothing: they count what would end, so that a wrong key is noticed before the first change. */
export const RECONCILE_PHASES = [
  'endings',
  'unseen',
  'subscriptions',
  'customers',
  'gone',
  'events',
] as const;
export type ReconcilePhase = (typeof RECONCILE_PHASES)[number];

/** What was not as Stripe has it. */
export interface Repair {
  kind: 'event' | 'subscription' | 'customer';
  /** Stripe's id. */
  object: string;
  tenantId: string | null;
  /** In a person's words. */
  found: string;
}

/** A comparison of everything with Stripe: how far it got, and what it mended. */
export interface ReconcileRunDoc {
  _id: string;
  dryRun: boolean;
  /** It goes on however many subscriptions it ends. */
  force: boolean;
  startedAt: Date;
  /** null: it is under way, or was cut short and is to be resumed. */
  finishedAt: Date | null;
  phase: ReconcilePhase;
  /** The last object of the phase that was looked at. */
  cursor: string | null;
  /** Objects that were looked at, by phase. */
  seen: Partial<Record<ReconcilePhase, number>>;
  /** Subscriptions that gave a tier when it began. */
  giving: number;
  /** How many of them would end, by what Stripe says. */
  ends: number;
  /** How many of them Stripe does not show: they are kept as they are. */
  unseen: number;
  /** How many it has ended, or would have in a dry run. */
  endedCount: number;
  /** Why it stopped before its end, or would have without `dryRun`; null: it did not. */
  stopReason: string | null;
  mendedCount: number;
  /** The first of them. */
  mended: Repair[];
}

export const reconcileRunSchema = new Schema<ReconcileRunDoc>(
  {
    _id: String,
    dryRun: { type: Boolean, required: true },
    force: { type: Boolean, default: false },
    startedAt: { type: Date, required: true },
    finishedAt: { type: Date, default: null },
    phase: { type: String, required: true },
    cursor: { type: String, default: null },
    seen: { type: Schema.Types.Mixed, required: true },
    giving: { type: Number, default: 0 },
    ends: { type: Number, default: 0 },
    unseen: { type: Number, default: 0 },
    endedCount: { type: Number, default: 0 },
    stopReason: { type: String, default: null },
    mendedCount: { type: Number, required: true },
    mended: { type: Schema.Types.Mixed, required: true },
  },
  { collection: 'reconcile_runs', minimize: false, versionKey: false },
);
reconcileRunSchema.index({ startedAt: -1 });
// One that was never finished, too.
reconcileRunSchema.index({ startedAt: 1 }, { expireAfterSeconds: 400 * 86_400 });
// A year of what was mended.
reconcileRunSchema.index({ finishedAt: 1 }, { expireAfterSeconds: 365 * 86_400 });
