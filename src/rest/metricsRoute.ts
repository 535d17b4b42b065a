import fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';

/** Serves the metrics to Prometheus. @param deps.authorize throws if the request may not read them */
export function metricsRoute(deps: {
  registry: Registry;
  authorize: (request: FastifyRequest) => Promise<void>;
}): FastifyPluginAsync {
  const { registry, authorize } = deps;
  let scraping: Promise<string> | null = null;

  /** Scrapes at the same time share one. */
  function scrape(): Promise<string> {
    scraping ??= registry.metrics().finally(() => {
      scraping = null;
    });
    return scraping;
  }

  return async (app) => {
    app.get('/metrics', { logLevel: 'debug', schema: { hide: true } }, async (request, reply) => {
      await authorize(request);
      return reply
        .type(registry.contentType)
        .header('cache-control', 'no-store')
        .send(await scrape());
    });
  };
}

const MAX_CONNECTIONS = 50;
const REQUEST_TIMEOUT_MS = 10_000;

/** Serves only the metrics, on a port that the network keeps from strangers. */
export async function startMetricsServer(
  registry: Registry,
  { host, port }: { host: string; port: number },
): Promise<FastifyInstance> {
  const app = fastify({ requestTimeout: REQUEST_TIMEOUT_MS, connectionTimeout: REQUEST_TIMEOUT_MS });
  app.server.maxConnections = MAX_CONNECTIONS;
  await app.register(metricsRoute({ registry, authorize: async () => undefined }));
  await app.listen({ host, port });
  return app;
}
