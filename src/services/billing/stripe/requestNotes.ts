import Stripe from 'stripe';
import { permissionFor } from './permissions.js';

type HttpResponse = Awaited<ReturnType<Stripe.HttpClient['makeRequest']>>;

/** What is noted in the body of an error, which the SDK keeps as the error's `raw`. */
interface Notes {
  endpoint?: string;
  /** What Stripe has, as a person reads it. */
  state?: string;
  notSentBecause?: Error;
}

/**
 * Names the endpoint in whatever error the response has, and the permission that the key lacks, so that each log has them.
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
 * What the SDK gets for a request that was not sent. It takes everything thrown inside its HTTP client for a lost
 * connection to Stripe, which it tries three times; this is a response, and says that another try is of no use.
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

/** @returns method and path, without ids, of the request that failed; null: Stripe did not answer */
export const endpointOfError = (error: unknown): string | null => notesOf(error).endpoint ?? null;

/** @returns our own error, for which the request was not sent to Stripe; null: it was sent */
export const causeOfNotSending = (error: unknown): Error | null => notesOf(error).notSentBecause ?? null;

/** Adds to an error of Stripe's what Stripe has. */
export function noteState(error: unknown, state: string): void {
  notesOf(error).state = state;
}

export const stateOfError = (error: unknown): string | null => notesOf(error).state ?? null;
