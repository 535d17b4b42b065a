import { Schema } from 'mongoose';

/** A receipt that was used, so that it does nothing the second time. */
export interface EndedReceiptDoc {
  /** `<tenantId>:<number of the receipt>` */
  _id: string;
  /** When the receipt itself expires. */
  expiresAt: Date;
}

export const endedReceiptSchema = new Schema<EndedReceiptDoc>(
  { _id: String, expiresAt: Date },
  { collection: 'ended_receipts', versionKey: false },
);
endedReceiptSchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });
