import type { Logger } from 'pino';
import Stripe from 'stripe';
import { BillingError, badInput, ErrorCode, serviceUnavailable } from '../../../common/errors.js';
import { permissionFor } from './permissions.js';
import { forTenant } from './requester.js';
import { causeOfNotSending, endpointOfError, stateOfError } from './requestNotes.js';

/**
 * Runs a tenant's requests to Stripe within the tenant's share of the rate. The client gets Stripe's error code and
 * request id, but no secrets; Stripe's message is logged.
 * @throws PAYMENT_PROVIDER_ERROR, BAD_USER_INPUT for an argument that Stripe rejects, SERVICE_UNAVAILABLE when Stripe did
 *   not process the request (409, 429), and the server's own error for a request that was not sent
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

/** Stripe Tax needs a better address of the customer. */
export const isLocationMissing = (error: unknown): boolean =>
  error instanceof Stripe.errors.StripeError && error.code === 'customer_tax_location_invalid';

/** Stripe rejected the request, for example because the object is in another state. */
export const isRejected = (error: unknown): boolean =>
  error instanceof Stripe.errors.StripeInvalidRequestError;

/** Stripe rejected the request, and not because of the caller's arguments: what is stored here may be out of date. */
export const isOutOfDate = (error: unknown): boolean =>
  error instanceof Stripe.errors.StripeInvalidRequestError && !USER_PARAMS[error.param ?? ''];

/** Stripe did not answer, failed, or accepts no more requests: the same request may succeed later. */
export const isAway = (error: unknown): boolean =>
  error instanceof Stripe.errors.StripeConnectionError ||
  error instanceof Stripe.errors.StripeAPIError ||
  error instanceof Stripe.errors.StripeRateLimitError;

/** The idempotency key was used before for another request. */
export const isKeyReused = (error: unknown): boolean => error instanceof Stripe.errors.StripeIdempotencyError;

/** Statuses with which Stripe did not process the request. */
const NOT_PROCESSED = [409, 429];

/** Whether Stripe stored this failure and repeats it for the same idempotency key. */
export const isRemembered = (error: unknown): boolean =>
  error instanceof Stripe.errors.StripeError &&
  error.statusCode !== undefined &&
  !NOT_PROCESSED.includes(error.statusCode);

function clientError(error: Stripe.errors.StripeError): BillingError {
  const details = { stripeCode: error.code ?? null, stripeRequestId: error.requestId ?? null };
  if (error.type === 'StripeCardError') {
    return new BillingError(
      ErrorCode.PAYMENT_PROVIDER_ERROR,
      `The card was declined (${error.decline_code ?? error.code ?? 'unknown reason'}); add another card with createPortalSession and try again`,
      details,
    );
  }
  if (error.type === 'StripeInvalidRequestError' && error.param && USER_PARAMS[error.param]) {
    return badInput(USER_PARAMS[error.param] as string, 'was rejected by the payment provider', details);
  }
  if (isCurrencyConflict(error)) {
    const problem =
      'is fixed at the payment provider by the first purchase, and this is not sold in it; the operator can make another customer there';
    return badInput('currency', problem, details);
  }
  if (error.type === 'StripePermissionError') {
    const endpoint = endpointOfError(error);
    const permission = endpoint && permissionFor(endpoint);
    return new BillingError(
      ErrorCode.PAYMENT_PROVIDER_ERROR,
      `The server's key for the payment provider has no access to ${endpoint}; the operator must add the permission ${permission ?? 'for it'}`,
      { ...details, endpoint, permission },
    );
  }
  if (NOT_PROCESSED.includes(error.statusCode ?? 0)) {
    return serviceUnavailable(
      'The payment provider accepts no more requests at the moment; try again shortly',
      retryAfterS(error),
      details,
    );
  }
  const isAway = error.type === 'StripeConnectionError' || error.type === 'StripeAPIError';
  const state = stateOfError(error);
  const rejected = `The payment provider rejected the request${state ? `: ${state}` : ''}`;
  return new BillingError(
    ErrorCode.PAYMENT_PROVIDER_ERROR,
    isAway ? 'The payment provider does not answer; try again shortly' : rejected,
    details,
  );
}

/**
 * Stripe has no code for it. What we know of a tenant's currency is checked before; at Stripe a quote, a discount or an
 * invoice item fixes it, too.
 */
const isCurrencyConflict = ({ type, message }: Stripe.errors.StripeError): boolean =>
  type === 'StripeInvalidRequestError' &&
  /combine currencies|(not|n't) match the (customer|expected) currency/i.test(message);

const DEFAULT_RETRY_S = 2;
const MAX_RETRY_S = 60;

function retryAfterS({ headers }: Stripe.errors.StripeError): number {
  const seconds = Number(headers?.['retry-after']);
  return seconds > 0 ? Math.min(Math.ceil(seconds), MAX_RETRY_S) : DEFAULT_RETRY_S;
}

/** Stripe's parameters that are passed through from an argument. */
const USER_PARAMS: Record<string, string> = {
  email: 'input.customerEmail',
  customer_email: 'input.customerEmail',
  success_url: 'input.successUrl',
  cancel_url: 'input.cancelUrl',
  return_url: 'input.returnUrl',
  starting_after: 'after',
};

const MAX_CHARS = 500;
/** Stripe's keys, in full or shortened as in its messages, and passwords in connection strings. */
const SECRETS: readonly [RegExp, string][] = [
  [/\b(sk|rk|pk|whsec)_[\w*.…-]+/g, '$1_…'],
  [/:\/\/[^\s/@]+@/g, '://…@'],
];

/** @returns an error's message for the operator, without secrets, at most 500 characters */
export function describeFailure(error: unknown): string {
  const { message, requestId } = (error instanceof Error ? error : new Error(String(error))) as Error & {
    requestId?: string;
  };
  const text = `${message}${requestId ? ` (${requestId})` : ''}`;
  return SECRETS.reduce((clean, [pattern, replacement]) => clean.replace(pattern, replacement), text).slice(
    0,
    MAX_CHARS,
  );
}
