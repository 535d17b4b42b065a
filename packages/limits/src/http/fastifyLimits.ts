import type { ServerResponse } from 'node:http';
import { BillingError } from '../errors.js';
import { restErrorBody } from '../restErrors.js';
import { type AnyRequest, createHttpGuard, type HttpLimitsOptions } from './httpGuard.js';
import type { RouteLimits } from './routeLimits.js';

/** The parts of Fastify's request and reply that the hook uses, so that Fastify is not a dependency. */
export interface LimitedFastifyRequest extends AnyRequest {
  routeOptions: { url?: string | undefined };
}

export interface LimitedFastifyReply {
  raw: ServerResponse;
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  send(payload: object): unknown;
}

export type FastifyLimitsHook<Request> = (request: Request, reply: LimitedFastifyReply) => Promise<unknown>;

/**
 * Limits routes of Fastify 5. The function that it returns makes a hook of a route, which runs once the request is valid:
 * `app.get('/lamps/:id', { preHandler: limited({ cost: 2 }) }, handler)`. A rejected request gets its response from the hook.
 * @throws an Error for options that are wrong
 */
export function fastifyLimits<Request extends LimitedFastifyRequest = LimitedFastifyRequest>(
  options: HttpLimitsOptions<Request>,
): (route?: RouteLimits<Request>) => FastifyLimitsHook<Request> {
  const guard = createHttpGuard(options, 'fastifyLimits');
  return (route = {}) => {
    guard.check(route);
    return async (request, reply) => {
      const endpoint = `${request.method} ${request.routeOptions.url ?? '/'}`;
      try {
        const { headers } = await guard.begin(route, request, reply.raw, endpoint);
        for (const [name, value] of headers) reply.header(name, value);
        return undefined;
      } catch (error) {
        if (!(error instanceof BillingError)) throw error;
        for (const [name, value] of Object.entries(error.headers)) reply.header(name, value);
        reply.code(error.status);
        return reply.send(restErrorBody(error));
      }
    };
  };
}
