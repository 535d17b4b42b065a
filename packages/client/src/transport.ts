import type { Connection, Operation } from './connection.js';
import type { Credentials } from './credentials.js';
import { BillingClientError } from './errors.js';
import { backoffMs, sleep } from './waiting.js';

export interface SentOperation extends Operation {
  /** Whether sending it again has the effect of sending it once. */
  isRepeatable: boolean;
}

export interface RetryOptions {
  /** How often a request is sent again, at most. */
  retries: number;
  /** A longer `Retry-After` is not waited for. */
  maxRetryAfterMs: number;
}

/** Sends requests, and sends them again where that helps and does no harm. */
export interface Transport {
  /** @throws BillingClientError; the signal's reason */
  send(operation: SentOperation, signal?: AbortSignal): Promise<unknown>;
}

const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 8_000;
/** Clients that were told the same time do not come back at once. */
const MAX_JITTER_MS = 200;

export function createTransport(deps: {
  connection: Connection;
  credentials: Credentials;
  retry: RetryOptions;
}): Transport {
  const { connection, credentials, retry } = deps;
  return {
    async send(operation, signal) {
      let failures = 0;
      let isRenewed = false;
      for (;;) {
        try {
          return await connection.request(operation, signal);
        } catch (error) {
          if (!(error instanceof BillingClientError)) throw error;
          if (error.code === 'UNAUTHENTICATED' && !isRenewed && credentials.renew()) {
            isRenewed = true;
            continue;
          }
          failures++;
          const waitMs = failures > retry.retries ? null : waitBeforeRetry(error, operation, failures);
          if (waitMs === null || waitMs > retry.maxRetryAfterMs + MAX_JITTER_MS) throw error;
          await sleep(waitMs, signal);
        }
      }
    },
  };
}

/** @returns null: do not send it again */
function waitBeforeRetry(
  error: BillingClientError,
  operation: SentOperation,
  failures: number,
): number | null {
  if (!isTransient(error) || !(operation.isRepeatable || error.changedNothing)) return null;
  return error.retryAfterS === null
    ? backoffMs(failures, FIRST_BACKOFF_MS, MAX_BACKOFF_MS)
    : error.retryAfterS * 1_000 + Math.random() * MAX_JITTER_MS;
}

/** Whether the same request may succeed a little later. */
export function isTransient({ code, details }: BillingClientError): boolean {
  switch (code) {
    case 'RATE_LIMITED':
    case 'SERVICE_UNAVAILABLE':
    case 'NETWORK_ERROR':
    case 'TIMEOUT':
      return true;
    case 'PAYMENT_PROVIDER_ERROR':
      // With a code Stripe has decided; without one it did not answer.
      return (details as { stripeCode?: unknown }).stripeCode === null;
    default:
      return false;
  }
}
