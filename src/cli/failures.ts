import { BillingClientError } from '@continuum-billing/client';
import Stripe from 'stripe';
import { ConfigError } from '../config/config.js';
import { ImportOptionError } from '../services/billing/customerImport/priceTiers.js';
import { describeFailure } from '../services/billing/stripe/stripeErrors.js';
import { CommandError } from './output.js';

/** An error that ended a command, for a person and for scripts. */
export interface Failure {
  code: string;
  message: string;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof CommandError) return { code: error.code, message: error.message };
  if (error instanceof ConfigError) return { code: 'WRONG_CONFIGURATION', message: error.message };
  if (error instanceof ImportOptionError) return { code: 'WRONG_INPUT', message: error.message };
  if (error instanceof BillingClientError) {
    const request = error.requestId ? ` (request ${error.requestId})` : '';
    return { code: error.code, message: `${error.message}${request}` };
  }
  // Stripe's messages contain only the last characters of a key.
  if (error instanceof Stripe.errors.StripeError)
    return { code: 'PAYMENT_PROVIDER_ERROR', message: `Stripe: ${describeFailure(error)}` };
  return { code: 'FAILED', message: describeFailure(error) };
}
