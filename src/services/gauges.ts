import { Counter, Gauge, type Registry } from 'prom-client';
import type { Rejections } from './billing/inbox/rejections.js';
import { type Backlog, type BacklogReader, MAX_COUNT } from './insights/backlog.js';
import type { Realtime } from './realtime/realtime.js';
import type { ServerInstances } from './tiers/serverInstances.js';

/** Adds the gauges that are read when the server is scraped. A database that is away does not fail the scrape. */
export function addGauges(
  registry: Registry,
  deps: {
    readBacklog: BacklogReader;
    webhookRejections: Pick<Rejections, 'totals'>;
    serverInstances: Pick<ServerInstances, 'differing'>;
    realtime: Pick<Realtime, 'connections' | 'streams'>;
  },
): void {
  const { readBacklog, webhookRejections, serverInstances, realtime } = deps;
  const registers = [registry];

  new Gauge({
    name: 'continuum_catalogue_differs',
    help: 'Other instances of the database whose catalogue is not that of this one; there should be none.',
    registers,
    collect() {
      this.set(serverInstances.differing());
    },
  });
  new Gauge({
    name: 'continuum_live_connections',
    help: 'Connections for live updates, by transport.',
    labelNames: ['transport'],
    registers,
    collect() {
      for (const [transport, count] of Object.entries(realtime.connections())) this.set({ transport }, count);
    },
  });
  new Gauge({
    name: 'continuum_live_streams',
    help: 'Streams of live updates, by what they are about.',
    labelNames: ['topic'],
    registers,
    collect() {
      for (const [topic, count] of Object.entries(realtime.streams())) this.set({ topic }, count);
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
