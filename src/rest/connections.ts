import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { clientNetwork } from '../common/network.js';
import type { ConnectionConfig } from '../config/config.js';

/** A request, from its headers until its response has been sent or its connection is closed. */
export interface TrackedRequest {
  readonly message: IncomingMessage;
  /** `running` once its body has been read and checked. From then on it may have effects. */
  phase: 'receiving' | 'running';
  /** The response has been handed over for sending. */
  sent: boolean;
  /** The response has been sent, or the client has disconnected. */
  closed: boolean;
  /** The connection is closed after this response. */
  last: boolean;
  /** @param count counts the response as unread, and returns a function that ends that */
  onSent(count: () => () => void): void;
  onClosed(): void;
  /**
   * Calls the function when the response is handed over, or when the client disconnects before the request runs;
   * immediately if that has already happened.
   */
  whenOver(then: () => void): void;
}

export interface Connection {
  readonly open: Set<TrackedRequest>;
  newest: TrackedRequest | null;
  /** A response that closes the connection is being sent, so later requests cannot be answered. */
  closing: boolean;
  /** The turn of the event loop in which its last request began. */
  turn: number;
  /** Requests that begin in the next turns. */
  readonly waiting: (() => void)[];
  /** Invalid HTTP was received. */
  isMalformed: boolean;
  /** Called each time a response has been sent. */
  onAnswered: () => void;
}

/** Takes connections over that become WebSockets. */
export interface Upgrades {
  isWanted(message: IncomingMessage): boolean;
  /** @param head what the client has sent already after its request */
  upgrade(message: IncomingMessage, socket: Socket, head: Buffer): void;
}

export interface Connections {
  /** Until this is called, all requests for an upgrade are served without one. */
  acceptUpgrades(upgrades: Upgrades): void;
  /** One for each address that Fastify listens on. */
  createServer(handler: RequestListener): Server;
  of(socket: Socket): Connection;
  /** Closes all remaining connections. */
  closeAll(): void;
}

const MAX_HEADERS_TIMEOUT_MS = 10_000;
/** Longer than the 60 s of common load balancers, so that the server never closes an idle connection first. */
const KEEP_ALIVE_MS = 72_000;
const TIMEOUT_CHECK_MS = 1_000;
const MAX_HEADER_BYTES = 16_384;
/** Time for a client that is still sending to read its last response. A reset would discard that response. */
const LINGER_MS = 2_000;

const connectionOf = ({ closing }: { closing: boolean }): Connection => ({
  open: new Set(),
  newest: null,
  closing,
  turn: -1,
  waiting: [],
  isMalformed: false,
  onAnswered: () => {},
});

/** Limits the number of connections and the time that they take. */
export function createConnections(deps: {
  bounds: ConnectionConfig;
  /** Whether the address is a trusted proxy, which has many clients behind it. */
  isProxy: (address: string) => boolean;
  log: Logger;
}): Connections {
  const { bounds, isProxy, log } = deps;
  const connections = new Map<Socket, Connection>();
  const perAddress = new Map<string, number>();
  let upgrades: Upgrades | null = null;

  function accept(socket: Socket): void {
    const { remoteAddress = '' } = socket;
    const address = isProxy(remoteAddress) ? null : clientNetwork(remoteAddress);
    const count = address === null ? 0 : (perAddress.get(address) ?? 0);
    // The total is also checked here, because a host name may have several listeners.
    if (count >= bounds.maxPerAddress || connections.size >= bounds.max) {
      log.debug({ address: remoteAddress, count }, 'connection.rejected');
      socket.destroy();
      return;
    }
    if (address !== null) perAddress.set(address, count + 1);
    connections.set(socket, connectionOf({ closing: false }));
    socket.destroySoon = () => linger(socket);
    socket.once('close', () => {
      const connection = connections.get(socket);
      connections.delete(socket);
      if (address !== null) leave(address);
      // Responses that wait behind another one on this connection get no event of their own.
      for (const request of connection?.open ?? []) request.onClosed();
    });
  }

  function leave(address: string): void {
    const left = (perAddress.get(address) ?? 1) - 1;
    if (left === 0) perAddress.delete(address);
    else perAddress.set(address, left);
  }

  /** Node calls this after the last response. */
  function linger(socket: Socket): void {
    socket.end();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once('close', () => clearTimeout(timer));
  }

  /** A request that cannot be answered must not run. */
  function unlessClosing(handler: RequestListener): RequestListener {
    return (request, response) => {
      // The client may send forever, so nothing more is read.
      if (connections.get(request.socket)?.closing !== false) request.socket.pause();
      else handler(request, response);
    };
  }

  /** Closes a connection without traffic, unless it is idle because the server is still working on a request. */
  function cutStalled(socket: Socket): void {
    const isWorking = [...(connections.get(socket)?.open ?? [])].some(
      ({ phase, sent }) => phase === 'running' && !sent,
    );
    if (isWorking && socket.writableLength === 0) return;
    log.debug({ address: socket.remoteAddress }, 'connection.stalled');
    socket.destroy();
  }

  function upgrade(message: IncomingMessage, socket: Socket, head: Buffer): void {
    const connection = connections.get(socket);
    // Earlier requests on the connection would be answered in the middle of a WebSocket.
    if (!upgrades || !connection || connection.closing || connection.open.size > 0) socket.destroy();
    else upgrades.upgrade(message, socket, head);
  }

  return {
    acceptUpgrades(wanted) {
      upgrades = wanted;
    },
    createServer(handler) {
      const server = createServer(
        {
          headersTimeout: Math.min(MAX_HEADERS_TIMEOUT_MS, bounds.requestTimeoutMs),
          requestTimeout: bounds.requestTimeoutMs,
          keepAliveTimeout: KEEP_ALIVE_MS,
          connectionsCheckingInterval: TIMEOUT_CHECK_MS,
          maxHeaderSize: MAX_HEADER_BYTES,
          // A missing header is answered in this server's own error format.
          requireHostHeader: false,
          // A request that offers another upgrade, such as HTTP/2, is served without it.
          shouldUpgradeCallback: (message) => upgrades?.isWanted(message) ?? false,
        },
        unlessClosing(handler),
      );
      // A client that has closed its sending side can still read. By default, Node would close the connection.
      Object.assign(server, { httpAllowHalfOpen: true });
      server.setTimeout(bounds.stallTimeoutMs, cutStalled);
      server.prependListener('connection', accept);
      server.on('upgrade', (message, socket, head) => upgrade(message, socket as Socket, head));
      return server;
    },
    of(socket) {
      // A request on a closed socket is neither answered nor counted.
      return connections.get(socket) ?? connectionOf({ closing: true });
    },
    closeAll() {
      for (const socket of connections.keys()) socket.destroy();
    },
  };
}
