import { Schema } from 'mongoose';

/** Orders the days of a tenant's month that are opened for overage: one at a time is open. */
export interface OverageMonthDoc {
  /** `<tenantId>:<YYYY-MM>` */
  _id: string;
  turn: number;
}

export const overageMonthSchema = new Schema<OverageMonthDoc>(
  { _id: String, turn: Number },
  { collection: 'overage_months', versionKey: false },
);
