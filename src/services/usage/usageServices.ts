import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import type { IdempotencyKeys } from '../idempotency/idempotencyKeys.js';
import { createLease } from '../infrastructure/lease.js';
import type { Metrics } from '../infrastructure/metrics.js';
import type { LimitServices } from '../limits/limitServices.js';
import type { Entitlements } from '../tiers/entitlements.js';
import type { Tiers } from '../tiers/tiers.js';
import { type AlertReview, createAlertReview } from './alerts/alertReview.js';
import type { Alerts } from './alerts/alerts.js';
import { createEntitlementList, type EntitlementList } from './entitlementList.js';
import { createHistoryExpiry, type HistoryExpiry } from './historyExpiry.js';
import { createOverageLedger, type OverageLedger } from './overage/overageLedger.js';
import { type Consumption, createConsumption } from './recording/consumption.js';
import { createDayCounts } from './recording/dayCounts.js';
import { createEventJournal } from './recording/eventJournal.js';
import { createEventRoom } from './recording/eventRoom.js';
import { createUsageEvents, type UsageEvents } from './recording/usageEvents.js';
import { createUsage, type Usage } from './usage.js';

/** Usage: reading it, recording it for other services, alerts, and overage. */
export interface UsageServices {
  alertReview: AlertReview;
  consumption: Consumption;
  entitlementList: EntitlementList;
  historyExpiry: HistoryExpiry;
  overageLedger: OverageLedger;
  usage: Usage;
  usageEvents: UsageEvents;
  start(): void;
  stop(): Promise<void>;
}

const SWEEP_MS = 30_000;
const EXPIRY_LEASE_MS = 120_000;

export function createUsageServices(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  limitServices: LimitServices;
  tiers: Tiers;
  entitlements: Entitlements;
  idempotencyKeys: IdempotencyKeys;
  alerts: Alerts;
  /** The most usage events stored for one tenant and day. */
  maxEventsPerDay: number;
  sampleDomain: boolean;
}): UsageServices {
  const {
    models,
    clock,
    log,
    metrics,
    entitlements,
    idempotencyKeys,
    alerts,
    maxEventsPerDay,
    sampleDomain,
  } = deps;
  const { activity, admission, decisionMeter, endpointNames, storage, usageDays } = deps.limitServices;
  const { dayEnds } = admission;
  const base = { models, clock, log, metrics };
  const usage = createUsage({ ...base, usageDays });
  const alertReview = createAlertReview({ ...base, alerts, entitlements, usage, storage, sampleDomain });
  const dayCounts = createDayCounts({ ...base, endpointNames, admission, dayEnds });
  const journal = createEventJournal({ ...base, dayCounts });
  const historyExpiry = createHistoryExpiry({
    ...base,
    lease: createLease({ models, name: 'history expiry', ttlMs: EXPIRY_LEASE_MS, isPeriodic: true }),
  });
  let sweeping: NodeJS.Timeout | undefined;

  function countLeftovers(): void {
    journal.countLeftovers().catch((error: unknown) => log.warn({ err: error }, 'usage_events.sweep_failed'));
  }

  return {
    alertReview,
    consumption: createConsumption({
      ...base,
      admission,
      decisionMeter,
      entitlements,
      endpointNames,
      idempotencyKeys,
    }),
    entitlementList: createEntitlementList({ ...deps, usage, storage }),
    historyExpiry,
    overageLedger: createOverageLedger({ ...base, usageDays, dayEnds }),
    usage,
    usageEvents: createUsageEvents({
      ...base,
      room: createEventRoom({ usageDays, maxPerDay: maxEventsPerDay }),
      journal,
      recorded(tenantId, events) {
        alertReview.reviewSoon(tenantId);
        for (const { quantity, at } of events)
          activity.calls(tenantId, quantity, at?.getTime() ?? clock.now());
      },
    }),
    start() {
      historyExpiry.start();
      countLeftovers();
      sweeping = setInterval(countLeftovers, SWEEP_MS).unref();
    },
    async stop() {
      clearInterval(sweeping);
      await historyExpiry.stop();
      await journal.stop();
      await alertReview.idle();
    },
  };
}
