import { createConnection, endpointOf, type Fetch } from './connection.js';
import { type CredentialOptions, createCredentials } from './credentials.js';
import { createLiveStreams, type LiveOptions } from './live.js';
import { createLiveUpdates, type LiveUpdates } from './liveUpdates.js';
import { type ClientOperation, type Operations, operations } from './operations.js';
import { createTransport } from './transport.js';
import type { TypedDocument } from './typedDocument.js';
import { createUsageMeter, type MeterOptions, type UsageMeter } from './usageMeter.js';

export interface BillingClientOptions extends CredentialOptions {
  /** Where the billing server is, with or without `/graphql`. */
  url: string | URL;
  /** Default: the global one. */
  fetch?: Fetch;
  /** How often a request is sent again, at most; default: 3. */
  retries?: number;
  /** A longer `Retry-After` is not waited for: the call rejects at once; default: 30,000. */
  maxRetryAfterMs?: number;
  /** How long one request may take; default: 30,000. */
  timeoutMs?: number;
}

export interface CallOptions {
  /** Ends the call, which rejects with the signal's reason. Whether the server has acted is not known then. */
  signal?: AbortSignal;
}

export interface RequestOptions extends CallOptions {
  /** Whether sending it again has the effect of sending it once. Default: unless the document has the word `mutation`. */
  isRepeatable?: boolean;
}

/** The result of the only root field. Without one there is an error. */
type Result<TData> = NonNullable<TData[keyof TData]>;

type Method<TOperation> =
  TOperation extends ClientOperation<infer TData, infer TArguments>
    ? Record<never, never> extends TArguments
      ? (args?: TArguments, options?: CallOptions) => Promise<Result<TData>>
      : (args: TArguments, options?: CallOptions) => Promise<Result<TData>>
    : never;

/** One method for each field of the API that teams need. All reject with `BillingClientError`. */
export type OperationMethods = { [TName in keyof Operations]: Method<Operations[TName]> };

export interface BillingClient extends OperationMethods {
  /** Sends a document of your own, typed by GraphQL Code Generator or not. @returns its data */
  request<TData = unknown, TVariables extends object = Record<string, unknown>>(
    document: TypedDocument<TData, TVariables>,
    variables?: TVariables,
    options?: RequestOptions,
  ): Promise<TData>;
  /** Listens to a subscription of your own. Unlike `live`, it does not know how to catch up after a lost connection. */
  subscribe<TData = unknown, TVariables extends object = Record<string, unknown>>(
    document: TypedDocument<TData, TVariables>,
    variables?: TVariables,
    options?: LiveOptions,
  ): AsyncGenerator<TData, void>;
  /** Collects events of usage and sends them in batches. One for a process is enough. */
  meter(options?: MeterOptions): UsageMeter;
  /** Changes as they happen, as async iterables. */
  live: LiveUpdates;
}

/** @throws TypeError for wrong options; BillingClientError for a key that cannot be one */
export function createBillingClient(options: BillingClientOptions): BillingClient {
  const { url, apiKey, token, fetch = globalThis.fetch } = options;
  const retries = wholeNumber('retries', options.retries ?? 3, 0);
  const maxRetryAfterMs = wholeNumber('maxRetryAfterMs', options.maxRetryAfterMs ?? 30_000, 0);
  const timeoutMs = wholeNumber('timeoutMs', options.timeoutMs ?? 30_000, 1);
  const credentials = createCredentials({
    ...(apiKey !== undefined && { apiKey }),
    ...(token !== undefined && { token }),
  });
  const endpoint = endpointOf(url);
  // Browsers want their fetch called without an owner.
  const connection = createConnection({
    endpoint,
    credentials,
    fetch: (...args) => fetch(...args),
    timeoutMs,
  });
  const transport = createTransport({ connection, credentials, retry: { retries, maxRetryAfterMs } });
  const streams = createLiveStreams({ connection, credentials });

  const method =
    (operation: ClientOperation<object, object>) =>
    async (args: object = {}, { signal }: CallOptions = {}) => {
      const document = operation.document.toString();
      // Once for all attempts: they share their idempotency key.
      const variables = operation.variablesOf(args);
      const isRepeatable = operation.isRepeatable(args);
      const data = await transport.send({ document, variables, isRepeatable }, signal);
      return Object.values(data as object)[0];
    };
  const methods = Object.fromEntries(
    Object.entries(operations).map(([name, operation]) => [name, method(operation as never)]),
  ) as unknown as OperationMethods;

  return {
    ...methods,
    async request<TData>(document: TypedDocument<TData, never>, variables = {}, requestOptions = {}) {
      const text = document.toString();
      const { signal, isRepeatable = !/\bmutation\b/.test(text) }: RequestOptions = requestOptions;
      return (await transport.send({ document: text, variables, isRepeatable }, signal)) as TData;
    },
    subscribe: (document, variables, liveOptions) =>
      streams.messages(document, variables ?? ({} as NonNullable<typeof variables>), liveOptions),
    meter: (meterOptions) =>
      createUsageMeter((tenant, events) => methods.recordUsage({ ...tenant, events }), meterOptions),
    live: createLiveUpdates(streams, methods.alerts),
  };
}

/** What a timer can wait for; a longer time would be over at once. */
const MAX_TIMER_MS = 2_147_483_647;

function wholeNumber(name: string, value: number, min: number): number {
  if (Number.isInteger(value) && value >= min && value <= MAX_TIMER_MS) return value;
  throw new TypeError(`${name} must be a whole number from ${min} to ${MAX_TIMER_MS}`);
}
