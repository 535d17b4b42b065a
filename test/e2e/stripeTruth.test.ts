import type Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  askCheckout,
  customerIdOf,
  mockOf,
  settled,
  stripeOf,
  subscribe,
  subscriptionOf,
  tierOfNextCall,
} from '../support/billing.js';
import { connectTestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startOnOtherAccount } from '../support/otherAccount.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { soon } from '../support/soon.js';

/** Money is what Stripe says: no more, no less, and from when it says so. */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const CANCEL_NOW = 'mutation { cancelSubscription(input: { atPeriodEnd: false }) { status } }';
const GRACE = '{ subscription { status graceEndsAt outsideCatalogue tier { name } } }';

const clock = createFakeClock('2126-11-22T12:00:00Z');
let server: TestServer;
let stripe: Stripe;

beforeAll(async () => {
  server = await startTestServer({ clock });
  stripe = stripeOf(server);
});
afterAll(() => server.stop());

async function subscribed(at = server) {
  const tenant = await at.createTenant();
  await subscribe(at, tenant.key);
  const { stripeSubscriptionId } = await subscriptionOf(at, tenant.key);
  return { ...tenant, subscriptionId: stripeSubscriptionId as string };
}

async function priceOutside(metadata: Record<string, string> = {}) {
  const product = await stripe.products.create({ name: 'Other', metadata });
  return stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 100,
    recurring: { interval: 'month' },
  });
}

async function movePrice(subscriptionId: string, price: string) {
  const { items } = await stripe.subscriptions.retrieve(subscriptionId);
  const item = items.data.find((one) => one.price.recurring?.usage_type !== 'metered');
  await stripe.subscriptions.update(subscriptionId, {
    items: [{ id: item?.id ?? '', price }],
    proration_behavior: 'none',
  });
  await settled(server);
}

const restSubscription = async (key: string) => {
  const response = await fetch(`${server.url}/v1/billing/subscription`, { headers: { 'x-api-key': key } });
  // biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
  return (await response.json()) as any;
};

describe('grace', () => {
  it('ends fourteen days after the payment failed, though it was heard hours later, and clients read when', async () => {
    const { id, key, subscriptionId } = await subscribed();
    const customer = await customerIdOf(server, id);
    await stripe.customers.update(customer, { metadata: { mock_card: 'decline' } });
    await settled(server);
    const failedAt = clock.now();
    mockOf(server).disturbWebhooks({ seed: 1, dropped: 1 });
    await stripe.subscriptions.update(subscriptionId, {
      billing_cycle_anchor: { type: 'now' },
      proration_behavior: 'none',
    });
    await settled(server);
    mockOf(server).disturbWebhooks(null);
    expect((await server.gql(GRACE, { key })).data.subscription).toMatchObject({
      status: 'ACTIVE',
      graceEndsAt: null,
    });
    clock.advance(5 * HOUR_MS);
    await server.app.services.reconcile.run({ dryRun: false });
    await server.app.services.inbox.idle(10_000);
    const graceEndsAt = new Date(failedAt + 14 * DAY_MS).toISOString();
    expect((await server.gql(GRACE, { key })).data.subscription).toMatchObject({
      status: 'PAST_DUE',
      graceEndsAt,
      tier: { name: 'PRO' },
    });
    expect(await restSubscription(key)).toMatchObject({ status: 'past_due', grace_ends_at: graceEndsAt });
    clock.set(failedAt + 14 * DAY_MS);
    expect(await tierOfNextCall(server, key)).toBe('free');
  });
});

describe('a price outside the catalogue', () => {
  it('leaves the tier as it is, visibly, and a cancellation is answered as done', async () => {
    const { key, subscriptionId } = await subscribed();
    await movePrice(subscriptionId, (await priceOutside()).id);
    expect((await server.gql(GRACE, { key })).data.subscription).toMatchObject({
      status: 'ACTIVE',
      outsideCatalogue: true,
      tier: { name: 'PRO' },
    });
    const { data, errors } = await server.gql(CANCEL_NOW, { key });
    expect(errors).toEqual([]);
    expect(data.cancelSubscription.status).toBe('CANCELED');
  });

  it('of a product that names a tier gives that tier', async () => {
    const { key, subscriptionId } = await subscribed();
    await movePrice(subscriptionId, (await priceOutside({ tier: 'ENTERPRISE' })).id);
    expect((await server.gql(GRACE, { key })).data.subscription).toMatchObject({
      outsideCatalogue: false,
      tier: { name: 'ENTERPRISE' },
    });
  });

  it('of a new subscription gives no tier, is named in its event, and nothing is sold beside it', async () => {
    const { id, key } = await server.createTenant();
    const { id: customer } = await stripe.customers.create({ metadata: { tenant_id: id } });
    const price = await priceOutside();
    await stripe.subscriptions.create({
      customer,
      items: [{ price: price.id }],
      default_payment_method: 'pm_card_visa',
    });
    await settled(server);
    expect((await server.gql(GRACE, { key })).data.subscription).toMatchObject({
      status: 'ACTIVE',
      outsideCatalogue: true,
      tier: { name: 'FREE' },
    });
    const { data } = await server.gql(
      '{ webhookEvents(first: 100) { edges { node { type status reason } } } }',
    );
    const nodes = data.webhookEvents.edges.map(({ node }: { node: object }) => node);
    expect(nodes).toContainEqual({
      type: 'customer.subscription.created',
      status: 'APPLIED',
      reason: expect.stringContaining(price.id),
    });
    const { status, errors } = await askCheckout(server, key);
    expect(status).toBe(400);
    expect(errors[0]?.message).toMatch(/not in the catalogue.*createPortalSession/);
    const run = await server.app.services.reconcile.run({ dryRun: true });
    expect(run.mended.map(({ found }) => found).join()).toContain(price.id);
  });
});

describe('what nobody heard of is found when Stripe rejects a request, and written', () => {
  const TIER = '{ subscription { status tier { name } stripeSubscriptionId } }';
  const PORTAL = 'mutation { createPortalSession(input: { returnUrl: "https://shop.example" }) { id } }';
  const noCustomer = { code: 'BAD_USER_INPUT', problem: expect.stringContaining('no customer at Stripe') };
  const noSubscription = {
    code: 'BAD_USER_INPUT',
    problem: expect.stringMatching(/no paid subscription|has ended/),
  };

  async function unheard(change: () => Promise<unknown>) {
    mockOf(server).disturbWebhooks({ seed: 1, dropped: 1 });
    await change();
    await settled(server);
    mockOf(server).disturbWebhooks(null);
  }

  it.each([
    [PORTAL, noCustomer],
    ['{ previewTierChange(tier: PRO) { tier } }', noSubscription],
    ['mutation { changeTier(input: { tier: PRO }) { status } }', noSubscription],
    ['mutation { cancelSubscription { status } }', null],
    [CANCEL_NOW, null],
    ['mutation { resumeSubscription { status } }', noSubscription],
    ['{ paymentMethods { brand } }', null],
  ])('a deleted customer: %s', async (query, rejection) => {
    const { id, key } = await subscribed();
    const customer = await customerIdOf(server, id);
    await unheard(() => stripe.customers.del(customer));
    const { errors } = await server.gql(query, { key });
    if (rejection) expect(errors[0]?.extensions).toMatchObject(rejection);
    else expect(errors).toEqual([]);
    expect(await tierOfNextCall(server, key)).toBe('free');
    expect((await server.gql(TIER, { key })).data.subscription).toMatchObject({ tier: { name: 'FREE' } });
    // It can buy again.
    await subscribe(server, key);
    expect(await tierOfNextCall(server, key)).toBe('pro');
  });

  it('a subscription that has ended: previewTierChange', async () => {
    const { key, subscriptionId } = await subscribed();
    await unheard(() => stripe.subscriptions.cancel(subscriptionId));
    const { errors } = await server.gql('{ previewTierChange(tier: PRO) { tier } }', { key });
    expect(errors[0]?.extensions).toMatchObject(noSubscription);
    expect(await tierOfNextCall(server, key)).toBe('free');
  });
});

describe('a server whose key cannot see the customers', () => {
  it('ends no subscription: not by a webhook, not by a call, not by a comparison', async () => {
    const database = await connectTestDatabase();
    const right = await startTestServer({ clock, uri: database.uri });
    const { id, key } = await subscribed(right);
    const customer = await customerIdOf(right, id);
    // It would apply the event before the other sees it.
    await right.stop();
    clock.advance(HOUR_MS);
    const wrong = await startOnOtherAccount(database, clock);
    try {
      const { inbox, reconcile } = wrong.app.services;
      await inbox.receive({
        id: 'evt_of_another_key',
        type: 'customer.subscription.deleted',
        payload: '{}',
        livemode: null,
        occurredAt: null,
        changed: [],
        subject: { id: 'sub_1', customer },
        isThin: false,
        snapshotId: null,
      });
      await soon(async () => {
        const event = await wrong.app.models.webhookEvents.findById('evt_of_another_key').lean();
        expect(event).toMatchObject({
          state: 'PENDING',
          lastError: expect.stringContaining('STRIPE_SECRET_KEY'),
        });
      });
      expect((await askCheckout(wrong, key)).status).toBe(400);
      const cancelled = await wrong.gql(CANCEL_NOW, { key });
      expect(cancelled).toMatchObject({ status: 502 });
      expect(cancelled.errors[0]?.extensions.code).toBe('PAYMENT_PROVIDER_ERROR');
      const run = await reconcile.run({ dryRun: false });
      expect(run.stopReason).toContain('right account');
      expect(await tierOfNextCall(wrong, key)).toBe('pro');
      expect((await wrong.gql(GRACE, { key })).data.subscription.status).toBe('ACTIVE');
    } finally {
      await wrong.stop();
      await database.dropAndClose();
    }
  });
});

it('a checkout that the key cannot see is not forgotten: no second one is begun beside it', async () => {
  const { id, key } = await server.createTenant();
  const { data } = await askCheckout(server, key);
  const wrong = await startOnOtherAccount(
    { uri: server.uri, connection: server.app.models.connection },
    clock,
  );
  try {
    expect((await askCheckout(wrong, key)).status).toBe(502);
    const customer = await server.app.models.billingCustomers.findById(id).lean();
    expect(customer?.openCheckout?.sessionId).toBe(data.createCheckoutSession.id);
    expect((await askCheckout(server, key)).data.createCheckoutSession.id).toBe(
      data.createCheckoutSession.id,
    );
  } finally {
    await wrong.stop();
  }
});
