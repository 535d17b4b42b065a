import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type BillingError, serviceUnavailable } from '../common/errors.js';
import { type LoggedRequest, loggedRequest } from '../directives/loggedRequest.js';
import type { AccessLog } from './accessLog.js';
import { clientOf } from './clientAddress.js';
import type { Connection, Connections, TrackedRequest } from './connections.js';
import type { UnreadResponses } from './unreadResponses.js';

declare module 'fastify' {
  interface FastifyRequest {
    tracked: TrackedRequest;
  }
}

/** Tracks every request until it is answered, so that the server can stop without leaving one unanswered. */
export interface Requests {
  isDraining(): boolean;
  /** Whether new requests are rejected. */
  isRejecting(): boolean;
  /**
   * During the notice period, requests are served as usual, and each response closes its connection. After that, new
   * requests are rejected before they run, and running ones are awaited.
   * @param maxMs the maximum wait for running requests. One that takes longer loses its connection, and its client repeats it
   */
  drain(noticeMs: number, maxMs: number): Promise<void>;
  /** Adds something that lasts longer than a request, and is ended when new requests are rejected. */
  alsoDrain(lasting: Lasting): void;
}

export interface Lasting {
  end(): void;
  isOver(): boolean;
}

/** Time for responses that are still being sent, and for bodies of rejected requests that are still arriving. */
const MAX_LINGER_MS = 3_000;
const POLL_MS = 10;
/** What proxies log as the status if a client disconnects before its request runs. */
const DISCONNECTED = 499;
/** Unanswered requests on one connection. Few clients pipeline at all, and those wait for responses. */
const MAX_PIPELINED = 100;

/** Adds hooks to the app. They run before those of all routes that are added later. */
export function trackRequests(
  app: FastifyInstance,
  deps: { connections: Connections; unreadResponses: UnreadResponses; accessLog: AccessLog; log: Logger },
): Requests {
  const { connections, unreadResponses, accessLog, log } = deps;
  /** Requests stay here until they are answered, even if their clients have disconnected, because they may be writing. */
  const open = new Set<TrackedRequest>();
  let state: 'serving' | 'notice' | 'rejecting' = 'serving';
  const lasting: Lasting[] = [];

  function track(message: IncomingMessage, connection: Connection): TrackedRequest {
    let waiting: (() => void)[] = [];
    let endUnread = () => {};
    const isOver = () => tracked.sent || (tracked.closed && tracked.phase === 'receiving');

    function advance(): void {
      if (!isOver()) return;
      for (const then of waiting) then();
      waiting = [];
      if (tracked.closed) open.delete(tracked);
    }

    const tracked: TrackedRequest = {
      message,
      phase: 'receiving',
      sent: false,
      closed: false,
      last: false,
      onSent(count) {
        tracked.sent = true;
        advance();
        if (!tracked.closed) endUnread = count();
      },
      onClosed() {
        tracked.closed = true;
        endUnread();
        advance();
        connection.open.delete(tracked);
        connection.onAnswered();
      },
      whenOver(then) {
        if (isOver()) then();
        else waiting.push(then);
      },
    };
    open.add(tracked);
    connection.open.add(tracked);
    connection.newest = tracked;
    return tracked;
  }

  const isRejected = (request: FastifyRequest) =>
    state === 'rejecting' && !request.routeOptions.url?.startsWith('/health/');

  // Fastify requires the properties from the start; the first hook sets them before they are read.
  app.decorateRequest('tracked', null as unknown as TrackedRequest);
  app.decorateRequest('logged', null as unknown as LoggedRequest);

  app.addHook('onRequest', (request, reply, done) => {
    const connection = connections.of(request.raw.socket);
    const tracked = track(request.raw, connection);
    request.tracked = tracked;
    request.logged = loggedRequest(request.id, request.trace?.traceId);
    tracked.whenOver(() =>
      accessLog.answered(request, reply, tracked.sent ? reply.statusCode : DISCONNECTED),
    );
    reply.raw.once('close', tracked.onClosed);
    const error = isRejected(request)
      ? stopping()
      : connection.open.size > MAX_PIPELINED
        ? serviceUnavailable(`More than ${MAX_PIPELINED} requests wait for answers on this connection`)
        : null;
    if (!error) return inTurn(connection, done);
    tracked.last = true;
    connection.closing = true;
    afterBody(request, () => done(error));
  });

  app.addHook('preHandler', (request, reply, done) => {
    if (isRejected(request)) return done(stopping());
    // The client has disconnected, so the request must not have effects.
    if (request.tracked.closed) {
      reply.hijack();
      return;
    }
    request.tracked.phase = 'running';
    done();
  });

  app.addHook('onSend', (request, reply, payload, done) => {
    const { tracked } = request;
    const connection = connections.of(request.raw.socket);
    // The newest of several requests on a connection closes it, after the earlier ones have been answered.
    if (tracked.last || (state !== 'serving' && connection.newest === tracked))
      reply.header('connection', 'close');
    if (reply.getHeader('connection') === 'close') connection.closing = true;
    const receiver = { socket: request.raw.socket, client: () => clientOf(request) };
    tracked.onSent(() => unreadResponses.add(receiver, bytesOf(payload)));
    done();
  });

  const unanswered = () => [...open].filter(({ phase, sent }) => phase === 'running' && !sent).length;

  async function waitUntil(isDone: () => boolean, maxMs: number): Promise<void> {
    const startedAt = performance.now();
    while (!isDone() && performance.now() - startedAt < maxMs) await sleep(POLL_MS);
  }

  return {
    isDraining: () => state !== 'serving',
    isRejecting: () => state === 'rejecting',
    alsoDrain(other) {
      lasting.push(other);
    },
    async drain(noticeMs, maxMs) {
      state = 'notice';
      await sleep(noticeMs);
      state = 'rejecting';
      for (const { end } of lasting) end();
      await waitUntil(() => unanswered() === 0, maxMs);
      await waitUntil(() => open.size === 0 && lasting.every(({ isOver }) => isOver()), MAX_LINGER_MS);
      const cut = unanswered();
      if (cut > 0) log.warn({ requests: cut }, 'server.drain_cut');
    },
  };
}

let turn = 0;
let isTurnEnding = false;

/**
 * Starts at most one request of a connection in each turn of the event loop. Otherwise a client that pipelines thousands
 * would have all of them answered before anyone else.
 */
function inTurn(connection: Connection, begin: () => void): void {
  const { waiting } = connection;
  if (waiting.length > 0 || connection.turn === turn) {
    if (waiting.push(begin) === 1) setImmediate(beginNext, connection);
    return;
  }
  connection.turn = turn;
  if (!isTurnEnding) setImmediate(endTurn);
  isTurnEnding = true;
  begin();
}

function endTurn(): void {
  isTurnEnding = false;
  turn++;
}

function beginNext(connection: Connection): void {
  const { waiting } = connection;
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(beginNext, connection);
}

/** A stream counts as 0 bytes, because it only produces what its client reads. */
const bytesOf = (payload: unknown): number =>
  typeof payload === 'string' || Buffer.isBuffer(payload) ? Buffer.byteLength(payload) : 0;

const stopping = (): BillingError => serviceUnavailable('The server is stopping; try again shortly');

/** A client that sends more than this has its connection closed, and may not see why. */
const MAX_DISCARDED_BYTES = 64 * 1_048_576;

/** Reads and discards the rest of a body. Otherwise a client that is still sending would see a reset, not the response. */
export function afterBody({ raw }: FastifyRequest, then: () => void): void {
  let bytes = 0;
  function end(): void {
    raw.off('data', count).off('end', end).off('close', end);
    then();
  }
  function count(chunk: Buffer): void {
    bytes += chunk.length;
    if (bytes > MAX_DISCARDED_BYTES) end();
  }
  raw.on('data', count).on('end', end).on('close', end);
  if (raw.readableEnded || raw.destroyed) end();
  else raw.resume();
}
