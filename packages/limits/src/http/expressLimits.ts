import type { IncomingMessage, ServerResponse } from 'node:http';
import { BillingError } from '../errors.js';
import { restErrorBody } from '../restErrors.js';
import { type AnyRequest, createHttpGuard, type HttpLimitsOptions } from './httpGuard.js';
import type { RouteLimits } from './routeLimits.js';

/** The part of Express's request that the middleware uses, so that Express is not a dependency. */
export interface ExpressRequest extends IncomingMessage, Omit<AnyRequest, 'headers'> {
  method: string;
  baseUrl: string;
  /** Absent in `app.use`. */
  route?: { path?: unknown };
}

export type ExpressMiddleware<Request> = (
  request: Request,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Limits routes of Express 4 and 5. The function that it returns makes the middleware of a route:
 * `app.get('/lamps/:id', limited({ cost: 2 }), handler)`. A rejected request gets its response from the middleware.
 * @throws an Error for options that are wrong
 */
export function expressLimits<Request extends ExpressRequest = ExpressRequest>(
  options: HttpLimitsOptions<Request>,
): (route?: RouteLimits<Request>) => ExpressMiddleware<Request> {
  const guard = createHttpGuard(options, 'expressLimits');

  async function decide(route: RouteLimits<Request>, request: Request, response: ServerResponse) {
    try {
      const { headers } = await guard.begin(route, request, response, endpointOf(request));
      for (const [name, value] of headers) response.setHeader(name, value);
      return true;
    } catch (error) {
      if (!(error instanceof BillingError)) throw error;
      for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
      response.statusCode = error.status;
      response.setHeader('content-type', 'application/json; charset=utf-8');
      response.end(JSON.stringify(restErrorBody(error)));
      return false;
    }
  }

  return (route = {}) => {
    guard.check(route);
    return (request, response, next) => {
      decide(route, request, response).then(
        (accepted) => {
          if (accepted) next();
        },
        (error: unknown) => next(error),
      );
    };
  };
}

/** A path with parameters, not their values, because each endpoint is counted by itself. */
function endpointOf({ method, baseUrl, route }: ExpressRequest): string {
  const path = typeof route?.path === 'string' ? route.path : '';
  return `${method} ${`${baseUrl}${path}` || '/'}`;
}
