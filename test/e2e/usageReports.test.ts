import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { customerIdOf, mockOf, stripeOf } from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { storedDays } from '../support/ledger.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const HOUR_MS = 3_600_000;
const QUOTA = 10;
const WHERE = { method: 'POST', path: '/v1/billing/meter_events' };
const LOST_ANSWER = { kind: 'connection' as const, phase: 'after' as const, ...WHERE, times: 20 };
const REFUSED = { kind: 'server_error' as const, ...WHERE, times: 20 };

const clock = createFakeClock('2026-11-22T11:30:00Z');
let server: TestServer;
/** On the same database, with the same Stripe. */
let other: TestServer;

beforeAll(async () => {
  server = await startTestServer({ clock });
  other = await startTestServer({ clock, uri: server.uri });
});
afterAll(async () => {
  await other.stop();
  await server.stop();
});
afterEach(() => mockOf(server).clearFailures());

/** Pays for overage, and has used up its quota. */
async function overageTenant(): Promise<TestTenant> {
  const tenant = await server.createTenant();
  const farAway = { apiCallsPerDay: QUOTA, apiCallsPerMinute: 1_000_000 };
  await server.setLimits(tenant.id, farAway, 'PRO');
  await server.gql('mutation { setOverage(input: { monthlyCapCents: 10000 }) { allowedCalls } }', {
    key: tenant.key,
  });
  await use(tenant, QUOTA);
  return tenant;
}

async function use({ key }: TestTenant, cost: number): Promise<void> {
  const { data } = await server.gql(
    `mutation { consume(input: { endpoint: "jobs", cost: ${cost} }) { allowed } }`,
    { key },
  );
  expect(data.consume.allowed).toBe(true);
}

async function reportsOf({ id }: TestTenant): Promise<{ quantity: number; status: string; at: string }[]> {
  const { data } = await server.gql(
    `{ usageReports(tenantId: "${id}") { edges { node { kind quantity status at } } } }`,
  );
  return data.usageReports.edges.map(({ node }: { node: object }) => node);
}

/** What Stripe's meter has counted of the tenant. */
async function meteredOf({ id }: TestTenant, name = 'continuum_overage_calls'): Promise<number> {
  const stripe = stripeOf(server);
  const { data: meters } = await stripe.billing.meters.list({ status: 'active' });
  const meter = meters.find(({ event_name: eventName }) => eventName === name);
  const [summary] = (
    await stripe.billing.meters.listEventSummaries(meter?.id ?? '', {
      customer: await customerIdOf(server, id),
      start_time: Math.floor(Date.parse('2026-01-01') / 1000),
      end_time: Math.floor(Date.parse('2028-01-01') / 1000),
    })
  ).data;
  return summary?.aggregated_value ?? 0;
}

const nextHour = () => clock.advance(HOUR_MS);
const run = (on = server) => on.app.services.usageReporter.run();

describe('overage is reported to Stripe', () => {
  it('once an hour: what the hour added, with a time inside of it', async () => {
    const tenant = await overageTenant();
    await use(tenant, 30);
    clock.set('2026-11-22T12:00:20Z');
    await run();
    expect(await meteredOf(tenant)).toBe(30);
    await use(tenant, 5);
    await run();
    expect(await meteredOf(tenant)).toBe(30);
    nextHour();
    await run();
    await run();
    expect(await meteredOf(tenant)).toBe(35);
    expect(await reportsOf(tenant)).toEqual([
      { kind: 'OVERAGE', quantity: 5, status: 'REPORTED', at: '2026-11-22T12:59:00.000Z' },
      { kind: 'OVERAGE', quantity: 30, status: 'REPORTED', at: '2026-11-22T11:59:00.000Z' },
    ]);
  });

  it('as of the day when it was used, though the hour ends in the next one', async () => {
    const tenant = await overageTenant();
    clock.set('2026-11-22T23:59:59Z');
    await use(tenant, 7);
    clock.set('2026-11-23T00:00:10Z');
    await run();
    expect(await reportsOf(tenant)).toMatchObject([{ quantity: 7, at: '2026-11-22T23:59:00.000Z' }]);
  });

  it('once, by two servers that report at the same time', async () => {
    const tenants = [await overageTenant(), await overageTenant(), await overageTenant()];
    for (const tenant of tenants) await use(tenant, 12);
    nextHour();
    await Promise.all([run(server), run(other)]);
    // Whoever had no lease does its pass after all: as if the first had been held up for longer than its lease.
    await server.app.models.leases.deleteMany({});
    await run(other);
    await server.app.models.leases.deleteMany({});
    await run(server);
    for (const tenant of tenants) expect(await meteredOf(tenant)).toBe(12);
  });

  it('once, though the answer was lost', async () => {
    const tenant = await overageTenant();
    await use(tenant, 40);
    nextHour();
    mockOf(server).failNext(LOST_ANSWER);
    await run();
    expect(await reportsOf(tenant)).toMatchObject([{ status: 'PENDING' }]);
    mockOf(server).clearFailures();
    nextHour();
    await run();
    expect(await reportsOf(tenant)).toMatchObject([{ quantity: 40, status: 'REPORTED' }]);
    expect(await meteredOf(tenant)).toBe(40);
  });

  it.each([
    { name: 'had taken it', failure: LOST_ANSWER },
    { name: 'had not taken it', failure: REFUSED },
  ])('once, when a day passes before anybody learns that Stripe $name', async ({ failure }) => {
    const tenant = await overageTenant();
    await use(tenant, 40);
    nextHour();
    mockOf(server).failNext(failure);
    await run();
    mockOf(server).clearFailures();
    // Stripe has forgotten the identifier: sent again it would count again.
    clock.advance(30 * HOUR_MS);
    await run();
    expect(await reportsOf(tenant)).toMatchObject([{ quantity: 40, status: 'REPORTED' }]);
    expect(await meteredOf(tenant)).toBe(40);
  });

  it('less the calls that were returned afterwards: the report is canceled, and the rest reported in a new one', async () => {
    const tenant = await overageTenant();
    await use(tenant, 40);
    const used = await server.app.services.admission.look(tenant.id);
    nextHour();
    await run();
    await server.app.services.admission.returnCalls(tenant.id, [{ endpoint: 'jobs', calls: 15 }], used);
    clock.advance(0);
    clock.set(new Date(Math.ceil(clock.now() / (24 * HOUR_MS)) * 24 * HOUR_MS + 2 * HOUR_MS));
    for (let hour = 0; hour < 3; hour++) {
      nextHour();
      await run();
    }
    expect(await meteredOf(tenant)).toBe(25);
    expect((await reportsOf(tenant)).map(({ quantity, status }) => [quantity, status]).sort()).toEqual([
      [25, 'REPORTED'],
      [40, 'CANCELED'],
    ]);
  });

  it('again, under another identifier, when Stripe later reports that it could not count it', async () => {
    const tenant = await overageTenant();
    await use(tenant, 8);
    nextHour();
    await run();
    const [report] = await server.app.models.usageReports.find({ tenantId: tenant.id }).lean();
    const meterError = { code: 'meter_event_customer_not_found', message: 'No such customer' };
    await server.app.services.usageReports.noteMeterErrors([
      { identifier: report?._id ?? '', ...meterError },
      { identifier: 'of another system', ...meterError },
    ]);
    nextHour();
    await run();
    expect(await reportsOf(tenant)).toMatchObject([
      { quantity: 8, status: 'REPORTED' },
      { quantity: 8, status: 'FAILED' },
    ]);
  });

  it('until Stripe would reject it for its age: then it is reported as failed', async () => {
    const tenant = await overageTenant();
    await use(tenant, 40);
    nextHour();
    mockOf(server).failNext({ ...REFUSED, times: 100 });
    await run();
    mockOf(server).clearFailures();
    clock.advance(36 * 24 * HOUR_MS);
    await run();
    const { data } = await server.gql(
      `{ usageReports(tenantId: "${tenant.id}") { edges { node { status error } } } }`,
    );
    expect(data.usageReports.edges[0].node).toEqual({
      status: 'FAILED',
      error: 'older than the 35 days that Stripe accepts',
    });
    expect(await meteredOf(tenant)).toBe(0);
  });

  it('and the day is looked at no more when nothing can change', async () => {
    const tenant = await overageTenant();
    await use(tenant, 1);
    for (let hour = 0; hour < 50; hour += 10) {
      clock.advance(10 * HOUR_MS);
      await run();
    }
    const days = await storedDays(server.app.models.connection, tenant.id);
    expect(days.filter(({ overageLedger }) => overageLedger)).toEqual([]);
  });
});

describe('usageReports', () => {
  it('shows a tenant its own, the newest first, page by page, without what Stripe said to the operator', async () => {
    const tenant = await server.createTenant();
    for (const key of ['first', 'second', 'third']) {
      clock.advance(1_000);
      await server.gql(`mutation { reportUsage(input: { quantity: 3, idempotencyKey: "${key}" }) { id } }`, {
        key: tenant.key,
      });
    }
    const page = async (after: string | null) =>
      (
        await server.gql(
          `query ($after: String) { usageReports(first: 2, after: $after) {
             edges { node { id kind error } } pageInfo { hasNextPage endCursor } } }`,
          { key: tenant.key, variables: { after } },
        )
      ).data.usageReports;
    const first = await page(null);
    const second = await page(first.pageInfo.endCursor);
    const nodes = [...first.edges, ...second.edges].map(({ node }) => node);
    expect(nodes).toEqual(['third', 'second', 'first'].map((id) => ({ id, kind: 'MANUAL', error: null })));
    expect(second.pageInfo.hasNextPage).toBe(false);
  });

  it('delivers in the background what reportUsage could not', async () => {
    const tenant = await server.createTenant();
    mockOf(server).failNext(REFUSED);
    const { data } = await server.gql(
      'mutation { reportUsage(input: { quantity: 9, idempotencyKey: "k" }) { status } }',
      { key: tenant.key },
    );
    expect(data.reportUsage.status).toBe('PENDING');
    mockOf(server).clearFailures();
    nextHour();
    await run();
    expect(await meteredOf(tenant, 'continuum_api_calls')).toBe(9);
  });
});
