import { Schema } from 'mongoose';

/** When the next request to a Stripe endpoint may begin, by the database's clock. */
export interface StripeRateDoc {
  /** The method and path, without ids. */
  _id: string;
  freeAt: Date;
  /** The same for the share that is reserved for the webhook worker. */
  reservedFreeAt: Date;
}

export const stripeRateSchema = new Schema<StripeRateDoc>(
  { _id: String, freeAt: Date, reservedFreeAt: Date },
  { collection: 'stripe_rates', versionKey: false },
);
stripeRateSchema.index({ freeAt: 1 }, { expireAfterSeconds: 86_400 });
