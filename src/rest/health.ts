import type { FastifyPluginAsync } from 'fastify';

/** Liveness: the process answers. Readiness: it can serve requests; not while it is stopping or the database is unavailable. */
export function health({ ready }: { ready: () => Promise<string | null> }): FastifyPluginAsync {
  return async (app) => {
    app.get(
      '/health/live',
      { logLevel: 'debug', schema: { tags: ['Health'], summary: 'The process answers' } },
      async () => ({ status: 'ok' }),
    );
    app.get(
      '/health/ready',
      { logLevel: 'debug', schema: { tags: ['Health'], summary: 'The server can serve' } },
      async (_request, reply) => {
        const problem = await ready();
        if (problem === null) return { status: 'ok' };
        return reply.status(503).header('retry-after', '2').send({ status: 'unavailable', reason: problem });
      },
    );
  };
}
