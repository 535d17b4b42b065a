import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import {
  BATCH_QUEUES,
  DELIVERY_RESULTS,
  EVENT_OUTCOMES,
  LIVE_ENDS,
  type Metrics,
  REJECTION_REASONS,
} from './metrics.js';

/** The metrics of one server, and the registry that a scrape reads. */
export interface ServerMetrics extends Metrics {
  readonly registry: Registry;
}

const WRITE_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const STRIPE_BUCKETS_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];
const BATCH_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 10_000];
const NO_TIER = 'none';
const NO_ROUTE = 'none';

const secondsSince = (startedAtMs: number): number => (performance.now() - startedAtMs) / 1000;

/** Creates the metrics of a server in a registry of their own. @param build for `continuum_build_info` */
export function createServerMetrics(build: { version: string; mode: 'mock' | 'live' }): ServerMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'continuum_build_info',
    help: 'Always 1; its labels are the version of the server and its mode.',
    labelNames: ['version', 'mode'],
    registers,
  }).set(build, 1);

  const operations = new Counter({
    name: 'continuum_operations_total',
    help: 'GraphQL operations that were answered, by the code of their first error (OK without one) and tier.',
    labelNames: ['result', 'tier'],
    registers,
  });
  const requests = new Counter({
    name: 'continuum_http_requests_total',
    help: 'HTTP requests that were answered, by the declared path of their route and class of status.',
    labelNames: ['route', 'status'],
    registers,
  });
  const decisions = new Histogram({
    name: 'continuum_decision_duration_seconds',
    help: 'How long it took to check and charge an operation against the limits; failed: there was no decision.',
    labelNames: ['outcome'],
    buckets: WRITE_BUCKETS_S,
    registers,
  });
  const rejections = new Counter({
    name: 'continuum_rejections_total',
    help: 'Operations and calls that a limit rejected, by reason and tier.',
    labelNames: ['reason', 'tier'],
    registers,
  });
  const batches = new Histogram({
    name: 'continuum_batch_size',
    help: 'What one statement committed together, by queue.',
    labelNames: ['queue'],
    buckets: BATCH_BUCKETS,
    registers,
  });
  const batchDuration = new Histogram({
    name: 'continuum_batch_duration_seconds',
    help: 'How long it took until a batch was on disk, by queue.',
    labelNames: ['queue'],
    buckets: WRITE_BUCKETS_S,
    registers,
  });
  const events = new Counter({
    name: 'continuum_webhook_events_total',
    help: 'Events from Stripe, by what became of them.',
    labelNames: ['outcome'],
    registers,
  });
  const stripeRequests = new Counter({
    name: 'continuum_stripe_requests_total',
    help: "Requests to Stripe's API, the SDK's retries included, by endpoint and result.",
    labelNames: ['endpoint', 'result'],
    registers,
  });
  const stripeDuration = new Histogram({
    name: 'continuum_stripe_request_duration_seconds',
    help: "How long Stripe's API took to answer, without the wait for a slot within its rate limit.",
    labelNames: ['endpoint'],
    buckets: STRIPE_BUCKETS_S,
    registers,
  });
  const deliveries = new Counter({
    name: 'continuum_outgoing_webhooks_total',
    help: 'Attempts to deliver an outgoing webhook, by result; failed: it is not tried again.',
    labelNames: ['result'],
    registers,
  });
  const liveMessages = new Counter({
    name: 'continuum_live_messages_total',
    help: 'Messages of streams that were handed over for sending, by transport.',
    labelNames: ['transport'],
    registers,
  });
  const liveEnds = new Counter({
    name: 'continuum_live_ended_total',
    help: 'Connections for live updates that ended, by reason; bounds: there were too many, so it was not accepted.',
    labelNames: ['reason'],
    registers,
  });
  // Series that are there from the start show their first increase.
  for (const outcome of ['accepted', 'rejected', 'failed']) decisions.zero({ outcome });
  for (const reason of REJECTION_REASONS) rejections.inc({ reason, tier: NO_TIER }, 0);
  for (const queue of BATCH_QUEUES) {
    batches.zero({ queue });
    batchDuration.zero({ queue });
  }
  for (const outcome of EVENT_OUTCOMES) events.inc({ outcome }, 0);
  for (const result of DELIVERY_RESULTS) deliveries.inc({ result }, 0);
  for (const transport of ['websocket', 'sse']) liveMessages.inc({ transport }, 0);
  for (const reason of LIVE_ENDS) liveEnds.inc({ reason }, 0);

  return {
    registry,
    operationAnswered: (result, tier) => operations.inc({ result, tier: tier ?? NO_TIER }),
    decided(startedAtMs, outcome, tier) {
      const isRejected = outcome !== 'accepted' && outcome !== 'failed';
      decisions.observe({ outcome: isRejected ? 'rejected' : outcome }, secondsSince(startedAtMs));
      if (isRejected) rejections.inc({ reason: outcome, tier: tier ?? NO_TIER });
    },
    batchCommitted(queue, size, startedAtMs) {
      batches.observe({ queue }, size);
      batchDuration.observe({ queue }, secondsSince(startedAtMs));
    },
    eventsHandled: (outcome, count) => events.inc({ outcome }, count),
    stripeAnswered(endpoint, result, startedAtMs) {
      stripeRequests.inc({ endpoint, result });
      if (result !== 'not_sent') stripeDuration.observe({ endpoint }, secondsSince(startedAtMs));
    },
    deliveryEnded: (result) => deliveries.inc({ result }),
    httpAnswered: (route = NO_ROUTE, status) =>
      requests.inc({ route, status: `${Math.floor(status / 100)}xx` }),
    liveMessageSent: (transport) => liveMessages.inc({ transport }),
    liveEnded: (reason) => liveEnds.inc({ reason }),
  };
}
