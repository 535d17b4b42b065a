import type { Logger } from 'pino';
import { type Catalogue, catalogueDigest } from '../../catalogue/catalogue.js';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import type { Tenants } from '../accounts/tenants.js';
import { createLease } from '../infrastructure/lease.js';
import type { LimitServices } from '../limits/limitServices.js';
import type { TierServices } from '../tiers/tierServices.js';
import type { Alerts } from '../usage/alerts/alerts.js';
import { type BacklogReader, createBacklogReader } from './backlog.js';
import { createDailyFigures, type DailyFigures } from './dailyFigures.js';
import { createOverview, type Overview } from './overview.js';
import { createRejectionLog, type RejectionLog } from './rejectionLog.js';
import { createStandings, type Standings } from './standings.js';
import { createTenantCount, type TenantCount } from './tenantCount.js';
import { createTenantRanking, type TenantRanking } from './tenantRanking.js';
import { createWorkers, type Worker } from './workers.js';

/** What operators see of all tenants, and of the server's own work. */
export interface InsightServices {
  dailyFigures: DailyFigures;
  overview: Overview;
  readBacklog: BacklogReader;
  rejectionLog: RejectionLog;
  standings: Standings;
  tenantCount: TenantCount;
  tenantRanking: TenantRanking;
  workers: () => Promise<Worker[]>;
  start(): void;
  stop(): Promise<void>;
}

/** Longer than a page of the count takes. */
const COUNT_LEASE_MS = 60_000;

/** Rises when standings follow from the same documents by other rules. */
const RULES_VERSION = 2;

/** Identifies what standings depend on, in addition to the stored documents. */
export const countingRules = (catalogue: Catalogue, graceDays: number): string =>
  `${catalogueDigest(catalogue)}/${graceDays}/${RULES_VERSION}`;

export function createInsightServices(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  tenants: Tenants;
  tierServices: TierServices;
  limitServices: LimitServices;
  alerts: Alerts;
  graceDays: number;
}): InsightServices {
  const { models, clock, log, tenants, alerts, graceDays } = deps;
  const { tiers, entitlements } = deps.tierServices;
  const { usageRanks } = deps.limitServices;
  const base = { models, clock, log };
  const standings = createStandings({ ...base, entitlements, tiers, alerts });
  const dailyFigures = createDailyFigures(base);
  const tenantCount = createTenantCount({
    ...base,
    lease: createLease({ models, name: 'tenant count', ttlMs: COUNT_LEASE_MS, isPeriodic: true }),
    rules: countingRules(tiers.catalogue, graceDays),
    standings,
    usageRanks,
    dailyFigures,
  });
  return {
    dailyFigures,
    overview: createOverview({ ...base, tiers, dailyFigures }),
    readBacklog: createBacklogReader(base),
    rejectionLog: createRejectionLog(base),
    standings,
    tenantCount,
    tenantRanking: createTenantRanking({ models, findTenants: tenants.findMany }),
    workers: createWorkers(base),
    start() {
      tenantCount.start();
      tenantCount.wake();
    },
    stop: tenantCount.stop,
  };
}
