import { MAX_COST, MAX_ENDPOINT_LENGTH } from '../bounds.js';
import { errorList } from '../errors.js';
import { parseWindow } from '../fieldLimit.js';
import type { Limits, OperationCost } from '../limits.js';

/** What a request of a route takes from its tenant's limits. */
export interface RouteLimits<Request> {
  /** The calls that a request costs: a number, or what a function returns for the request. Default: 1. */
  cost?: number | ((request: Request) => number);
  /** The name that the calls are counted under. Default: the method and the route's path, `GET /lamps/:id`. */
  endpoint?: string;
  /** The feature of the catalogue that the tenant's tier must have. */
  feature?: string;
  /** With `window`: the route's own limit for each tenant, beside those of the tier. */
  max?: number;
  /** For instance `10s` or `1m`. */
  window?: string;
  /** Whether the request counts as one of the tenant's concurrent requests while it runs. Default: if it costs calls. */
  concurrent?: boolean;
}

const MAX_PER_WINDOW = 10_000;
const isCost = (cost: unknown): cost is number =>
  Number.isInteger(cost) && (cost as number) >= 0 && (cost as number) <= MAX_COST;
const COST_PROBLEM = `must be a whole number from 0 to ${MAX_COST}`;

/** @throws an Error that lists everything that is wrong with the limits of a route */
export function checkRouteLimits(route: RouteLimits<never>, limits: Pick<Limits, 'features'>): void {
  const { cost = 1, endpoint, feature, max, window } = route;
  const problems: string[] = [];
  if (typeof cost !== 'function' && !isCost(cost)) problems.push(`cost ${COST_PROBLEM}`);
  if (endpoint !== undefined && (endpoint === '' || endpoint.length > MAX_ENDPOINT_LENGTH))
    problems.push(`endpoint must have 1 to ${MAX_ENDPOINT_LENGTH} characters`);
  if (feature !== undefined && limits.features && !limits.features.has(feature))
    problems.push(`feature must be one of ${[...limits.features].join(', ')}, not ${feature}`);
  if ((max === undefined) !== (window === undefined)) problems.push('max and window need each other');
  if (max !== undefined && !(Number.isInteger(max) && max >= 1 && max <= MAX_PER_WINDOW))
    problems.push(`max must be a whole number from 1 to ${MAX_PER_WINDOW}`);
  if (window !== undefined && parseWindow(window) === null)
    problems.push('window must be a time such as 10s or 1m, of at most 31 days');
  if (problems.length > 0) throw new Error(errorList('The limits of a route have', problems));
}

/**
 * @param usualEndpoint the name of the route, if it has none of its own
 * @returns null if no limit applies to the request
 * @throws an Error if the cost function returns something else than a cost
 */
export function routeCostOf<Request>(
  route: RouteLimits<Request>,
  request: Request,
  usualEndpoint: string,
): OperationCost | null {
  const { cost = 1, feature, max, window } = route;
  const calls = typeof cost === 'function' ? cost(request) : cost;
  const endpoint = route.endpoint ?? usualEndpoint.slice(0, MAX_ENDPOINT_LENGTH);
  if (!isCost(calls)) throw new Error(`The cost of ${endpoint} ${COST_PROBLEM}, not ${calls}`);
  const concurrent = route.concurrent ?? calls > 0;
  const isLimited = calls > 0 || feature !== undefined || max !== undefined || concurrent;
  if (!isLimited) return null;
  return {
    charges: calls > 0 ? [{ endpoint, calls }] : [],
    features: feature === undefined ? [] : [feature],
    fieldLimits: max === undefined || window === undefined ? [] : [{ field: endpoint, max, window }],
    stores: new Map(),
    concurrent,
  };
}
