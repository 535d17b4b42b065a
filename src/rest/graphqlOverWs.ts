import type { IncomingMessage } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  parse,
} from 'graphql';
import { CloseCode, MessageType, makeServer, type SubscribePayload, stringifyMessage } from 'graphql-ws';
import type { Logger } from 'pino';
import { ErrorCode, unauthenticated } from '../common/errors.js';
import { clientNetwork } from '../common/network.js';
import { type ErrorFormat, expectedFailure } from '../directives/clientErrors.js';
import type { LiveOperations, LiveOutcome } from '../directives/liveOperations.js';
import { type LoggedRequest, loggedRequest } from '../directives/loggedRequest.js';
import type { Callers, Credential } from '../services/accounts/callers.js';
import type { SessionPage } from '../services/accounts/sessions.js';
import type { Tracing } from '../services/infrastructure/tracing.js';
import { type Ending, MAX_STREAMS_PER_CONNECTION } from '../services/realtime/liveClients.js';
import { credentialOf } from './credentials.js';
import {
  type Connection,
  type ConnectionDeps,
  createConnection,
  type LiveConnection,
  type Opened,
  takeMessages,
  unavailable,
} from './liveConnection.js';

/** A document with its variables. Larger ones are sent over HTTP, where the memory of all of them is bounded. */
export const MAX_PAYLOAD_BYTES = 65_536;
/** One message of a stream, or one response. */
const MAX_MESSAGE_BYTES = 2_097_152;
/** Messages whose operations of one connection have not been answered yet. */
const MAX_STARTING_CHARACTERS = 4 * MAX_PAYLOAD_BYTES;
const INIT_TIMEOUT_MS = 5_000;
export const PATH = '/graphql';
export const SWITCHING_PROTOCOLS = 101;

export interface ProtocolDeps extends ConnectionDeps {
  operations: LiveOperations;
  callers: Callers;
  schema: GraphQLSchema;
  formatError: ErrorFormat;
  checkDocument: (text: string) => void;
  publicUrl: string | null;
  tracing: Tracing | null;
  maxResponseBytes: number;
  log: Logger;
}

interface Extra {
  opened: Opened;
  connection: LiveConnection;
}
/** Runs the protocol on a WebSocket that has been opened. */
export function createProtocol(deps: ProtocolDeps): (opened: Opened) => Connection {
  const { callers, formatError, log } = deps;
  const start = createStarter(deps);

  const server = makeServer<Record<string, unknown>, Extra>({
    schema: deps.schema,
    connectionInitWaitTimeout: INIT_TIMEOUT_MS,
    async onConnect({ extra, connectionParams }) {
      const { opened, connection } = extra;
      opened.client.introduced();
      try {
        const credential = credentialFrom(opened.message, connectionParams ?? {}, deps.publicUrl);
        if (credential === null) throw unauthenticated(NEEDS_KEY);
        const caller = await callers.describe(credential, opened.address);
        opened.client.identify(credential, caller);
        connection.credential = credential;
        return true;
      } catch (error) {
        connection.end(endingOf(error, log));
        return false;
      }
    },
    async onSubscribe({ extra }, id, payload) {
      const { connection } = extra;
      // The library forgets an operation as soon as the client completes it, and would mix up the two.
      if (connection.ids.has(id)) {
        connection.close(
          CloseCode.SubscriberAlreadyExists,
          `Subscriber for ${id.slice(0, 64)} already exists`,
        );
        return [toError(TOO_MANY)];
      }
      connection.ids.add(id);
      connection.begun = id;
      const outcome = await start(extra, payload);
      if (Array.isArray(outcome)) return outcome;
      const { stream, response } = outcome;
      // The operation has been started already: the document only says of which kind it is.
      if (stream) return { schema: deps.schema, document: STREAM, contextValue: stream };
      if (response.body.kind !== 'single') throw new Error('the response has several parts');
      const { singleResult } = response.body;
      if (singleResult.errors && !singleResult.data) return singleResult.errors.map(toError);
      return { schema: deps.schema, document: SINGLE, contextValue: singleResult };
    },
    subscribe: ({ contextValue }) => contextValue as never,
    execute: ({ contextValue }) => contextValue as never,
    onNext({ extra }, _id, _payload, _args, result) {
      const { connection, opened } = extra;
      connection.messages++;
      opened.client.sent();
      // A message of a stream, or a response. Both have been formatted.
      return ('result' in result ? result.result : result) as FormattedExecutionResult;
    },
    onError({ extra }, _id, _payload, errors) {
      return errors.map((error) => {
        const { originalError } = error as GraphQLError;
        if (!originalError) return error as GraphQLFormattedError;
        if (expectedFailure(originalError)?.code === ErrorCode.SERVICE_UNAVAILABLE)
          extra.connection.end(unavailable(originalError.message));
        return formatError((error as GraphQLError).toJSON(), error);
      });
    },
  });

  return (opened) => {
    const { webSocket } = opened;
    const connection = createConnection(opened, deps);
    const closed = server.opened(
      {
        protocol: webSocket.protocol,
        send: connection.send,
        close(code, reason) {
          if (!connection.isEnding) connection.close(code, reason);
        },
        // What came with the ping is not sent back: it may be nested so deeply that it cannot be written.
        onPing: () => connection.send(PONG),
        onMessage(handle) {
          takeMessages(opened, connection, deps, (text) => {
            connection.begun = null;
            connection.characters = text.length;
            const handled = handle(text).catch((error: Error) => {
              if (OF_SERVERS.test(error.message))
                return connection.close(CloseCode.BadRequest, 'Invalid message received');
              log.error({ err: error, requestId: opened.requestId }, 'live.message_failed');
              connection.close(CloseCode.InternalServerError, 'Internal server error');
            });
            const { begun } = connection;
            if (begun !== null) void handled.then(() => connection.ids.delete(begun));
          });
        },
      },
      { opened, connection },
    );
    webSocket.on('error', (error) =>
      log.debug({ err: error, requestId: opened.requestId }, 'live.socket_failed'),
    );
    webSocket.once('close', (code, reason) => void closed(code, String(reason)));
    return connection;
  };
}
const PONG = stringifyMessage({ type: MessageType.Pong });
/** The library's error for a message of a type that only servers send. */
const OF_SERVERS = /^Unexpected message of type /;
const STREAM = parse('subscription { stream }', { noLocation: true });
const SINGLE = parse('{ single }', { noLocation: true });
const NEEDS_KEY = 'An API key is needed: send connectionParams {apiKey} or {authorization}';

/** Starts the operations of WebSockets: each waits its turn like a request, and is logged like one. */
function createStarter(deps: ProtocolDeps) {
  const { operations, accessLog, largeRequests, checkDocument, formatError, tracing } = deps;
  const maxResponseBytes = Math.min(deps.maxResponseBytes, MAX_MESSAGE_BYTES);

  async function run(
    { opened, connection }: Extra,
    payload: SubscribePayload,
    logged: LoggedRequest,
  ): Promise<LiveOutcome> {
    const over: (() => void)[] = [];
    const earlier = [...connection.opening];
    const listens = opening(connection);
    over.push(listens);
    const { query } = payload;
    const { address, client } = opened;
    let documentRead = (): Promise<void> | undefined => undefined;
    try {
      if (largeRequests.isLarge(query)) {
        const endTurn = await largeRequests.waitForText(clientNetwork(address));
        over.push(endTurn);
        documentRead = () => {
          endTurn();
          return nextTurn();
        };
      }
      checkDocument(query);
      const received = {
        logged,
        credential: connection.credential,
        address,
        maxResponseBytes,
        documentRead: () => documentRead(),
        whenOver: (then: () => void) => void over.push(then),
      };
      const owner = {
        openStream: async (characters: number, end: () => void) => client.openStream(characters, end),
        async afterStreams() {
          listens();
          await Promise.all(earlier);
        },
        end: connection.end,
      };
      return await operations.run(payload, received, owner);
    } finally {
      for (const then of over) then();
    }
  }

  async function answer(
    extra: Extra,
    payload: SubscribePayload,
    logged: LoggedRequest,
  ): Promise<LiveOutcome | GraphQLError[]> {
    const { connection } = extra;
    try {
      const outcome = await run(extra, payload, logged);
      const { body } = outcome.response;
      const [error] = (body.kind === 'single' && body.singleResult.errors) || [];
      if (
        error?.extensions?.code === ErrorCode.SERVICE_UNAVAILABLE &&
        logged.operationType === 'subscription'
      )
        connection.end(unavailable(error.message));
      if (connection.isEnding) await outcome.stream?.return();
      return outcome;
    } catch (error) {
      const formatted = formatError(new GraphQLError((error as Error).message).toJSON(), error);
      logged.code = String(formatted.extensions?.code);
      return [toError(formatted)];
    }
  }

  return async (extra: Extra, payload: SubscribePayload): Promise<LiveOutcome | GraphQLError[]> => {
    const { connection, opened } = extra;
    const { characters } = connection;
    const requestId = `${opened.requestId}.${++connection.operations}`.slice(-128);
    const isFull =
      connection.starting >= MAX_STREAMS_PER_CONNECTION ||
      connection.startingCharacters + characters > MAX_STARTING_CHARACTERS;
    if (isFull || connection.isEnding) return [toError(TOO_MANY)];
    connection.starting++;
    connection.startingCharacters += characters;
    const startedAtMs = performance.now();
    const trace = tracing?.startRequest(opened.message.headers);
    const logged = loggedRequest(requestId, trace?.traceId);
    const work = () => answer(extra, payload, logged);
    try {
      return await (tracing && trace ? trace.run(() => tracing.operation(work, logged)) : work());
    } finally {
      connection.starting--;
      connection.startingCharacters -= characters;
      trace?.end({ method: 'GET', route: PATH, status: SWITCHING_PROTOCOLS, tenantId: logged.tenantId });
      accessLog.operated(logged, startedAtMs);
    }
  };
}

/** Begins an operation that may be a subscription. @returns a function to be called once it listens, or is none */
function opening({ opening: all }: LiveConnection): () => void {
  let listens = () => {};
  const listening = new Promise<void>((resolve) => {
    listens = resolve;
  });
  all.add(listening);
  return () => {
    all.delete(listening);
    listens();
  };
}

const TOO_MANY: GraphQLFormattedError = {
  message: `More than ${MAX_STREAMS_PER_CONNECTION} operations, or ${MAX_STARTING_CHARACTERS} characters of them, wait for answers on this connection`,
  extensions: { code: ErrorCode.SERVICE_UNAVAILABLE, http: { status: 503 } },
};

const toError = ({ message, path, extensions }: GraphQLFormattedError): GraphQLError =>
  new GraphQLError(message, { path: path ?? null, extensions: extensions ?? null });

/** Why a connection is not accepted. */
function endingOf(thrown: unknown, log: Logger): Ending {
  const error = expectedFailure(thrown);
  if (!error) {
    log.error({ err: thrown }, 'live.not_connected');
    return unavailable('Internal server error');
  }
  switch (error.code) {
    case ErrorCode.SERVICE_UNAVAILABLE:
      return { reason: 'unavailable', error };
    case ErrorCode.RATE_LIMITED:
      return { reason: 'bounds', error };
    default:
      return { reason: 'credential', error };
  }
}
/**
 * The credential of a WebSocket: a key or token in `connectionParams`, else in the headers of its request, else the session
 * of a page. A page of another site has no key to send, so only a session depends on where the request comes from.
 */
function credentialFrom(
  { headers }: IncomingMessage,
  params: Record<string, unknown>,
  publicUrl: string | null,
): Credential | null {
  const named = (name: string) => {
    const value = Object.entries(params).find(([key]) => key.toLowerCase() === name)?.[1];
    return typeof value === 'string' && value !== '' ? value : null;
  };
  const apiKey = named('apikey') ?? named('x-api-key');
  const authorization = named('authorization');
  const session = named('session');
  const wanted: SessionPage | undefined =
    session === 'operator' || session === 'billing' ? session : undefined;
  const given =
    apiKey === null && authorization === null
      ? headers
      : {
          ...(apiKey !== null && { 'x-api-key': apiKey }),
          ...(authorization !== null && {
            authorization: /^Bearer\s/i.test(authorization) ? authorization : `Bearer ${authorization}`,
          }),
        };
  return credentialOf({ headers: given, host: headers.host ?? '', publicUrl }, wanted);
}
