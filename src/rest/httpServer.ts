import type { AddressInfo } from 'node:net';
import cors from '@fastify/cors';
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { loggedRequest } from '../directives/loggedRequest.js';
import type { Metrics } from '../services/infrastructure/metrics.js';
import type { Tracing } from '../services/infrastructure/tracing.js';
import { type AccessLog, createAccessLog, traceRequests } from './accessLog.js';
import { clientOf, createProxyCheck, trustProxy } from './clientAddress.js';
import { type Connections, createConnections } from './connections.js';
import { createErrorHandler, createNotFoundHandler } from './errorHandler.js';
import { takeJson } from './jsonBody.js';
import { boundLargeRequests, type LargeRequests } from './largeRequests.js';
import { answerMalformed, checkHeaders } from './malformedRequests.js';
import { REQUEST_ID_HEADER, requestIdOf } from './requestIds.js';
import { type Requests, trackRequests } from './requests.js';
import { securityHeaders } from './securityHeaders.js';
import { createUnreadResponses, type UnreadResponses } from './unreadResponses.js';

/**
 * The HTTP server without its routes. Connections and bodies are already bounded, security headers are set, and errors have
 * the API's format.
 */
export interface HttpServer {
  server: FastifyInstance;
  connections: Connections;
  requests: Requests;
  largeRequests: LargeRequests;
  unreadResponses: UnreadResponses;
  accessLog: AccessLog;
  /** Of every response. */
  headers: Readonly<Record<string, string>>;
}

/** The body of a memory of 1 MB, and what GraphQL writes around it. */
const MAX_BODY_BYTES = 1_048_576 + 4_096;

const MAX_PARAMETER_LENGTH = 300;

const EXPOSED_HEADERS = [
  'Retry-After',
  'X-Request-Id',
  'X-RateLimit-Limit-Day',
  'X-RateLimit-Limit-Minute',
  'X-RateLimit-Remaining-Day',
  'X-RateLimit-Remaining-Minute',
  'X-RateLimit-Reset',
  'X-Tier',
  'X-Request-Duration-Ms',
  'RateLimit-Policy',
  'RateLimit',
];

/** Where a server listens, e.g. `http://127.0.0.1:4000`. @param host as it was configured */
export function urlOf({ server }: FastifyInstance, host: string): string {
  const { port } = server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export async function createHttpServer(
  config: Config,
  log: Logger,
  metrics: Metrics,
  tracing: Tracing | null,
): Promise<HttpServer> {
  const security = securityHeaders({ https: config.publicUrl?.startsWith('https:') ?? false });
  const accessLog = createAccessLog({ log, metrics, sample: config.accessLogSample });
  const handleError = createErrorHandler(log);
  const connections = createConnections({
    bounds: config.connections,
    isProxy: createProxyCheck(config.trustedProxies),
    log,
  });
  const server: FastifyInstance = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    // The token of an export is longer than Fastify expects of a parameter.
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    trustProxy: trustProxy(config.trustedProxies),
    genReqId: requestIdOf,
    // One logger for all requests: a child for each would cost more than parsing its query.
    childLoggerFactory: (logger) => logger,
    serverFactory: (handler) => {
      const httpServer = connections.createServer(handler);
      answerMalformed(httpServer, { connections, headers: security, accessLog });
      return httpServer;
    },
    // Fastify would set it on only one of several servers.
    clientErrorHandler: () => undefined,
    // Our own hook rejects requests while the server stops, in the error format of their path.
    return503OnClosing: false,
    // An error before routing is answered and logged as every other error is. No hook has run for the request.
    frameworkErrors: (error, request, reply) => {
      request.logged = loggedRequest(request.id);
      handleError(error, request, reply.headers(security).header(REQUEST_ID_HEADER, request.id));
      accessLog.answered(request, reply, reply.statusCode);
    },
    // Ajv would reject the draft 7 keywords of OpenAPI.
    ajv: { customOptions: { strict: false, removeAdditional: false, coerceTypes: false } },
  });
  server.addHook('onRequest', (request, reply, done) => {
    reply.headers(security).header(REQUEST_ID_HEADER, request.id);
    done();
  });
  traceRequests(server, tracing);
  const unreadResponses = createUnreadResponses({
    maxBytes: config.connections.maxUnreadBytes,
    log,
  });
  const requests = trackRequests(server, { connections, unreadResponses, accessLog, log });
  const largeRequests = boundLargeRequests(server, { maxBodyBytes: MAX_BODY_BYTES, clientOf });
  takeJson(server, largeRequests, 'error');
  // JSON is the only type, except on routes that add another.
  server.removeContentTypeParser('text/plain');
  server.setErrorHandler(handleError);
  server.setNotFoundHandler(createNotFoundHandler(server));
  server.addHook('onRequest', ({ raw }, _reply, done) => {
    checkHeaders(raw);
    done();
  });
  if (config.corsOrigins.length > 0) {
    await server.register(cors, {
      origin: config.corsOrigins.includes('*') ? '*' : config.corsOrigins,
      exposedHeaders: EXPOSED_HEADERS,
      maxAge: 600,
      // Its error would be plain text.
      strictPreflight: false,
    });
  }
  return { server, connections, requests, largeRequests, unreadResponses, accessLog, headers: security };
}
