import {
  type CallsOverview,
  type DeliveriesOverview,
  type HealthOverview,
  HealthState,
  type OverviewDay,
  type Rejection,
  RejectionKind,
  type RejectionsOverview,
  type RevenueOverview,
  StripeMode,
  type TenantsOverview,
  type UsageReportsOverview,
  type WebhookEventsOverview,
} from '../schema/overview.js';
import type { Backlog } from '../services/insights/backlog.js';
import type { DailyFiguresDoc } from '../services/insights/dailyFigures.js';
import type {
  CallFigures,
  RejectionFigures,
  RevenueFigures,
  TenantsInfo,
} from '../services/insights/overview.js';
import { countOf, type RejectionDoc } from '../services/insights/rejectionLog.js';
import { centsIn, payingIn } from '../services/insights/tenantFigures.js';
import type { Services } from '../services/services.js';
import type { Tiers } from '../services/tiers/tiers.js';

type Clocked = Pick<Services, 'overview'>;

const kindOf = (reason: string): RejectionKind =>
  RejectionKind[reason.toUpperCase() as keyof typeof RejectionKind] ?? RejectionKind.OTHER;

const read = ({ overview }: Clocked) => ({ asOf: overview.now() });

export const toRevenue = (revenue: RevenueFigures, services: Services): RevenueOverview => {
  const { monthlyCents, monthlyCentsBefore, payingTenants, unpricedTenants, byTier, byCurrency } = revenue;
  return {
    ...read(services),
    currency: services.tiers.catalogue.currency,
    monthlyCents,
    payingTenants,
    unpricedTenants,
    monthlyCents30DaysAgo: monthlyCentsBefore,
    changeCents: monthlyCentsBefore === null ? null : monthlyCents - monthlyCentsBefore,
    byTier: byTier
      .filter(({ tier }) => services.tiers.has(tier))
      .map(({ tier, payingTenants, cents, centsBefore }) => ({
        tier,
        payingTenants,
        monthlyCents: cents,
        monthlyCents30DaysAgo: centsBefore,
      })),
    byCurrency: byCurrency.map(({ cents, centsBefore, ...rest }) => ({
      ...rest,
      monthlyCents: cents,
      monthlyCents30DaysAgo: centsBefore,
    })),
  };
};

export const toTenantsOverview = (
  { total, byTier, states, today, lately }: TenantsInfo,
  services: Clocked,
): TenantsOverview => ({
  ...read(services),
  total,
  byTier: byTier.map(({ tier, now, before }) => ({ tier, tenants: now, tenants30DaysAgo: before })),
  newToday: today.created,
  new30Days: lately.created,
  startedPayingToday: today.startedPaying,
  startedPaying30Days: lately.startedPaying,
  stoppedPayingToday: today.stoppedPaying,
  stoppedPaying30Days: lately.stoppedPaying,
  suspended: states.SUSPENDED,
  pastDue: states.PAST_DUE,
  nearLimit: states.NEAR_LIMIT,
  overLimit: states.OVER_LIMIT,
});

export const toCalls = ({ byHour, ...days }: CallFigures, services: Clocked): CallsOverview => ({
  ...read(services),
  ...days,
  byHour: byHour.map((calls, hour) => ({ hour, ...calls })),
});

export const toRejections = (
  { byReason, ...days }: RejectionFigures,
  services: Clocked,
): RejectionsOverview => ({
  ...read(services),
  ...days,
  byKind: byReason.map(({ reason, ...counts }) => ({ kind: kindOf(reason), ...counts })),
});

/** @returns null while the database does not answer */
export const toWebhookEvents = (
  backlog: Backlog | null,
  { webhookRejections }: Pick<Services, 'webhookRejections'>,
): WebhookEventsOverview | null =>
  backlog && {
    asOf: backlog.readAt,
    pending: backlog.pendingEvents,
    failed: backlog.failedEvents,
    oldestPendingAt: backlog.oldestEventAt,
    oldestPendingAgeSeconds: backlog.oldestEventAt && Math.round(backlog.eventLagS),
    rejectedRequests: Object.values(webhookRejections.totals()).reduce((sum, count) => sum + count, 0),
  };

export const toUsageReports = (backlog: Backlog | null): UsageReportsOverview | null =>
  backlog && {
    asOf: backlog.readAt,
    pending: backlog.pendingReports,
    pendingQuantity: backlog.unreportedQuantity,
    failed: backlog.failedReports,
    oldestPendingAgeSeconds: backlog.pendingReports > 0 ? Math.round(backlog.reportLagS) : null,
  };

export const toDeliveries = (backlog: Backlog | null): DeliveriesOverview | null =>
  backlog && {
    asOf: backlog.readAt,
    pending: backlog.pendingDeliveries,
    failed: backlog.failedDeliveries,
    endpointsEnabled: backlog.endpoints.ENABLED,
    endpointsPaused: backlog.endpoints.PAUSED,
    endpointsDisabled: backlog.endpoints.DISABLED,
  };

/** A ping on one machine, or within a data centre, takes a few milliseconds. */
const SLOW_PING_S = 0.25;

function mongodbState(backlog: Backlog | null): HealthState {
  if (!backlog) return HealthState.DOWN;
  return backlog.pingS > SLOW_PING_S ? HealthState.DEGRADED : HealthState.OK;
}

function stripeState({ stripeHealth }: Services): HealthState {
  const { lastSuccessAt, lastFailureAt } = stripeHealth();
  if (!lastFailureAt || (lastSuccessAt && lastSuccessAt >= lastFailureAt)) return HealthState.OK;
  return lastSuccessAt ? HealthState.DEGRADED : HealthState.DOWN;
}

function redisState({ redis }: Services): HealthState {
  if (!redis) return HealthState.OFF;
  return redis.isConnected() ? HealthState.OK : HealthState.DOWN;
}

export async function readHealth(services: Services): Promise<HealthOverview> {
  const [backlog, workers, instances] = await Promise.all([
    services.readBacklog(),
    services.workers(),
    services.serverInstances.list(),
  ]);
  return {
    ...read(services),
    mongodb: { state: mongodbState(backlog), pingMs: backlog && backlog.pingS * 1_000 },
    stripe: {
      state: stripeState(services),
      mode: services.stripeMode === 'mock' ? StripeMode.MOCK : StripeMode.LIVE,
      ...services.stripeHealth(),
      waitingRequests: services.waitingStripeRequests(),
    },
    redis: { state: redisState(services) },
    workers,
    instances,
  };
}

export function toOverviewDay(doc: DailyFiguresDoc, tiers: Tiers): OverviewDay {
  const {
    _id,
    figures = {},
    calls = 0,
    rejections = 0,
    created = 0,
    startedPaying = 0,
    stoppedPaying = 0,
  } = doc;
  return {
    day: _id,
    currency: tiers.catalogue.currency,
    monthlyRevenueCents: centsIn(figures),
    revenueByTier: tiers.all().map(({ name: tier }) => ({
      tier,
      payingTenants: figures.revenue?.[tier]?.tenants ?? 0,
      monthlyCents: figures.revenue?.[tier]?.cents ?? 0,
      monthlyCents30DaysAgo: null,
    })),
    tenants: figures.tenants ?? 0,
    tenantsByTier: tiers.all().map(({ name: tier }) => ({
      tier,
      tenants: figures.tiers?.[tier] ?? 0,
      tenants30DaysAgo: null,
    })),
    payingTenants: payingIn(figures),
    newTenants: created,
    startedPaying,
    stoppedPaying,
    calls,
    rejections,
  };
}

export const toRejection = (doc: RejectionDoc, tiers: Tiers): Rejection => ({
  id: doc._id,
  code: doc.code,
  kind: kindOf(doc.reason),
  subject: doc.subject,
  // The catalogue may have lost it since.
  tier: doc.tier !== null && tiers.has(doc.tier) ? doc.tier : null,
  count: countOf(doc),
  firstAt: doc.firstAt,
  lastAt: doc.lastAt,
});
