import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import { DeliveryStatus, WebhookEndpointStatus } from '../../models/outgoingWebhook.js';
import type { ReconcileRunDoc } from '../../models/reconcileRun.js';
import { UsageReportStatus } from '../../models/usageReport.js';
import { type WebhookEventDoc, WebhookEventStatus } from '../../models/webhookEvent.js';
import { within } from '../infrastructure/within.js';

/** What the database says about work that waits or has failed. All instances see the same. */
export interface Backlog {
  readAt: Date;
  pingS: number;
  pendingEvents: number;
  failedEvents: number;
  eventLagS: number;
  /** When the oldest event that is not applied yet was received. */
  oldestEventAt: Date | null;
  pendingReports: number;
  failedReports: number;
  unreportedQuantity: number;
  reportLagS: number;
  reconcile: Pick<ReconcileRunDoc, 'startedAt' | 'mendedCount' | 'stopReason'> | null;
  pendingDeliveries: number;
  /** Given up; deliveries are kept for 30 days. */
  failedDeliveries: number;
  endpoints: Record<WebhookEndpointStatus, number>;
}

/** Several scrapes of one interval share a reading. */
const REMEMBER_MS = 5_000;
const TIMEOUT_MS = 2_000;
/** A count ends here, so that a backlog does not make scrapes slow. */
export const MAX_COUNT = 10_000;

/** Reads it, for a scrape and for the overview. @returns null if the database does not answer */
export type BacklogReader = () => Promise<Backlog | null>;

/** @returns a function that reads at most once in five seconds; null: the database does not answer */
export function createBacklogReader(deps: { models: Models; clock: Clock }): BacklogReader {
  let reading: Promise<Backlog | null> | null = null;
  let readAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (reading && performance.now() - readAtMs < REMEMBER_MS) return reading;
    readAtMs = performance.now();
    reading = within(TIMEOUT_MS, readBacklog(deps)).catch(() => null);
    return reading;
  };
}

/** Every query is bounded by an index and a limit. */
async function readBacklog({ models, clock }: { models: Models; clock: Clock }): Promise<Backlog> {
  const pingedAtMs = performance.now();
  await models.connection.db?.command({ ping: 1 }, { timeoutMS: TIMEOUT_MS });
  const pingS = (performance.now() - pingedAtMs) / 1000;
  const limit = MAX_COUNT;
  const bounded = { limit, maxTimeMS: TIMEOUT_MS };
  const { PENDING, FAILED } = WebhookEventStatus;
  const [
    pendingEvents,
    failedEvents,
    oldest,
    reports,
    failedReports,
    reconcile,
    pendingDeliveries,
    failedDeliveries,
    endpoints,
  ] = await Promise.all([
    models.webhookEvents.countDocuments({ state: PENDING }, bounded),
    models.webhookEvents.countDocuments({ state: FAILED }, bounded),
    models.webhookEvents
      .findOne({ state: PENDING }, { receivedAt: 1 })
      .sort({ receivedAt: 1, _id: 1 })
      .maxTimeMS(TIMEOUT_MS)
      .lean<Pick<WebhookEventDoc, 'receivedAt'>>(),
    models.usageReports
      .aggregate<{ count: number; quantity: number; oldest: Date }>([
        { $match: { nextTryAt: { $gt: new Date(0) }, status: UsageReportStatus.PENDING } },
        { $limit: limit },
        {
          $group: {
            _id: null,
            count: { $sum: 1 },
            quantity: { $sum: '$quantity' },
            oldest: { $min: '$at' },
          },
        },
      ])
      .option({ maxTimeMS: TIMEOUT_MS }),
    models.usageReports.countDocuments({ status: UsageReportStatus.FAILED }, bounded),
    models.reconcileRuns
      .findOne({ dryRun: false }, { startedAt: 1, mendedCount: 1, stopReason: 1 })
      .sort({ startedAt: -1 })
      .maxTimeMS(TIMEOUT_MS)
      .lean<Backlog['reconcile']>(),
    models.webhookDeliveries.countDocuments(
      { endpointId: { $gt: '' }, nextTryAt: { $exists: true } },
      bounded,
    ),
    models.webhookDeliveries.countDocuments({ status: DeliveryStatus.FAILED }, bounded),
    models.webhookEndpoints.find({}, { status: 1 }).maxTimeMS(TIMEOUT_MS).lean(),
  ]);
  const ageS = (at: Date | undefined) => (at ? Math.max(0, (clock.now() - at.getTime()) / 1000) : 0);
  const [unreported] = reports;
  const inStatus = (wanted: WebhookEndpointStatus) =>
    endpoints.filter(({ status = WebhookEndpointStatus.ENABLED }) => status === wanted).length;
  return {
    readAt: new Date(clock.now()),
    pingS,
    pendingEvents,
    failedEvents,
    eventLagS: ageS(oldest?.receivedAt),
    oldestEventAt: oldest?.receivedAt ?? null,
    pendingReports: unreported?.count ?? 0,
    failedReports,
    unreportedQuantity: unreported?.quantity ?? 0,
    reportLagS: ageS(unreported?.oldest),
    reconcile,
    pendingDeliveries,
    failedDeliveries,
    endpoints: {
      ENABLED: inStatus(WebhookEndpointStatus.ENABLED),
      PAUSED: inStatus(WebhookEndpointStatus.PAUSED),
      DISABLED: inStatus(WebhookEndpointStatus.DISABLED),
    },
  };
}
