import { Schema } from 'mongoose';

export enum UsageReportKind {
  /** Calls beyond the daily quota, reported once an hour. */
  OVERAGE = 'OVERAGE',
  /** Reported by the mutation `reportUsage`. */
  MANUAL = 'MANUAL',
}

export enum UsageReportStatus {
  /** Not sent yet, or sent without a response. */
  PENDING = 'PENDING',
  REPORTED = 'REPORTED',
  /** Too much was reported, so it has to be canceled at Stripe. */
  CANCELING = 'CANCELING',
  CANCELED = 'CANCELED',
  /** Stripe does not count it; `error` says why. */
  FAILED = 'FAILED',
}

/** Usage that is reported to Stripe's meter. It is stored before it is sent, and sent until Stripe has it. */
export interface UsageReportDoc {
  /** `<tenantId>:<idempotency key>` or `<tenantId>:overage/<day>/<number>`; also the identifier of Stripe's meter event. */
  _id: string;
  tenantId: string;
  kind: UsageReportKind;
  quantity: number;
  /** For overage: the span in which it is billed (see services/tiers/overage.ts). */
  span?: string;
  status: UsageReportStatus;
  /** When the usage happened. It is the timestamp of the meter event in every attempt. */
  at: Date;
  /** When it was first sent; null if it was not. Stripe forgets its identifier after a day. */
  firstSentAt: Date | null;
  reportedAt: Date | null;
  /** Stripe's last error message. */
  error: string | null;
  tries: number;
  /** Absent if nothing is left to do. */
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
// List reports by status: of one tenant, and of all.
export const REPORT_TENANT_INDEX = 'tenant';
usageReportSchema.index({ tenantId: 1, status: 1, at: -1, _id: -1 }, { name: REPORT_TENANT_INDEX });
export const REPORT_STATUS_INDEX = 'status';
usageReportSchema.index({ status: 1, at: -1, _id: -1 }, { name: REPORT_STATUS_INDEX });
usageReportSchema.index({ nextTryAt: 1 }, { sparse: true });
// Stripe accepts usage up to 35 days old. Reports are shown for as long as the usage history.
usageReportSchema.index({ at: 1 }, { expireAfterSeconds: 400 * 86_400 });
