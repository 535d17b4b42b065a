import type { Connection } from './connection.js';
import type { Credentials } from './credentials.js';
import { BillingClientError, type ResponseError } from './errors.js';
import { readEvents } from './eventStream.js';
import { billingErrorOf } from './response.js';
import { isTransient } from './transport.js';
import type { TypedDocument } from './typedDocument.js';
import { backoffMs, linkedController, sleep } from './waiting.js';

export interface LiveOptions {
  /** Ends the iteration, without an error. */
  signal?: AbortSignal;
  /** Called when a connection was lost and another one will be opened. */
  onReconnect?: (error: BillingClientError) => void;
}

/** Reads what a new connection cannot know: what has happened before it listened. */
export type CatchUp<TData> = (isFirst: boolean) => Promise<TData[]>;

export interface LiveStreams {
  /** @param catchUp called when a connection listens; what it returns comes before the messages */
  messages<D, V extends object>(
    document: TypedDocument<D, V>,
    variables: V,
    options?: LiveOptions,
    catchUp?: CatchUp<D>,
  ): AsyncGenerator<D, void>;
}

const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 30_000;
/** A stream is worth another try even if the server names a longer time. */
const MAX_RETRY_AFTER_MS = 300_000;
/** A connection that lasted for so long was a good one. */
const GOOD_CONNECTION_MS = 10_000;

/**
 * Subscriptions over server-sent events. A stream whose connection is lost is opened again, for as long as it takes; one that
 * the server rejects or ends for good throws.
 */
export function createLiveStreams(deps: { connection: Connection; credentials: Credentials }): LiveStreams {
  const { connection, credentials } = deps;

  /** Reads one connection to its end. @returns whether the server completed the stream; @throws BillingClientError */
  async function* read<D>(response: Response): AsyncGenerator<D, boolean> {
    let rejection: BillingClientError | null = null;
    if (response.body)
      for await (const { event, data } of readEvents(response.body)) {
        if (event === 'complete') {
          if (rejection) throw rejection;
          return true;
        }
        if (event !== 'next') continue;
        const message = parseMessage<D>(data);
        if (message.errors?.length) rejection = billingErrorOf(message.errors, message.data);
        else yield message.data as D;
      }
    // Without an event that completes the stream, the server wants it to be opened again.
    return false;
  }

  return {
    async *messages<D, V extends object>(
      document: TypedDocument<D, V>,
      variables: V,
      { signal, onReconnect }: LiveOptions = {},
      catchUp?: CatchUp<D>,
    ): AsyncGenerator<D, void> {
      let isFirst = true;
      let failures = 0;
      let isRenewed = false;
      while (!signal?.aborted) {
        const { controller, release } = linkedController(signal);
        const openedAtMs = Date.now();
        let error: BillingClientError;
        try {
          const operation = { document: document.toString(), variables };
          const response = await connection.open(operation, controller.signal);
          if (catchUp) yield* await catchUp(isFirst);
          isFirst = false;
          if (yield* read<D>(response)) return;
          error = new BillingClientError('NETWORK_ERROR', 'The stream of live updates ended');
        } catch (thrown) {
          if (signal?.aborted) return;
          error = lostConnection(thrown);
        } finally {
          release();
          controller.abort();
        }
        if (Date.now() - openedAtMs > GOOD_CONNECTION_MS) {
          failures = 0;
          isRenewed = false;
        }
        const renews = error.code === 'UNAUTHENTICATED' && !isRenewed && credentials.renew();
        if (renews) isRenewed = true;
        // A first rejection may be an error of the program. Later ones are of a server that has just started, or too busy.
        else if (!isTransient(error) || (isFirst && error.code === 'RATE_LIMITED')) throw error;
        failures++;
        onReconnect?.(error);
        const retryAfterMs = Math.min(MAX_RETRY_AFTER_MS, (error.retryAfterS ?? 0) * 1_000);
        const waitMs = renews
          ? 0
          : Math.max(retryAfterMs, backoffMs(failures, FIRST_BACKOFF_MS, MAX_BACKOFF_MS));
        await sleep(waitMs, signal).catch(() => undefined);
      }
    },
  };
}

function parseMessage<D>(text: string): { data?: D; errors?: ResponseError[] } {
  try {
    return JSON.parse(text);
  } catch {
    throw new BillingClientError('NETWORK_ERROR', 'An event of the stream is not complete');
  }
}

const lostConnection = (error: unknown): BillingClientError =>
  error instanceof BillingClientError
    ? error
    : new BillingClientError(
        'NETWORK_ERROR',
        `The stream of live updates was lost: ${(error as Error).message}`,
      );
