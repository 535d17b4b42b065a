import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  advance,
  askCheckout,
  beginCheckout,
  customerIdOf,
  mockOf,
  press,
  settled,
  stripeOf,
} from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { catalogueFile, pricedCatalogue, SEAT_CENTS } from '../support/teamCatalogue.js';

const DAY_S = 86_400;
const CALLS_A_SEAT = 100;
let server: TestServer;

beforeAll(async () => {
  const team = {
    overage: null,
    limits: { apiCallsPerDay: CALLS_A_SEAT, stored: { members: 1 } },
    limitsPerSeat: ['apiCallsPerDay', 'members'],
  };
  const written = pricedCatalogue({ team }) as { tiers: { name: string; limits: object }[] };
  const tiers = written.tiers.map((tier) =>
    tier.name === 'TEAM' ? tier : { ...tier, limits: { ...tier.limits, stored: { members: 2 } } },
  );
  server = await startTestServer({
    clock: createFakeClock('2026-11-01T09:30:00Z'),
    env: { CATALOG_FILE: catalogueFile({ ...written, resources: ['members'], tiers }) },
  });
});
afterAll(() => server?.stop());

const FIELDS = `status seats scheduledTier price { unitAmount perSeat }
  tier { name limitsPerSeat limits { apiCallsPerDay stored { resource limit } } }`;

async function team(seats: number): Promise<TestTenant> {
  const tenant = await server.createTenant();
  await press(await beginCheckout(server, tenant.key, { tier: 'TEAM', seats }), 'complete');
  await settled(server);
  return tenant;
}
const setSeats = (key: string, seats: number) =>
  server.gql(`mutation ($seats: Int!) { setSeats(seats: $seats) { ${FIELDS} } }`, {
    key,
    variables: { seats },
  });
const preview = (key: string, seats: number) =>
  server.gql(
    `query ($seats: Int!) { previewSeats(seats: $seats) {
      tier seats immediately currency amountDueNowCents prorationCents nextInvoiceCents } }`,
    { key, variables: { seats } },
  );
const store = async ({ id }: TestTenant, amount: number) => {
  const { errors } = await server.gql(
    `mutation { setStored(input: { tenantId: "${id}", resource: "members", amount: ${amount} }) }`,
    { key: OPERATOR_KEY },
  );
  expect(errors).toEqual([]);
};
async function invoicesOf({ id }: TestTenant) {
  const customer = await customerIdOf(server, id);
  return (await stripeOf(server).invoices.list({ customer })).data.toReversed();
}
/** How much of the period is left, from 0 to 1. */
async function leftOf({ id }: TestTenant): Promise<number> {
  const customer = await customerIdOf(server, id);
  const [subscription] = (await stripeOf(server).subscriptions.list({ customer })).data;
  const item = subscription?.items.data[0];
  const nowS = Math.floor((await mockOf(server).now()).getTime() / 1000);
  const [start, end] = [item?.current_period_start ?? 0, item?.current_period_end ?? 0];
  return (end - nowS) / (end - start);
}
const near = (found: number, expected: number) => expect(Math.abs(found - expected)).toBeLessThanOrEqual(1);

describe('seats', () => {
  it('are added at once, for what was shown first, and limits grow with them', async () => {
    const tenant = await team(3);
    const limits = (seats: number) => ({
      apiCallsPerDay: seats * CALLS_A_SEAT,
      stored: [{ resource: 'members', limit: seats }],
    });
    await advance(server, 10 * DAY_S);
    const { data, errors } = await preview(tenant.key, 8);
    expect(errors).toEqual([]);
    const left = await leftOf(tenant);
    const expected = Math.round(8 * SEAT_CENTS * left) - Math.round(3 * SEAT_CENTS * left);
    near(data.previewSeats.prorationCents, expected);
    expect(data.previewSeats).toMatchObject({
      tier: 'TEAM',
      seats: 8,
      immediately: true,
      amountDueNowCents: data.previewSeats.prorationCents,
      nextInvoiceCents: 8 * SEAT_CENTS,
    });
    const changed = await setSeats(tenant.key, 8);
    expect(changed.errors).toEqual([]);
    expect(changed.data.setSeats).toMatchObject({
      seats: 8,
      price: { unitAmount: SEAT_CENTS, perSeat: true },
      tier: { name: 'TEAM', limitsPerSeat: ['apiCallsPerDay', 'members'], limits: limits(8) },
    });
    const [first, second] = await invoicesOf(tenant);
    expect(first?.total).toBe(3 * SEAT_CENTS);
    near(second?.total ?? 0, data.previewSeats.amountDueNowCents);
    const again = await setSeats(tenant.key, 8);
    expect(again.data).toEqual(changed.data);
    expect(await invoicesOf(tenant)).toHaveLength(2);
  });

  it('are given back for a credit, and never below what is in use', async () => {
    const tenant = await team(5);
    await store(tenant, 4);
    for (const few of [await setSeats(tenant.key, 3), await preview(tenant.key, 3)])
      expect(few.errors[0]).toMatchObject({
        message: expect.stringContaining('4 members are in use, which need 4 seats'),
        extensions: { code: 'BAD_USER_INPUT', argument: 'seats' },
      });
    const left = await leftOf(tenant);
    const { data, errors } = await setSeats(tenant.key, 4);
    expect(errors).toEqual([]);
    expect(data.setSeats).toMatchObject({ seats: 4 });
    const [, credit] = await invoicesOf(tenant);
    near(credit?.total ?? 0, Math.round(4 * SEAT_CENTS * left) - Math.round(5 * SEAT_CENTS * left));
  });

  it('are enough for what is in use when they are bought, and when a tier is changed to them', async () => {
    const tenant = await server.createTenant();
    await store(tenant, 2);
    const { errors } = await askCheckout(server, tenant.key, { tier: 'TEAM' });
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.seats' });
    await press(await beginCheckout(server, tenant.key, {}), 'complete');
    await settled(server);
    const change = (seats: string) =>
      server.gql(`mutation { changeTier(input: { tier: TEAM ${seats} }) { ${FIELDS} } }`, tenant);
    expect((await change('')).errors[0]?.extensions).toMatchObject({ argument: 'input.seats' });
    const { data } = await change('seats: 3');
    expect(data.changeTier).toMatchObject({ seats: 3, tier: { name: 'TEAM' } });
  });

  it('that an operator agreed otherwise are not counted', async () => {
    const tenant = await team(2);
    await store(tenant, 2);
    const limits = '{ stored: [{ resource: "members", limit: 50 }] }';
    await server.gql(
      `mutation { setTenantLimits(input: { tenantId: "${tenant.id}", limits: ${limits} }) { id } }`,
      {
        key: OPERATOR_KEY,
      },
    );
    expect((await setSeats(tenant.key, 1)).errors).toEqual([]);
  });

  it.each([
    ['no seats', 0, 'seats'],
    ['fewer than none', -3, 'seats'],
    ['more than there may be', 100_001, 'seats'],
    ['more money than Stripe takes', 100_000, 'seats'],
  ])('are rejected: %s', async (_, seats, argument) => {
    const tenant = await team(1);
    const requests = mockOf(server).requestsSince();
    const { errors } = await setSeats(tenant.key, seats);
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument });
    expect(requests().filter((request) => !request.startsWith('GET'))).toEqual([]);
  });

  it('are rejected without a subscription, for a flat tier, and while a change is scheduled', async () => {
    const none = await server.createTenant();
    expect((await setSeats(none.key, 2)).errors[0]?.message).toContain('there is no paid subscription');
    await press(await beginCheckout(server, none.key, {}), 'complete');
    await settled(server);
    expect((await setSeats(none.key, 2)).errors[0]?.message).toContain('pro tier is not sold by the seat');
    const tenant = await team(4);
    await server.gql('mutation { changeTier(input: { tier: PRO }) { status } }', tenant);
    await settled(server);
    expect((await setSeats(tenant.key, 5)).errors[0]?.message).toContain('will change to PRO');
  });

  it('are not added when the payment fails', async () => {
    const tenant = await team(2);
    const customer = await customerIdOf(server, tenant.id);
    await stripeOf(server).customers.update(customer, { metadata: { mock_card: 'decline' } });
    expect((await setSeats(tenant.key, 9)).errors[0]?.extensions.code).toBe('PAYMENT_PROVIDER_ERROR');
    const { data } = await server.gql(`{ subscription { ${FIELDS} } }`, tenant);
    expect(data.subscription).toMatchObject({ seats: 2 });
  });
});
