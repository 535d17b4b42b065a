import { Schema } from 'mongoose';

/** The first two phases change nothing. They count what would end, so that a wrong key is noticed before any change. */
export const RECONCILE_PHASES = [
  'endings',
  'unseen',
  'subscriptions',
  'customers',
  'gone',
  'events',
] as const;
/** Only the first differences are stored. */
export const MAX_REPAIRS = 1_000;

export type ReconcilePhase = (typeof RECONCILE_PHASES)[number];

export const NOT_COUNTED = -1;

/** What began a run. */
export enum ReconcileTrigger {
  /** It was due: every six hours. */
  SCHEDULE = 'SCHEDULE',
  /** The mutation `startReconcile`. */
  OPERATOR = 'OPERATOR',
  /** `continuum-billing stripe reconcile`. */
  SCRIPT = 'SCRIPT',
}

/** A difference from Stripe. */
export interface Repair {
  kind: 'event' | 'subscription' | 'customer';
  /** Stripe's id. */
  object: string;
  tenantId: string | null;
  /** A description for people. */
  found: string;
}

/** A comparison of all objects with Stripe: its progress, and what it repaired. */
export interface ReconcileRunDoc {
  _id: string;
  /** Absent: an earlier version began it. */
  trigger?: ReconcileTrigger;
  /** The operator that began it, as the audit log names it; absent or null: none. */
  startedBy?: string | null;
  dryRun: boolean;
  /** Whether it continues however many subscriptions it ends. */
  force: boolean;
  startedAt: Date;
  /** null while it is running, or if it was interrupted and can be resumed. */
  finishedAt: Date | null;
  phase: ReconcilePhase;
  /** The last object that the phase compared. */
  cursor: string | null;
  /** The estimated part of the phase that is done, 0 to 1. Absent before its first page. */
  phaseDone?: number;
  /** Number of compared objects, by phase. */
  seen: Partial<Record<ReconcilePhase, number>>;
  /** Number of subscriptions that granted a tier at the start; `NOT_COUNTED` until it is known. */
  giving: number;
  /** Number of those that have ended according to Stripe. */
  ends: number;
  /** Number of those that Stripe does not show. They are left unchanged. */
  unseen: number;
  /** Number of subscriptions that it ended, or would have ended without `dryRun`. */
  endedCount: number;
  /** Why it stopped early, or would have without `dryRun`; null if it did not. */
  stopReason: string | null;
  /** The error that interrupted it last, without secrets; absent or null: none, or it was resumed. */
  error?: string | null;
  mendedCount: number;
  /** The first differences. */
  mended: Repair[];
}

export const reconcileRunSchema = new Schema<ReconcileRunDoc>(
  {
    _id: String,
    trigger: String,
    startedBy: String,
    dryRun: { type: Boolean, required: true },
    force: { type: Boolean, default: false },
    startedAt: { type: Date, required: true },
    finishedAt: { type: Date, default: null },
    phase: { type: String, required: true },
    cursor: { type: String, default: null },
    phaseDone: Number,
    seen: { type: Schema.Types.Mixed, required: true },
    giving: { type: Number, default: 0 },
    ends: { type: Number, default: 0 },
    unseen: { type: Number, default: 0 },
    endedCount: { type: Number, default: 0 },
    stopReason: { type: String, default: null },
    error: String,
    mendedCount: { type: Number, required: true },
    mended: { type: Schema.Types.Mixed, required: true },
  },
  { collection: 'reconcile_runs', minimize: false, versionKey: false },
);
// Finds the newest run, and expires those that were never finished.
reconcileRunSchema.index({ startedAt: 1 }, { expireAfterSeconds: 400 * 86_400 });
// Runs are kept for a year.
reconcileRunSchema.index({ finishedAt: 1 }, { expireAfterSeconds: 365 * 86_400 });
