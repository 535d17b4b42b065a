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
