import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type BillingError, serviceUnavailable } from '../errors.js';
import type { Connections, TrackedRequest } from './connections.js';

declare module 'fastify' {
  interface FastifyRequest {
    tracked: TrackedRequest;
  }
}

/** Follows every request until it is answered, so that the server can stop without leaving one unanswered. */
export interface Requests {
  isDraining(): boolean;
  /**
   * For the notice requests are served as ever, and each answer closes its connection. Then new requests are rejected
   * before they run, and those that run are waited for.
   */
  drain(noticeMs: number): Promise<void>;
}

/** For what runs. A request that is stuck for longer is cut: its client repeats it, as after a lost connection. */
const MAX_DRAIN_MS = 12_000;
/** For answers that are still leaving, and for bodies that are still arriving to be rejected. */
const MAX_LINGER_MS = 3_000;
const POLL_MS = 10;
/** Unanswered requests of one connection. Clients do not pipeline; the few that do wait for answers. */
const MAX_PIPELINED = 100;

/** Adds its hooks, which come before those of all routes that are added later. */
export function trackRequests(
  app: FastifyInstance,
  { connections, log }: { connections: Connections; log: Logger },
): Requests {
  const open = new Set<TrackedRequest>();
  let state: 'serving' | 'notice' | 'rejecting' = 'serving';

  /** Kept until it is answered also when its client has gone: it may be writing. */
  function endIfDone(tracked: TrackedRequest): void {
    if (tracked.closed && (tracked.sent || tracked.phase === 'receiving')) open.delete(tracked);
  }

  const isRejected = (request: FastifyRequest) =>
    state === 'rejecting' && !request.routeOptions.url?.startsWith('/health/');

  app.decorateRequest('tracked', null as unknown as TrackedRequest);

  app.addHook('onRequest', (request, reply, done) => {
    const connection = connections.of(request.raw.socket);
    if (connection.closing) {
      reply.hijack();
      return;
    }
    const tracked: TrackedRequest = {
      phase: 'receiving',
      sent: false,
      closed: false,
      last: false,
      onClosed() {
        tracked.closed = true;
        connection.open.delete(tracked);
        endIfDone(tracked);
      },
    };
    request.tracked = tracked;
    open.add(tracked);
    connection.open.add(tracked);
    connection.newest = tracked;
    reply.raw.once('close', tracked.onClosed);
    const error = isRejected(request)
      ? stopping()
      : connection.open.size > MAX_PIPELINED
        ? serviceUnavailable(`More than ${MAX_PIPELINED} requests wait for answers on this connection`)
        : null;
    if (!error) return done();
    tracked.last = true;
    connection.closing = true;
    afterBody(request, () => done(error));
  });

  app.addHook('preHandler', (request, _reply, done) => {
    if (isRejected(request)) return done(stopping());
    request.tracked.phase = 'running';
    done();
  });

  app.addHook('onSend', (request, reply, _payload, done) => {
    const { tracked } = request;
    const connection = connections.of(request.raw.socket);
    tracked.sent = true;
    // Of several requests on a connection the newest one closes it: those before it are answered first.
    if (tracked.last || (state !== 'serving' && connection.newest === tracked))
      reply.header('connection', 'close');
    if (reply.getHeader('connection') === 'close') connection.closing = true;
    endIfDone(tracked);
    done();
  });

  const unanswered = () => [...open].filter(({ phase, sent }) => phase === 'running' && !sent).length;

  async function waitUntil(isDone: () => boolean, maxMs: number): Promise<void> {
    const startedAt = performance.now();
    while (!isDone() && performance.now() - startedAt < maxMs) await sleep(POLL_MS);
  }

  return {
    isDraining: () => state !== 'serving',
    async drain(noticeMs) {
      state = 'notice';
      await sleep(noticeMs);
      state = 'rejecting';
      await waitUntil(() => unanswered() === 0, MAX_DRAIN_MS);
      await waitUntil(() => open.size === 0, MAX_LINGER_MS);
      const cut = unanswered();
      if (cut > 0) log.warn({ event: 'server.drain_cut', requests: cut }, 'server.drain_cut');
    },
  };
}

const stopping = (): BillingError => serviceUnavailable('The server is stopping; try again shortly');

/** A client that still sends would see its connection reset, and not the answer. */
function afterBody({ raw }: FastifyRequest, then: () => void): void {
  raw.once('end', then);
  raw.resume();
}
