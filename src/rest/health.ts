import type { FastifyPluginAsync } from 'fastify';
import { getLiveness, getReadiness } from './openApi/billing.js';

/** By this header `continuum-billing doctor` knows which instance has answered. The id is random, and no secret. */
export const INSTANCE_HEADER = 'x-continuum-instance';

/**
 * Liveness: the process answers. Readiness: it can serve requests; not while it is stopping or the database is unavailable.
 * @param deps.instance the id of this instance in `server_instances`
 */
export function health(deps: { ready: () => Promise<string | null>; instance: string }): FastifyPluginAsync {
  const { ready, instance } = deps;
  return async (app) => {
    app.get('/health/live', { logLevel: 'debug', schema: getLiveness }, async (_request, reply) => {
      reply.header(INSTANCE_HEADER, instance);
      return { status: 'ok' };
    });
    app.get('/health/ready', { logLevel: 'debug', schema: getReadiness }, async (_request, reply) => {
      const problem = await ready();
      if (problem === null) return { status: 'ok' };
      return reply.status(503).header('retry-after', '2').send({ status: 'unavailable', reason: problem });
    });
  };
}
