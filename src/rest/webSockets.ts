import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { GRAPHQL_TRANSPORT_WS_PROTOCOL, handleProtocols } from 'graphql-ws';
import { WebSocketServer } from 'ws';
import { type BillingError, badInput, serviceUnavailable } from '../common/errors.js';
import type { LiveClient, LiveClients } from '../services/realtime/liveClients.js';
import type { Upgrades } from './connections.js';
import {
  createProtocol,
  MAX_PAYLOAD_BYTES,
  PATH,
  type ProtocolDeps,
  SWITCHING_PROTOCOLS,
} from './graphqlOverWs.js';
import type { Connection } from './liveConnection.js';
import { checkHeaders } from './malformedRequests.js';
import { REQUEST_ID_HEADER, requestIdOf } from './requestIds.js';

/** Frames of one message. Clients send one. */
const MAX_FRAGMENTS = 64;
/** Pieces in which the network brings what has not been handled yet. */
const MAX_BUFFERED_CHUNKS = 2_048;

interface WebSocketDeps extends ProtocolDeps {
  liveClients: LiveClients;
  addressOf: (message: IncomingMessage) => string;
  /** Of every response. */
  headers: Readonly<Record<string, string>>;
  isRejecting: () => boolean;
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
