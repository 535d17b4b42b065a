import { Schema } from 'mongoose';

/** When the next requests to an endpoint of Stripe may begin, by the database's clock. */
export interface StripeRateDoc {
  /** Method and path, without ids. */
  _id: string;
  freeAt: Date;
  /** Of the part that is reserved for the webhook worker. */
  reservedFreeAt: Date;
}

export const stripeRateSchema = new Schema<StripeRateDoc>(
  { _id: String, freeAt: Date, reservedFreeAt: Date },
  { collection: 'stripe_rates', versionKey: false },
);
stripeRateSchema.index({ freeAt: 1 }, { expireAfterSeconds: 86_400 });
