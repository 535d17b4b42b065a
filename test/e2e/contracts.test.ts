import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  advance,
  askCheckout,
  beginCheckout,
  customerIdOf,
  mockOf,
  press,
  SUBSCRIPTION,
  settled,
  stripeOf,
  subscribe,
  subscriptionOf,
  tierOfNextCall,
} from '../support/billing.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const DAY_S = 86_400;
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server?.stop());
afterEach(() => mockOf(server).clearFailures());

const TERMS = { monthlyPriceCents: 150_000, termMonths: 12, limits: { apiCallsPerDay: 5_000_000 } };
const begin = (tenant: TestTenant, terms: object = {}, key?: string) =>
  server.gql(
    `mutation ($input: CreateEnterpriseSubscriptionInput!) { createEnterpriseSubscription(input: $input) {
      ${SUBSCRIPTION} tier { limits { apiCallsPerDay maxMemories } } } }`,
    { ...(key && { key }), variables: { input: { tenantId: tenant.id, ...TERMS, ...terms } } },
  );
const atStripe = async (tenant: TestTenant) => {
  const customer = await customerIdOf(server, tenant.id);
  return (await stripeOf(server).subscriptions.list({ customer, status: 'all' })).data;
};
const limitOf = async (tenant: TestTenant) =>
  Number(
    (await server.gql('{ tenant { tier { limits { apiCallsPerDay } } } }', { key: tenant.key })).data.tenant
      .tier.limits.apiCallsPerDay,
  );

describe('a contract', () => {
  it('gives its tier and its limits at once, is billed by invoice at its price, and ends with its term', async () => {
    const tenant = await server.createTenant();
    const { data, errors } = await begin(tenant);
    expect(errors).toEqual([]);
    const made = data.createEnterpriseSubscription;
    expect(made).toMatchObject({ tier: { name: 'ENTERPRISE' }, status: 'ACTIVE', cancelAtPeriodEnd: false });
    expect(Number(made.tier.limits.apiCallsPerDay)).toBe(5_000_000);
    expect(Number(made.tier.limits.maxMemories)).toBe(10_000_000);
    const ends = new Date(made.cancelAt);
    const start = new Date(made.currentPeriodStart);
    expect(
      (ends.getUTCFullYear() - start.getUTCFullYear()) * 12 + ends.getUTCMonth() - start.getUTCMonth(),
    ).toBe(12);
    expect(await tierOfNextCall(server, tenant.key)).toBe('enterprise');
    await settled(server);
    expect(await limitOf(tenant)).toBe(5_000_000);

    const [subscription] = await atStripe(tenant);
    expect(subscription).toMatchObject({ collection_method: 'send_invoice', days_until_due: 30 });
    expect(subscription?.metadata.tenant_id).toBe(tenant.id);
    const { data: invoices } = await server.gql('{ invoices { edges { node { status totalCents } } } }', {
      key: tenant.key,
    });
    expect(invoices.invoices.edges).toEqual([{ node: { status: 'OPEN', totalCents: 150_000 } }]);
  });

  it('that is not paid in time is past due, and paid it is active again; over, its limits are gone', async () => {
    const tenant = await server.createTenant();
    await begin(tenant, { daysUntilDue: 14, termMonths: 1 });
    await advance(server, 15 * DAY_S);
    expect((await subscriptionOf(server, tenant.key)).status).toBe('PAST_DUE');
    expect(await tierOfNextCall(server, tenant.key)).toBe('enterprise');
    const [subscription] = await atStripe(tenant);
    await stripeOf(server).invoices.pay(subscription?.latest_invoice as string, { paid_out_of_band: true });
    await settled(server);
    expect((await subscriptionOf(server, tenant.key)).status).toBe('ACTIVE');
    await advance(server, 20 * DAY_S);
    expect(await subscriptionOf(server, tenant.key)).toMatchObject({
      status: 'CANCELED',
      tier: { name: 'FREE' },
    });
    expect(await limitOf(tenant)).toBe(100);
    // One period, one invoice: the end comes before another period begins.
    const { data } = await server.gql('{ invoices { edges { node { totalCents } } } }', { key: tenant.key });
    expect(data.invoices.edges).toHaveLength(1);
  });

  it('needs days until an invoice is due for a tenant without a card', async () => {
    const { errors } = await begin(await server.createTenant(), { daysUntilDue: null });
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.daysUntilDue' });
  });

  it('takes a subscription over that the tenant bought, and sets off what was paid', async () => {
    const tenant = await server.createTenant();
    await subscribe(server, tenant.key);
    const { data, errors } = await begin(tenant, { daysUntilDue: null });
    expect(errors).toEqual([]);
    expect(data.createEnterpriseSubscription.tier.name).toBe('ENTERPRISE');
    expect(await atStripe(tenant)).toHaveLength(1);
    const invoices = await stripeOf(server).invoices.list({
      customer: await customerIdOf(server, tenant.id),
    });
    expect(invoices.data[0]).toMatchObject({ status: 'paid' });
    const total = invoices.data[0]?.total ?? 0;
    expect(total).toBeGreaterThanOrEqual(150_000 - 2_900);
    expect(total).toBeLessThanOrEqual(150_000 - 2_899);
  });

  it('takes a subscription over whose change of tier is scheduled, which is dropped', async () => {
    const tenant = await server.createTenant();
    await subscribe(server, tenant.key);
    await settled(server);
    const [before] = await atStripe(tenant);
    const made = await stripeOf(server).subscriptionSchedules.create({
      from_subscription: before?.id as string,
    });
    await settled(server);
    expect((await begin(tenant)).errors).toEqual([]);
    expect((await atStripe(tenant))[0]).toMatchObject({ schedule: null, metadata: { tier: 'enterprise' } });
    expect((await stripeOf(server).subscriptionSchedules.retrieve(made.id)).status).toBe('released');
  });

  it('by five clicks at once, and again later, is one', async () => {
    const tenant = await server.createTenant();
    const answers = await Promise.all(Array.from({ length: 5 }, () => begin(tenant)));
    expect(answers.flatMap(({ errors }) => errors)).toEqual([]);
    expect((await begin(tenant)).errors).toEqual([]);
    expect(await atStripe(tenant)).toHaveLength(1);
    const other = await begin(tenant, { monthlyPriceCents: 1 });
    expect(other.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.tenantId' });
  });

  it('whose answer is lost is found again', async () => {
    const tenant = await server.createTenant();
    mockOf(server).failNext({
      kind: 'connection',
      method: 'POST',
      path: '/v1/subscriptions',
      phase: 'after',
      times: 3,
    });
    expect((await begin(tenant)).status).toBe(502);
    mockOf(server).clearFailures();
    expect((await begin(tenant)).data.createEnterpriseSubscription.status).toBe('ACTIVE');
    expect(await atStripe(tenant)).toHaveLength(1);
  });

  it('closes the page to pay at that was open, so that nobody buys beside it', async () => {
    const tenant = await server.createTenant();
    const checkout = await beginCheckout(server, tenant.key);
    await begin(tenant);
    expect((await press(checkout, 'complete')).status).toBe(409);
    expect((await askCheckout(server, tenant.key)).status).toBe(400);
    expect(await atStripe(tenant)).toHaveLength(1);
  });

  it('is changed by the operator alone: the tenant may not cancel, resume or change the tier', async () => {
    const tenant = await server.createTenant();
    await begin(tenant);
    for (const query of [
      'mutation { cancelSubscription { status } }',
      'mutation { cancelSubscription(input: { atPeriodEnd: false }) { status } }',
      'mutation { resumeSubscription { status } }',
      'mutation { changeTier(input: { tier: PRO }) { status } }',
      'mutation { changeTier(input: { tier: FREE }) { status } }',
    ]) {
      const { errors } = await server.gql(query, { key: tenant.key });
      expect(errors[0]?.message).toContain('is a contract');
    }
    expect((await begin(tenant, {}, tenant.key)).errors[0]?.extensions.code).toBe('FORBIDDEN');
    const { data } = await server.gql(
      'mutation { createPortalSession(input: { returnUrl: "https://shop.example" }) { localUrl } }',
      { key: tenant.key },
    );
    const { localUrl } = data.createPortalSession;
    expect((await fetch(`${localUrl}/cancel`, { method: 'POST', redirect: 'manual' })).status).toBe(409);
    const body = new URLSearchParams({ card: 'pm_card_visa' });
    expect((await fetch(`${localUrl}/card`, { method: 'POST', redirect: 'manual', body })).status).toBe(303);
  });

  it.each([
    [{ tier: 'PRO' }, 'input.tier'],
    [{ termMonths: 0 }, 'input.termMonths'],
    [{ termMonths: 121 }, 'input.termMonths'],
    [{ monthlyPriceCents: -1 }, 'input.monthlyPriceCents'],
    [{ daysUntilDue: 0 }, 'input.daysUntilDue'],
    [{ limits: { apiCallsPerDay: -5 } }, 'input.limits.apiCallsPerDay'],
  ])('with %j is rejected', async (terms, argument) => {
    const tenant = await server.createTenant();
    const { status, errors } = await begin(tenant, terms);
    expect(status).toBe(400);
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument });
  });

  it('with a tenant that is not there is not found', async () => {
    const { errors } = await begin({ id: 'ten_none', key: '', keyId: '' });
    expect(errors[0]?.extensions.code).toBe('NOT_FOUND');
  });
});
