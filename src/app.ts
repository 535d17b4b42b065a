import type { Logger } from 'pino';
import { type AgreedClock, startAgreedClock } from './common/agreedClock.js';
import type { Clock } from './common/clock.js';
import type { Config } from './config/config.js';
import { connectDatabase, databaseProblem } from './database.js';
import { checkDatabaseIdentity } from './databaseIdentity.js';
import { createGraphqlApi } from './graphql/graphqlApi.js';
import { migrate } from './migrations/migrations.js';
import { createCollections, createModels, type Models } from './models/models.js';
import { createHttpServer, urlOf } from './rest/httpServer.js';
import { startMetricsServer } from './rest/metricsRoute.js';
import { addGraphql, addRoutes } from './routes.js';
import { createServices, type RunningServices } from './services/createServices.js';
import { addGauges } from './services/gauges.js';
import { noMetrics } from './services/infrastructure/metrics.js';
import { createMongodbMetrics } from './services/infrastructure/mongodbMetrics.js';
import { createServerMetrics } from './services/infrastructure/prometheus.js';
import { createTracing } from './services/infrastructure/tracing.js';

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

  const graphql = createGraphqlApi({ config, services, clock, log, metrics });
  await graphql.start();

  // Its hooks run for the routes that are added after them.
  const http = await createHttpServer(config, log, metrics, tracing);
  const { server, connections, requests } = http;
  const metricsPort = config.metrics?.port ?? null;
  const parts = { config, http, services, graphql, clock, log, metrics, tracing };
  await addRoutes({
    ...parts,
    registry: measured && metricsPort === null ? measured.registry : null,
    databaseProblem: () => databaseProblem(connection),
  });
  addGraphql(parts);

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
      await graphql.stop();
      await metricsServer?.close();
      await services.stop();
      agreedClock?.stop();
      await connection.close();
      await tracing?.stop();
    },
  };
}
