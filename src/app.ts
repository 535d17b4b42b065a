import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import { ApolloServerPluginLandingPageLocalDefault } from '@apollo/server/plugin/landingPage/default';
import { readRules, readWorkWeights } from '@continuum-billing/limits/core';
import type { FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type AgreedClock, startAgreedClock } from './common/agreedClock.js';
import type { Clock } from './common/clock.js';
import type { Config } from './config/config.js';
import { connectDatabase, databaseProblem } from './database.js';
import { checkDatabaseIdentity } from './databaseIdentity.js';
import { checkAccess } from './directives/access.js';
import { createDocumentBounds } from './directives/documentBounds.js';
import { enforcementPlugin } from './directives/enforcementPlugin.js';
import { completeQueriesInSlices } from './directives/largeResults.js';
import { createLiveOperations } from './directives/liveOperations.js';
import { createErrorLog, nameCaller } from './directives/loggedRequest.js';
import { boundResponses } from './directives/responseBounds.js';
import { createRoutedFields } from './directives/routedFields.js';
import { createWorkBounds } from './directives/workBounds.js';
import { createApollo, createErrorFormat, MAX_TOKENS } from './graphql/apolloServer.js';
import { migrate } from './migrations/migrations.js';
import { createCollections, createModels, type Models } from './models/models.js';
import { Context, type ReceivedRequest } from './resolvers/context.js';
import { decideOperations, endOperations } from './resolvers/decisions.js';
import { entitiesOf } from './resolvers/entities.js';
import { resolvers } from './resolvers/resolvers.js';
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
import { createHttpServer, urlOf } from './rest/httpServer.js';
import { metricsRoute, startMetricsServer } from './rest/metricsRoute.js';
import { addSchemas, serveOpenApi } from './rest/openApi/document.js';
import { pages } from './rest/pages.js';
import { SANDBOX_POLICY } from './rest/securityHeaders.js';
import { sessionRoutes } from './rest/sessionRoutes.js';
import { tenantRoutes } from './rest/tenantRoutes.js';
import { usageRoutes } from './rest/usageRoutes.js';
import { webhookRoute } from './rest/webhookRoute.js';
import { createWebSockets } from './rest/webSockets.js';
import { createArgumentValidation } from './schema/argumentValidation.js';
import { buildSchema } from './schema/buildSchema.js';
import { buildSubgraph } from './schema/subgraph.js';
import { createGatewayCheck } from './services/accounts/gatewaySecret.js';
import { OperatorRole } from './services/accounts/principal.js';
import { serverMode } from './services/billing/stripe/stripeClient.js';
import { createServices, type RunningServices } from './services/createServices.js';
import { addGauges } from './services/gauges.js';
import { noMetrics } from './services/infrastructure/metrics.js';
import { createMongodbMetrics } from './services/infrastructure/mongodbMetrics.js';
import { createServerMetrics } from './services/infrastructure/prometheus.js';
import { createTracing } from './services/infrastructure/tracing.js';
import { STOPPING } from './services/realtime/liveClients.js';

const METRICS_ACCESS = { kind: 'role', role: OperatorRole.READ } as const;

/** A server that is listening. */
export interface App {
  readonly services: RunningServices;
  readonly models: Models;
  /** Where it listens, e.g. `http://127.0.0.1:4000`. */
  readonly url: string;
  /** Where Prometheus reads; null if nothing is measured. */
  readonly metricsUrl: string | null;
  stop(): Promise<void>;
}

/**
 * The composition root: connects, wires services, GraphQL and REST, and listens.
 * @param deps.clock for tests; by default the database's time, which all instances share
 */
export async function startApp(
  config: Config & { mongodbUri: string },
  deps: { log: Logger; clock?: Clock },
): Promise<App> {
  const { log } = deps;
  const measured =
    config.metrics && createServerMetrics({ version: config.version, mode: config.stripe.mode });
  const tracing = config.tracing && (await createTracing(config.tracing));
  const metrics = tracing ? tracing.measured(measured ?? noMetrics) : (measured ?? noMetrics);
  const measurePool = measured && createMongodbMetrics(measured.registry);
  const connection = await connectDatabase(config.mongodbUri, log, {
    monitorCommands: tracing !== null,
    watch(client) {
      measurePool?.(client);
      tracing?.watchDatabase(client);
    },
  });
  await checkDatabaseIdentity({ connection, stripe: config.stripe, log });
  const agreedClock = deps.clock ? null : await startAgreedClock(connection, log);
  const clock = deps.clock ?? (agreedClock as AgreedClock);
  const models = createModels(connection);
  await migrate({ models, clock, log });
  await createCollections(models);

  let url = '';
  const services = await createServices({
    config,
    models,
    clock,
    log,
    metrics,
    ownUrl: () => url || undefined,
    publicUrl: () => config.publicUrl ?? url.replace('0.0.0.0', 'localhost'),
  });
  if (measured) addGauges(measured.registry, services);

  // GraphQL: one schema at /graphql, and with prefixed types at /subgraph, for a gateway.
  const { sandbox, introspection, maxOperationCost } = config;
  const schema = buildSchema([...resolvers], config);
  boundResponses(schema);
  completeQueriesInSlices(schema);
  const rules = readRules(schema);
  const costs = readWorkWeights(schema);
  const { callers, callerSlots, idempotencyKeys, limits } = services;
  const errorLog = createErrorLog(log);
  const enforcement = {
    limits,
    callers,
    idempotencyKeys,
    validateArguments: createArgumentValidation(),
    work: createWorkBounds(maxOperationCost),
    callerSlots,
    clock,
    log,
    errorLog,
    metrics,
  };
  const apollo = createApollo({
    schema,
    introspection,
    log,
    errorLog,
    plugins: [
      sandbox
        ? ApolloServerPluginLandingPageLocalDefault({ embed: true })
        : ApolloServerPluginLandingPageDisabled(),
      enforcementPlugin({ schema, rules, costs, ...enforcement }),
    ],
  });
  const { gatewaySecrets } = config.subgraph;
  const subgraph =
    gatewaySecrets.length === 0 ? null : buildSubgraph(schema, rules, entitiesOf(config), config.subgraph);
  const subgraphApollo =
    subgraph &&
    createApollo({
      schema: subgraph.schema,
      introspection,
      log,
      errorLog,
      plugins: [
        ApolloServerPluginLandingPageDisabled(),
        enforcementPlugin({ ...subgraph, ...enforcement, statusInBody: true }),
      ],
    });
  await apollo.start();
  await subgraphApollo?.start();

  // HTTP: hooks first, because they run for the routes that are added after them.
  const http = await createHttpServer(config, log, metrics, tracing);
  const { server, connections, requests, largeRequests } = http;
  const credential = ({ headers, host }: FastifyRequest) =>
    credentialOf({ headers, host, publicUrl: config.publicUrl });
  const authenticate = async (request: FastifyRequest) => {
    const principal = await callers.identify(credential(request), clientAddress(request));
    nameCaller(request.logged, principal);
    return principal;
  };
  addSchemas(server);
  if (config.openApiDocs) await serveOpenApi(server, config.publicUrl);
  await server.register(
    health({
      instance: services.admission.instance,
      ready: async () => (requests.isDraining() ? 'the server is stopping' : databaseProblem(connection)),
    }),
  );
  const metricsPort = config.metrics?.port ?? null;
  if (measured && metricsPort === null) {
    const authorize = async (request: FastifyRequest) => {
      if (config.production) checkAccess([METRICS_ACCESS], await authenticate(request));
    };
    await server.register(metricsRoute({ registry: measured.registry, authorize }));
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
  const fields = createRoutedFields({ schema, rules, costs, ...enforcement });
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
    const authorize = async (request: FastifyRequest, role: OperatorRole) =>
      checkAccess([{ kind: 'role', role }], await authenticate(request));
    // Loaded in mock mode alone, like the mock.
    const { mockRoutes } = await import('./rest/mockRoutes.js');
    await server.register(mockRoutes({ ...services.mock, authorize }));
  }
  const received = (request: FastifyRequest): ReceivedRequest => ({
    logged: request.logged,
    credential: credential(request),
    address: clientAddress(request),
    maxResponseBytes: config.maxResponseBytes,
    documentRead: request.documentRead,
    whenOver: request.tracked.whenOver,
  });
  const graphql = {
    tracing,
    largeRequests,
    checkDocument: createDocumentBounds(MAX_TOKENS),
    context: async (request: FastifyRequest) => new Context(services, received(request)),
  };
  const { liveClients } = services.realtime;
  const formatError = createErrorFormat({ introspection, errorLog });
  const live = {
    ...http,
    liveClients,
    callers,
    formatError,
    operations: createLiveOperations({
      ...services,
      apollo,
      schema,
      formatError,
      createContext: (operation, subscribing) => new Context(services, { ...operation, live: subscribing }),
    }),
  };
  const sendEvents = createEventStreams({
    ...live,
    checkDocument: graphql.checkDocument,
    stallTimeoutMs: config.connections.stallTimeoutMs,
  });
  connections.acceptUpgrades(
    createWebSockets({
      ...config,
      ...live,
      tracing,
      log,
      schema,
      checkDocument: graphql.checkDocument,
      addressOf: createAddressReader(config.trustedProxies),
      isRejecting: requests.isRejecting,
    }),
  );
  requests.alsoDrain({
    end: () => liveClients.endAll(STOPPING),
    isOver: () => Object.values(liveClients.counts()).every((count) => count === 0),
  });
  mountGraphql(server, {
    ...graphql,
    url: '/graphql',
    method: ['POST'],
    apollo,
    events: (request, reply) => sendEvents(request, reply, received(request)),
  });
  mountGraphql(server, {
    ...graphql,
    url: '/graphql',
    method: ['GET'],
    apollo,
    before(_request, reply) {
      if (sandbox) reply.header('content-security-policy', SANDBOX_POLICY);
    },
  });
  if (subgraphApollo) {
    const checkGateway = createGatewayCheck(gatewaySecrets, services.guesses);
    mountGraphql(server, {
      ...graphql,
      url: '/subgraph',
      method: ['POST'],
      apollo: subgraphApollo,
      before: (request) => checkGateway(request.headers, clientAddress(request)),
    });
  }

  await services.start();
  await server.listen({ port: config.port, host: config.host });
  url = urlOf(server, config.host);
  const metricsServer =
    measured && metricsPort !== null
      ? await startMetricsServer(measured.registry, { host: config.host, port: metricsPort })
      : null;
  const metricsUrl = measured && `${metricsServer ? urlOf(metricsServer, config.host) : url}/metrics`;
  if (metricsServer) log.info({ url: metricsUrl }, 'metrics.listening');
  log.info({ url }, `Listening on ${url}`);
  // Anyone who reaches the server can buy any tier for nothing.
  if (config.mockIsPublic) log.warn({ host: config.host }, 'mock.public');

  return {
    services,
    models,
    url,
    metricsUrl,
    async stop() {
      await requests.drain(config.shutdown.noticeMs, config.shutdown.drainMs);
      const closed = server.close();
      connections.closeAll();
      await closed;
      await apollo.stop();
      await subgraphApollo?.stop();
      await metricsServer?.close();
      await services.stop();
      agreedClock?.stop();
      await connection.close();
      await tracing?.stop();
    },
  };
}
