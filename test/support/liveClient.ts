import { createClient as createSseClient } from 'graphql-sse';
import { type ClientOptions, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

/** What a subscription received, in order, and how it ended. */
export interface Received {
  // biome-ignore lint/suspicious/noExplicitAny: messages are what the tests look into
  messages: any[];
  /** null while it is open; `complete`, or the error that ended it. */
  // biome-ignore lint/suspicious/noExplicitAny: an error of any kind
  ended: any;
  stop(): void;
  /** Waits for a message. @throws if there is none in time, with what there was instead */
  // biome-ignore lint/suspicious/noExplicitAny: messages are what the tests look into
  next(): Promise<any>;
  /** Waits until it has ended. */
  // biome-ignore lint/suspicious/noExplicitAny: an error of any kind
  end(): Promise<any>;
}

export interface LiveTestClient {
  subscribe(query: string, variables?: Record<string, unknown>): Received;
  /** The codes with which connections were closed. */
  closes: { code: number; reason: string; wasClean: boolean }[];
  dispose(): void;
}

const WAIT_MS = 6_000;
const POLL_MS = 5;

async function waitFor<T>(read: () => T | undefined, what: () => string): Promise<T> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const value = read();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(what());
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

type Sink = { next(value: unknown): void; error(error: unknown): void; complete(): void };

function receive(start: (sink: Sink) => () => void): Received {
  let taken = 0;
  const received: Received = {
    messages: [],
    ended: null,
    stop: () => {},
    next: () =>
      waitFor(
        () => {
          const message = received.messages[taken];
          if (message !== undefined) taken++;
          return message;
        },
        () => `no message; ${JSON.stringify(received.messages)}, ended: ${JSON.stringify(received.ended)}`,
      ),
    end: () =>
      waitFor(
        () => received.ended ?? undefined,
        () => `it did not end; ${JSON.stringify(received.messages)}`,
      ),
  };
  received.stop = start({
    next: (value) => received.messages.push(value),
    error(error) {
      received.ended = error;
    },
    complete() {
      received.ended ??= 'complete';
    },
  });
  return received;
}

/** A client of graphql-ws. It connects once, unless options say otherwise. */
export function connectWs(
  url: string,
  connectionParams?: Record<string, unknown>,
  options: Partial<ClientOptions> & { headers?: Record<string, string> } = {},
): LiveTestClient {
  const { headers, ...others } = options;
  const closes: LiveTestClient['closes'] = [];
  class TestWebSocket extends WebSocket {
    constructor(address: string, protocols: string) {
      super(address, protocols, { headers: headers ?? {} });
    }
  }
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: TestWebSocket,
    ...(connectionParams && { connectionParams }),
    retryAttempts: 0,
    ...others,
    on: { closed: (event) => closes.push(event as (typeof closes)[number]), ...others.on },
  });
  return {
    closes,
    subscribe: (query, variables = {}) =>
      receive((sink) => client.subscribe({ query, variables }, sink as never)),
    dispose: () => void client.dispose(),
  };
}

/** A client of graphql-sse. */
export function connectSse(
  url: string,
  headers: Record<string, string>,
  options: { retryAttempts?: number } = {},
): LiveTestClient {
  const client = createSseClient({ url: `${url}/graphql`, headers, retryAttempts: 0, ...options });
  return {
    closes: [],
    subscribe: (query, variables = {}) =>
      receive((sink) => client.subscribe({ query, variables }, sink as never)),
    dispose: () => client.dispose(),
  };
}
