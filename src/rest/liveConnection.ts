import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CloseCode } from 'graphql-ws';
import type { WebSocket } from 'ws';
import { type BillingError, serviceUnavailable } from '../common/errors.js';
import { clientNetwork } from '../common/network.js';
import { type LoggedRequest, loggedRequest, nameCaller } from '../directives/loggedRequest.js';
import type { Credential } from '../services/accounts/callers.js';
import type { LiveEnd } from '../services/infrastructure/metrics.js';
import { type Ending, type LiveClient, SLOW_READER } from '../services/realtime/liveClients.js';
import type { AccessLog } from './accessLog.js';
import type { LargeRequests } from './largeRequests.js';
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
const PING_MS = 12_000;
/** A message that the client has not read after this time is the last one. */
const SLOW_MS = 10_000;
/** Time for the close frame to arrive. */
const CLOSE_MS = 1_000;
const MAX_REASON_BYTES = 123;

export const unavailable = (message: string): Ending => ({
  reason: 'unavailable',
  error: serviceUnavailable(message),
});
export interface ConnectionDeps {
  accessLog: AccessLog;
  largeRequests: LargeRequests;
  unreadResponses: UnreadResponses;
}

/** A WebSocket that has been opened, and where it comes from. */
export interface Opened {
  webSocket: WebSocket;
  socket: Socket;
  message: IncomingMessage;
  client: LiveClient;
  requestId: string;
  address: string;
}

/** An open WebSocket. */
export interface Connection {
  end(ending: Ending): void;
}
/** What a WebSocket needs apart from the protocol: backpressure, pings, and its end. */
export interface LiveConnection extends Connection {
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

export function createConnection(opened: Opened, deps: ConnectionDeps): LiveConnection {
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
/**
 * Handles the messages of a client in their order. A large one waits its turn to be parsed, like a large body; the client's
 * other messages wait behind it, most of them in the network.
 */
export function takeMessages(
  { webSocket, address }: Opened,
  connection: LiveConnection,
  { largeRequests }: Pick<ConnectionDeps, 'largeRequests'>,
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
        // Answers to pings have waited too.
        connection.isAlive = true;
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
/** Control frames have little room: the code, and as much of the message as fits. */
function reasonOf({ code, message }: BillingError): string {
  let text = `${code}: ${message}`;
  while (Buffer.byteLength(text) > MAX_REASON_BYTES) text = text.slice(0, -1);
  return text;
}
