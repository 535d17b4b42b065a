/** The body of Stripe's error answers, without what it has no use for here. */
export interface ErrorBody {
  type: 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error';
  message: string;
  code?: string;
  decline_code?: string;
  param?: string;
  doc_url?: string;
}

/** An answer other than 2xx, thrown by whatever finds the reason. */
export class MockStripeError extends Error {
  constructor(
    readonly status: number,
    readonly body: ErrorBody,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(body.message);
    this.name = 'MockStripeError';
  }
}

interface Details {
  code?: string;
  param?: string;
}

export function invalidRequest(message: string, details: Details = {}, status = 400): MockStripeError {
  const docUrl = details.code
    ? { doc_url: `https://docs.stripe.com/error-codes/${dashed(details.code)}` }
    : {};
  return new MockStripeError(status, { type: 'invalid_request_error', message, ...details, ...docUrl });
}

const dashed = (code: string) => code.replaceAll('_', '-');

/** @param kind what the id should name, as Stripe writes it: `customer`, `checkout.session` */
export const noSuch = (kind: string, id: string, param = 'id'): MockStripeError =>
  invalidRequest(`No such ${kind}: '${id}'`, { code: 'resource_missing', param }, param === 'id' ? 404 : 400);

export const missingParameter = (param: string): MockStripeError =>
  invalidRequest(`Missing required param: ${param}.`, { code: 'parameter_missing', param });

export const unknownParameter = (param: string): MockStripeError =>
  invalidRequest(`Received unknown parameter: ${param}`, { code: 'parameter_unknown', param });

export const unknownRoute = (method: string, path: string): MockStripeError =>
  invalidRequest(`Unrecognized request URL (${method}: ${path}). The mock does not know it.`, {}, 404);

export const unauthorized = (message: string): MockStripeError =>
  new MockStripeError(
    401,
    { type: 'invalid_request_error', message },
    { 'WWW-Authenticate': 'Bearer realm="Stripe"' },
  );

export const cardDeclined = (): MockStripeError =>
  new MockStripeError(402, {
    type: 'card_error',
    message: 'Your card was declined.',
    code: 'card_declined',
    decline_code: 'generic_decline',
  });

export const idempotencyMismatch = (key: string): MockStripeError =>
  new MockStripeError(400, {
    type: 'idempotency_error',
    message:
      'Keys for idempotent requests can only be used with the same parameters they were first used with. ' +
      `Try using a key other than '${key}' if you meant to execute a different request.`,
  });

export const rateLimit = (): MockStripeError =>
  new MockStripeError(429, {
    type: 'invalid_request_error',
    code: 'rate_limit',
    message: 'Request rate limit exceeded.',
  });

export const serverError = (): MockStripeError =>
  new MockStripeError(500, { type: 'api_error', message: 'An unknown error occurred.' });
