import type { FastifyPluginAsync } from 'fastify';
import type { Clock } from '../common/clock.js';
import { createResponseBudget } from '../services/infrastructure/responseBudget.js';
import type { TenantLimits } from '../services/limits/tenantLimits.js';
import type { NewUsageEvent, UnreadableEvent } from '../services/usage/recording/usageEvents.js';
import { type UsageGranularity, UsagePeriod } from '../services/usage/usage.js';
import { type FieldRouteDeps, fieldRoutes } from './fieldRoutes.js';
import * as openApi from './openApi/billing.js';
import { restConsumed, restUsage } from './restForms.js';

/** Endpoints of one usage. */
const MAX_ENDPOINTS = 100;

interface Consumed {
  endpoint: string;
  cost: number;
  idempotencyKey?: string | null;
}

interface HistoryQuery {
  from: string;
  to: string;
  granularity: string;
}

/** The REST routes by which services without GraphQL meter: what was used, and charging and recording it. */
export const usageRoutes = (
  deps: FieldRouteDeps & {
    limits: Pick<TenantLimits, 'headers'>;
    clock: Clock;
    maxResponseBytes: number;
  },
): FastifyPluginAsync =>
  fieldRoutes(deps, (routes) => {
    const { services, limits, clock, maxResponseBytes } = deps;

    routes.ofTenant<{ period: string }>('Query.usage', {
      method: 'GET',
      url: '/v1/billing/usage',
      schema: openApi.getUsage,
      async run({ period }, { tenantId }) {
        const terms = await services.entitlements.get(tenantId);
        const query = { tenantId, period: period.toUpperCase() as UsagePeriod, terms };
        return (await services.usage.current([query])).map((usage) => restUsage(usage, MAX_ENDPOINTS))[0];
      },
    });
    routes.ofTenant<HistoryQuery>('Query.usageHistory', {
      method: 'GET',
      url: '/v1/billing/usage-history',
      schema: openApi.getUsageHistory,
      async run({ from, to, granularity }, { tenantId }) {
        const query = {
          from: new Date(from),
          to: new Date(to),
          granularity: granularity.toUpperCase() as UsageGranularity,
          terms: await services.entitlements.get(tenantId),
        };
        const reading = { endpoints: false, budget: createResponseBudget(maxResponseBytes) };
        const history = await services.usage.history(tenantId, query, reading);
        return { usage: history.map((read) => restUsage(read())) };
      },
    });
    routes.ofTenant<Consumed>('Mutation.consume', {
      method: 'POST',
      url: '/v1/billing/consume',
      schema: openApi.consume,
      async run(consumed, { tenantId, reply }) {
        const answer = await services.consumption.consume(tenantId, consumed);
        reply.headers(Object.fromEntries(await limits.headers(tenantId)));
        if (!answer.allowed) {
          const waitMs = answer.resetsAt.getTime() - clock.now();
          reply.header('retry-after', String(Math.max(1, Math.ceil(waitMs / 1_000))));
        }
        return restConsumed(answer);
      },
    });
    routes.ofTenant<{ events: unknown[] }>('Mutation.recordUsage', {
      method: 'POST',
      url: '/v1/billing/record-usage',
      schema: openApi.recordUsage,
      async run({ events }, { tenantId }) {
        const results = await services.usageEvents.record(tenantId, events.map(readEvent));
        return { results: results.map(({ status, ...rest }) => ({ ...rest, status: status.toLowerCase() })) };
      },
    });
  });

/** The service checks the values; it relies on their types. */
function readEvent(item: unknown): NewUsageEvent | UnreadableEvent {
  const unreadable = (reason: string): UnreadableEvent => ({ item, reason });
  if (item === null || typeof item !== 'object' || Array.isArray(item))
    return unreadable('must be an object');
  const { id, endpoint, quantity, at = null, ...others } = item as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return unreadable(`must not have the field "${unknown.slice(0, 50)}"`);
  if (typeof id !== 'string') return unreadable('id: must be a string');
  if (typeof endpoint !== 'string') return unreadable('endpoint: must be a string');
  if (typeof quantity !== 'number') return unreadable('quantity: must be a number');
  if (at !== null && !isInstant(at)) return unreadable('at: must be a time such as 2026-03-01T12:00:00Z');
  return { id, endpoint, quantity, at: at === null ? null : new Date(at as string) };
}

const isInstant = (value: unknown): boolean =>
  typeof value === 'string' &&
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i.test(value) &&
  !Number.isNaN(Date.parse(value));
