import type { Credentials } from './credentials.js';
import { BillingClientError } from './errors.js';
import { readErrorResponse, readResult } from './response.js';
import { linkedController, rejectionOf } from './waiting.js';

export interface Operation {
  document: string;
  variables: object;
}

/** Sends single requests to the server. */
export interface Connection {
  /** @throws BillingClientError; the signal's reason */
  request(operation: Operation, signal?: AbortSignal): Promise<unknown>;
  /**
   * Opens an event stream. The signal also ends the stream.
   * @throws BillingClientError; the signal's reason
   */
  open(operation: Operation, signal: AbortSignal): Promise<Response>;
}

export type Fetch = typeof globalThis.fetch;

const JSON_ANSWER = 'application/graphql-response+json, application/json;q=0.9';
const EVENT_STREAM = 'text/event-stream';

/** Causes with which nothing has been sent, as Node names them. */
const NOT_CONNECTED = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'];

/** @param url of the server, with or without `/graphql` */
export function endpointOf(url: string | URL): string {
  const { href, username, password, search, hash, protocol } = new URL(url);
  if (!/^https?:$/.test(protocol)) throw new TypeError(`url must be http or https, not ${protocol}`);
  if (username || password) throw new TypeError('url must not have a user name or a password');
  if (search || hash) throw new TypeError('url must not have a query or a fragment');
  const base = href.replace(/\/+$/, '');
  return base.endsWith('/graphql') ? base : `${base}/graphql`;
}

export function createConnection(deps: {
  endpoint: string;
  credentials: Credentials;
  fetch: Fetch;
  timeoutMs: number;
}): Connection {
  const { endpoint, credentials, fetch, timeoutMs } = deps;

  async function post({ document, variables }: Operation, accept: string, signal: AbortSignal) {
    const headers = { 'content-type': 'application/json', accept, ...(await credentials.headers()) };
    // A redirect would take the key to another server.
    const init = { method: 'POST', headers, redirect: 'manual', signal } as const;
    return fetch(endpoint, { ...init, body: JSON.stringify({ query: document, variables }) });
  }

  /** Runs a step of a request with the time limit. */
  async function within<T>(signal: AbortSignal | undefined, step: (signal: AbortSignal) => Promise<T>) {
    const { controller, release } = linkedController(signal);
    const timeout = new BillingClientError('TIMEOUT', `${endpoint} did not answer within ${timeoutMs} ms`);
    const timer = setTimeout(() => controller.abort(timeout), timeoutMs);
    try {
      controller.signal.throwIfAborted();
      // A fetch of one's own may not look at its signal.
      return await Promise.race([step(controller.signal), rejectionOf(controller.signal).promise]);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (controller.signal.aborted) throw timeout;
      throw error instanceof BillingClientError ? error : networkError(error);
    } finally {
      clearTimeout(timer);
      release();
    }
  }

  function networkError(error: unknown): BillingClientError {
    const { message, cause } = error as Error & { cause?: { code?: string; message?: string } };
    const reason = cause?.code ?? cause?.message ?? message;
    const text = credentials.redact(`${endpoint} could not be reached: ${reason}`);
    return new BillingClientError('NETWORK_ERROR', text, {
      changedNothing: NOT_CONNECTED.includes(cause?.code ?? ''),
    });
  }

  return {
    request: (operation, signal) =>
      within(signal, async (inTime) => readResult(await post(operation, JSON_ANSWER, inTime))),
    async open(operation, signal) {
      // The time limit is for the beginning of the stream. Its end is the caller's, by another controller.
      const { controller, release } = linkedController(signal);
      try {
        return await within(signal, async (inTime) => {
          inTime.addEventListener('abort', () => controller.abort(inTime.reason), { once: true });
          const response = await post(operation, EVENT_STREAM, controller.signal);
          const type = response.headers.get('content-type') ?? '';
          if (response.ok && type.startsWith(EVENT_STREAM)) return response;
          throw await readErrorResponse(response);
        });
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}
