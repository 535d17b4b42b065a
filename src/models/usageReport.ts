import { Schema } from 'mongoose';

/** Usage that was reported to Stripe's meter. */
export interface UsageReportDoc {
  /** `<tenantId>:<idempotency key>` */
  _id: string;
  quantity: number;
  status: 'PENDING' | 'REPORTED';
  /** When the usage happened: the meter event's timestamp, the same at every try. */
  at: Date;
  reportedAt: Date | null;
}

export const usageReportSchema = new Schema<UsageReportDoc>(
  {
    _id: String,
    quantity: { type: Number, required: true },
    status: { type: String, required: true },
    at: { type: Date, required: true },
    reportedAt: { type: Date, default: null },
  },
  { collection: 'usage_reports', versionKey: false },
);
