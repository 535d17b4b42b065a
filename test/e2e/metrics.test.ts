import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import dashboard from '../../deploy/grafana/continuum-billing.json' with { type: 'json' };
import { REJECTIONS } from '../../src/services/billing/inbox/rejections.js';
import {
  BATCH_QUEUES,
  DELIVERY_RESULTS,
  EVENT_OUTCOMES,
  REJECTION_REASONS,
  STRIPE_RESULTS,
} from '../../src/services/infrastructure/metrics.js';
import { askCheckout, customerIdOf, mockOf, settled, subscribe } from '../support/billing.js';
import { selectorsOf } from '../support/promql.js';
import { type Scrape, scrape } from '../support/scrape.js';
import { LOOPBACK_WEBHOOKS, OPERATOR_KEY, startTestServer, type TestServer } from '../support/server.js';

const METERED = '{ memories { pageInfo { hasNextPage } } }';

const past = new Date(Date.now() - 600_000);
let server: TestServer;
let receiver: Server;
let isReceiverWell = true;
beforeAll(async () => {
  server = await startTestServer({ env: LOOPBACK_WEBHOOKS });
  await server.app.models.reconcileRuns.collection.insertOne({
    _id: 'rec_1',
    dryRun: false,
    startedAt: past,
    mendedCount: 3,
    stopReason: 'too many',
  } as never);
  receiver = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(isReceiverWell ? 200 : 500).end());
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => receiver.once('listening', resolve));
});
afterAll(async () => {
  await server?.stop();
  receiver?.close();
});

const read = () => scrape(`${server.url}/metrics`);

/** @returns a function by how much a counter rose while the work was done */
async function during(work: () => Promise<unknown>): Promise<Scrape['value']> {
  const before = await read();
  await work();
  const after = await read();
  return (name, labels) => after.value(name, labels) - before.value(name, labels);
}

describe('operations', () => {
  it('are counted by result and tier, with the time of their decision and the size of their batch', async () => {
    const { key } = await server.createTenant();
    const rose = await during(() => server.gql(METERED, { key }));
    expect(rose('continuum_operations_total', { result: 'OK', tier: 'FREE' })).toBe(1);
    expect(rose('continuum_operations_total')).toBe(1);
    expect(rose('continuum_decision_duration_seconds_count', { outcome: 'accepted' })).toBe(1);
    expect(rose('continuum_decision_duration_seconds_sum')).toBeGreaterThan(0);
    expect(rose('continuum_rejections_total')).toBe(0);
    expect(rose('continuum_batch_size_count', { queue: 'calls' })).toBe(1);
    expect(rose('continuum_batch_size_sum', { queue: 'calls' })).toBe(1);
    expect(rose('continuum_batch_duration_seconds_count', { queue: 'calls' })).toBe(1);
    expect(rose('continuum_batch_duration_seconds_sum', { queue: 'calls' })).toBeGreaterThan(0);
    expect(rose('continuum_http_requests_total', { route: '/graphql', status: '2xx' })).toBe(1);
  });

  it.each([
    ['minute', { apiCallsPerMinute: 0 }, METERED, 'RATE_LIMITED'],
    ['day', { apiCallsPerDay: 0 }, METERED, 'RATE_LIMITED'],
    ['feature', { maxMemories: 5 }, 'mutation { shareMemory(id: "mem_x") { id } }', 'FEATURE_NOT_AVAILABLE'],
    [
      'storage',
      { maxMemories: 0 },
      'mutation { storeMemory(input: { content: "x" }) { id } }',
      'STORAGE_QUOTA_EXCEEDED',
    ],
  ])('that are rejected by %s are counted by their reason', async (reason, limits, query, code) => {
    const { id, key } = await server.createTenant();
    await server.setLimits(id, limits);
    const rose = await during(() => server.gql(query, { key }));
    expect(rose('continuum_rejections_total', { reason, tier: 'FREE' })).toBe(1);
    expect(rose('continuum_rejections_total')).toBe(1);
    expect(rose('continuum_decision_duration_seconds_count', { outcome: 'rejected' })).toBe(1);
    expect(rose('continuum_operations_total', { result: code, tier: 'FREE' })).toBe(1);
  });

  it('that never reach a limit have no tier', async () => {
    const rose = await during(async () => {
      await server.gql('{ tiers { name } }', { key: null });
      await server.gql('{ usage { apiCalls } }', { key: null });
      await server.gql('{ nonsense }');
      await server.gql('{');
    });
    for (const result of ['OK', 'UNAUTHENTICATED', 'GRAPHQL_VALIDATION_FAILED', 'GRAPHQL_PARSE_FAILED'])
      expect(rose('continuum_operations_total', { result, tier: 'none' }), result).toBe(1);
  });

  it('of services are decisions too, with a limit as an answer', async () => {
    const { id, key } = await server.createTenant();
    await server.setLimits(id, { apiCallsPerMinute: 1 });
    const consume = () => server.gql('mutation { consume(input: { endpoint: "e" }) { allowed } }', { key });
    const rose = await during(async () => {
      await consume();
      await consume();
    });
    expect(rose('continuum_decision_duration_seconds_count', { outcome: 'accepted' })).toBe(1);
    expect(rose('continuum_rejections_total', { reason: 'minute', tier: 'FREE' })).toBe(1);
    expect(rose('continuum_operations_total', { result: 'OK' })).toBe(2);
  });
});

describe('Stripe', () => {
  it('its answers are counted by endpoint without ids, and its events by what became of them', async () => {
    const { key } = await server.createTenant();
    const rose = await during(async () => {
      await subscribe(server, key);
      await settled(server);
    });
    const sessions = { endpoint: 'POST /v1/checkout/sessions' };
    expect(rose('continuum_stripe_requests_total', { ...sessions, result: 'ok' })).toBe(1);
    expect(rose('continuum_stripe_request_duration_seconds_count', sessions)).toBe(1);
    expect(rose('continuum_webhook_events_total', { outcome: 'stored' })).toBeGreaterThan(0);
    expect(rose('continuum_webhook_events_total', { outcome: 'applied' })).toBeGreaterThan(0);
    expect(rose('continuum_batch_size_count', { queue: 'webhook_events' })).toBeGreaterThan(0);
    expect(rose('continuum_http_requests_total', { route: '/v1/billing/webhook', status: '2xx' })).toBe(
      rose('continuum_webhook_events_total', { outcome: 'stored' }) +
        rose('continuum_webhook_events_total', { outcome: 'known' }),
    );
  });

  it.each([
    ['rejected', 'card_declined', 1],
    ['rate_limited', 'rate_limit', 3],
    ['failed', 'server_error', 3],
    ['no_response', 'connection', 3],
  ] as const)('a request that is %s is counted with each of its retries', async (result, kind, tries) => {
    const { key } = await server.createTenant();
    mockOf(server).failNext({ kind, path: '/v1/checkout/sessions', method: 'POST', times: tries });
    const rose = await during(() => askCheckout(server, key));
    const endpoint = 'POST /v1/checkout/sessions';
    expect(rose('continuum_stripe_requests_total', { endpoint, result })).toBeGreaterThan(0);
    mockOf(server).clearFailures();
  });

  it('a webhook with a bad signature is counted by its reason', async () => {
    const rose = await during(() =>
      fetch(`${server.url}/v1/billing/webhook`, {
        method: 'POST',
        headers: { 'stripe-signature': 't=1,v1=00' },
        body: '{}',
      }),
    );
    expect(rose('continuum_webhook_rejections_total', { reason: 'signature' })).toBe(1);
    expect(rose('continuum_http_requests_total', { route: '/v1/billing/webhook', status: '4xx' })).toBe(1);
  });
});

describe('outgoing webhooks', () => {
  it('are counted by result, and those that wait are a gauge', async () => {
    const { port } = receiver.address() as AddressInfo;
    const { data } = await server.gql(
      'mutation ($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }',
      { variables: { input: { url: `http://127.0.0.1:${port}/hooks` } } },
    );
    const deliver = async () => {
      const { key } = await server.createTenant();
      await subscribe(server, key);
      await settled(server);
      await server.app.services.outgoingWebhooks.run();
    };
    const delivered = await during(deliver);
    expect(delivered('continuum_outgoing_webhooks_total', { result: 'delivered' })).toBeGreaterThan(0);
    expect(delivered('continuum_outgoing_webhooks_total', { result: 'retried' })).toBe(0);
    isReceiverWell = false;
    const retried = await during(deliver);
    isReceiverWell = true;
    expect(retried('continuum_outgoing_webhooks_total', { result: 'retried' })).toBeGreaterThan(0);
    await server.gql('mutation ($id: ID!) { deleteWebhookEndpoint(id: $id) }', {
      variables: { id: data.createWebhookEndpoint.endpoint.id },
    });
    await server.app.services.outgoingWebhooks.run();
  });
});

describe('gauges', () => {
  it('describe this instance: its connections, its process', async () => {
    const { value, contentType } = await read();
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(value('continuum_build_info', { version: '0.1.0', mode: 'mock' })).toBe(1);
    const pool = value('continuum_mongodb_pool_connections');
    expect(pool).toBeGreaterThan(0);
    expect(pool).toBeLessThanOrEqual(50);
    expect(value('continuum_mongodb_ping_seconds')).toBeGreaterThan(0);
    expect(value('continuum_mongodb_pool_waiting')).toBeGreaterThanOrEqual(0);
    expect(value('process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
    expect(value('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
  });

  it('show what is stored and waits, and are at most five seconds old', async () => {
    const { models } = server.app;
    await settled(server);
    const later = new Date(Date.now() + 3_600_000);
    await models.webhookEvents.collection.insertMany([
      waitingEvent('evt_waits', 'PENDING', past, later),
      waitingEvent('evt_failed', 'FAILED', past, later),
    ] as never[]);
    await models.usageReports.collection.insertOne({
      _id: 'ten_1:key',
      tenantId: 'ten_1',
      status: 'PENDING',
      quantity: 42,
      at: past,
      nextTryAt: later,
    } as never);
    await models.webhookEndpoints.collection.insertOne({
      _id: 'we_1',
      url: 'http://127.0.0.1/',
      events: [],
      status: 'PAUSED',
      waitUntil: later,
    } as never);
    await models.webhookDeliveries.collection.insertOne({
      _id: 'evt_1:we_1',
      endpointId: 'we_1',
      status: 'PENDING',
      nextTryAt: later,
    } as never);
    // Another server on the same database has not read it yet.
    const other = await startTestServer({ uri: server.uri });
    const { value } = await scrape(`${other.url}/metrics`);
    await other.stop();
    await models.webhookEvents.deleteMany({ _id: { $in: ['evt_waits', 'evt_failed'] } });
    expect(value('continuum_database_up')).toBe(1);
    expect(value('continuum_webhook_inbox_pending')).toBe(1);
    expect(value('continuum_webhook_inbox_failed')).toBe(1);
    expect(value('continuum_webhook_inbox_lag_seconds')).toBeGreaterThanOrEqual(599);
    expect(value('continuum_unreported_usage_reports')).toBe(1);
    expect(value('continuum_unreported_usage_quantity')).toBe(42);
    expect(value('continuum_unreported_usage_lag_seconds')).toBeGreaterThanOrEqual(599);
    expect(value('continuum_reconcile_findings')).toBe(3);
    expect(value('continuum_reconcile_stopped')).toBe(1);
    expect(value('continuum_reconcile_timestamp_seconds')).toBeCloseTo(past.getTime() / 1000, 0);
    expect(value('continuum_outgoing_webhooks_pending')).toBe(1);
    expect(value('continuum_webhook_endpoints', { status: 'PAUSED' })).toBe(1);
    expect(value('continuum_webhook_endpoints')).toBe(1);
  });

  it('hold no id, no key and no name of an operation in any label', async () => {
    const { id, key, keyId } = await server.createTenant('A secret name');
    await subscribe(server, key);
    await settled(server);
    await server.gql(`query SecretOperation { memories { pageInfo { hasNextPage } } }`, { key });
    await fetch(`${server.url}/secret/${id}`, { headers: { 'x-api-key': key } });
    const customerId = await customerIdOf(server, id);
    const { text, samples } = await read();
    for (const secret of [id, key, keyId, customerId, OPERATOR_KEY, 'SecretOperation', 'A secret name'])
      expect(text).not.toContain(secret);
    const values = new Set(samples.flatMap(({ labels }) => Object.values(labels)));
    // Ids contain digits; what may contain one is listed.
    const unlisted = [...values].filter(
      (value) =>
        /\d/.test(value) &&
        !/^[1-5]xx$|^\d+(\.\d+)?$|^v?\d+\.\d+\.\d+$|^(GET|POST|DELETE) \/v[12]\/|^\/v1\//.test(value),
    );
    expect(unlisted).toEqual([]);
  });
});

function waitingEvent(_id: string, state: string, receivedAt: Date, nextAttemptAt: Date) {
  return {
    _id,
    type: 'x',
    payload: '{}',
    lane: 'customer:cus_x',
    state,
    attempts: 1,
    receivedAt,
    nextAttemptAt,
  };
}

interface AlertRule {
  alert: string;
  expr: string;
  for: string;
  labels: { severity: string };
  annotations: { summary: string; action: string };
}

const file = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const rules: AlertRule[] = parseYaml(file('deploy/prometheus/alerts.yml')).groups.flatMap(
  (group: { rules: AlertRule[] }) => group.rules,
);

/** Labels that Prometheus itself adds, and the metric that it makes of each scrape. */
const PROMETHEUS_LABELS = ['job', 'instance'];
const PROMETHEUS_METRICS = ['up'];

describe('the files in deploy/', () => {
  it('read only metrics and labels that the server above has', async () => {
    const { samples } = await read();
    const expressions = [
      ...rules.map(({ expr }) => expr),
      ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ].map((expr) => expr.replaceAll('$__rate_interval', '5m'));
    expect(expressions.length).toBeGreaterThan(50);
    for (const { metric, labels } of expressions.flatMap(selectorsOf)) {
      if (PROMETHEUS_METRICS.includes(metric)) continue;
      const series = samples.filter(({ name }) => name === metric);
      expect(series.length, metric).toBeGreaterThan(0);
      for (const label of labels.filter((name) => !PROMETHEUS_LABELS.includes(name)))
        expect(
          series.every((sample) => label in sample.labels),
          `${label} of ${metric}`,
        ).toBe(true);
    }
  });

  it('have every metric of this server in the dashboard or in the alerts', async () => {
    const { samples } = await read();
    const deployed = JSON.stringify(dashboard) + JSON.stringify(rules);
    const own = new Set(samples.map(({ name }) => name).filter((name) => name.startsWith('continuum_')));
    const unused = [...own].filter((name) => !deployed.includes(name.replace(/_(bucket|sum|count)$/, '')));
    expect(unused).toEqual([]);
  });

  it('say of each alert how grave it is, for how long it must last, and what to do', () => {
    for (const { alert, labels, annotations, ...rule } of rules) {
      expect(labels.severity, alert).toMatch(/^(critical|warning)$/);
      expect(rule.for, alert).toMatch(/^\d+[mh]$/);
      expect(annotations.summary, alert).not.toBe('');
      expect(annotations.action, alert).toMatch(/\.$/);
    }
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    const [scraped] = parseYaml(file('deploy/prometheus/prometheus.yml')).scrape_configs;
    expect(rules.map(({ expr }) => expr).join()).toContain(`job="${scraped.job_name}"`);
  });

  it('and the documents name every metric of this server, and the values of its labels', async () => {
    const documented = file('docs/metrics.md');
    const { text } = await read();
    const names = [...text.matchAll(/^# TYPE (continuum_\w+)/gm)].map(([, name]) => name as string);
    expect(names.length).toBeGreaterThan(25);
    expect(names.filter((name) => !documented.includes(`\`${name}\``))).toEqual([]);
    const labels = [
      REJECTION_REASONS,
      BATCH_QUEUES,
      EVENT_OUTCOMES,
      STRIPE_RESULTS,
      DELIVERY_RESULTS,
      REJECTIONS,
    ];
    for (const values of labels) expect(documented).toContain(`\`${values.join(' ')}\``);
  });
});

async function operatorKey(role: string): Promise<string> {
  const { data } = await server.gql(
    'mutation ($input: CreateOperatorKeyInput!) { createOperatorKey(input: $input) { secret } }',
    { variables: { input: { name: role, role } } },
  );
  return data.createOperatorKey.secret;
}

describe('who may read them', () => {
  it('in production an operator who may read everything; elsewhere anyone', async () => {
    const env = { NODE_ENV: 'production', STRIPE_MOCK_MODE: 'true' };
    const production = await startTestServer({ uri: server.uri, env });
    const { key } = await server.createTenant();
    const statusFor = async (headers: Record<string, string>) =>
      (await scrape(`${production.url}/metrics`, headers)).status;
    expect(await statusFor({})).toBe(401);
    expect(await statusFor({ 'x-api-key': key })).toBe(403);
    expect(await statusFor({ authorization: `Bearer ${OPERATOR_KEY}` })).toBe(200);
    for (const [role, status] of [
      ['READ', 200],
      ['SUPPORT', 200],
      ['PROVISION', 403],
    ] as const)
      expect(await statusFor({ 'x-api-key': await operatorKey(role) }), role).toBe(status);
    await production.stop();
    expect((await read()).status).toBe(200);
  });

  it('on a port of their own anyone who reaches it, and then they are nowhere else', async () => {
    const env = { NODE_ENV: 'production', STRIPE_MOCK_MODE: 'true', METRICS_PORT: '0' };
    const apart = await startTestServer({ uri: server.uri, env });
    const { metricsUrl, url } = apart.app;
    expect(metricsUrl).not.toContain(new URL(url).host);
    expect((await scrape(metricsUrl as string)).value('continuum_database_up')).toBe(1);
    expect((await scrape(`${url}/metrics`, { 'x-api-key': OPERATOR_KEY })).status).toBe(404);
    expect((await fetch(new URL('/graphql', metricsUrl as string))).status).toBe(404);
    await apart.stop();
    await expect(fetch(metricsUrl as string)).rejects.toThrow();
  });

  it('with METRICS=false nobody', async () => {
    const off = await startTestServer({ uri: server.uri, env: { METRICS: 'false' } });
    expect(off.app.metricsUrl).toBeNull();
    expect((await fetch(`${off.url}/metrics`)).status).toBe(404);
    await off.stop();
  });
});
