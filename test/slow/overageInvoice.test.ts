import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.js';
import {
  beginCheckout,
  customerIdOf,
  mockOf,
  press,
  settled,
  stripeOf,
  subscribe,
} from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import {
  catalogueFile,
  PRO_CENTS,
  pricedCatalogue,
  TEAM_CENTS,
  teamCatalogueFile,
} from '../support/teamCatalogue.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const QUOTA = 10;
const SET_CAP = 'mutation { setOverage(input: { monthlyCapCents: 100 }) { allowedCalls } }';
const START = Date.parse('2126-11-01T00:00:00Z');

/** Stripe's clock goes with ours, so that a period is the month that `usage` tells of. */
const clock = createFakeClock(START);
const env = {
  CATALOG_FILE: teamCatalogueFile({ enterprise: { overage: { priceCents: 1, perCalls: 100 } } }),
};
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ clock, env });
});
afterAll(() => server?.stop());
afterEach(async () => {
  mockOf(server).clearFailures();
  // Each test moves the clock by a month or two: the subscriptions of earlier ones would be renewed in every later one.
  const { data } = await stripeOf(server).subscriptions.list({ status: 'active' });
  for (const { id } of data) await stripeOf(server).subscriptions.cancel(id);
  await settled(server);
});

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
async function nextHour(): Promise<void> {
  clock.advance(HOUR_MS);
  await report();
}

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
const atStripe = async ({ id }: TestTenant) => {
  const customer = await customerIdOf(server, id);
  const { data } = await stripeOf(server).subscriptions.list({ customer, status: 'all' });
  expect(data).toHaveLength(1);
  return data[0] as (typeof data)[0];
};
const itemsOf = async (tenant: TestTenant) =>
  (await atStripe(tenant)).items.data.map(({ price }) => price.id).sort();

const BASE = { amount: PRO_CENTS, quantity: 1, price: 'price_pro' };
const TEAM = { amount: TEAM_CENTS, quantity: 1, price: 'price_team' };
const overage = (quantity: number, amount: number, tier = 'pro') => ({
  amount,
  quantity,
  price: `price_${tier}_overage`,
});

const METER_EVENTS = { method: 'POST', path: '/v1/billing/meter_events' };
const LOST_ANSWER = { kind: 'connection' as const, phase: 'after' as const, times: 20 };

describe('what was used past the quota', () => {
  it('is on the invoice of its period, to the cent, beside the price of the tier', async () => {
    const tenant = await subscriber();
    expect(await use(tenant, QUOTA + 1_234)).toBe(true);
    clock.advance(DAY_MS);
    expect(await use(tenant, QUOTA + 416)).toBe(true);
    await nextHour();
    const told = await gql(
      tenant,
      '{ usage(period: MONTH) { overageCalls overageCostCents } overage { costCents } }',
    );
    expect(told).toEqual({
      usage: { overageCalls: 1_650, overageCostCents: 16.5 },
      overage: { costCents: 16.5 },
    });
    await until(monthEnd() + HOUR_MS);
    // Half a cent is rounded up, once, by the line.
    expect(await linesOf(tenant)).toEqual([BASE, overage(1_650, 17)]);
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
    expect(await linesOf(tenant)).toEqual([BASE, overage(0, 0)]);
  });

  it('is previewed with the next invoice', async () => {
    const tenant = await subscriber();
    await use(tenant, QUOTA + 3_000);
    await nextHour();
    const { previewTierChange } = await gql(tenant, '{ previewTierChange(tier: PRO) { nextInvoiceCents } }');
    expect(previewTierChange.nextInvoiceCents).toBe(PRO_CENTS + 30);
  });

  it('is at most the cap, and the call past it is rejected', async () => {
    const tenant = await subscriber(10);
    expect(await use(tenant, QUOTA + 1_000)).toBe(true);
    expect(await use(tenant, 1)).toBe(false);
    await nextHour();
    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(1_000, 10)]);
  });

  it('is billed once, though the answer to its report was lost and the report sent again', async () => {
    const tenant = await subscriber();
    await use(tenant, QUOTA + 800);
    mockOf(server).failNext({ ...LOST_ANSWER, ...METER_EVENTS });
    await nextHour();
    mockOf(server).clearFailures();
    await nextHour();
    await server.app.models.usageReports.updateMany(
      { tenantId: tenant.id },
      { $set: { status: 'PENDING', nextTryAt: new Date(clock.now()) } },
    );
    await report();
    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(800, 8)]);
  });

  it('less the calls that were returned', async () => {
    const tenant = await subscriber();
    await until(clock.now() + 20 * HOUR_MS);
    await use(tenant, QUOTA + 900);
    const used = await server.app.services.admission.look(tenant.id);
    await nextHour();
    await server.app.services.admission.returnCalls(tenant.id, [{ endpoint: 'jobs', calls: 500 }], used);
    for (let hour = 0; hour < 8; hour++) await nextHour();
    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(400, 4)]);
  });

  it('in the last hour is on the invoice that stays open for it', async () => {
    const tenant = await subscriber();
    const end = monthEnd();
    await until(end - 60_000);
    await use(tenant, QUOTA + 600);
    await until(end + 60_000);
    expect((await invoicesOf(tenant))[0]).toMatchObject({ status: 'draft', number: null });
    await report();
    await until(end + HOUR_MS);
    expect((await invoicesOf(tenant))[0]?.status).toBe('paid');
    expect(await linesOf(tenant)).toEqual([BASE, overage(600, 6)]);
  });

  it('that Stripe learns of when the invoice is closed is on the next one', async () => {
    const tenant = await subscriber();
    const end = monthEnd();
    await until(end - 60_000);
    await use(tenant, QUOTA + 600);
    mockOf(server).failNext({ kind: 'server_error', ...METER_EVENTS, times: 100 });
    for (let hour = 0; hour < 6; hour++) {
      await until(end + hour * HOUR_MS);
      await report();
    }
    mockOf(server).clearFailures();
    await until(end + DAY_MS);
    await report();
    expect(await linesOf(tenant)).toEqual([BASE, overage(0, 0)]);
    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(600, 6)]);
  });

  it('is not what reportUsage reports, which no cap has stopped', async () => {
    const tenant = await subscriber();
    await gql(tenant, 'mutation { reportUsage(input: { quantity: 70000, idempotencyKey: "k" }) { id } }');
    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(0, 0)]);
  });
});

describe('a period that ends within an hour', () => {
  const MINUTE_MS = 60_000;
  /** Bought so that its periods end half past; its quota is used up by `use(tenant, QUOTA)` each day. */
  async function atHalfPast(): Promise<{ tenant: TestTenant; end: number }> {
    const month = new Date(clock.now());
    clock.set(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 3, 10, 30));
    const tenant = await server.createTenant();
    await subscribe(server, tenant.key);
    await settled(server);
    await server.setLimits(tenant.id, { apiCallsPerDay: QUOTA, apiCallsPerMinute: 1_000_000 });
    await setCap(tenant, 10_000);
    const { subscription } = await gql(tenant, '{ subscription { currentPeriodEnd } }');
    return { tenant, end: Date.parse(subscription.currentPeriodEnd) };
  }

  it('bills the calls before its end, and the next one those after it', async () => {
    const { tenant, end } = await atHalfPast();
    await until(end - 5 * MINUTE_MS);
    await use(tenant, QUOTA + 500);
    await until(end - 1);
    await use(tenant, 100);
    // The renewal is not known here yet.
    clock.set(end);
    await use(tenant, 70);
    await until(end + MINUTE_MS);
    await use(tenant, 7);
    await report();
    await until(end + 30 * MINUTE_MS);
    await report();
    await until(end + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(600, 6)]);
    const { subscription } = await gql(tenant, '{ subscription { currentPeriodEnd } }');
    await until(Date.parse(subscription.currentPeriodEnd) + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(77, 1)]);
  });

  it('bills its last calls also where it ends right after an hour has begun, and the next tier sells no overage', async () => {
    const { tenant, end } = await atHalfPast();
    await gql(tenant, 'mutation { cancelSubscription { cancelAt } }');
    await until(end - 5 * MINUTE_MS);
    await report();
    await use(tenant, QUOTA + 500);
    await until(end + MINUTE_MS);
    await report();
    await until(end + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([overage(500, 5)]);
  });

  it('bills its last calls though no server ran at its end, up to 50 minutes later', async () => {
    const { tenant, end } = await atHalfPast();
    await until(end - 5 * MINUTE_MS);
    await use(tenant, QUOTA + 500);
    clock.set(end + 49 * MINUTE_MS);
    await mockOf(server).advanceClock(0);
    await report();
    await settled(server);
    await until(end + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(500, 5)]);
  });
});

describe('a cancellation', () => {
  it('at once bills what was used up to it, with a last invoice', async () => {
    const tenant = await subscriber();
    await use(tenant, QUOTA + 500);
    clock.advance(10 * 60_000);
    await gql(tenant, 'mutation { cancelSubscription(input: { atPeriodEnd: false }) { status } }');
    await until(clock.now() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([overage(500, 5)]);
    expect((await invoicesOf(tenant))[0]).toMatchObject({ status: 'paid', total: 5 });
    await nextHour();
    expect((await invoicesOf(tenant)).map(({ total }) => total)).toEqual([5, PRO_CENTS]);
  });

  it('at once is not made, when what was used could not be reported; asked for again it is', async () => {
    const tenant = await subscriber();
    await use(tenant, QUOTA + 500);
    clock.advance(10 * 60_000);
    mockOf(server).failNext({ kind: 'server_error', ...METER_EVENTS, times: 20 });
    const cancel = 'mutation { cancelSubscription(input: { atPeriodEnd: false }) { status } }';
    expect((await server.gql(cancel, { key: tenant.key })).errors[0]?.extensions.code).toBe(
      'PAYMENT_PROVIDER_ERROR',
    );
    mockOf(server).clearFailures();
    expect((await gql(tenant, cancel)).cancelSubscription.status).toBe('CANCELED');
    await until(clock.now() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([overage(500, 5)]);
  });

  it('at the end of the period bills its last hour too, though the hour ends after it', async () => {
    const tenant = await subscriber();
    await gql(tenant, 'mutation { cancelSubscription { cancelAt } }');
    const end = monthEnd();
    await until(end - 60_000);
    await use(tenant, QUOTA + 500);
    await until(end + 60_000);
    await report();
    await until(end + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([overage(500, 5)]);
    expect((await gql(tenant, '{ subscription { status } }')).subscription.status).toBe('CANCELED');
  });
});

describe('the part of a subscription that bills overage', () => {
  it('is replaced at once by that of a larger tier, and what was used before is paid with the change', async () => {
    const tenant = await subscriber();
    expect(await itemsOf(tenant)).toEqual(['price_pro', 'price_pro_overage']);
    await use(tenant, QUOTA + 2_000);
    await nextHour();
    await until(clock.now() + 10 * DAY_MS);
    const told = await gql(tenant, '{ previewTierChange(tier: TEAM) { amountDueNowCents prorationCents } }');
    await gql(tenant, 'mutation { changeTier(input: { tier: TEAM }) { tier { name } } }');
    expect(await itemsOf(tenant)).toEqual(['price_team', 'price_team_overage']);
    expect(await linesOf(tenant)).toContainEqual(overage(2_000, 20));
    const { amountDueNowCents, prorationCents } = told.previewTierChange;
    expect((await invoicesOf(tenant))[0]?.total).toBe(amountDueNowCents);
    expect(amountDueNowCents).toBe(prorationCents + 20);

    await use(tenant, QUOTA + 300);
    await nextHour();
    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([TEAM, overage(300, 3, 'team')]);
  });

  it('bills also what was not reported yet when the tier changes, at the price of the tier before', async () => {
    const tenant = await subscriber();
    await use(tenant, QUOTA + 700);
    clock.advance(10 * 60_000);
    await gql(tenant, 'mutation { changeTier(input: { tier: TEAM }) { tier { name } } }');
    await settled(server);
    expect(await linesOf(tenant)).toContainEqual(overage(700, 7));
    await nextHour();
    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([TEAM, overage(0, 0, 'team')]);
  });

  it('keeps no tenant from a larger tier while usage cannot be reported', async () => {
    const tenant = await subscriber();
    await use(tenant, QUOTA + 700);
    mockOf(server).failNext({ kind: 'server_error', ...METER_EVENTS, times: 20 });
    await gql(tenant, 'mutation { changeTier(input: { tier: TEAM }) { tier { name } } }');
    expect(await itemsOf(tenant)).toEqual(['price_team', 'price_team_overage']);
  });

  it('changes with a smaller tier at the end of the period, which is billed as it was', async () => {
    const tenant = await subscriber();
    await gql(tenant, 'mutation { changeTier(input: { tier: TEAM }) { tier { name } } }');
    await use(tenant, QUOTA + 400);
    await nextHour();
    const preview = '{ previewTierChange(tier: PRO) { immediately nextInvoiceCents } }';
    // Stripe has the usage of the hour once the report of it has arrived.
    await expect
      .poll(async () => (await gql(tenant, preview)).previewTierChange)
      .toEqual({ immediately: false, nextInvoiceCents: PRO_CENTS + 4 });
    await gql(tenant, 'mutation { changeTier(input: { tier: PRO }) { scheduledTier } }');
    expect(await itemsOf(tenant)).toEqual(['price_team', 'price_team_overage']);
    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(400, 4, 'team')]);
    expect(await itemsOf(tenant)).toEqual(['price_pro', 'price_pro_overage']);
    await use(tenant, QUOTA + 200);
    await nextHour();
    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(200, 2)]);
  });

  it('keeps a person from changing the tier at the portal, as at Stripe', async () => {
    const tenant = await subscriber();
    const { createPortalSession } = await gql(
      tenant,
      'mutation { createPortalSession(input: { returnUrl: "https://shop.example" }) { localUrl } }',
    );
    const { localUrl } = createPortalSession;
    expect(await (await fetch(localUrl)).text()).not.toContain('Switch to');
    const body = new URLSearchParams({ price: 'price_team' });
    const pressed = await fetch(`${localUrl}/switch`, { method: 'POST', redirect: 'manual', body });
    expect(pressed.status).toBe(409);
  });

  it('comes with a contract whose tier sells overage', async () => {
    const tenant = await subscriber();
    await use(tenant, QUOTA + 100);
    await nextHour();
    const { errors } = await server.gql(
      `mutation { createEnterpriseSubscription(input: { tenantId: "${tenant.id}", monthlyPriceCents: 100000,
         termMonths: 12, daysUntilDue: null, limits: {} }) { tier { name } } }`,
    );
    expect(errors).toEqual([]);
    expect(await itemsOf(tenant)).toContain('price_enterprise_overage');
    expect(await linesOf(tenant)).toContainEqual(overage(100, 1));
    const { subscription } = await gql(tenant, '{ subscription { tier { name } status } }');
    expect(subscription).toEqual({ tier: { name: 'ENTERPRISE' }, status: 'ACTIVE' });
  });
});

describe('a subscription that was bought before overage was billed', () => {
  /** As it was then. */
  async function older(): Promise<TestTenant> {
    const tenant = await subscriber(null);
    const subscription = await atStripe(tenant);
    const metered = subscription.items.data.find(({ price }) => price.id === 'price_pro_overage');
    await stripeOf(server).subscriptions.update(subscription.id, {
      items: [{ id: metered?.id ?? '', deleted: true }],
      proration_behavior: 'none',
    });
    await settled(server);
    expect(await itemsOf(tenant)).toEqual(['price_pro']);
    return tenant;
  }

  it('gets its part with the first cap, by one call to Stripe, and by none after it', async () => {
    const tenant = await older();
    const requests = mockOf(server).requestsSince();
    await setCap(tenant, 100);
    expect(requests().filter((request) => request.startsWith('POST'))).toEqual([
      `POST /v1/subscriptions/${(await atStripe(tenant)).id}`,
    ]);
    await settled(server);
    const more = mockOf(server).requestsSince();
    await setCap(tenant, 200);
    await setCap(tenant, null);
    // Events of the first cap may still be fetched.
    expect(more().filter((request) => request.startsWith('POST'))).toEqual([]);
    await setCap(tenant, 300);
    await use(tenant, QUOTA + 700);
    await nextHour();
    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(700, 7)]);
  });

  it.each(['before', 'after'] as const)(
    'has no cap until Stripe bills it: cut short %s it was carried out',
    async (phase) => {
      const tenant = await older();
      const path = `/v1/subscriptions/${(await atStripe(tenant)).id}`;
      mockOf(server).failNext({ kind: 'connection', phase, method: 'POST', path, times: 3 });
      const answer = await server.gql(SET_CAP, { key: tenant.key });
      mockOf(server).clearFailures();
      const isBilled = phase === 'after';
      // What Stripe has carried out is found there, although its answer was lost.
      expect(answer.errors[0]?.extensions.code).toBe(isBilled ? undefined : 'PAYMENT_PROVIDER_ERROR');
      const { overage } = await gql(tenant, '{ overage { monthlyCapCents } }');
      expect(overage.monthlyCapCents !== null).toBe(isBilled);
      expect(await use(tenant, QUOTA + 1)).toBe(isBilled);
      await gql(tenant, SET_CAP);
      expect(await itemsOf(tenant)).toEqual(['price_pro', 'price_pro_overage']);
      if (!isBilled) expect(await use(tenant, QUOTA + 1)).toBe(true);
    },
  );

  it('and whose tenant has a cap from then gets its part before the next report, which is billed by it', async () => {
    const tenant = await older();
    await server.app.models.tenants.updateOne(
      { _id: tenant.id },
      { $set: { overage: { monthlyCapCents: 100 } } },
    );
    server.app.services.entitlements.forgetAll();
    expect(await use(tenant, QUOTA + 700)).toBe(true);
    await nextHour();
    await settled(server);
    expect(await itemsOf(tenant)).toEqual(['price_pro', 'price_pro_overage']);
    await until(monthEnd() + HOUR_MS);
    expect(await linesOf(tenant)).toEqual([BASE, overage(700, 7)]);
  });

  it('gets one part by many clicks at once', async () => {
    const tenant = await older();
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => server.gql(SET_CAP, { key: tenant.key })),
    );
    expect(answers.flatMap(({ errors }) => errors)).toEqual([]);
    expect(await itemsOf(tenant)).toEqual(['price_pro', 'price_pro_overage']);
  });

  it('with a part too many, as two changes at once may leave it, loses that with the next cap', async () => {
    const tenant = await subscriber();
    const { id } = await atStripe(tenant);
    await stripeOf(server).subscriptions.update(id, { items: [{ price: 'price_team_overage' }] });
    await settled(server);
    await setCap(tenant, 500);
    expect(await itemsOf(tenant)).toEqual(['price_pro', 'price_pro_overage']);
  });
});

describe('without a price at Stripe', () => {
  it('overage is not sold: a cap is rejected with what the operator has to set, and calls end at the quota', async () => {
    const stripe = { ...readConfig(env).stripe, overagePriceIds: {} };
    const unsold = await startTestServer({
      clock,
      uri: server.uri,
      env,
      config: { stripe },
    });
    const tenant = await subscriber();
    const { status, errors } = await unsold.gql(SET_CAP, { key: tenant.key });
    expect(status).toBe(400);
    expect(errors[0]?.message).toContain('STRIPE_PRICE_PRO_OVERAGE');
    const consume = `mutation { consume(input: { endpoint: "jobs", cost: ${QUOTA + 1} }) { allowed } }`;
    expect((await unsold.gql(consume, { key: tenant.key })).data.consume.allowed).toBe(false);
    await unsold.stop();
  });
});

describe('with clocks of its own', () => {
  /** PRO sells no overage, TEAM does. */
  const unlike = { CATALOG_FILE: teamCatalogueFile({ pro: { overage: null } }) };
  let other: TestServer;
  let own: ReturnType<typeof createFakeClock>;

  beforeAll(async () => {
    own = createFakeClock('2126-03-03T10:30:00Z');
    other = await startTestServer({ clock: own, env: unlike });
  });
  afterAll(() => other?.stop());

  const ask = async ({ key }: TestTenant, query: string) => {
    const { data, errors } = await other.gql(query, { key });
    expect(errors).toEqual([]);
    return data;
  };
  const consume = (tenant: TestTenant, cost: number) =>
    ask(tenant, `mutation { consume(input: { endpoint: "jobs", cost: ${cost} }) { allowed } }`);
  const unbilled = async (tenant: TestTenant) =>
    (await ask(tenant, '{ overage { unbilledCents priceCents costCents } }')).overage;
  async function teamTenant(): Promise<TestTenant> {
    const tenant = await other.createTenant();
    await press(await beginCheckout(other, tenant.key, { tier: 'TEAM' }), 'complete');
    await settled(other);
    await other.setLimits(tenant.id, { apiCallsPerDay: QUOTA, apiCallsPerMinute: 1_000_000 });
    await ask(tenant, 'mutation { setOverage(input: { monthlyCapCents: 10000 }) { allowedCalls } }');
    return tenant;
  }
  const lines = async (tenant: TestTenant) => {
    const customer = await customerIdOf(other, tenant.id);
    const [latest] = (await stripeOf(other).invoices.list({ customer })).data;
    return latest?.lines.data.map(({ quantity, pricing }) => [pricing?.price_details?.price, quantity]);
  };

  it('the calls before a smaller tier without overage are billed, and their cost is shown until they are', async () => {
    const tenant = await teamTenant();
    const { changeTier } = await ask(
      tenant,
      'mutation { changeTier(input: { tier: PRO }) { currentPeriodEnd } }',
    );
    const end = Date.parse(changeTier.currentPeriodEnd);
    own.set(end - 60_000);
    await mockOf(other).advanceClock(0);
    await settled(other);
    await consume(tenant, QUOTA + 500);
    expect(await unbilled(tenant)).toEqual({ unbilledCents: 5, priceCents: 10, costCents: 5 });
    own.set(end + 60_000);
    await mockOf(other).advanceClock(0);
    await settled(other);
    expect(await unbilled(tenant)).toEqual({ unbilledCents: 5, priceCents: null, costCents: 5 });
    await other.app.services.usageReporter.run();
    own.set(end + HOUR_MS);
    await mockOf(other).advanceClock(0);
    await settled(other);
    expect(await lines(tenant)).toEqual([
      ['price_pro', 1],
      ['price_team_overage', 500],
    ]);
    expect(await unbilled(tenant)).toEqual({ unbilledCents: 0, priceCents: null, costCents: 5 });
  });

  it('the cost of a subscription that was ended at once is shown until its last invoice is final', async () => {
    const tenant = await teamTenant();
    own.advance(60_000);
    await consume(tenant, QUOTA + 300);
    await ask(tenant, 'mutation { cancelSubscription(input: { atPeriodEnd: false }) { status } }');
    expect((await ask(tenant, '{ subscription { tier { name } status } }')).subscription.status).toBe(
      'CANCELED',
    );
    expect((await unbilled(tenant)).unbilledCents).toBe(3);
    await mockOf(other).advanceClock(3_601);
    expect((await unbilled(tenant)).unbilledCents).toBe(0);
    expect(await lines(tenant)).toEqual([['price_team_overage', 300]]);
  });

  it('a period whose end the mock’s clock brings about bills what was used before it, and the next what comes after', async () => {
    const tenant = await teamTenant();
    await consume(tenant, QUOTA + 500);
    await mockOf(other).advanceClock(32 * 86_400);
    await settled(other);
    expect(await lines(tenant)).toEqual([
      ['price_team', 1],
      ['price_team_overage', 500],
    ]);
    await consume(tenant, 70);
    expect((await unbilled(tenant)).unbilledCents).toBeCloseTo(0.7);
    await mockOf(other).advanceClock(31 * 86_400);
    await settled(other);
    expect(await lines(tenant)).toEqual([
      ['price_team', 1],
      ['price_team_overage', 70],
    ]);
  });
});

describe('in a currency without decimals, or with three', () => {
  const PER_THOUSAND = { jpy: 15, kwd: 30 } as const;
  const MONTH = { usd: PRO_CENTS, jpy: 4_480, kwd: 8_990 };
  const abroad = {
    CATALOG_FILE: catalogueFile(
      pricedCatalogue({
        pro: {
          prices: [{ interval: 'month', amounts: MONTH }],
          overage: { priceCents: 10, perCalls: 1_000, amounts: PER_THOUSAND },
        },
        team: { overage: null, prices: [{ interval: 'month', amounts: { usd: TEAM_CENTS } }] },
      }),
    ),
  };
  let other: TestServer;
  let own: ReturnType<typeof createFakeClock>;

  beforeAll(async () => {
    own = createFakeClock('2126-03-01T00:00:00Z');
    other = await startTestServer({ clock: own, env: abroad });
  });
  afterAll(() => other?.stop());

  it.each(['jpy', 'kwd'] as const)(
    '%s: it costs what the catalogue says, up to the cap',
    async (currency) => {
      const tenant = await other.createTenant();
      await press(await beginCheckout(other, tenant.key, { currency }), 'complete');
      await settled(other);
      await other.setLimits(tenant.id, { apiCallsPerDay: QUOTA, apiCallsPerMinute: 1_000_000 });
      const ask = async (query: string) => {
        const { data, errors } = await other.gql(query, { key: tenant.key });
        expect(errors).toEqual([]);
        return data;
      };
      const rate = PER_THOUSAND[currency] / 1_000;
      const { setOverage } = await ask(
        'mutation { setOverage(input: { monthlyCapCents: 45 }) { allowedCalls currency } }',
      );
      expect(setOverage).toEqual({ allowedCalls: 45 / rate, currency });
      const use = async (cost: number) =>
        (await ask(`mutation { consume(input: { endpoint: "jobs", cost: ${cost} }) { allowed } }`)).consume
          .allowed;
      expect(await use(QUOTA + 45 / rate)).toBe(true);
      expect(await use(1)).toBe(false);
      own.advance(HOUR_MS);
      await other.app.services.usageReporter.run();
      expect((await ask('{ overage { costCents } }')).overage.costCents).toBeCloseTo(45);
      await mockOf(other).advanceClock(32 * 86_400);
      await settled(other);
      const customer = await customerIdOf(other, tenant.id);
      const [invoice] = (await stripeOf(other).invoices.list({ customer })).data;
      expect(invoice).toMatchObject({ currency, total: MONTH[currency] + 45 });
      // Of thousandths Stripe charges ten at a time.
      expect(invoice?.amount_due).toBe(currency === 'kwd' ? 9_040 : 4_525);
    },
  );
});
