import { Schema } from 'mongoose';

export const RECONCILE_PHASES = ['subscriptions', 'customers', 'gone', 'events'] as const;
export type ReconcilePhase = (typeof RECONCILE_PHASES)[number];

/** What was not as Stripe has it. */
export interface Mend {
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
  startedAt: Date;
  /** null: it is under way, or was cut short and is to be resumed. */
  finishedAt: Date | null;
  phase: ReconcilePhase;
  /** The last object of the phase that was looked at. */
  cursor: string | null;
  /** Objects that were looked at, by phase. */
  seen: Record<ReconcilePhase, number>;
  mendedCount: number;
  /** The first of them. */
  mended: Mend[];
}

export const reconcileRunSchema = new Schema<ReconcileRunDoc>(
  {
    _id: String,
    dryRun: { type: Boolean, required: true },
    startedAt: { type: Date, required: true },
    finishedAt: { type: Date, default: null },
    phase: { type: String, required: true },
    cursor: { type: String, default: null },
    seen: { type: Schema.Types.Mixed, required: true },
    mendedCount: { type: Number, required: true },
    mended: { type: Schema.Types.Mixed, required: true },
  },
  { collection: 'reconcile_runs', minimize: false, versionKey: false },
);
reconcileRunSchema.index({ startedAt: -1 });
// A year of what was mended.
reconcileRunSchema.index({ finishedAt: 1 }, { expireAfterSeconds: 365 * 86_400 });
