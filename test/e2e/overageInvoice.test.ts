import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { customerIdOf, mockOf, settled, stripeOf, subscribe } from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { PRO_CENTS, TEAM_CENTS, teamCatalogueFile } from '../support/teamCatalogue.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const QUOTA = 10;
/** Of the built-in PRO: 10 cents for 1,000 calls. */
const CALLS_PER_CENT = 100;
const START = Date.parse('2126-11-01T00:00:00Z');

/** Stripe's clock goes with ours, so that a period is the month that `usage` tells of. */
const clock = createFakeClock(START);
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ clock, env: { CATALOG_FILE: teamCatalogueFile() } });
});
afterAll(() => server?.stop());
afterEach(() => mockOf(server).clearFailures());

const gql = async ({ key }: TestTenant, query: string) => {
  const { data, errors } = await server.gql(query, { key });
  expect(errors).toEqual([]);
  return data;
};
const setCap = (tenant: TestTenant, cents: number | null) =>
  gql(tenant, `mutation { setOverage(input: { monthlyCapCents: ${cents} }) { allowedCalls } }`);

/** Bought at the first of a month; its quota is small, and not used yet. */
async function subscriber(capCents: number | null = 10_000): Promise<TestTenant> {
  const next = new Date(clock.now());
  clock.set(Date.UTC(next.getUTCFullYear(), next.getUTCMonth() + 1, 1));
  const tenant = await server.createTenant();
  await subscribe(server, tenant.key);
  await settled(server);
  await server.setLimits(tenant.id, { apiCallsPerDay: QUOTA, apiCallsPerMinute: 1_000_000 });
  if (capCents !== null) await setCap(tenant, capCents);
  return tenant;
}

/** Of the daily quota, or past it. */
async function use(tenant: TestTenant, cost: number): Promise<boolean> {
  const data = await gql(
    tenant,
    `mutation { consume(input: { endpoint: "jobs", cost: ${cost} }) { allowed } }`,
  );
  return data.consume.allowed;
}

const report = () => server.app.services.usageReporter.run();

/** Time goes by: what is due at Stripe happens, and is known here. */
async function until(moment: number): Promise<void> {
  clock.set(moment);
  await mockOf(server).advanceClock(0);
  await settled(server);
}
const monthEnd = () => {
  const now = new Date(clock.now());
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1);
};

/** As Stripe has them, the newest first. */
const invoicesOf = async ({ id }: TestTenant) =>
  (await stripeOf(server).invoices.list({ customer: await customerIdOf(server, id) })).data;
const linesOf = async (tenant: TestTenant, index = 0) =>
  ((await invoicesOf(tenant))[index]?.lines.data ?? []).map(({ amount, quantity, pricing }) => ({
    amount,
    quantity,
    price: pricing?.price_details?.price,
  }));
const itemsOf = async ({ id }: TestTenant) => {
  const customer = await customerIdOf(server, id);
  const [subscription] = (await stripeOf(server).subscriptions.list({ customer, status: 'all' })).data;
  return (subscription?.items.data ?? []).map(({ price }) => price.id).sort();
};

const BASE = { amount: PRO_CENTS, quantity: 1, price: 'price_pro' };
const overage = (calls: number, tier = 'pro') => ({
  amount: Math.round(calls / CALLS_PER_CENT),
  quantity: calls,
  price: `price_${tier}_overage`,
});

describe('what was used past the quota', () => {
  it('is on the invoice of its period, to the cent, beside the price of the tier', async () => {
    const tenant = await subscriber();
    expect(await use(tenant, QUOTA + 1_234)).toBe(true);
    clock.advance(DAY_MS);
    expect(await use(tenant, QUOTA + 416)).toBe(true);
    clock.advance(HOUR_MS);
    await report();
    const told = await gql(
      tenant,
      '{ usage(period: MONTH) { overageCalls overageCostCents } overage { costCents } }',
    );
    expect(told).toEqual({
      usage: { overageCalls: 1_650, overageCostCents: 16.5 },
      overage: { costCents: 16.5 },
    });

    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(1_650)]);
    const { invoices } = await gql(
      tenant,
      '{ invoices { edges { node { status totalCents amountPaidCents } } } }',
    );
    expect(invoices.edges).toEqual([
      { node: { status: 'PAID', totalCents: PRO_CENTS + 17, amountPaidCents: PRO_CENTS + 17 } },
      { node: { status: 'PAID', totalCents: PRO_CENTS, amountPaidCents: PRO_CENTS } },
    ]);
    // Nothing of it comes again.
    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(0)]);
  });
});

describe('the part of a subscription that bills overage', () => {
  it('comes with the tier, goes with it, and is replaced at once by that of another', async () => {
    const tenant = await subscriber();
    expect(await itemsOf(tenant)).toEqual(['price_pro', 'price_pro_overage']);
    await use(tenant, QUOTA + 2_000);
    clock.advance(HOUR_MS);
    await report();
    await until(clock.now() + 10 * DAY_MS);
    await gql(tenant, 'mutation { changeTier(input: { tier: TEAM }) { tier { name } } }');
    expect(await itemsOf(tenant)).toEqual(['price_team', 'price_team_overage']);
    // What was used before the change is paid with it.
    expect(await linesOf(tenant)).toContainEqual(overage(2_000));

    await use(tenant, QUOTA + 300);
    clock.advance(HOUR_MS);
    await report();
    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([
      { amount: TEAM_CENTS, quantity: 1, price: 'price_team' },
      overage(300, 'team'),
    ]);
  });
});
