import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { customerIdOf, mockOf, stripeOf, subscribe } from '../support/billing.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server?.stop());
afterEach(() => mockOf(server).clearFailures());

const REPORT = 'mutation { reportUsage(input: { quantity: 7 }) { id quantity status } }';
const METER_EVENTS = '/v1/billing/meter_events';

/** What Stripe has counted, once everything that waits was sent. */
async function meteredOf(tenantId: string): Promise<number> {
  const due = { tenantId, nextTryAt: { $exists: true } };
  await server.app.models.usageReports.updateMany(due, { $set: { nextTryAt: new Date(0) } });
  await server.app.models.leases.deleteMany({});
  await server.app.services.usageReporter.run();
  const stripe = stripeOf(server);
  const meters = await stripe.billing.meters.list();
  const meter = meters.data.find(({ event_name: name }) => name === 'continuum_api_calls');
  const nowS = Math.floor(Date.now() / 60_000) * 60;
  const { data } = await stripe.billing.meters.listEventSummaries(meter?.id as string, {
    customer: await customerIdOf(server, tenantId),
    start_time: nowS - 3_600,
    end_time: nowS + 60,
  });
  return data.reduce((sum, { aggregated_value: value }) => sum + value, 0);
}

it.each([
  ['answers 500', { kind: 'server_error' as const, phase: 'before' as const }],
  ['counts and then answers 500', { kind: 'server_error' as const, phase: 'after' as const }],
  ['is away', { kind: 'connection' as const, phase: 'before' as const }],
  ['counts and the connection breaks', { kind: 'connection' as const, phase: 'after' as const }],
])('reportUsage without a key is PENDING, and counted once, when Stripe %s', async (_, failure) => {
  const { id, key } = await server.createTenant();
  await subscribe(server, key);
  mockOf(server).failNext({ ...failure, path: METER_EVENTS, times: 10 });
  const { data, errors } = await server.gql(REPORT, { key });
  expect(errors).toEqual([]);
  expect(data.reportUsage).toMatchObject({ quantity: 7, status: 'PENDING' });
  const rest = await fetch(`${server.url}/v1/billing/report-usage`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({ quantity: 5 }),
  });
  expect(rest.status).toBe(200);
  expect(await rest.json()).toEqual({ status: 'pending', quantity: 5, tenant_id: id });
  mockOf(server).clearFailures();
  expect(await meteredOf(id)).toBe(12);
  const { data: after } = await server.gql('{ usageReports { edges { node { status } } } }', { key });
  expect(after.usageReports.edges.map(({ node }: { node: { status: string } }) => node.status)).toEqual([
    'REPORTED',
    'REPORTED',
  ]);
});
