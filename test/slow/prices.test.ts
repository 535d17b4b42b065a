import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addMonths } from '../../src/common/calendar.js';
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
import { AMOUNTS, catalogueFile, pricedCatalogue, SEAT_CENTS } from '../support/teamCatalogue.js';

const DAY_S = 86_400;
const HOUR_S = 3_600;
const QUOTA = 5;
const clock = createFakeClock('2026-11-01T09:30:00Z');
let server: TestServer;

beforeAll(async () => {
  const limits = { apiCallsPerDay: QUOTA, apiCallsPerMinute: 100_000 };
  const catalogue = pricedCatalogue({ pro: { limits: { ...proLimits(), ...limits } } });
  server = await startTestServer({ clock, env: { CATALOG_FILE: catalogueFile(catalogue) } });
});
afterAll(() => server?.stop());

function proLimits(): object {
  const { tiers } = pricedCatalogue() as { tiers: { name: string; limits?: object }[] };
  return tiers.find(({ name }) => name === 'PRO')?.limits ?? {};
}

const PRICE = '{ id interval intervalCount currency unitAmount perSeat }';
const STATE = `tier { name } status seats price ${PRICE} scheduledTier scheduledPrice ${PRICE} scheduledAt
  currentPeriodStart currentPeriodEnd cancelAt isContract`;
const stateOf = async ({ key }: TestTenant) => {
  const { data, errors } = await server.gql(`{ subscription { ${STATE} } }`, { key });
  expect(errors).toEqual([]);
  return data.subscription;
};

async function buyer(input: object): Promise<TestTenant> {
  const tenant = await server.createTenant();
  await press(await beginCheckout(server, tenant.key, input), 'complete');
  await settled(server);
  return tenant;
}

const change = async (key: string, input: object) =>
  server.gql(`mutation ($input: ChangeTierInput!) { changeTier(input: $input) { ${STATE} } }`, {
    key,
    variables: { input },
  });
const changed = async (key: string, input: object) => {
  const { data, errors } = await change(key, input);
  expect(errors).toEqual([]);
  await settled(server);
  return data.changeTier;
};
const preview = async (key: string, args: string) => {
  const { data, errors } = await server.gql(
    `{ previewTierChange(${args}) { tier seats immediately effectiveAt currency amountDueNowCents prorationCents
      nextInvoiceCents nextInvoiceAt } }`,
    { key },
  );
  expect(errors).toEqual([]);
  return data.previewTierChange;
};

async function invoicesOf({ id }: TestTenant) {
  const customer = await customerIdOf(server, id);
  return (await stripeOf(server).invoices.list({ customer, limit: 100 })).data.toReversed();
}
const totalsOf = async (tenant: TestTenant) => (await invoicesOf(tenant)).map(({ total }) => total);

/** How much of a period is left, from 0 to 1, by Stripe's clock. */
async function leftOf({ currentPeriodStart, currentPeriodEnd }: Record<string, string>): Promise<number> {
  const nowMs = Math.floor((await mockOf(server).now()).getTime() / 1000) * 1000;
  const [start, end] = [currentPeriodStart, currentPeriodEnd].map((at) => Date.parse(at as string));
  return ((end as number) - nowMs) / ((end as number) - (start as number));
}
async function moveTo(at: Date | string, moreS = 0): Promise<void> {
  const leftMs = new Date(at).getTime() - (await mockOf(server).now()).getTime();
  await advance(server, Math.ceil(leftMs / 1000) + moreS);
}
const near = (found: number, expected: number) => expect(Math.abs(found - expected)).toBeLessThanOrEqual(1);

describe('the prices of a tier', () => {
  it('are listed, those in the currency of the catalogue first', async () => {
    const { data } = await server.gql(`{ tiers { name monthlyPriceCents prices ${PRICE} } }`);
    const of = (name: string) => data.tiers.find((tier: { name: string }) => tier.name === name);
    expect(of('FREE')).toMatchObject({ monthlyPriceCents: 0, prices: [] });
    expect(of('ENTERPRISE')).toMatchObject({ monthlyPriceCents: null, prices: [] });
    const flat = { intervalCount: 1, perSeat: false };
    expect(of('PRO')).toEqual({
      name: 'PRO',
      monthlyPriceCents: 2_900,
      prices: [
        { ...flat, id: 'pro_monthly_usd', interval: 'MONTH', currency: 'usd', unitAmount: 2_900 },
        { ...flat, id: 'pro_yearly_usd', interval: 'YEAR', currency: 'usd', unitAmount: 29_000 },
        { ...flat, id: 'pro_monthly_eur', interval: 'MONTH', currency: 'eur', unitAmount: 2_700 },
        { ...flat, id: 'pro_yearly_eur', interval: 'YEAR', currency: 'eur', unitAmount: 27_000 },
      ],
    });
    expect(of('TEAM').prices[1]).toMatchObject({ id: 'team_3_months_usd', intervalCount: 3, perSeat: true });
  });
});

describe('a checkout', () => {
  it('sells a year in another currency, which stays the tenant’s', async () => {
    const tenant = await buyer({ interval: 'YEAR', currency: 'EUR' });
    const { currentPeriodStart, currentPeriodEnd, ...state } = await stateOf(tenant);
    expect(state).toMatchObject({
      tier: { name: 'PRO' },
      seats: 1,
      price: { id: 'pro_yearly_eur', interval: 'YEAR', currency: 'eur', unitAmount: 27_000 },
    });
    expect(currentPeriodEnd).toBe(addMonths(new Date(currentPeriodStart), 12).toISOString());
    const [first] = await invoicesOf(tenant);
    expect(first).toMatchObject({ currency: 'eur', total: AMOUNTS.PRO.year.eur, status: 'paid' });

    await server.gql('mutation { cancelSubscription(input: { atPeriodEnd: false }) { status } }', tenant);
    await settled(server);
    const { errors } = await askCheckout(server, tenant.key, { currency: 'usd' });
    expect(errors[0]).toMatchObject({
      message: expect.stringContaining('is eur since the first purchase'),
      extensions: { code: 'BAD_USER_INPUT', argument: 'input.currency' },
    });
    const again = await beginCheckout(server, tenant.key, {});
    const session = await stripeOf(server).checkout.sessions.retrieve(again.id);
    expect(session).toMatchObject({ currency: 'eur', amount_total: AMOUNTS.PRO.month.eur });
  });

  it('sells seats, every three months', async () => {
    const tenant = await buyer({ tier: 'TEAM', interval: 'MONTH', intervalCount: 3, seats: 7 });
    const state = await stateOf(tenant);
    expect(state).toMatchObject({
      seats: 7,
      price: { id: 'team_3_months_usd', unitAmount: 3_300, perSeat: true },
    });
    expect(state.currentPeriodEnd).toBe(addMonths(new Date(state.currentPeriodStart), 3).toISOString());
    expect(await totalsOf(tenant)).toEqual([7 * 3_300]);
  });

  it.each([
    ['a currency that the tier does not have', { currency: 'gbp' }, 'currency', 'not sold in gbp'],
    [
      'a currency that one interval lacks',
      { tier: 'TEAM', interval: 'MONTH', intervalCount: 3, currency: 'eur' },
      'currency',
      'not sold in eur',
    ],
    [
      'an interval that it does not have',
      { interval: 'MONTH', intervalCount: 3 },
      'interval',
      'not sold every 3 months',
    ],
    ['a count without an interval', { intervalCount: 3 }, 'intervalCount', 'needs an interval'],
    ['seats of a flat tier', { seats: 2 }, 'seats', 'not sold by the seat'],
    ['no seats', { tier: 'TEAM', seats: 0 }, 'seats', 'from 1 to 100000'],
    ['more money than Stripe takes', { tier: 'TEAM', seats: 100_000 }, 'seats', 'at most'],
  ])('rejects %s, and asks Stripe nothing', async (_, input, argument, problem) => {
    const tenant = await server.createTenant();
    const requests = mockOf(server).requestsSince();
    const { errors } = await askCheckout(server, tenant.key, input);
    expect(errors[0]).toMatchObject({
      message: expect.stringContaining(problem),
      extensions: { code: 'BAD_USER_INPUT', argument: `input.${argument}` },
    });
    expect(requests()).toEqual([]);
  });
});

// Before the clock is moved past the end of what these agree.
describe('a contract', () => {
  const begin = (tenant: TestTenant, terms: object) =>
    server.gql(
      `mutation ($input: CreateEnterpriseSubscriptionInput!) {
        createEnterpriseSubscription(input: $input) { ${STATE} } }`,
      { key: OPERATOR_KEY, variables: { input: { tenantId: tenant.id, termMonths: 24, ...terms } } },
    );

  it('may be paid each year, in another currency, by the seat; the same terms again change nothing', async () => {
    const tenant = await server.createTenant();
    const terms = { unitAmount: 50_000, interval: 'YEAR', currency: 'eur', seats: 12 };
    const { data, errors } = await begin(tenant, terms);
    expect(errors).toEqual([]);
    const state = data.createEnterpriseSubscription;
    expect(state).toMatchObject({
      isContract: true,
      seats: 12,
      price: { interval: 'YEAR', currency: 'eur', unitAmount: 50_000 },
    });
    expect(state.currentPeriodEnd).toBe(addMonths(new Date(state.currentPeriodStart), 12).toISOString());
    expect(await totalsOf(tenant)).toEqual([12 * 50_000]);
    await settled(server);
    expect((await begin(tenant, terms)).data.createEnterpriseSubscription).toMatchObject({ seats: 12 });
    expect(await totalsOf(tenant)).toHaveLength(1);
  });

  it.each([
    ['two prices', { monthlyPriceCents: 1, unitAmount: 1 }, 'input.unitAmount'],
    ['no price', {}, 'input.unitAmount'],
    ['seats of a price for all', { monthlyPriceCents: 1, seats: 2 }, 'input.monthlyPriceCents'],
    ['a year and a half', { unitAmount: 1, interval: 'YEAR', termMonths: 18 }, 'input.termMonths'],
    ['a currency without a price of overage', { unitAmount: 1, currency: 'gbp' }, 'input.currency'],
    ['no currency', { unitAmount: 1, currency: 'e' }, 'input.currency'],
    ['too much money', { unitAmount: 99_999_999, seats: 2 }, 'input.seats'],
  ])('is rejected with %s', async (_, terms, argument) => {
    const { errors } = await begin(await server.createTenant(), terms);
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument });
  });

  it('is rejected in another currency than that of the subscription that it replaces', async () => {
    const tenant = await buyer({});
    const { errors } = await begin(tenant, { unitAmount: 1, currency: 'eur' });
    expect(errors[0]).toMatchObject({ message: expect.stringContaining('is usd since the first purchase') });
  });

  it('is rejected in another currency than that of a subscription that has ended', async () => {
    const tenant = await buyer({});
    await server.gql('mutation { cancelSubscription(input: { atPeriodEnd: false }) { status } }', tenant);
    await settled(server);
    const requests = mockOf(server).requestsSince();
    const { errors } = await begin(tenant, { unitAmount: 1_000, currency: 'eur' });
    expect(errors[0]).toMatchObject({
      message: expect.stringContaining('is usd since the first purchase'),
      extensions: { code: 'BAD_USER_INPUT', argument: 'input.currency' },
    });
    expect(requests()).toEqual([]);
    expect((await begin(tenant, { unitAmount: 1_000 })).errors).toEqual([]);
  });
});

describe('a change of the interval', () => {
  it('to a year is made at once: a full year less the rest of the month, as previewed', async () => {
    const tenant = await buyer({});
    await advance(server, 10 * DAY_S);
    const before = await stateOf(tenant);
    const told = await preview(tenant.key, 'tier: PRO, interval: YEAR');
    const credit = Math.round(AMOUNTS.PRO.month.usd * (await leftOf(before)));
    near(told.amountDueNowCents, AMOUNTS.PRO.year.usd - credit);
    expect(told).toMatchObject({
      immediately: true,
      prorationCents: told.amountDueNowCents,
      nextInvoiceCents: AMOUNTS.PRO.year.usd,
    });
    const after = await changed(tenant.key, { tier: 'PRO', interval: 'YEAR' });
    expect(after).toMatchObject({ price: { id: 'pro_yearly_usd' }, scheduledTier: null });
    expect(after.currentPeriodEnd).toBe(addMonths(new Date(after.currentPeriodStart), 12).toISOString());
    near(Date.parse(after.currentPeriodEnd) / 1000, Date.parse(told.nextInvoiceAt) / 1000);
    near((await totalsOf(tenant))[1] as number, told.amountDueNowCents);
    const again = await changed(tenant.key, { tier: 'PRO', interval: 'YEAR' });
    expect(again).toEqual(after);
    expect(await totalsOf(tenant)).toHaveLength(2);
  });

  it('to a month waits for the end of the year, can be undone, and is renewed by months then', async () => {
    const tenant = await buyer({ interval: 'YEAR' });
    const { currentPeriodEnd } = await stateOf(tenant);
    expect(await preview(tenant.key, 'tier: PRO, interval: MONTH')).toMatchObject({
      immediately: false,
      effectiveAt: currentPeriodEnd,
      amountDueNowCents: 0,
      nextInvoiceCents: AMOUNTS.PRO.month.usd,
      nextInvoiceAt: currentPeriodEnd,
    });
    const scheduled = {
      price: { id: 'pro_yearly_usd' },
      scheduledTier: 'PRO',
      scheduledPrice: { id: 'pro_monthly_usd', unitAmount: AMOUNTS.PRO.month.usd },
      scheduledAt: currentPeriodEnd,
    };
    expect(await changed(tenant.key, { tier: 'PRO', interval: 'MONTH' })).toMatchObject(scheduled);
    const undone = await changed(tenant.key, { tier: 'PRO', interval: 'YEAR' });
    expect(undone).toMatchObject({
      price: { id: 'pro_yearly_usd' },
      scheduledTier: null,
      scheduledPrice: null,
    });
    expect(await changed(tenant.key, { tier: 'PRO', interval: 'MONTH' })).toMatchObject(scheduled);
    await moveTo(currentPeriodEnd, HOUR_S + 60);
    const after = await stateOf(tenant);
    expect(after).toMatchObject({
      price: { id: 'pro_monthly_usd' },
      scheduledTier: null,
      currentPeriodStart: currentPeriodEnd,
      currentPeriodEnd: addMonths(new Date(currentPeriodEnd), 1).toISOString(),
    });
    const totals = await totalsOf(tenant);
    expect([totals[0], totals.at(-1)]).toEqual([AMOUNTS.PRO.year.usd, AMOUNTS.PRO.month.usd]);
    expect(totals.slice(1, -1)).toEqual(Array(11).fill(0));
  }, 120_000);

  it('with another tier goes by the tier: down to a year of a smaller one at the end of the month', async () => {
    const tenant = await buyer({ tier: 'TEAM', seats: 4 });
    const { currentPeriodEnd } = await stateOf(tenant);
    const after = await changed(tenant.key, { tier: 'PRO', interval: 'YEAR' });
    expect(after).toMatchObject({
      price: { id: 'team_monthly_usd' },
      scheduledPrice: { id: 'pro_yearly_usd' },
      scheduledAt: currentPeriodEnd,
    });
    await moveTo(currentPeriodEnd, HOUR_S + 60);
    expect(await stateOf(tenant)).toMatchObject({
      tier: { name: 'PRO' },
      seats: 1,
      currentPeriodStart: currentPeriodEnd,
      currentPeriodEnd: addMonths(new Date(currentPeriodEnd), 12).toISOString(),
    });
    expect(await totalsOf(tenant)).toEqual([4 * SEAT_CENTS, AMOUNTS.PRO.year.usd]);
  });

  it('at the end of the period has the overage until then in its preview, and on its invoice', async () => {
    const tenant = await buyer({ tier: 'TEAM', seats: 4 });
    const { errors } = await server.gql(
      'mutation { setOverage(input: { monthlyCapCents: 1000 }) { monthlyCapCents } }',
      tenant,
    );
    expect(errors).toEqual([]);
    const consume = `mutation { consume(input: { endpoint: "search", cost: ${QUOTA + 20_000} }) { allowed } }`;
    expect((await server.gql(consume, tenant)).data.consume).toEqual({ allowed: true });
    await advance(server, 2 * HOUR_S);
    // 20,000 calls past the quota at 10 for 1,000.
    const nextInvoiceCents = AMOUNTS.PRO.year.usd + 200;
    const told = await preview(tenant.key, 'tier: PRO, interval: YEAR');
    expect(told).toMatchObject({ immediately: false, amountDueNowCents: 0, nextInvoiceCents });
    const { scheduledAt } = await changed(tenant.key, { tier: 'PRO', interval: 'YEAR' });
    await moveTo(scheduledAt, HOUR_S + 60);
    const billed = (await totalsOf(tenant)).slice(1).reduce((sum, total) => sum + total, 0);
    expect(billed).toBe(nextInvoiceCents);
  });

  it('is rejected where the tier has no such price', async () => {
    const tenant = await buyer({});
    const { errors } = await change(tenant.key, { tier: 'PRO', interval: 'MONTH', intervalCount: 3 });
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.interval' });
  });
});

describe('a currency that only Stripe knows of', () => {
  it('is named when it keeps a contract or a checkout from beginning', async () => {
    const tenant = await buyer({ currency: 'eur' });
    await server.gql('mutation { cancelSubscription(input: { atPeriodEnd: false }) { status } }', tenant);
    await settled(server);
    await server.app.models.billingSubscriptions.deleteOne({ _id: tenant.id });
    const contract = await server.gql(
      `mutation { createEnterpriseSubscription(input: {
        tenantId: "${tenant.id}", termMonths: 12, monthlyPriceCents: 100 }) { id } }`,
      { key: OPERATOR_KEY },
    );
    const checkout = await askCheckout(server, tenant.key, { currency: 'usd' });
    for (const { status, errors } of [contract, checkout]) {
      expect(status).toBe(400);
      expect(errors[0]).toMatchObject({
        message: expect.stringContaining('first purchase'),
        extensions: { code: 'BAD_USER_INPUT' },
      });
    }
  });

  it('is named when a tier that is not sold in it is asked for, before anything is changed', async () => {
    const tenant = await server.createTenant();
    await askCheckout(server, tenant.key);
    const stripe = stripeOf(server);
    const { id: price } = await stripe.prices.create({
      currency: 'gbp',
      unit_amount: 500,
      recurring: { interval: 'month' },
      product_data: { name: 'Agreed' },
    });
    const customer = await customerIdOf(server, tenant.id);
    await stripe.subscriptions.create({
      customer,
      items: [{ price }],
      collection_method: 'send_invoice',
      days_until_due: 30,
    });
    await settled(server);
    const changing = await change(tenant.key, { tier: 'PRO' });
    const previewing = await server.gql('{ previewTierChange(tier: PRO) { immediately } }', tenant);
    expect([changing, previewing].map(({ errors }) => errors[0]?.extensions)).toMatchObject([
      { code: 'BAD_USER_INPUT', argument: 'input.tier' },
      { code: 'BAD_USER_INPUT', argument: 'tier' },
    ]);
    expect(changing.errors[0]?.message).toContain('not sold in gbp');
  });
});

describe('a yearly subscription', () => {
  it('pays its overage each month, at the price in its currency, and ends with its year', async () => {
    const tenant = await buyer({ interval: 'YEAR', currency: 'eur' });
    const state = await stateOf(tenant);
    const { data, errors } = await server.gql(
      'mutation { setOverage(input: { monthlyCapCents: 1000 }) { currency priceCents monthlyCapCents } }',
      tenant,
    );
    expect(errors).toEqual([]);
    expect(data.setOverage).toEqual({ currency: 'eur', priceCents: 9, monthlyCapCents: 1_000 });
    await advance(server, DAY_S);
    const consume = `mutation { consume(input: { endpoint: "search", cost: ${QUOTA + 10_000} }) { allowed } }`;
    expect((await server.gql(consume, tenant)).data.consume).toEqual({ allowed: true });
    // 10,000 calls past the quota at 9 for 1,000.
    await moveTo(addMonths(new Date(state.currentPeriodStart), 1), HOUR_S + 60);
    expect(await totalsOf(tenant)).toEqual([AMOUNTS.PRO.year.eur, 90]);
    expect(await stateOf(tenant)).toMatchObject({ currentPeriodEnd: state.currentPeriodEnd });

    await server.gql('mutation { cancelSubscription { status } }', tenant);
    await settled(server);
    expect(await stateOf(tenant)).toMatchObject({ status: 'ACTIVE', cancelAt: state.currentPeriodEnd });
    await moveTo(state.currentPeriodEnd, HOUR_S + 60);
    expect(await stateOf(tenant)).toMatchObject({ tier: { name: 'FREE' }, status: 'CANCELED', price: null });
    expect((await totalsOf(tenant)).slice(0, 2)).toEqual([AMOUNTS.PRO.year.eur, 90]);
  }, 120_000);
});
