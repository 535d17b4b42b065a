import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  advance,
  beginCheckout,
  customerIdOf,
  mockOf,
  press,
  settled,
  stripeOf,
  subscriptionOf,
  tierOfNextCall,
} from '../support/billing.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { teamCatalogueFile } from '../support/teamCatalogue.js';

const DAY_S = 86_400;
let server: TestServer;

beforeAll(async () => {
  const file = teamCatalogueFile({ pro: { trialDays: 14, promotionCodes: false } });
  server = await startTestServer({ env: { CATALOG_FILE: file } });
});
afterAll(() => server?.stop());

async function trying() {
  const tenant = await server.createTenant();
  await press(await beginCheckout(server, tenant.key), 'complete');
  const customer = await customerIdOf(server, tenant.id);
  const [subscription] = (await stripeOf(server).subscriptions.list({ customer })).data;
  return { ...tenant, customer, subscriptionId: subscription?.id ?? '' };
}

describe('a trial that the catalogue gives', () => {
  it('gives the tier for its days, and is paid for after them', async () => {
    const { key, customer } = await trying();
    expect(await subscriptionOf(server, key)).toMatchObject({ status: 'TRIALING', tier: { name: 'PRO' } });
    const { data } = await server.gql('{ subscription { trialEnd } tier(name: PRO) { trialDays } }', { key });
    expect(data.tier.trialDays).toBe(14);
    const leftMs = Date.parse(data.subscription.trialEnd) - (await mockOf(server).now()).getTime();
    expect(Math.round(leftMs / 1000 / DAY_S)).toBe(14);
    await advance(server, 15 * DAY_S);
    expect((await subscriptionOf(server, key)).status).toBe('ACTIVE');
    expect((await stripeOf(server).invoices.list({ customer })).data[0]?.amount_paid).toBe(2_900);
  });

  it('sells no overage, since nothing of it is billed; after it a cap may be set', async () => {
    const { key } = await trying();
    const setCap = () =>
      server.gql('mutation { setOverage(input: { monthlyCapCents: 100 }) { allowedCalls } }', { key });
    const { status, errors } = await setCap();
    expect(status).toBe(400);
    expect(errors[0]?.message).toContain('during a trial');
    await advance(server, 15 * DAY_S);
    expect((await setCap()).data.setOverage.allowedCalls).toBe(10_000);
  });

  it('is of the first subscription only', async () => {
    const { key } = await trying();
    await server.gql('mutation { cancelSubscription(input: { atPeriodEnd: false }) { status } }', { key });
    await press(await beginCheckout(server, key), 'complete');
    expect((await subscriptionOf(server, key)).status).toBe('ACTIVE');
  });

  it('changes its tier at once in either direction: nothing is paid for yet', async () => {
    const { key } = await trying();
    for (const tier of ['TEAM', 'PRO']) {
      const { data } = await server.gql(
        `mutation { changeTier(input: { tier: ${tier} }) { tier { name } status scheduledTier } }`,
        { key },
      );
      expect(data.changeTier).toEqual({ tier: { name: tier }, status: 'TRIALING', scheduledTier: null });
    }
  });

  it('and the tier’s word on promotion codes reach Stripe, with the tenant in both metadatas', async () => {
    const { id, key } = await server.createTenant();
    const session = async (tier: string) => {
      const checkout = await beginCheckout(server, key, { tier });
      return stripeOf(server).checkout.sessions.retrieve(checkout.id);
    };
    expect(await session('PRO')).toMatchObject({ allow_promotion_codes: false, amount_total: 0 });
    expect(await session('TEAM')).toMatchObject({ allow_promotion_codes: true, metadata: { tenant_id: id } });
    const { subscriptionId, id: other } = await trying();
    const { metadata } = await stripeOf(server).subscriptions.retrieve(subscriptionId);
    expect(metadata.tenant_id).toBe(other);
  });
});

describe('an operator who extends a trial', () => {
  const extend = (tenantId: string, until: Date, key?: string) =>
    server.gql('mutation ($input: ExtendTrialInput!) { extendTrial(input: $input) { status trialEnd } }', {
      ...(key && { key }),
      variables: { input: { tenantId, until: until.toISOString() } },
    });
  const endOf = async ({ key }: { key: string }) =>
    new Date((await server.gql('{ subscription { trialEnd } }', { key })).data.subscription.trialEnd);
  const daysAfter = (from: Date, days: number) => new Date(from.getTime() + days * DAY_S * 1000);

  it('moves its end and the first payment, once, and the audit log says so', async () => {
    const tenant = await trying();
    const until = daysAfter(await endOf(tenant), 20);
    for (const _ of [1, 2]) {
      const { data, errors } = await extend(tenant.id, until);
      expect(errors).toEqual([]);
      expect(data.extendTrial).toEqual({ status: 'TRIALING', trialEnd: until.toISOString() });
    }
    const [subscription] = (await stripeOf(server).subscriptions.list({ customer: tenant.customer })).data;
    expect(subscription?.trial_end).toBe(until.getTime() / 1000);
    const changes = await server.app.models.auditEntries
      .find({ chain: tenant.id, action: 'subscription.changed', after: /trialEnd/ })
      .lean();
    expect(changes).toHaveLength(1);
    await advance(server, 30 * DAY_S);
    expect((await subscriptionOf(server, tenant.key)).status).toBe('TRIALING');
    await advance(server, 5 * DAY_S);
    expect((await subscriptionOf(server, tenant.key)).status).toBe('ACTIVE');
    expect((await stripeOf(server).invoices.list({ customer: tenant.customer })).data[0]?.amount_paid).toBe(
      2_900,
    );
  });

  it('may not shorten it, nor give it more than 730 days in all, nor begin one', async () => {
    const tenant = await trying();
    const end = await endOf(tenant);
    const rejected = async (tenantId: string, until: Date) => {
      const { status, errors } = await extend(tenantId, until);
      expect(status).toBe(400);
      return errors[0]?.message;
    };
    expect(await rejected(tenant.id, daysAfter(end, -1))).toContain('must be later than the present end');
    expect(await rejected(tenant.id, daysAfter(end, 717))).toContain('730 days after the trial began');
    expect(await endOf(tenant)).toEqual(end);
    expect((await extend(tenant.id, daysAfter(end, 716))).errors).toEqual([]);
    const never = await server.createTenant();
    expect(await rejected(never.id, end)).toContain('there is no paid subscription');
    const paying = await server.createTenant();
    await press(await beginCheckout(server, paying.key, { tier: 'TEAM' }), 'complete');
    expect(await rejected(paying.id, end)).toContain('has no trial: its subscription is active');
  });

  it('gives no more time than a cancellation leaves, and none against a schedule; a contract’s within its term', async () => {
    const tenant = await trying();
    const end = await endOf(tenant);
    const rejected = async (until: Date) => {
      const { status, errors } = await extend(tenant.id, until);
      expect([status, errors[0]?.extensions?.code]).toEqual([400, 'BAD_USER_INPUT']);
      return errors[0]?.message;
    };
    await server.gql('mutation { cancelSubscription { id } }', tenant);
    expect(await rejected(daysAfter(end, 1))).toContain('undo that first, with resumeSubscription');
    await server.gql('mutation { resumeSubscription { id } }', tenant);
    const stripe = stripeOf(server);
    const schedule = await stripe.subscriptionSchedules.create({ from_subscription: tenant.subscriptionId });
    await settled(server);
    expect(await rejected(daysAfter(end, 1))).toContain(`follows the schedule ${schedule.id}`);
    await stripe.subscriptionSchedules.release(schedule.id);
    await settled(server);
    const { errors } = await server.gql(
      `mutation { createEnterpriseSubscription(input: {
        tenantId: "${tenant.id}", monthlyPriceCents: 90000, termMonths: 12, daysUntilDue: null }) { status } }`,
    );
    expect(errors).toEqual([]);
    const { trialEnd } = (await server.gql('{ subscription { trialEnd status isContract } }', tenant)).data
      .subscription;
    expect(await rejected(daysAfter(new Date(trialEnd), 400))).toContain(
      'must be before the subscription ends',
    );
    const until = daysAfter(new Date(trialEnd), 10);
    expect((await extend(tenant.id, until)).data.extendTrial).toEqual({
      status: 'TRIALING',
      trialEnd: until.toISOString(),
    });
    await advance(server, 25 * DAY_S);
    const [paid] = (await stripe.invoices.list({ customer: tenant.customer })).data;
    expect(paid).toMatchObject({ amount_paid: 90_000, created: until.getTime() / 1000 });
  });

  it('is an operator: a tenant cannot', async () => {
    const tenant = await trying();
    const { errors } = await extend(tenant.id, daysAfter(await endOf(tenant), 1), tenant.key);
    expect(errors[0]?.extensions?.code).toBe('FORBIDDEN');
  });
});

it('a trial whose card was removed is not paid, and keeps its tier for the grace period', async () => {
  const { key, customer, subscriptionId } = await trying();
  const stripe = stripeOf(server);
  for (const { id } of (await stripe.customers.listPaymentMethods(customer)).data)
    await stripe.paymentMethods.detach(id);
  await advance(server, 14 * DAY_S + 60);
  expect(await subscriptionOf(server, key)).toMatchObject({ status: 'PAST_DUE', tier: { name: 'PRO' } });
  const { latest_invoice: invoice } = await stripe.subscriptions.retrieve(subscriptionId, {
    expand: ['latest_invoice'],
  });
  expect(invoice).toMatchObject({ status: 'open', amount_due: 2_900, amount_paid: 0 });
  await advance(server, 16 * DAY_S);
  expect(await subscriptionOf(server, key)).toMatchObject({ status: 'CANCELED', tier: { name: 'FREE' } });
});

describe.each([
  ['CANCEL', 'CANCELED', 'FREE'],
  ['PAUSE', 'PAUSED', 'FREE'],
  ['INVOICE', 'PAST_DUE', 'PRO'],
])('a trial without a card that ends with %s', (trialEndWithoutCard, status, tier) => {
  let without: TestServer;
  beforeAll(async () => {
    const pro = { trialDays: 14, trialRequiresCard: false, trialEndWithoutCard };
    without = await startTestServer({ env: { CATALOG_FILE: teamCatalogueFile({ pro }) } });
  });
  afterAll(() => without?.stop());

  it('asks for no card, and does so once its days are over', async () => {
    const tenant = await without.createTenant();
    const checkout = await beginCheckout(without, tenant.key);
    const session = await stripeOf(without).checkout.sessions.retrieve(checkout.id);
    expect(session.payment_method_collection).toBe('if_required');
    await press(checkout, 'complete');
    expect(await subscriptionOf(without, tenant.key)).toMatchObject({ status: 'TRIALING' });
    const customer = await customerIdOf(without, tenant.id);
    expect((await stripeOf(without).customers.listPaymentMethods(customer)).data).toEqual([]);
    await advance(without, 15 * DAY_S);
    expect(await subscriptionOf(without, tenant.key)).toMatchObject({ status, tier: { name: tier } });
    const { data } = await without.gql('{ tier(name: PRO) { trialRequiresCard trialEndWithoutCard } }', {});
    expect(data.tier).toEqual({ trialRequiresCard: false, trialEndWithoutCard });
  });

  it('is paid for by a card that was added in time', async () => {
    const tenant = await without.createTenant();
    await press(await beginCheckout(without, tenant.key), 'complete');
    await addCard(without, tenant.id);
    await advance(without, 15 * DAY_S);
    expect(await subscriptionOf(without, tenant.key)).toMatchObject({
      status: 'ACTIVE',
      tier: { name: 'PRO' },
    });
  });
});

async function addCard(at: TestServer, tenantId: string): Promise<void> {
  const customer = await customerIdOf(at, tenantId);
  const stripe = stripeOf(at);
  const { id } = await stripe.paymentMethods.attach('pm_card_visa', { customer });
  await stripe.customers.update(customer, { invoice_settings: { default_payment_method: id } });
  await settled(at);
}

describe('a trial that is paused at its end, for want of a card', () => {
  let without: TestServer;
  beforeAll(async () => {
    const pro = { trialDays: 14, trialRequiresCard: false, trialEndWithoutCard: 'PAUSE' };
    without = await startTestServer({ env: { CATALOG_FILE: teamCatalogueFile({ pro }) } });
  });
  afterAll(() => without?.stop());

  it('is resumed with a card, and not without one', async () => {
    const tenant = await without.createTenant();
    await press(await beginCheckout(without, tenant.key), 'complete');
    await advance(without, 15 * DAY_S);
    const resume = () =>
      without.gql('mutation { resumeSubscription { status tier { name } } }', { key: tenant.key });
    const rejected = await resume();
    expect(rejected.status).toBe(400);
    expect(rejected.errors[0]?.message).toContain('has no card to pay with');
    expect((await subscriptionOf(without, tenant.key)).status).toBe('PAUSED');
    await addCard(without, tenant.id);
    expect((await resume()).data.resumeSubscription).toEqual({ status: 'ACTIVE', tier: { name: 'PRO' } });
  });
});

describe('a subscription that is paused or unpaid', () => {
  it('gives the free tier, and resumeSubscription takes a paused one up again', async () => {
    const { key, subscriptionId } = await trying();
    await stripeOf(server).rawRequest('POST', `/v1/subscriptions/${subscriptionId}/pause`, {});
    await settled(server);
    expect(await subscriptionOf(server, key)).toMatchObject({ status: 'PAUSED', tier: { name: 'FREE' } });
    const { data, errors } = await server.gql('mutation { resumeSubscription { status tier { name } } }', {
      key,
    });
    expect(errors).toEqual([]);
    expect(data.resumeSubscription).toEqual({ status: 'ACTIVE', tier: { name: 'PRO' } });
    expect(await tierOfNextCall(server, key)).toBe('pro');
  });

  it('is unpaid after the last try, where the account is set so, and recovers once it is paid', async () => {
    const { key, customer, subscriptionId } = await trying();
    await stripeOf(server).customers.update(customer, {
      metadata: { mock_card: 'decline', mock_dunning: 'unpaid' },
    });
    await advance(server, 40 * DAY_S);
    expect(await subscriptionOf(server, key)).toMatchObject({ status: 'UNPAID', tier: { name: 'FREE' } });
    await stripeOf(server).customers.update(customer, { metadata: { mock_card: '' } });
    const { latest_invoice: invoice } = await stripeOf(server).subscriptions.retrieve(subscriptionId);
    await stripeOf(server).invoices.pay(invoice as string);
    await settled(server);
    expect(await subscriptionOf(server, key)).toMatchObject({ status: 'ACTIVE', tier: { name: 'PRO' } });
  });
});
