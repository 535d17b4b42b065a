import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { type Admitted, admit } from '../admission.js';
import { ApiKeyScope } from '../apiKeyScope.js';
import { type CallerOptions, createCallerReader } from '../callers.js';
import type { Limits, Outcome } from '../limits.js';
import { apiKeyOfHeaders } from '../request.js';
import { checkRouteLimits, type RouteLimits, routeCostOf } from './routeLimits.js';

export interface HttpLimitsOptions<Request> extends CallerOptions<Request> {
  limits: Limits;
  /** Returns the caller's key. Default: the header `x-api-key` or `Authorization: Bearer`. */
  apiKey?(request: Request): string | null;
  /** Returns the client's address, by which guesses of keys are limited. Default: `request.ip`. */
  address?(request: Request): string | null;
  /** Whether the calls of a request are returned, by the status of its response. Default: for 400 and from 500 on. */
  returnsCalls?(status: number): boolean;
}

/** The parts of a request that Express and Fastify have in common. */
export interface AnyRequest {
  method: string;
  headers: IncomingHttpHeaders;
  ip?: string | undefined;
}

/** Accepts or rejects the requests of a server without GraphQL. */
export interface HttpGuard<Request> {
  /** @throws an Error that lists everything that is wrong with the limits of a route */
  check(route: RouteLimits<Request>): void;
  /**
   * The request ends with its response, or when its client disconnects.
   * @param endpoint the name of the route
   * @throws a BillingError if the request is rejected
   */
  begin(
    route: RouteLimits<Request>,
    request: Request,
    response: ServerResponse,
    endpoint: string,
  ): Promise<Admitted>;
}

const READING = new Set(['GET', 'HEAD', 'OPTIONS']);
/** The same as for an operation of GraphQL: server errors, and bad input. */
const isReturned = (status: number): boolean => status >= 500 || status === 400;

/** The tenants of requests, by the request of Node that each belongs to. */
const admittedRequests = new WeakMap<object, Admitted>();

/** @param taker the function that has the options, for errors */
export function createHttpGuard<Request extends AnyRequest>(
  options: HttpLimitsOptions<Request>,
  taker: string,
): HttpGuard<Request> {
  const { limits, address = ({ ip }) => ip ?? null, returnsCalls = isReturned } = options;
  const usualKeyOf = ({ headers }: Request) => apiKeyOfHeaders(headers);
  const { callerOf, needed } = createCallerReader(options, usualKeyOf, taker);

  return {
    check: (route) => checkRouteLimits(route, limits),
    async begin(route, request, response, endpoint) {
      const cost = routeCostOf(route, request, endpoint);
      const admitted = await admit(limits, {
        caller: await callerOf(request),
        address: address(request),
        scope: READING.has(request.method) ? ApiKeyScope.READ : ApiKeyScope.WRITE,
        cost,
        callerNeeded: needed,
      });
      admittedRequests.set(rawOf(request), admitted);
      if (cost) {
        const outcomeOf = (status: number | null): Outcome => {
          const failed = status !== null && returnsCalls(status);
          return { failed, notStored: 'all', returned: failed ? cost.charges : [] };
        };
        endWithResponse(response, admitted, outcomeOf);
      }
      return admitted;
    },
  };
}

/**
 * Ends a request when its response is complete, and before a response of which calls are returned: a client that sends it
 * again has them then, as in GraphQL. Nobody knows how a request ended whose client has disconnected, so it keeps its calls.
 */
function endWithResponse(
  response: ServerResponse,
  admitted: Admitted,
  outcomeOf: (status: number | null) => Outcome,
): void {
  const send = response.end;
  type End = typeof response.end;
  response.end = ((...args: Parameters<End>) => {
    const outcome = outcomeOf(response.statusCode);
    const ended = admitted.end(outcome);
    if (outcome.returned.length === 0) {
      response.end = send;
      return response.end(...args);
    }
    // The response is on its way; a second one would be an error.
    response.end = (() => response) as End;
    void ended.finally(() => {
      response.end = send;
      response.end(...args);
    });
    return response;
  }) as End;
  response.once('close', () => void admitted.end(outcomeOf(null)));
}

const rawOf = (request: object): object => (request as { raw?: object }).raw ?? request;

/**
 * The tenant of a request that the middleware has accepted, for handlers of Express and Fastify. null if no limit applies to
 * it, unless `identify` names its tenant.
 */
export function tenantOfRequest(request: object): { id: string; tier: string } | null {
  const { tenantId, tier } = admittedRequests.get(rawOf(request)) ?? { tenantId: null, tier: null };
  return tenantId === null || tier === null ? null : { id: tenantId, tier };
}
