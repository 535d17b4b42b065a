import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  parse,
} from 'graphql';
import {
  CloseCode,
  GRAPHQL_TRANSPORT_WS_PROTOCOL,
  handleProtocols,
  MessageType,
  makeServer,
  type SubscribePayload,
  stringifyMessage,
} from 'graphql-ws';
import type { Logger } from 'pino';
import { type WebSocket, WebSocketServer } from 'ws';
import { BillingError, badInput, ErrorCode, serviceUnavailable, unauthenticated } from '../common/errors.js';
import { clientNetwork } from '../common/network.js';
import { type ErrorFormat, expectedFailure } from '../directives/clientErrors.js';
import type { LiveOperations, LiveOutcome } from '../directives/liveOperations.js';
import { type LoggedRequest, loggedRequest, nameCaller } from '../directives/loggedRequest.js';
import type { Callers, Credential } from '../services/accounts/callers.js';
import type { SessionPage } from '../services/accounts/sessions.js';
import type { LiveEnd } from '../services/infrastructure/metrics.js';
import type { Tracing } from '../services/infrastructure/tracing.js';
import {
  type Ending,
  type LiveClient,
  type LiveClients,
  MAX_STREAMS_PER_CONNECTION,
  SLOW_READER,
} from '../services/realtime/liveClients.js';
import type { AccessLog } from './accessLog.js';
import type { Upgrades } from './connections.js';
import { credentialOf } from './credentials.js';
import type { LargeRequests } from './largeRequests.js';
import { checkHeaders } from './malformedRequests.js';
import { REQUEST_ID_HEADER, requestIdOf } from './requestIds.js';
import type { UnreadResponses } from './unreadResponses.js';

/** The codes with which the server closes a WebSocket. Clients of graphql-ws connect again after all but 44xx codes. */
const CLOSE_CODES: Record<LiveEnd, number> = {
  client: 1000,
  credential: CloseCode.Unauthorized,
  slow_reader: 4490,
  lost_changes: 1013,
  unavailable: 1013,
  stopping: 1012,
  protocol: CloseCode.BadRequest,
  bounds: CloseCode.TooManyInitialisationRequests,
  stranger: CloseCode.ConnectionInitialisationTimeout,
};

/** A document with its variables. Larger ones are sent over HTTP, where the memory of all of them is bounded. */
const MAX_PAYLOAD_BYTES = 65_536;
/** Frames of one message. Clients send one. */
const MAX_FRAGMENTS = 64;
/** Pieces in which the network brings what has not been handled yet. */
const MAX_BUFFERED_CHUNKS = 2_048;
/** One message of a stream, or one response. */
const MAX_MESSAGE_BYTES = 2_097_152;
/** Messages whose operations of one connection have not been answered yet. */
const MAX_STARTING_CHARACTERS = 4 * MAX_PAYLOAD_BYTES;
const INIT_TIMEOUT_MS = 5_000;
const PING_MS = 12_000;
/** A message that the client has not read after this time is the last one. */
const SLOW_MS = 10_000;
/** Time for the close frame to arrive. */
const CLOSE_MS = 1_000;
const MAX_REASON_BYTES = 123;
const PATH = '/graphql';
const SWITCHING_PROTOCOLS = 101;

const unavailable = (message: string): Ending => ({
  reason: 'unavailable',
  error: serviceUnavailable(message),
});

interface WebSocketDeps {
  liveClients: LiveClients;
  operations: LiveOperations;
  callers: Callers;
  schema: GraphQLSchema;
  formatError: ErrorFormat;
  accessLog: AccessLog;
  largeRequests: LargeRequests;
  unreadResponses: UnreadResponses;
  checkDocument: (text: string) => void;
  addressOf: (message: IncomingMessage) => string;
  publicUrl: string | null;
  tracing: Tracing | null;
  maxResponseBytes: number;
  /** Of every response. */
  headers: Readonly<Record<string, string>>;
  isRejecting: () => boolean;
  log: Logger;
}

/** GraphQL over WebSockets, by the protocol `graphql-transport-ws`. */
export function createWebSockets(deps: WebSocketDeps): Upgrades {
  const { liveClients, accessLog, addressOf, isRejecting, log } = deps;
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_PAYLOAD_BYTES,
    // What is compressed can be a thousand times larger than the payload that the limit is about.
    perMessageDeflate: false,
    // Each piece of a message takes more memory than it has bytes.
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_BUFFERED_CHUNKS,
    // One message in a turn of the event loop, so that a client that sends thousands does not keep others waiting.
    allowSynchronousEvents: false,
    handleProtocols,
  });
  const requestIds = new WeakMap<IncomingMessage, string>();
  server.on('headers', (lines, message) => {
    lines.push(`${REQUEST_ID_HEADER}: ${requestIds.get(message)}`);
  });
  const graphqlOverWs = createProtocol(deps);

  /** Answers in the format of other client errors, without a WebSocket. */
  function reject(socket: Socket, requestId: string, error: BillingError): void {
    const { status, code, message, details } = error;
    const body = JSON.stringify({
      errors: [{ message, extensions: { ...details, code, http: { status } } }],
    });
    const all = {
      ...deps.headers,
      ...error.headers,
      [REQUEST_ID_HEADER]: requestId,
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
    socket.write([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'));
    socket.destroySoon();
    accessLog.upgraded(requestId, status);
  }

  /** @throws BAD_USER_INPUT, SERVICE_UNAVAILABLE */
  function check(message: IncomingMessage): void {
    checkHeaders(message);
    if (isRejecting()) throw serviceUnavailable('The server is stopping; try again shortly');
    const offered = message.headers['sec-websocket-protocol'] ?? '';
    if (handleProtocols(offered) === false)
      throw badInput('Sec-WebSocket-Protocol', `must include ${GRAPHQL_TRANSPORT_WS_PROTOCOL}`);
  }

  return {
    isWanted: ({ method, url = '', headers }) =>
      method === 'GET' && /^websocket$/i.test(headers.upgrade ?? '') && url.split('?', 1)[0] === PATH,
    upgrade(message, socket, head) {
      const requestId = requestIdOf(message);
      requestIds.set(message, requestId);
      const address = addressOf(message);
      socket.on('error', (error) => log.debug({ err: error, requestId }, 'live.socket_failed'));
      let connection: Connection | null = null;
      let client: LiveClient;
      try {
        check(message);
        client = liveClients.connect('websocket', address, (ending) => connection?.end(ending));
      } catch (error) {
        return reject(socket, requestId, error as BillingError);
      }
      // Until there is a WebSocket, the client is gone when its connection is.
      const gone = () => client.closed('client');
      socket.once('close', gone);
      server.handleUpgrade(message, socket, head, (webSocket) => {
        socket.off('close', gone);
        accessLog.upgraded(requestId, SWITCHING_PROTOCOLS);
        connection = graphqlOverWs({ webSocket, socket, message, client, requestId, address });
      });
    },
  };
}

interface Opened {
  webSocket: WebSocket;
  socket: Socket;
  message: IncomingMessage;
  client: LiveClient;
  requestId: string;
  address: string;
}

/** An open WebSocket. */
interface Connection {
  end(ending: Ending): void;
}

interface Extra {
  opened: Opened;
  connection: LiveConnection;
}

/** What a WebSocket needs apart from the protocol: backpressure, pings, and its end. */
interface LiveConnection extends Connection {
  readonly isEnding: boolean;
  credential: Credential | null;
  /** Operations that have not been answered yet. */
  starting: number;
  /** The length of the messages that began them. */
  startingCharacters: number;
  /** The length of the message that is handled. */
  characters: number;
  /** The client has been heard of since the last ping. */
  isAlive: boolean;
  /** Operations that may be subscriptions, until their streams listen. */
  readonly opening: Set<Promise<void>>;
  /** The ids of operations that have not ended, whether or not the client has completed them. */
  readonly ids: Set<string>;
  /** The id of the operation that the last message began, if it began one. */
  begun: string | null;
  operations: number;
  messages: number;
  send(data: string): Promise<void>;
  /** Closes the WebSocket, whether or not the client answers. */
  close(code?: number, reason?: string): void;
}

function createConnection(opened: Opened, deps: WebSocketDeps): LiveConnection {
  const { webSocket, socket, client, requestId, address } = opened;
  const { accessLog, unreadResponses } = deps;
  const startedAtMs = performance.now();
  let ending: Ending | null = null;
  let isRefused = false;
  /** When messages were sent that have not left yet, oldest first. */
  const unsent = new Set<number>();

  const connection: LiveConnection = {
    get isEnding() {
      return ending !== null || webSocket.readyState !== webSocket.OPEN;
    },
    credential: null,
    starting: 0,
    startingCharacters: 0,
    characters: 0,
    isAlive: true,
    opening: new Set(),
    ids: new Set(),
    begun: null,
    operations: 0,
    messages: 0,
    send(data) {
      if (connection.isEnding) return Promise.resolve();
      const sentAt = performance.now() + unsent.size / 1e6;
      unsent.add(sentAt);
      const read = unreadResponses.add({ socket, client: () => clientNetwork(address) }, data.length);
      return new Promise((resolve) => {
        // The end of the connection ends its streams, so a failure needs no handling of its own.
        webSocket.send(data, () => {
          unsent.delete(sentAt);
          read();
          resolve();
        });
      });
    },
    end(why) {
      if (ending) return;
      ending = why;
      connection.close(CLOSE_CODES[why.reason], reasonOf(why.error));
    },
    close(code, reason) {
      isRefused = true;
      webSocket.close(code, reason);
      setTimeout(() => webSocket.terminate(), CLOSE_MS).unref();
    },
  };

  const timer = setInterval(() => {
    const [oldest] = unsent;
    if (!connection.isAlive) webSocket.terminate();
    else if (oldest !== undefined && performance.now() - oldest > SLOW_MS) connection.end(SLOW_READER);
    else {
      connection.isAlive = false;
      webSocket.ping();
    }
  }, PING_MS).unref();
  webSocket.on('pong', () => {
    connection.isAlive = true;
  });
  webSocket.on('close', (code: number) => {
    clearInterval(timer);
    const reason =
      ending?.reason ??
      (isRefused || code >= 4_000 || code === 1_008 || code === 1_009 || code === 1_002
        ? 'protocol'
        : 'client');
    const { principal } = client;
    client.closed(reason);
    const named: LoggedRequest = loggedRequest(requestId);
    nameCaller(named, principal);
    const { tenantId, keyId } = named;
    const { messages } = connection;
    accessLog.liveEnded({
      requestId,
      transport: 'websocket',
      tenantId,
      keyId,
      reason,
      code,
      messages,
      startedAtMs,
    });
  });
  return connection;
}

/** Runs the protocol on a WebSocket that has been opened. */
function createProtocol(deps: WebSocketDeps): (opened: Opened) => Connection {
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

/**
 * Handles the messages of a client in their order. A large one waits its turn to be parsed, like a large body; the client's
 * other messages wait behind it, most of them in the network.
 */
function takeMessages(
  { webSocket, address }: Opened,
  connection: LiveConnection,
  { largeRequests }: Pick<WebSocketDeps, 'largeRequests'>,
  handle: (text: string) => void,
): void {
  const waiting: string[] = [];

  async function handleWaiting(): Promise<void> {
    webSocket.pause();
    try {
      for (let [text] = waiting; text !== undefined && !connection.isEnding; [text] = waiting) {
        const isLarge = largeRequests.isLarge(text);
        const endTurn = isLarge ? await largeRequests.waitForText(clientNetwork(address)) : null;
        if (!connection.isEnding) handle(text);
        endTurn?.();
        await nextTurn();
        waiting.shift();
      }
    } finally {
      webSocket.resume();
    }
  }

  webSocket.on('message', (data) => {
    if (connection.isEnding) return;
    connection.isAlive = true;
    const text = String(data);
    if (waiting.length === 0 && !largeRequests.isLarge(text)) return handle(text);
    waiting.push(text);
    if (waiting.length === 1)
      handleWaiting().catch((error: Error) => connection.end(unavailable(error.message)));
  });
}

const PONG = stringifyMessage({ type: MessageType.Pong });
/** The library's error for a message of a type that only servers send. */
const OF_SERVERS = /^Unexpected message of type /;
const STREAM = parse('subscription { stream }', { noLocation: true });
const SINGLE = parse('{ single }', { noLocation: true });
const NEEDS_KEY = 'An API key is needed: send connectionParams {apiKey} or {authorization}';

/** Starts the operations of WebSockets: each waits its turn like a request, and is logged like one. */
function createStarter(deps: WebSocketDeps) {
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

/** Control frames have little room: the code, and as much of the message as fits. */
function reasonOf({ code, message }: BillingError): string {
  let text = `${code}: ${message}`;
  while (Buffer.byteLength(text) > MAX_REASON_BYTES) text = text.slice(0, -1);
  return text;
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
