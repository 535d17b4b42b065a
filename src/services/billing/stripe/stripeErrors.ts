import type { Logger } from 'pino';
import Stripe from 'stripe';
import { BillingError, badInput, ErrorCode, serviceUnavailable } from '../../../common/errors.js';
import { permissionFor } from './permissions.js';
import { forTenant } from './requester.js';
import { causeOfNotSending, endpointOfError, stateOfError } from './requestNotes.js';

/**
 * Runs a tenant's calls to Stripe, with the tenant's share of the requests. What Stripe rejects reaches the client with
 * Stripe's code and request id, never its secrets; Stripe's own message is logged.
 * @throws SERVICE_UNAVAILABLE for a request that Stripe did not begin with (429), and, as what the database threw, for one
 *   that was not sent
 */
export async function callingStripe<T>(log: Logger, tenantId: string, run: () => Promise<T>): Promise<T> {
  try {
    return await forTenant(tenantId, run);
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error;
    const { type, code, param, statusCode, requestId } = error;
    const endpoint = endpointOfError(error);
    const reason = describeFailure(error);
    const notSent = causeOfNotSending(error);
    if (notSent) {
      log.warn({ tenantId, reason }, 'stripe.not_sent');
      throw notSent;
    }
    log.warn(
      { tenantId, endpoint, type, code, param, statusCode, stripeRequestId: requestId, reason },
      'stripe.rejected',
    );
    throw clientError(error);
  }
}

export const isMissing = (error: unknown): boolean =>
  error instanceof Stripe.errors.StripeError && error.code === 'resource_missing';

/** Stripe understood, and what is asked makes no sense for the object as it is now. */
export const isRejected = (error: unknown): boolean =>
  error instanceof Stripe.errors.StripeInvalidRequestError;

/** The same, and not for an argument of the caller's: what is stored here may be behind. */
export const isBehind = (error: unknown): boolean =>
  error instanceof Stripe.errors.StripeInvalidRequestError && !USER_PARAMS[error.param ?? ''];

/** The idempotency key was used before, for something else. */
export const isOtherRequest = (error: unknown): boolean =>
  error instanceof Stripe.errors.StripeIdempotencyError;

/** Statuses that say nothing of the request itself: Stripe did not begin with it. */
const NOT_BEGUN = [409, 429];

/** Whether Stripe may repeat this failure whenever the same idempotency key comes again. */
export const isRemembered = (error: unknown): boolean =>
  error instanceof Stripe.errors.StripeError &&
  error.statusCode !== undefined &&
  !NOT_BEGUN.includes(error.statusCode);

function clientError(error: Stripe.errors.StripeError): BillingError {
  const details = { stripeCode: error.code ?? null, stripeRequestId: error.requestId ?? null };
  if (error.type === 'StripeCardError') {
    return new BillingError(
      ErrorCode.PAYMENT_PROVIDER_ERROR,
      `The card was declined (${error.decline_code ?? error.code ?? 'unknown reason'}); add another card by way of createPortalSession, and try again`,
      details,
    );
  }
  if (error.type === 'StripeInvalidRequestError' && error.param && USER_PARAMS[error.param]) {
    return badInput(USER_PARAMS[error.param] as string, 'was refused by the payment provider', details);
  }
  if (error.type === 'StripePermissionError') {
    const endpoint = endpointOfError(error);
    const permission = endpoint && permissionFor(endpoint);
    return new BillingError(
      ErrorCode.PAYMENT_PROVIDER_ERROR,
      `The server's key for the payment provider may not use ${endpoint}; the operator has to permit ${permission ?? 'it'}`,
      { ...details, endpoint, permission },
    );
  }
  if (NOT_BEGUN.includes(error.statusCode ?? 0)) {
    return serviceUnavailable(
      'The payment provider takes no more requests at the moment; try again shortly',
      retryAfterS(error),
      details,
    );
  }
  const away = error.type === 'StripeConnectionError' || error.type === 'StripeAPIError';
  const state = stateOfError(error);
  const refused = `The payment provider refused the request${state ? `: ${state}` : ''}`;
  return new BillingError(
    ErrorCode.PAYMENT_PROVIDER_ERROR,
    away ? 'The payment provider does not answer; try again shortly' : refused,
    details,
  );
}

const DEFAULT_RETRY_S = 2;
const MAX_RETRY_S = 60;

function retryAfterS({ headers }: Stripe.errors.StripeError): number {
  const seconds = Number(headers?.['retry-after']);
  return seconds > 0 ? Math.min(Math.ceil(seconds), MAX_RETRY_S) : DEFAULT_RETRY_S;
}

/** Parameters of Stripe that come straight from an argument of ours. */
const USER_PARAMS: Record<string, string> = {
  email: 'input.customerEmail',
  customer_email: 'input.customerEmail',
  success_url: 'input.successUrl',
  cancel_url: 'input.cancelUrl',
  return_url: 'input.returnUrl',
  starting_after: 'after',
};

const MAX_CHARS = 500;
/** Keys of Stripe's, whole or shortened as its messages have them, and passwords in connection strings. */
const SECRETS: readonly [RegExp, string][] = [
  [/\b(sk|rk|pk|whsec)_[\w*.…-]+/g, '$1_…'],
  [/:\/\/[^\s/@]+@/g, '://…@'],
];

/** @returns what an operator may read of a failure: no secrets, at most 500 characters */
export function describeFailure(error: unknown): string {
  const { message, requestId } = (error instanceof Error ? error : new Error(String(error))) as Error & {
    requestId?: string;
  };
  const text = `${message}${requestId ? ` (${requestId})` : ''}`;
  return SECRETS.reduce((clean, [pattern, words]) => clean.replace(pattern, words), text).slice(0, MAX_CHARS);
}
