import { Schema } from 'mongoose';

/** When the next request to an endpoint of Stripe's may begin, by the database's clock. */
export interface StripeRateDoc {
  /** Method and path, without ids. */
  _id: string;
  freeAt: Date;
}

export const stripeRateSchema = new Schema<StripeRateDoc>(
  { _id: String, freeAt: Date },
  { collection: 'stripe_rates', versionKey: false },
);
