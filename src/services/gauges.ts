import { Counter, Gauge, type Registry } from 'prom-client';
import type { Clock } from '../common/clock.js';
import type { Models } from '../models/models.js';
import { WebhookEndpointStatus } from '../models/outgoingWebhook.js';
import type { ReconcileRunDoc } from '../models/reconcileRun.js';
import { UsageReportStatus } from '../models/usageReport.js';
import { type WebhookEventDoc, WebhookEventStatus } from '../models/webhookEvent.js';
import type { Rejections } from './billing/inbox/rejections.js';
import { within } from './infrastructure/within.js';
import type { RunningAdmission } from './limits/calls/createAdmission.js';
import type { ServerInstances } from './tiers/serverInstances.js';

/** What the database says about work that waits or has failed. All instances see the same. */
interface Backlog {
  pingS: number;
  pendingEvents: number;
  failedEvents: number;
  eventLagS: number;
  pendingReports: number;
  unreportedQuantity: number;
  reportLagS: number;
  reconcile: Pick<ReconcileRunDoc, 'startedAt' | 'mendedCount' | 'stopReason'> | null;
  pendingDeliveries: number;
  endpoints: Record<WebhookEndpointStatus, number>;
}

/** Several scrapes of one interval share a reading. */
const REMEMBER_MS = 5_000;
const TIMEOUT_MS = 2_000;
/** A count ends here, so that a backlog does not make scrapes slow. */
const MAX_COUNT = 10_000;

/** Adds the gauges that are read when the server is scraped. A database that is away does not fail the scrape. */
export function addGauges(
  registry: Registry,
  deps: {
    models: Models;
    clock: Clock;
    admission: Pick<RunningAdmission, 'isSingleWriter' | 'journalLagMs'>;
    webhookRejections: Pick<Rejections, 'totals'>;
    serverInstances: Pick<ServerInstances, 'differing'>;
  },
): void {
  const { admission, webhookRejections, serverInstances } = deps;
  const registers = [registry];
  const readBacklog = createBacklogReader(deps);

  new Gauge({
    name: 'continuum_ledger_single_writer',
    help: '1 while this instance is the only one and decides calls in memory; 0 while several share the database.',
    registers,
    collect() {
      this.set(admission.isSingleWriter() ? 1 : 0);
    },
  });
  new Gauge({
    name: 'continuum_journal_lag_seconds',
    help: "For how long decided calls have not been written to their days' documents; about 1 while all is well.",
    registers,
    collect() {
      this.set(admission.journalLagMs() / 1000);
    },
  });
  new Gauge({
    name: 'continuum_catalogue_differs',
    help: 'Other instances of the database whose catalogue is not that of this one; there should be none.',
    registers,
    collect() {
      this.set(serverInstances.differing());
    },
  });
  new Counter({
    name: 'continuum_webhook_rejections_total',
    help: 'Requests to the webhook that were rejected, by reason.',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      for (const [reason, total] of Object.entries(webhookRejections.totals())) this.inc({ reason }, total);
    },
  });
  new Gauge({
    name: 'continuum_database_up',
    help: '1 if the database answered; the gauges of what is stored in it are absent otherwise.',
    registers,
    async collect() {
      this.set((await readBacklog()) ? 1 : 0);
    },
  });

  /** @param read null: there is no value */
  function stored(name: string, help: string, read: (backlog: Backlog) => number | null): void {
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        const backlog = await readBacklog();
        const value = backlog && read(backlog);
        if (value === null) this.remove();
        else this.set(value);
      },
    });
  }

  stored('continuum_mongodb_ping_seconds', 'How long MongoDB took to answer a ping.', ({ pingS }) => pingS);
  stored(
    'continuum_webhook_inbox_pending',
    `Events from Stripe that are not applied yet; counted up to ${MAX_COUNT}.`,
    ({ pendingEvents }) => pendingEvents,
  );
  stored(
    'continuum_webhook_inbox_failed',
    `Events from Stripe that failed after the last retry; counted up to ${MAX_COUNT}.`,
    ({ failedEvents }) => failedEvents,
  );
  stored(
    'continuum_webhook_inbox_lag_seconds',
    'Age of the oldest event from Stripe that is not applied yet.',
    ({ eventLagS }) => eventLagS,
  );
  stored(
    'continuum_unreported_usage_reports',
    `Usage reports that Stripe does not have yet; counted up to ${MAX_COUNT}.`,
    ({ pendingReports }) => pendingReports,
  );
  stored(
    'continuum_unreported_usage_quantity',
    `The quantity in those reports. Overage of the current hour is not in it.`,
    ({ unreportedQuantity }) => unreportedQuantity,
  );
  stored(
    'continuum_unreported_usage_lag_seconds',
    'Age of the oldest usage in those reports.',
    ({ reportLagS }) => reportLagS,
  );
  stored(
    'continuum_reconcile_findings',
    'What the newest comparison with Stripe found out of sync.',
    ({ reconcile }) => reconcile?.mendedCount ?? null,
  );
  stored(
    'continuum_reconcile_stopped',
    '1 if the newest comparison with Stripe stopped before it would end too many subscriptions.',
    ({ reconcile }) => reconcile && (reconcile.stopReason === null ? 0 : 1),
  );
  stored(
    'continuum_reconcile_timestamp_seconds',
    'When the newest comparison with Stripe began.',
    ({ reconcile }) => reconcile && reconcile.startedAt.getTime() / 1000,
  );
  stored(
    'continuum_outgoing_webhooks_pending',
    `Deliveries of outgoing webhooks that wait to be sent or retried; counted up to ${MAX_COUNT}.`,
    ({ pendingDeliveries }) => pendingDeliveries,
  );
  new Gauge({
    name: 'continuum_webhook_endpoints',
    help: 'Endpoints of outgoing webhooks, by status.',
    labelNames: ['status'],
    registers,
    async collect() {
      this.reset();
      const backlog = await readBacklog();
      for (const [status, count] of Object.entries(backlog?.endpoints ?? {})) this.set({ status }, count);
    },
  });
}

/** @returns a function that reads at most once in five seconds; null: the database does not answer */
function createBacklogReader(deps: { models: Models; clock: Clock }): () => Promise<Backlog | null> {
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
  const [pendingEvents, failedEvents, oldest, reports, reconcile, pendingDeliveries, endpoints] =
    await Promise.all([
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
      models.reconcileRuns
        .findOne({ dryRun: false }, { startedAt: 1, mendedCount: 1, stopReason: 1 })
        .sort({ startedAt: -1 })
        .maxTimeMS(TIMEOUT_MS)
        .lean<Backlog['reconcile']>(),
      models.webhookDeliveries.countDocuments(
        { endpointId: { $gt: '' }, nextTryAt: { $exists: true } },
        bounded,
      ),
      models.webhookEndpoints.find({}, { status: 1 }).maxTimeMS(TIMEOUT_MS).lean(),
    ]);
  const ageS = (at: Date | undefined) => (at ? Math.max(0, (clock.now() - at.getTime()) / 1000) : 0);
  const [unreported] = reports;
  const inStatus = (wanted: WebhookEndpointStatus) =>
    endpoints.filter(({ status = WebhookEndpointStatus.ENABLED }) => status === wanted).length;
  return {
    pingS,
    pendingEvents,
    failedEvents,
    eventLagS: ageS(oldest?.receivedAt),
    pendingReports: unreported?.count ?? 0,
    unreportedQuantity: unreported?.quantity ?? 0,
    reportLagS: ageS(unreported?.oldest),
    reconcile,
    pendingDeliveries,
    endpoints: {
      ENABLED: inStatus(WebhookEndpointStatus.ENABLED),
      PAUSED: inStatus(WebhookEndpointStatus.PAUSED),
      DISABLED: inStatus(WebhookEndpointStatus.DISABLED),
    },
  };
}
