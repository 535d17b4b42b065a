import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ApolloServer } from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import { ApolloServerPluginLandingPageLocalDefault } from '@apollo/server/plugin/landingPage/default';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import { readRules, readWorkWeights } from '@continuum-billing/limits/core';
import cors from '@fastify/cors';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, {
  type FastifyBaseLogger,
  type FastifyReply,
  type FastifyRequest,
  type HTTPMethods,
  LogController,
} from 'fastify';
import type { Logger } from 'pino';
import { type AgreedClock, startAgreedClock } from './common/agreedClock.js';
import type { Clock } from './common/clock.js';
import { badInput } from './common/errors.js';
import { believedAddress, clientNetwork } from './common/network.js';
import type { Config } from './config/config.js';
import { connectDatabase, databaseProblem } from './database.js';
import { createDocumentBounds } from './directives/documentBounds.js';
import { enforcementPlugin } from './directives/enforcementPlugin.js';
import { completeQueriesInSlices } from './directives/largeResults.js';
import { boundResponses } from './directives/responseBounds.js';
import { createApollo, MAX_TOKENS } from './graphql/apolloServer.js';
import { createCollections, createModels, type Models } from './models/models.js';
import { type Context, createContext } from './resolvers/context.js';
import { entities } from './resolvers/entities.js';
import { resolvers } from './resolvers/resolvers.js';
import { billingRoutes } from './rest/billingRoutes.js';
import { createConnections } from './rest/connections.js';
import { createErrorHandler, createNotFoundHandler } from './rest/errorHandler.js';
import { health } from './rest/health.js';
import { takeJson } from './rest/jsonBody.js';
import { boundLargeRequests } from './rest/largeRequests.js';
import { answerMalformed, checkHeaders } from './rest/malformedRequests.js';
import { mockRoutes } from './rest/mockRoutes.js';
import { createProxyCheck } from './rest/proxyCheck.js';
import { trackRequests } from './rest/requests.js';
import { SANDBOX_POLICY, SWAGGER_POLICY, securityHeaders } from './rest/securityHeaders.js';
import { createUnreadResponses } from './rest/unreadResponses.js';
import { upgradePage } from './rest/upgradePage.js';
import { webhookRoute } from './rest/webhookRoute.js';
import { createArgumentValidation } from './schema/argumentValidation.js';
import { buildSchema } from './schema/buildSchema.js';
import { buildSubgraph } from './schema/subgraph.js';
import { createGatewayCheck } from './services/accounts/gatewaySecret.js';
import { apiKeyOf } from './services/accounts/principal.js';
import { createServices, type RunningServices } from './services/createServices.js';
import { createGate } from './services/infrastructure/gate.js';

/** A server that can be started and stopped. */
export interface App {
  readonly services: RunningServices;
  readonly models: Models;
  /** Where it listens, e.g. `http://127.0.0.1:4000`. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Of large operations, those of one caller. */
const MAX_WAITING_OPERATIONS = 500;
const MAX_OPERATION_WAIT_MS = 10_000;
/** After one that kept the event loop busy. */
const MAX_OPERATION_PAUSE_MS = 200;

/** What GraphQL's parameters say. */
interface Asked {
  query?: unknown;
}

/** The body of a memory of 1 MB, and what GraphQL writes around it. */
const MAX_BODY_BYTES = 1_048_576 + 4_096;

/**
 * The composition root: connects, wires services, GraphQL and REST, and listens.
 * @param deps.clock for tests; else the one that all servers of the database agree on
 */
export async function startApp(
  config: Config & { mongodbUri: string },
  deps: { log: Logger; clock?: Clock },
): Promise<App> {
  const { log } = deps;
  const connection = await connectDatabase(config.mongodbUri, log);
  const agreedClock = deps.clock ? null : await startAgreedClock(connection, log);
  const clock = deps.clock ?? (agreedClock as AgreedClock);
  const models = createModels(connection);
  let url = '';
  const publicUrl = () => config.publicUrl ?? url.replace('0.0.0.0', 'localhost');
  const services = await createServices({
    config,
    models,
    clock,
    log,
    ownUrl: () => url || undefined,
    publicUrl,
  });

  const schema = buildSchema([...resolvers], config.catalogue);
  const security = securityHeaders({ https: config.publicUrl?.startsWith('https:') ?? false });
  const handleError = createErrorHandler(log);
  boundResponses(schema);
  completeQueriesInSlices(schema);
  const connections = createConnections({
    bounds: config.connections,
    isProxy: createProxyCheck(config.trustedProxies),
    log,
  });
  const server = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    trustProxy: trustIn(config.trustedProxies),
    // One logger for all: a child for each request would cost more than the parsing of its query.
    childLoggerFactory: (logger) => logger,
    serverFactory: (handler) => {
      const httpServer = connections.createServer(handler);
      answerMalformed(httpServer, { connections, headers: security });
      return httpServer;
    },
    // Fastify would set it for one of several servers only.
    clientErrorHandler: () => undefined,
    // Our own hook rejects what comes while the server stops, in the shape of its path.
    return503OnClosing: false,
    // What is wrong before there is a route is answered as everything else is.
    frameworkErrors: (error, request, reply) => {
      handleError(error, request, reply.headers(security));
    },
    // Draft 7 words of OpenAPI that Ajv would refuse.
    ajv: { customOptions: { strict: false, removeAdditional: false, coerceTypes: false } },
  });
  server.addHook('onRequest', (_request, reply, done) => {
    reply.headers(security);
    done();
  });
  const clientOf = (request: FastifyRequest) => clientNetwork(clientAddress(request));
  const unreadResponses = createUnreadResponses({
    maxBytes: config.connections.maxUnreadBytes,
    clientOf,
    log,
  });
  const requests = trackRequests(server, { connections, unreadResponses, log });
  const largeRequests = boundLargeRequests(server, { maxBodyBytes: MAX_BODY_BYTES, clientOf });
  const validateArguments = createArgumentValidation();
  const { authenticator, callerSlots, idempotencyKeys, limits } = services;
  const { maxOperationCost } = config;
  // Shared by both endpoints: they share the process.
  const workGate = createGate({
    maxUnits: maxOperationCost,
    maxWaiting: MAX_WAITING_OPERATIONS,
    maxWaitMs: MAX_OPERATION_WAIT_MS,
    maxPauseMs: MAX_OPERATION_PAUSE_MS,
    busyMessage: 'Too many large operations are under way; try again shortly, or ask for less at once',
  });
  const guards = {
    limits,
    authenticator,
    idempotencyKeys,
    validateArguments,
    maxOperationCost,
    workGate,
    callerSlots,
    clock,
    log,
  };
  const rules = readRules(schema);
  const apollo = createApollo({
    schema,
    introspection: config.introspection,
    log,
    plugins: [
      config.sandbox
        ? ApolloServerPluginLandingPageLocalDefault({ embed: true })
        : ApolloServerPluginLandingPageDisabled(),
      enforcementPlugin({ schema, rules, costs: readWorkWeights(schema), ...guards }),
    ],
  });
  const { gatewaySecrets } = config.subgraph;
  const subgraph =
    gatewaySecrets.length === 0 ? null : buildSubgraph(schema, rules, entities, config.subgraph);
  const subgraphApollo =
    subgraph &&
    createApollo({
      schema: subgraph.schema,
      introspection: config.introspection,
      log,
      plugins: [
        ApolloServerPluginLandingPageDisabled(),
        enforcementPlugin({ ...subgraph, ...guards, statusInBody: true }),
      ],
    });

  const checkDocument = createDocumentBounds(MAX_TOKENS);
  const authenticate = async (request: FastifyRequest) => {
    const key = apiKeyOf(request.headers);
    return key === null ? null : services.authenticator.authenticate(key, clientAddress(request));
  };
  const ready = async () => (requests.isDraining() ? 'the server is stopping' : databaseProblem(connection));

  async function mountRoutes(): Promise<void> {
    takeJson(server, largeRequests, 'error');
    // JSON is the only type, except for routes that say so.
    server.removeContentTypeParser('text/plain');
    server.setErrorHandler(handleError);
    server.setNotFoundHandler(createNotFoundHandler(server));
    server.addHook('onRequest', async ({ raw }) => checkHeaders(raw));
    server.addHook('onResponse', async (request, reply) => {
      request.log.debug(
        { method: request.method, url: request.url, status: reply.statusCode, ms: reply.elapsedTime },
        'request',
      );
    });
    if (config.corsOrigins.length > 0) {
      await server.register(cors, {
        origin: config.corsOrigins.includes('*') ? '*' : config.corsOrigins,
        exposedHeaders: EXPOSED_HEADERS,
        maxAge: 600,
        // Its answer would be plain text.
        strictPreflight: false,
      });
    }
    if (config.openApiDocs) {
      await server.register(swagger, { openapi: OPENAPI });
      await server.register(swaggerUi, {
        routePrefix: '/docs',
        staticCSP: SWAGGER_POLICY,
        // Else the page would send the description to a server of Swagger's.
        uiConfig: { validatorUrl: null },
      });
    }
    await server.register(health({ ready }));
    await server.register(upgradePage(services));
    await server.register(
      billingRoutes({ services, callerSlots, largeRequests, authenticate, rules, limits }),
    );
    await server.register(webhookRoute(services));
    if (services.mock) {
      const isOperator = async (request: FastifyRequest) =>
        (await authenticate(request))?.kind === 'operator';
      await server.register(mockRoutes({ ...services.mock, isOperator }));
    }
    mountGraphql('/graphql', ['POST'], apollo);
    mountGraphql('/graphql', ['GET'], apollo, (_request, reply) => {
      if (config.sandbox) reply.header('content-security-policy', SANDBOX_POLICY);
    });
    if (subgraphApollo) {
      const checkGateway = createGatewayCheck(gatewaySecrets, services.guesses);
      mountGraphql('/subgraph', ['POST'], subgraphApollo, (request) =>
        checkGateway(request.headers, clientAddress(request)),
      );
    }
  }

  /** @param before throws for a request that shall not even be read */
  function mountGraphql(
    url: string,
    method: HTTPMethods[],
    served: ApolloServer<Context>,
    before: (request: FastifyRequest, reply: FastifyReply) => void = () => {},
  ): void {
    server.route({
      url,
      method,
      schema: { hide: true },
      onRequest: async (request, reply) => {
        // Apollo's handler makes a URL of it.
        if (!URL.canParse(`${request.protocol}://${request.hostname}/`))
          throw badInput('Host', 'the header is missing, or is no name of a host');
        before(request, reply);
      },
      preHandler: async (request) => {
        const { body, query } = request as { body: Asked | null; query: Asked };
        const text = body?.query ?? query.query;
        if (typeof text !== 'string') return;
        const isLarge = largeRequests.isLarge(text);
        if (isLarge) await largeRequests.waitForDocument(request);
        checkDocument(text);
        if (isLarge) await nextTurn();
      },
      handler: fastifyApolloHandler(served, {
        context: async (request) =>
          createContext(services, {
            headers: request.headers,
            address: clientAddress(request),
            maxResponseBytes: config.maxResponseBytes,
            documentRead: request.documentRead,
            whenOver: request.tracked.whenOver,
          }),
      }),
    });
  }

  await createCollections(models);
  await apollo.start();
  await subgraphApollo?.start();
  await mountRoutes();
  await services.start();
  await server.listen({ port: config.port, host: config.host });
  const address = server.server.address();
  const port = typeof address === 'object' && address ? address.port : config.port;
  url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
  log.info(`Listening on ${url}`);
  if (config.mockIsPublic)
    log.warn(
      { event: 'mock.public', host: config.host },
      'mock mode is open to others: any tier costs nothing',
    );

  return {
    services,
    models,
    url,
    async stop() {
      await requests.drain(config.shutdown.noticeMs, config.shutdown.drainMs);
      const closed = server.close();
      connections.closeAll();
      await closed;
      await apollo.stop();
      await subgraphApollo?.stop();
      await services.stop();
      agreedClock?.stop();
      await connection.close();
    },
  };
}

/** The peer's address, or what trusted proxies reported. */
const clientAddress = (request: FastifyRequest): string => believedAddress(request.ips ?? [request.ip]);

/** Fastify's form: a number of proxies is a check of each address by its distance. */
const trustIn = (proxies: Config['trustedProxies']) =>
  typeof proxies === 'number' ? (_address: string, hop: number) => hop < proxies : (proxies ?? false);

const EXPOSED_HEADERS = [
  'Retry-After',
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

const OPENAPI = {
  info: {
    title: 'Continuum Billing',
    description: 'The REST routes. The whole API is GraphQL, at `POST /graphql`.',
    version: '1',
  },
  tags: [{ name: 'Billing' }, { name: 'Health' }],
  components: {
    securitySchemes: {
      apiKey: { type: 'apiKey' as const, in: 'header' as const, name: 'x-api-key' },
      bearer: { type: 'http' as const, scheme: 'bearer' },
    },
  },
};
