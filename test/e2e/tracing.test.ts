import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { connectWs } from '../support/liveClient.js';
import { collectLog } from '../support/log.js';
import { type ReceivedSpan, startTraceReceiver, type TraceReceiver } from '../support/receivers.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { soon } from '../support/soon.js';

const SERVER = 2;
const CLIENT = 3;
const FAILED = 2;

const { log, lines } = collectLog();
let collector: TraceReceiver;
let server: TestServer;
let tenant: TestTenant;
beforeAll(async () => {
  // How long the SDK gathers spans before it sends them.
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '20');
  collector = await startTraceReceiver();
  server = await startTestServer({
    log,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_SERVICE_NAME: 'billing' },
  });
  tenant = await server.createTenant();
});
afterAll(async () => {
  await server.stop();
  collector.close();
  vi.unstubAllEnvs();
});

let last = 0;
/** A trace that a gateway began. */
function newTrace() {
  const traceId = `${++last}`.padStart(32, 'a');
  const spanId = 'b'.repeat(16);
  return { traceId, spanId, headers: { traceparent: `00-${traceId}-${spanId}-01` } };
}

/** The spans of a trace, once its request has ended. */
const spansOf = (traceId: string): Promise<ReceivedSpan[]> =>
  soon(() => {
    const spans = collector.spans.filter((span) => span.traceId === traceId);
    expect(spans.some(({ kind }) => kind === SERVER)).toBe(true);
    return spans;
  });

const named = (spans: ReceivedSpan[], name: string | RegExp): ReceivedSpan => {
  const span = spans.find((one) => (typeof name === 'string' ? one.name === name : name.test(one.name)));
  if (!span) throw new Error(`No span ${name} among ${spans.map((one) => one.name)}`);
  return span;
};

describe('a trace', () => {
  it('goes on from a gateway through the request, the operation and its decision to MongoDB', async () => {
    const { traceId, spanId, headers } = newTrace();
    await server.gql('query Look { memory(id: "mem_1") { id } }', { key: tenant.key, headers });
    const spans = await spansOf(traceId);
    const http = named(spans, 'POST /graphql');
    expect(http).toMatchObject({
      parentSpanId: spanId,
      kind: SERVER,
      attributes: {
        'http.route': '/graphql',
        'http.request.method': 'POST',
        'http.response.status_code': 200,
        'continuum.tenant_id': tenant.id,
      },
      resource: { 'service.name': 'billing', 'service.version': expect.stringMatching(/^\d/) },
    });
    const operation = named(spans, 'query');
    expect(operation).toMatchObject({
      parentSpanId: http.spanId,
      attributes: {
        'graphql.operation.name': 'Look',
        'graphql.operation.type': 'query',
        'continuum.cost': 1,
      },
    });
    expect(named(spans, 'decision')).toMatchObject({
      parentSpanId: operation.spanId,
      attributes: { 'continuum.outcome': 'accepted', 'continuum.tier': 'FREE' },
    });
    expect(named(spans, 'find memories')).toMatchObject({
      parentSpanId: operation.spanId,
      kind: CLIENT,
      attributes: { 'db.system.name': 'mongodb', 'db.operation.name': 'find' },
    });
  });

  it('has the requests to Stripe, and its id is in the access line', async () => {
    const { traceId, headers } = newTrace();
    await server.gql(
      'mutation { createCheckoutSession(input: { tier: PRO, successUrl: "http://localhost/ok", cancelUrl: "http://localhost/no" }) { id } }',
      { key: tenant.key, headers },
    );
    const spans = await spansOf(traceId);
    const operation = named(spans, 'mutation');
    expect(named(spans, 'Stripe POST /v1/checkout/sessions')).toMatchObject({
      parentSpanId: operation.spanId,
      kind: CLIENT,
      attributes: { 'continuum.stripe.result': 'ok' },
    });
    const traced = lines.map((line) => JSON.parse(line)).find((line) => line.traceId === traceId);
    expect(traced).toMatchObject({ msg: 'request.answered', status: 200 });
  });

  it('has an operation over a WebSocket as it has one over HTTP', async () => {
    const look = newTrace();
    const client = connectWs(server.url, { apiKey: tenant.key }, { headers: look.headers });
    await client.subscribe('query Look { memory(id: "mem_1") { id } }').end();
    const spans = await spansOf(look.traceId);
    const request = named(spans, 'GET /graphql');
    expect(request).toMatchObject({
      parentSpanId: look.spanId,
      kind: SERVER,
      attributes: {
        'http.route': '/graphql',
        'http.request.method': 'GET',
        'http.response.status_code': 101,
        'continuum.tenant_id': tenant.id,
      },
    });
    const operation = named(spans, 'query');
    expect(operation).toMatchObject({
      parentSpanId: request.spanId,
      attributes: {
        'graphql.operation.name': 'Look',
        'graphql.operation.type': 'query',
        'continuum.cost': 1,
      },
    });
    expect(named(spans, 'decision').parentSpanId).toBe(operation.spanId);
    expect(named(spans, 'find memories').parentSpanId).toBe(operation.spanId);
    client.dispose();
    const answered = lines.map((line) => JSON.parse(line)).find((line) => line.traceId === look.traceId);
    expect(answered).toMatchObject({ msg: 'operation.answered', operation: 'Look' });
  });

  it('of a subscription ends when it listens; its messages belong to none', async () => {
    const { traceId, headers } = newTrace();
    const client = connectWs(server.url, { apiKey: tenant.key }, { headers });
    const stream = client.subscribe('subscription Follow { usageChanged(current: true) { apiCalls } }');
    await stream.next();
    const before = await spansOf(traceId);
    expect(named(before, 'subscription')).toMatchObject({
      parentSpanId: named(before, 'GET /graphql').spanId,
      attributes: { 'graphql.operation.name': 'Follow', 'graphql.operation.type': 'subscription' },
    });
    await server.gql('mutation { storeMemory(input: { content: "a" }) { id } }', { key: tenant.key });
    await stream.next();
    await client.subscribe('{ nothing }').end();
    // Each operation of the connection is one request of the trace that its headers name.
    const all = await soon(() => {
      const spans = collector.spans.filter((span) => span.traceId === traceId);
      expect(spans.filter(({ kind }) => kind === SERVER)).toHaveLength(2);
      return spans;
    });
    const invalid = all.filter(({ attributes }) => attributes['error.type'] === 'GRAPHQL_VALIDATION_FAILED');
    expect(invalid).toMatchObject([{ name: 'GraphQL', status: { code: FAILED } }]);
    const after = all.filter(({ spanId }) => !before.some((span) => span.spanId === spanId));
    expect(after.map(({ name }) => name).sort()).toEqual(['GET /graphql', 'GraphQL']);
    client.dispose();
  });

  it('of a rejected or failed request says so', async () => {
    const rejected = newTrace();
    await server.gql('{ memory(id: "mem_1") { id } }', { key: null, headers: rejected.headers });
    expect(named(await spansOf(rejected.traceId), 'query')).toMatchObject({
      status: { code: FAILED },
      attributes: { 'error.type': 'UNAUTHENTICATED' },
    });
    const failed = newTrace();
    vi.spyOn(server.app.services.memories, 'find').mockRejectedValueOnce(new Error('a defect'));
    await server.gql('{ memory(id: "mem_1") { id } }', { key: tenant.key, headers: failed.headers });
    expect(named(await spansOf(failed.traceId), 'POST /graphql').status).toEqual({ code: FAILED });
  });

  it('of a REST request has the reading of its key', async () => {
    const { traceId, headers } = newTrace();
    await fetch(`${server.url}/v1/billing/subscription`, {
      headers: { ...headers, 'x-api-key': tenant.key },
    });
    const spans = await spansOf(traceId);
    const http = named(spans, 'GET /v1/billing/subscription');
    expect(named(spans, 'find billing_subscriptions').parentSpanId).toBe(http.spanId);
  });

  it.each([
    'nonsense',
    `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`,
    `ff-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    `00-${'A'.repeat(32)}-${'b'.repeat(16)}-01`,
  ])('begins again if the header is %s', async (traceparent) => {
    const headers = { traceparent, 'x-request-id': `invalid-${traceparent.slice(0, 4)}` };
    await server.gql('{ tiers { name } }', { headers });
    const line = lines.map((one) => JSON.parse(one)).find((one) => one.requestId === headers['x-request-id']);
    const spans = await spansOf(line.traceId);
    expect(named(spans, 'POST /graphql').parentSpanId).toBeUndefined();
  });

  it('that a gateway does not sample is not sent', async () => {
    const { traceId } = newTrace();
    const headers = { traceparent: `00-${traceId}-${'b'.repeat(16)}-00` };
    await server.gql('{ tiers { name } }', { headers });
    const next = newTrace();
    await server.gql('{ tiers { name } }', { headers: next.headers });
    await spansOf(next.traceId);
    expect(collector.spans.filter((span) => span.traceId === traceId)).toEqual([]);
  });
});

it('a server that stops sends what it has, and a collector that is away does not keep it', async () => {
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '60000');
  const start = (endpoint: string) =>
    startTestServer({ uri: server.uri, env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } });
  const [one, other] = await Promise.all([start(collector.endpoint), start('http://127.0.0.1:1')]);
  const { traceId, headers } = newTrace();
  await Promise.all([one, other].map(({ gql }) => gql('{ tiers { name } }', { headers })));
  await Promise.all([one.stop(), other.stop()]);
  expect(named(await spansOf(traceId), 'POST /graphql').resource).toMatchObject({
    'service.name': 'continuum-billing',
  });
});
