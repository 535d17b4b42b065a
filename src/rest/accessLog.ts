import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { LoggedRequest } from '../directives/loggedRequest.js';
import type { LiveEnd, Metrics } from '../services/infrastructure/metrics.js';
import type { TracedRequest, Tracing } from '../services/infrastructure/tracing.js';

declare module 'fastify' {
  interface FastifyRequest {
    logged: LoggedRequest;
    /** null: nothing is traced. */
    trace: TracedRequest | null;
  }
}

/** One line for each request. */
export interface AccessLog {
  answered(request: FastifyRequest, reply: FastifyReply, status: number): void;
  /** A request was answered that Node rejected before the app could see it. */
  malformed(requestId: string, status: number): void;
  /** A WebSocket was opened, or its request was rejected. */
  upgraded(requestId: string, status: number): void;
  /** An operation over a WebSocket was answered for the first time. */
  operated(logged: LoggedRequest, startedAtMs: number): void;
  /** A connection for live updates has ended. */
  liveEnded(ended: EndedConnection): void;
}

export interface EndedConnection {
  requestId: string;
  transport: 'websocket' | 'sse';
  tenantId: string | undefined;
  keyId: string | undefined;
  reason: LiveEnd;
  /** The close code of a WebSocket. */
  code?: number;
  messages: number;
  startedAtMs: number;
}

/**
 * Counts and logs requests.
 * @param deps.sample the share of requests that are logged, 0 to 1; those that failed with a 5xx always are
 */
export function createAccessLog(deps: { log: Logger; metrics: Metrics; sample: number }): AccessLog {
  const { metrics, sample } = deps;
  // These lines have no field that could hold a secret, and redaction would cost more than all the rest of a line.
  const log = deps.log.child({}, { redact: [] });
  const isLogged = (status: number) => status >= 500 || Math.random() < sample;

  return {
    answered(request, reply, status) {
      const { url: route, logLevel } = request.routeOptions;
      metrics.httpAnswered(route, status);
      request.trace?.end({ method: request.method, route, status, tenantId: request.logged.tenantId });
      if (!isLogged(status)) return;
      // Probes arrive every few seconds and say nothing, unless they fail.
      const level = logLevel === 'debug' && status < 500 ? 'debug' : 'info';
      if (!log.isLevelEnabled(level)) return;
      const ms = Math.round(reply.elapsedTime * 100) / 100;
      log[level]({ method: request.method, route, ...request.logged, status, ms }, 'request.answered');
    },
    malformed(requestId, status) {
      if (isLogged(status)) log.info({ requestId, status }, 'request.malformed');
    },
    upgraded(requestId, status) {
      metrics.httpAnswered(GRAPHQL, status);
      if (isLogged(status))
        log.info({ method: 'GET', route: GRAPHQL, requestId, status }, 'request.answered');
    },
    operated(logged, startedAtMs) {
      if (isLogged(101)) log.info({ ...logged, ms: msSince(startedAtMs) }, 'operation.answered');
    },
    liveEnded({ startedAtMs, ...ended }) {
      if (isLogged(101)) log.info({ ...ended, ms: msSince(startedAtMs) }, 'live.ended');
    },
  };
}

const GRAPHQL = '/graphql';

const msSince = (startedAtMs: number): number => Math.round((performance.now() - startedAtMs) * 100) / 100;

/** Starts the trace of each request. The hooks run before those that are added later. */
export function traceRequests(server: FastifyInstance, tracing: Tracing | null): void {
  server.decorateRequest('trace', null);
  if (!tracing) return;
  server.addHook('onRequest', (request, _reply, done) => {
    request.trace = tracing.startRequest(request.headers);
    request.trace.run(done);
  });
  // The body arrives in events of the connection, which do not belong to the request.
  server.addHook('preHandler', (request, _reply, done) => request.trace?.run(done));
}
