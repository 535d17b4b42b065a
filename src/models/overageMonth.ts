import { Schema } from 'mongoose';

/** Numbers the days of a tenant's month that are opened for overage, of which only one is open at a time. */
export interface OverageMonthDoc {
  /** `<tenantId>:<YYYY-MM>` */
  _id: string;
  turn: number;
}

export const overageMonthSchema = new Schema<OverageMonthDoc>(
  { _id: String, turn: Number },
  { collection: 'overage_months', versionKey: false },
);
