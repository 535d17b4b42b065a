import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { clientNetwork } from '../common/network.js';
import type { ConnectionConfig } from '../config/config.js';

/** A request from its headers until its answer has left or its connection is gone. */
export interface TrackedRequest {
  readonly message: IncomingMessage;
  /** `running` from the moment its body is read and checked: from then on it may have effects. */
  phase: 'receiving' | 'running';
  /** The answer is handed over to be sent. */
  sent: boolean;
  /** The answer has left, or nobody is there to read it. */
  closed: boolean;
  /** The connection is closed after this answer. */
  last: boolean;
  /** @param count counts it as unread, and returns what ends that */
  onSent(count: () => () => void): void;
  onClosed(): void;
  /** Calls it when the answer is handed over, or the client has gone before the request ran; at once, if it has happened. */
  whenOver(then: () => void): void;
}

export interface Connection {
  readonly open: Set<TrackedRequest>;
  newest: TrackedRequest | null;
  /** An answer that closes it is on its way: what arrives later cannot be answered. */
  closing: boolean;
  /** The turn of the event loop in which its last request began. */
  turn: number;
  /** Requests that begin in the next turns. */
  readonly waiting: (() => void)[];
  /** Something that is no HTTP has arrived. */
  isMalformed: boolean;
  /** For what comes after the answers that are owed: it is called each time one has left. */
  onAnswered: () => void;
}

export interface Connections {
  /** One for each address that Fastify listens on. */
  createServer(handler: RequestListener): Server;
  of(socket: Socket): Connection;
  /** Cuts all that is left. */
  closeAll(): void;
}

const MAX_HEADERS_TIMEOUT_MS = 10_000;
/** More than the 60 s after which common load balancers drop an idle connection: we are never the first. */
const KEEP_ALIVE_MS = 72_000;
const TIMEOUT_CHECK_MS = 1_000;
const MAX_HEADER_BYTES = 16_384;
/** For a client to read the last answer of its connection while it still sends: a reset would take the answer from it. */
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

/** Bounds connections in number and in time. */
export function createConnections(deps: {
  bounds: ConnectionConfig;
  /** Whether an address is a proxy's, behind which there are many clients. */
  isProxy: (address: string) => boolean;
  log: Logger;
}): Connections {
  const { bounds, isProxy, log } = deps;
  const connections = new Map<Socket, Connection>();
  const perAddress = new Map<string, number>();

  function accept(socket: Socket): void {
    const { remoteAddress = '' } = socket;
    const address = isProxy(remoteAddress) ? null : clientNetwork(remoteAddress);
    const count = address === null ? 0 : (perAddress.get(address) ?? 0);
    // The bound in all is here too, because a host name may have several listeners.
    if (count >= bounds.maxPerAddress || connections.size >= bounds.max) {
      log.debug({ event: 'connection.rejected', address: remoteAddress, count }, 'connection.rejected');
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
      // Answers that waited behind another one on this connection get no event of their own.
      for (const request of connection?.open ?? []) request.onClosed();
    });
  }

  function leave(address: string): void {
    const left = (perAddress.get(address) ?? 1) - 1;
    if (left === 0) perAddress.delete(address);
    else perAddress.set(address, left);
  }

  /** What Node calls after the last answer. */
  function linger(socket: Socket): void {
    socket.end();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once('close', () => clearTimeout(timer));
  }

  /** What cannot be answered must not run. */
  function unlessClosing(handler: RequestListener): RequestListener {
    return (request, response) => {
      // A client may go on for ever: no more is read of it.
      if (connections.get(request.socket)?.closing !== false) request.socket.pause();
      else handler(request, response);
    };
  }

  /** Nothing was sent or read for a while: that is the client's doing unless a request runs and has no answer yet. */
  function cutStalled(socket: Socket): void {
    const isWorking = [...(connections.get(socket)?.open ?? [])].some(
      ({ phase, sent }) => phase === 'running' && !sent,
    );
    if (isWorking && socket.writableLength === 0) return;
    log.debug({ event: 'connection.stalled', address: socket.remoteAddress }, 'connection.stalled');
    socket.destroy();
  }

  return {
    createServer(handler) {
      const server = createServer(
        {
          headersTimeout: Math.min(MAX_HEADERS_TIMEOUT_MS, bounds.requestTimeoutMs),
          requestTimeout: bounds.requestTimeoutMs,
          keepAliveTimeout: KEEP_ALIVE_MS,
          connectionsCheckingInterval: TIMEOUT_CHECK_MS,
          maxHeaderSize: MAX_HEADER_BYTES,
          // A missing one is answered in our own shape.
          requireHostHeader: false,
          // We speak HTTP/1.1 alone. A request that offers another protocol is served as if it did not.
          shouldUpgradeCallback: () => false,
        },
        unlessClosing(handler),
      );
      // A client that has sent all that it will send still reads; Node would run its request and close.
      Object.assign(server, { httpAllowHalfOpen: true });
      server.setTimeout(bounds.stallTimeoutMs, cutStalled);
      server.prependListener('connection', accept);
      return server;
    },
    of(socket) {
      // A request of a socket that is gone already is not answered, and not counted.
      return connections.get(socket) ?? connectionOf({ closing: true });
    },
    closeAll() {
      for (const socket of connections.keys()) socket.destroy();
    },
  };
}
