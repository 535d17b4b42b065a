import Stripe from 'stripe';
import { permissionFor } from './permissions.js';

type HttpResponse = Awaited<ReturnType<Stripe.HttpClient['makeRequest']>>;

/** Notes that are added to the body of an error, which the SDK keeps as the error's `raw`. */
interface Notes {
  endpoint?: string;
  /** The state of the object at Stripe, for a person to read. */
  state?: string;
  notSentBecause?: Error;
}

/**
 * Adds the endpoint, and the permission that the key lacks, to the error in a response, so that every log line has them.
 * @param endpoint method and path, without ids
 */
export function withEndpoint(response: HttpResponse, endpoint: string): HttpResponse {
  const toJSON = response.toJSON.bind(response);
  const permission = response.getStatusCode() === 403 ? permissionFor(endpoint) : null;
  const request = permission ? `${endpoint} needs the permission ${permission}` : endpoint;
  response.toJSON = async () => {
    const body = (await toJSON()) as { error?: unknown };
    if (typeof body?.error === 'object' && body.error) {
      const error = body.error as Notes & { message?: string };
      error.endpoint = endpoint;
      error.message = `${request}: ${error.message ?? 'no reason given'}`;
    }
    return body;
  };
  return response;
}

/**
 * The SDK's response for a request that was not sent. The SDK treats anything thrown in its HTTP client as a lost
 * connection and retries it three times; a response can say that a retry is useless.
 */
export function notSent(cause: Error): HttpResponse {
  const body = { error: { type: 'api_error', message: cause.message, notSentBecause: cause } };
  return {
    getStatusCode: () => 429,
    getHeaders: () => ({ 'stripe-should-retry': 'false' }),
    getRawResponse: () => body,
    toStream: (done) => {
      done();
      return body;
    },
    toJSON: async () => body,
  };
}

const notesOf = (error: unknown): Notes =>
  error instanceof Stripe.errors.StripeError ? ((error.raw as Notes | undefined) ?? {}) : {};

/** @returns method and path, without ids, of the failed request; null: Stripe did not respond */
export const endpointOfError = (error: unknown): string | null => notesOf(error).endpoint ?? null;

/** @returns the server's own error because of which the request was not sent; null: it was sent */
export const causeOfNotSending = (error: unknown): Error | null => notesOf(error).notSentBecause ?? null;

/** Adds the object's state at Stripe to one of Stripe's errors. */
export function noteState(error: unknown, state: string): void {
  notesOf(error).state = state;
}

export const stateOfError = (error: unknown): string | null => notesOf(error).state ?? null;
