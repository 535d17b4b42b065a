import type { FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Clock } from './common/clock.js';
import type { Config } from './config/config.js';
import { checkAccess } from './directives/access.js';
import { createDocumentBounds } from './directives/documentBounds.js';
import { nameCaller } from './directives/loggedRequest.js';
import { MAX_TOKENS } from './graphql/apolloServer.js';
import type { GraphqlApi } from './graphql/graphqlApi.js';
import { Context, type ReceivedRequest } from './resolvers/context.js';
import { decideOperations, endOperations } from './resolvers/decisions.js';
import { auditExport } from './rest/auditExport.js';
import { billingRoutes } from './rest/billingRoutes.js';
import { brandRoutes } from './rest/brandRoutes.js';
import { clientAddress, createAddressReader } from './rest/clientAddress.js';
import { credentialOf } from './rest/credentials.js';
import { decisionRoutes } from './rest/decisionRoutes.js';
import { createEventStreams } from './rest/eventStreams.js';
import { exportRoute } from './rest/exportRoute.js';
import { mountGraphql } from './rest/graphqlRoute.js';
import { health } from './rest/health.js';
import type { HttpServer } from './rest/httpServer.js';
import { metricsRoute } from './rest/metricsRoute.js';
import { addSchemas, serveOpenApi } from './rest/openApi/document.js';
import { pages } from './rest/pages.js';
import { SANDBOX_POLICY } from './rest/securityHeaders.js';
import { sessionRoutes } from './rest/sessionRoutes.js';
import { tenantRoutes } from './rest/tenantRoutes.js';
import { usageRoutes } from './rest/usageRoutes.js';
import { webhookRoute } from './rest/webhookRoute.js';
import { createWebSockets } from './rest/webSockets.js';
import { createGatewayCheck } from './services/accounts/gatewaySecret.js';
import { OperatorRole, type Principal } from './services/accounts/principal.js';
import { serverMode } from './services/billing/stripe/stripeClient.js';
import type { RunningServices } from './services/createServices.js';
import type { Metrics } from './services/infrastructure/metrics.js';
import type { Tracing } from './services/infrastructure/tracing.js';
import { STOPPING } from './services/realtime/liveClients.js';

/** What routes are made of. */
interface Parts {
  config: Config;
  http: HttpServer;
  services: RunningServices;
  graphql: GraphqlApi;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  tracing: Tracing | null;
}

const credentialReader =
  ({ publicUrl }: Config) =>
  ({ headers, host }: FastifyRequest) =>
    credentialOf({ headers, host, publicUrl });

/**
 * Adds everything but GraphQL.
 * @param parts.registry what /metrics shows on this port; null: nothing
 * @param parts.databaseProblem why the database cannot be used; null if it can
 */
export async function addRoutes(
  parts: Parts & { registry: Registry | null; databaseProblem: () => Promise<string | null> },
): Promise<void> {
  const { config, http, services, graphql, clock, metrics, registry, databaseProblem } = parts;
  const { server, requests, largeRequests } = http;
  const { fields } = graphql;
  const { callers, callerSlots, limits } = services;
  const credential = credentialReader(config);
  async function authenticate(request: FastifyRequest): Promise<Principal | null> {
    const principal = await callers.identify(credential(request), clientAddress(request));
    nameCaller(request.logged, principal);
    return principal;
  }
  const authorize = async (request: FastifyRequest, role: OperatorRole) =>
    checkAccess([{ kind: 'role', role }], await authenticate(request));

  addSchemas(server);
  if (config.openApiDocs) await serveOpenApi(server, config.publicUrl);
  await server.register(
    health({
      instance: services.admission.instance,
      ready: async () => (requests.isDraining() ? 'the server is stopping' : databaseProblem()),
    }),
  );
  if (registry) {
    const reader = async (request: FastifyRequest) => {
      if (config.production) await authorize(request, OperatorRole.READ);
    };
    await server.register(metricsRoute({ registry, authorize: reader }));
  }
  await server.register(
    sessionRoutes({
      sessions: services.sessions,
      publicUrl: config.publicUrl,
      facts: { mode: serverMode(config.stripe), version: config.version },
    }),
  );
  await server.register(pages(services));
  await server.register(brandRoutes(services));
  const routed = { services, largeRequests, fields, authenticate };
  await server.register(billingRoutes(routed));
  await server.register(usageRoutes({ ...routed, limits, clock, maxResponseBytes: config.maxResponseBytes }));
  await server.register(tenantRoutes(routed));
  await server.register(
    decisionRoutes({
      services,
      fields,
      authenticate,
      metrics,
      decide: (operations, principal) => decideOperations(services, operations, principal),
      end: (operations, principal) => endOperations(services, operations, principal),
    }),
  );
  await server.register(auditExport({ services, callerSlots, clock, authenticate }));
  await server.register(webhookRoute(services));
  await server.register(exportRoute(services));
  if (services.mock) {
    // Loaded in mock mode alone, like the mock.
    const { mockRoutes } = await import('./rest/mockRoutes.js');
    await server.register(mockRoutes({ ...services.mock, authorize }));
  }
}

/** Adds GraphQL: over HTTP, as event streams and over WebSockets, and for a gateway. */
export function addGraphql(parts: Parts): void {
  const { config, http, services, graphql, log, tracing } = parts;
  const { server, connections, requests, largeRequests } = http;
  const { liveClients } = services.realtime;
  const { apollo, subgraph, schema, formatError } = graphql;
  const checkDocument = createDocumentBounds(MAX_TOKENS);
  const credential = credentialReader(config);
  const received = (request: FastifyRequest): ReceivedRequest => ({
    logged: request.logged,
    credential: credential(request),
    address: clientAddress(request),
    maxResponseBytes: config.maxResponseBytes,
    documentRead: request.documentRead,
    whenOver: request.tracked.whenOver,
  });
  const live = {
    ...http,
    liveClients,
    callers: services.callers,
    formatError,
    operations: graphql.live,
    checkDocument,
  };
  const sendEvents = createEventStreams({ ...live, stallTimeoutMs: config.connections.stallTimeoutMs });
  connections.acceptUpgrades(
    createWebSockets({
      ...config,
      ...live,
      tracing,
      log,
      schema,
      addressOf: createAddressReader(config.trustedProxies),
      isRejecting: requests.isRejecting,
    }),
  );
  requests.alsoDrain({
    end: () => liveClients.endAll(STOPPING),
    isOver: () => Object.values(liveClients.counts()).every((count) => count === 0),
  });

  const mounted = {
    tracing,
    largeRequests,
    checkDocument,
    context: async (request: FastifyRequest) => new Context(services, received(request)),
  };
  mountGraphql(server, {
    ...mounted,
    url: '/graphql',
    method: ['POST'],
    apollo,
    events: (request, reply) => sendEvents(request, reply, received(request)),
  });
  mountGraphql(server, {
    ...mounted,
    url: '/graphql',
    method: ['GET'],
    apollo,
    before(_request, reply) {
      if (config.sandbox) reply.header('content-security-policy', SANDBOX_POLICY);
    },
  });
  if (subgraph) {
    const checkGateway = createGatewayCheck(config.subgraph.gatewaySecrets, services.guesses);
    mountGraphql(server, {
      ...mounted,
      url: '/subgraph',
      method: ['POST'],
      apollo: subgraph,
      before: (request) => checkGateway(request.headers, clientAddress(request)),
    });
  }
}
