import { Schema } from 'mongoose';

export enum UsageReportKind {
  /** Calls past the daily quota, hour by hour. */
  OVERAGE = 'OVERAGE',
  /** By the mutation `reportUsage`. */
  MANUAL = 'MANUAL',
}

export enum UsageReportStatus {
  /** To be sent, or sent without an answer. */
  PENDING = 'PENDING',
  REPORTED = 'REPORTED',
  /** Too much was reported: it is to be taken back. */
  CANCELING = 'CANCELING',
  CANCELED = 'CANCELED',
  /** Stripe does not count it: `error` says why. */
  FAILED = 'FAILED',
}

/** Usage that is reported to Stripe's meter. It is written before it is sent, and sent until Stripe has it. */
export interface UsageReportDoc {
  /** `<tenantId>:<idempotency key>` or `<tenantId>:overage/<day>/<number>`; Stripe's identifier of the meter event. */
  _id: string;
  tenantId: string;
  kind: UsageReportKind;
  quantity: number;
  /** Of overage: the span in which it is billed (see services/tiers/overageSpans.ts). */
  span?: string;
  status: UsageReportStatus;
  /** When the usage happened: the meter event's timestamp, the same at every try. */
  at: Date;
  /** When it was sent first: after a day Stripe no longer knows its identifier. null: never. */
  firstSentAt: Date | null;
  reportedAt: Date | null;
  /** What Stripe said last. */
  error: string | null;
  tries: number;
  /** Absent: nothing is left to do. */
  nextTryAt?: Date;
}

export const usageReportSchema = new Schema<UsageReportDoc>(
  {
    _id: String,
    tenantId: { type: String, required: true },
    kind: { type: String, required: true },
    quantity: { type: Number, required: true },
    span: String,
    status: { type: String, required: true },
    at: { type: Date, required: true },
    firstSentAt: { type: Date, default: null },
    reportedAt: { type: Date, default: null },
    error: { type: String, default: null },
    tries: { type: Number, required: true },
    nextTryAt: Date,
  },
  { collection: 'usage_reports', versionKey: false },
);
usageReportSchema.index({ tenantId: 1, at: -1, _id: -1 });
usageReportSchema.index({ nextTryAt: 1 }, { sparse: true });
// Stripe takes usage of 35 days at most; what was reported is shown as long as the history of usage.
usageReportSchema.index({ at: 1 }, { expireAfterSeconds: 400 * 86_400 });
