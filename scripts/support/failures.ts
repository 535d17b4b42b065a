import Stripe from 'stripe';
import { ConfigError } from '../../src/config/config.js';
import { describeFailure } from '../../src/services/billing/stripe/stripeErrors.js';

/** @returns what a command says of an error that ended it */
export function failureOf(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  // Stripe's messages contain only the last characters of a key.
  if (error instanceof Stripe.errors.StripeError) return `Stripe: ${describeFailure(error)}`;
  return String((error as Error)?.stack ?? error);
}
