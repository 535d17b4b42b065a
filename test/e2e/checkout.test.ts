import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  advance,
  askCheckout,
  beginCheckout,
  CANCEL_URL,
  customerIdOf,
  mockOf,
  press,
  SUBSCRIPTION,
  SUCCESS_URL,
  settled,
  stripeOf,
  subscribe,
  subscriptionOf,
  tierOfNextCall,
} from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { type GraphQLAnswer, startTestServer, type TestServer } from '../support/server.js';

const READ = '{ memories { pageInfo { hasNextPage } } }';
const CANCEL_NOW = `mutation { cancelSubscription(input: { atPeriodEnd: false }) { ${SUBSCRIPTION} } }`;
const CANCEL_LATER = `mutation { cancelSubscription { ${SUBSCRIPTION} } }`;
const RESUME = `mutation { resumeSubscription { ${SUBSCRIPTION} } }`;
const DAY_S = 86_400;
const DAY_MS = DAY_S * 1000;

const clock = createFakeClock('2026-11-22T12:00:10Z');
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ clock });
});
afterAll(() => server.stop());
afterEach(() => mockOf(server).clearFailures());

const openSessionsOf = async (tenantId: string) => {
  const customer = await customerIdOf(server, tenantId);
  return (await stripeOf(server).checkout.sessions.list({ customer, status: 'open', limit: 100 })).data;
};
const subscriptionsAtStripe = async (tenantId: string) => {
  const customer = await customerIdOf(server, tenantId);
  return (await stripeOf(server).subscriptions.list({ customer, status: 'all' })).data;
};

describe('a checkout', () => {
  it('ends with PRO limits at the very next call', async () => {
    const { key } = await server.createTenant();
    expect(await tierOfNextCall(server, key)).toBe('free');
    const checkout = await beginCheckout(server, key);
    expect(checkout.id).toMatch(/^cs_mock_/);
    expect(checkout.url).toBe(`https://checkout.stripe.com/mock/${checkout.id}`);
    expect(checkout.localUrl).toBe(`${server.url}/mock/checkout/${checkout.id}`);

    const page = await fetch(checkout.localUrl);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('Continuum PRO');

    const left = await press(checkout, 'complete');
    expect(left.status).toBe(303);
    expect(left.headers.get('location')).toBe(`${SUCCESS_URL}?session_id=${checkout.id}`);

    const call = await server.gql(READ, { key });
    expect(Object.fromEntries(call.headers)).toMatchObject({
      'x-tier': 'pro',
      'x-ratelimit-limit-day': '10000',
      'x-ratelimit-limit-minute': '100',
      'x-ratelimit-remaining-day': '9998',
    });
    expect(await subscriptionOf(server, key)).toMatchObject({
      tier: { name: 'PRO' },
      status: 'ACTIVE',
      currentPeriodStart: '2026-11-22T12:00:10.000Z',
      currentPeriodEnd: '2026-12-22T12:00:10.000Z',
      cancelAtPeriodEnd: false,
      cancelAt: null,
      stripeSubscriptionId: expect.stringMatching(/^sub_mock_/),
    });
  });

  it('that is declined leads to the cancel URL, changes nothing, and can still be paid', async () => {
    const { key } = await server.createTenant();
    const checkout = await beginCheckout(server, key);
    const left = await press(checkout, 'decline');
    expect(left.status).toBe(303);
    expect(left.headers.get('location')).toBe(CANCEL_URL);
    expect(await tierOfNextCall(server, key)).toBe('free');
    expect(await subscriptionOf(server, key)).toMatchObject({
      tier: { name: 'FREE' },
      status: 'ACTIVE',
      stripeSubscriptionId: null,
    });
    expect((await beginCheckout(server, key)).id).toBe(checkout.id);
    await press(checkout, 'complete');
    expect(await tierOfNextCall(server, key)).toBe('pro');
  });

  it.each([
    ['FREE', 'does not require checkout'],
    ['ENTERPRISE', 'custom pricing, contact sales'],
  ])('of %s is rejected: it %s', async (tier, words) => {
    const { id, key } = await server.createTenant();
    const { status, errors } = await askCheckout(server, key, { tier });
    expect(status).toBe(400);
    expect(errors[0]?.message).toContain(words);
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.tier' });
    expect(await server.app.models.billingCustomers.findById(id)).toBeNull();
  });

  it('is rejected while a subscription is there, and points to changeTier', async () => {
    const { key } = await server.createTenant();
    await subscribe(server, key);
    const { status, errors } = await askCheckout(server, key);
    expect(status).toBe(400);
    expect(errors[0]?.message).toContain('changeTier');
    expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });

  it('is the same one for anyone who asks again before it is paid', async () => {
    const { key } = await server.createTenant();
    const first = await beginCheckout(server, key);
    expect(await beginCheckout(server, key)).toEqual(first);
  });

  it('is one session of one customer, also for twenty who ask at the same time', async () => {
    const { id, key } = await server.createTenant();
    const begin = async (): Promise<GraphQLAnswer> => {
      const answer = await askCheckout(server, key, { customerEmail: 'ann@example.com' });
      // Five run at once; on a busy machine not all of the others have their turn within a second.
      return answer.status === 429 ? begin() : answer;
    };
    const started = await Promise.all(Array.from({ length: 20 }, begin));
    expect(started.flatMap(({ errors }) => errors)).toEqual([]);
    expect(new Set(started.map(({ data }) => data.createCheckoutSession.id)).size).toBe(1);
    const { data } = await stripeOf(server).customers.list({ email: 'ann@example.com' });
    expect(data.map(({ metadata }) => metadata.tenant_id)).toEqual([id]);
    expect(await openSessionsOf(id)).toHaveLength(1);
  });

  it('keeps the query and the fragment of the success URL', async () => {
    const { key } = await server.createTenant();
    const successUrl = 'https://shop.example/thanks?plan=pro&x=%20#top';
    const checkout = await beginCheckout(server, key, { successUrl });
    const left = await press(checkout, 'complete');
    expect(left.headers.get('location')).toBe(
      `https://shop.example/thanks?plan=pro&x=%20&session_id=${checkout.id}#top`,
    );
  });

  it('fills the session id in where the success URL asks for it', async () => {
    const { key } = await server.createTenant();
    const successUrl = 'https://shop.example/{CHECKOUT_SESSION_ID}/done';
    const checkout = await beginCheckout(server, key, { successUrl });
    const left = await press(checkout, 'complete');
    expect(left.headers.get('location')).toBe(`https://shop.example/${checkout.id}/done`);
  });

  it('for another purchase closes the one before, so that two tabs cannot pay twice', async () => {
    const { id, key } = await server.createTenant();
    const first = await beginCheckout(server, key);
    const second = await beginCheckout(server, key, { cancelUrl: 'https://shop.example/other' });
    expect(second.id).not.toBe(first.id);
    expect((await press(first, 'complete')).status).toBe(409);
    expect((await press(second, 'complete')).status).toBe(303);
    expect(await subscriptionsAtStripe(id)).toHaveLength(1);
  });

  it('leaves one session open when different ones are begun at the same time', async () => {
    const { id, key } = await server.createTenant();
    const answers = await Promise.all(
      ['a', 'b', 'c'].map((page) => askCheckout(server, key, { cancelUrl: `https://shop.example/${page}` })),
    );
    for (const { status } of answers) expect([200, 503]).toContain(status);
    expect(await openSessionsOf(id)).toHaveLength(1);
  });

  it('that was paid is known before its webhook has come: a second one is rejected, and cancelling works', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    // As if no event had come yet.
    await server.app.models.billingSubscriptions.deleteOne({ _id: id });
    server.app.services.entitlements.forget(id);
    expect(await tierOfNextCall(server, key)).toBe('free');
    const { status, errors } = await askCheckout(server, key);
    expect(status).toBe(400);
    expect(errors[0]?.message).toContain('changeTier');
    expect(await tierOfNextCall(server, key)).toBe('pro');
    expect((await server.gql(CANCEL_NOW, { key })).data.cancelSubscription.status).toBe('CANCELED');
  });

  it('begins with the e-mail of the tenant, and takes one that is given later', async () => {
    const { data } = await server.gql(
      `mutation { createTenant(input: { name: "Mail", email: "own@example.com" }) { tenant { id } apiKey { secret } } }`,
    );
    const { tenant, apiKey } = data.createTenant;
    const emailAtStripe = async () => {
      const customer = await stripeOf(server).customers.retrieve(await customerIdOf(server, tenant.id));
      return customer.deleted ? null : customer.email;
    };
    await beginCheckout(server, apiKey.secret);
    expect(await emailAtStripe()).toBe('own@example.com');
    for (const customerEmail of ['b@example.com', 'c@example.com', 'b@example.com', 'c@example.com']) {
      await beginCheckout(server, apiKey.secret, { customerEmail });
      expect(await emailAtStripe()).toBe(customerEmail);
    }
    await beginCheckout(server, apiKey.secret);
    expect(await emailAtStripe()).toBe('c@example.com');
  });

  it('makes another customer when the one before was deleted at Stripe', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    const before = await customerIdOf(server, id);
    await stripeOf(server).customers.del(before);
    await settled(server);
    expect(await tierOfNextCall(server, key)).toBe('free');
    expect((await subscriptionOf(server, key)).status).toBe('CANCELED');
    await subscribe(server, key);
    expect(await customerIdOf(server, id)).not.toBe(before);
    expect(await tierOfNextCall(server, key)).toBe('pro');
  });
});

describe('cancelling', () => {
  it('keeps PRO until the end of the period, then FREE', async () => {
    const { key } = await server.createTenant();
    await subscribe(server, key);
    const { data } = await server.gql(CANCEL_LATER, { key });
    const { currentPeriodEnd } = data.cancelSubscription;
    expect(data.cancelSubscription).toMatchObject({
      tier: { name: 'PRO' },
      status: 'ACTIVE',
      cancelAtPeriodEnd: true,
      cancelAt: currentPeriodEnd,
    });
    expect(await tierOfNextCall(server, key)).toBe('pro');
    await advance(server, 32 * DAY_S);
    expect(await tierOfNextCall(server, key)).toBe('free');
    expect(await subscriptionOf(server, key)).toMatchObject({ tier: { name: 'FREE' }, status: 'CANCELED' });
  });

  it('at once is felt at the next request, and buying again works', async () => {
    const { id, key } = await server.createTenant();
    const first = await subscribe(server, key);
    const { data } = await server.gql(CANCEL_NOW, { key });
    expect(data.cancelSubscription).toMatchObject({ tier: { name: 'FREE' }, status: 'CANCELED' });
    const call = await server.gql(READ, { key });
    expect(call.headers.get('x-tier')).toBe('free');
    expect(call.headers.get('x-ratelimit-limit-day')).toBe('100');

    const again = await beginCheckout(server, key);
    expect(again.id).not.toBe(first.id);
    await press(again, 'complete');
    expect(await tierOfNextCall(server, key)).toBe('pro');
    expect((await subscriptionsAtStripe(id)).map(({ status }) => status)).toEqual(['active', 'canceled']);
  });

  it('can be taken back and done again, as often as one likes', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    for (let i = 0; i < 3; i++) {
      const cancelled = await server.gql(CANCEL_LATER, { key });
      expect(cancelled.data.cancelSubscription.cancelAtPeriodEnd).toBe(true);
      expect((await subscriptionsAtStripe(id))[0]?.cancel_at_period_end).toBe(true);
      const resumed = await server.gql(RESUME, { key });
      expect(resumed.data.resumeSubscription).toMatchObject({ cancelAtPeriodEnd: false, cancelAt: null });
      expect((await subscriptionsAtStripe(id))[0]?.cancel_at_period_end).toBe(false);
    }
    expect((await server.gql(CANCEL_LATER, { key })).data.cancelSubscription.cancelAtPeriodEnd).toBe(true);
    // Twice is once.
    expect((await server.gql(CANCEL_LATER, { key })).data.cancelSubscription.cancelAtPeriodEnd).toBe(true);
    // What is scheduled can also be done now.
    expect((await server.gql(CANCEL_NOW, { key })).data.cancelSubscription.status).toBe('CANCELED');
  });

  it('by date alone, as Stripe schedules it, is shown and can be taken back', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    const [subscription] = await subscriptionsAtStripe(id);
    const cancelAtS = Math.floor(clock.now() / 1000) + 40 * DAY_S;
    const nowS = Math.floor((await mockOf(server).now()).getTime() / 1000);
    const at = Math.max(cancelAtS, nowS + 5 * DAY_S);
    await stripeOf(server).subscriptions.update(subscription?.id ?? '', { cancel_at: at });
    await settled(server);
    expect(await subscriptionOf(server, key)).toMatchObject({
      cancelAtPeriodEnd: false,
      cancelAt: new Date(at * 1000).toISOString(),
    });
    expect((await server.gql(RESUME, { key })).data.resumeSubscription.cancelAt).toBeNull();
    expect((await subscriptionsAtStripe(id))[0]?.cancel_at).toBeNull();
  });

  it('and resuming are rejected where there is nothing to cancel or resume', async () => {
    const { key } = await server.createTenant();
    for (const query of [CANCEL_NOW, CANCEL_LATER, RESUME]) {
      const { status, errors } = await server.gql(query, { key });
      expect(status).toBe(400);
      expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'subscription' });
      expect(errors[0]?.message).toContain('no paid subscription');
    }
    await subscribe(server, key);
    const { status, errors } = await server.gql(RESUME, { key });
    expect(status).toBe(400);
    expect(errors[0]?.message).toContain('nothing to resume');
    await server.gql(CANCEL_NOW, { key });
    expect((await server.gql(CANCEL_NOW, { key })).status).toBe(400);
  });

  it('done by five at once ends one subscription, and each gets that answer', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    const answers = await Promise.all(Array.from({ length: 5 }, () => server.gql(CANCEL_NOW, { key })));
    for (const { status, data, errors } of answers) {
      // Whoever asks when it is over already is told that there is none.
      if (status === 200) expect(data.cancelSubscription.status).toBe('CANCELED');
      else expect(errors[0]?.message).toContain('no paid subscription');
    }
    expect(answers.some(({ status }) => status === 200)).toBe(true);
    expect((await subscriptionsAtStripe(id)).map(({ status }) => status)).toEqual(['canceled']);
  });
});

describe('a payment that fails', () => {
  async function failRenewal(): Promise<{ id: string; key: string }> {
    const tenant = await server.createTenant();
    await subscribe(server, tenant.key);
    await setCard(tenant.id, 'decline');
    const { currentPeriodEnd } = await subscriptionOf(server, tenant.key);
    const leftMs = Date.parse(currentPeriodEnd) - (await mockOf(server).now()).getTime();
    await advance(server, Math.ceil(leftMs / 1000) + 3_600);
    expect(await subscriptionOf(server, tenant.key)).toMatchObject({
      tier: { name: 'PRO' },
      status: 'PAST_DUE',
    });
    return tenant;
  }
  async function setCard(tenantId: string, card: '' | 'decline') {
    await stripeOf(server).customers.update(await customerIdOf(server, tenantId), {
      metadata: { mock_card: card },
    });
  }

  it('leaves the tier for fourteen days, to the second, then FREE', async () => {
    const { key } = await failRenewal();
    const failedAt = clock.now();
    clock.set(failedAt + 14 * DAY_MS - 1_000);
    expect(await tierOfNextCall(server, key)).toBe('pro');
    clock.set(failedAt + 14 * DAY_MS);
    expect(await tierOfNextCall(server, key)).toBe('free');
    expect(await subscriptionOf(server, key)).toMatchObject({ tier: { name: 'FREE' }, status: 'PAST_DUE' });
  });

  it('and then succeeds leaves nothing behind', async () => {
    const { id, key } = await failRenewal();
    await setCard(id, '');
    await advance(server, 4 * DAY_S);
    expect(await subscriptionOf(server, key)).toMatchObject({ tier: { name: 'PRO' }, status: 'ACTIVE' });
    const doc = await server.app.models.billingSubscriptions.findById(id).lean();
    expect(doc?.pastDueSince).toBeNull();
    clock.advance(15 * DAY_MS);
    expect(await tierOfNextCall(server, key)).toBe('pro');
  });

  it('again and again ends the subscription', async () => {
    const { key } = await failRenewal();
    await advance(server, 16 * DAY_S);
    expect(await subscriptionOf(server, key)).toMatchObject({ tier: { name: 'FREE' }, status: 'CANCELED' });
  });
});

describe('two subscriptions of one customer', () => {
  it('count as one, and the end of one brings the other up', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    const stripe = stripeOf(server);
    const customer = await customerIdOf(server, id);
    const price = (await subscriptionsAtStripe(id))[0]?.items.data[0]?.price.id ?? '';
    await stripe.subscriptions.create({
      customer,
      items: [{ price }],
      default_payment_method: 'pm_card_visa',
    });
    await settled(server);
    const counting = (await subscriptionOf(server, key)).stripeSubscriptionId;
    await stripe.subscriptions.cancel(counting);
    await settled(server);
    const other = await subscriptionOf(server, key);
    expect(other).toMatchObject({ tier: { name: 'PRO' }, status: 'ACTIVE' });
    expect(other.stripeSubscriptionId).not.toBe(counting);
    await stripe.subscriptions.cancel(other.stripeSubscriptionId);
    await settled(server);
    expect(await tierOfNextCall(server, key)).toBe('free');
  });
});

describe('when Stripe fails', () => {
  const PATHS = {
    'the customer': { method: 'POST', path: '/v1/customers' },
    'the session': { method: 'POST', path: '/v1/checkout/sessions' },
  };

  it.each(
    Object.entries(PATHS).flatMap(([what, where]) =>
      (['connection', 'server_error', 'rate_limit'] as const).map((kind) => ({
        what,
        kind,
        where,
        status: kind === 'rate_limit' ? 503 : 502,
      })),
    ),
  )('($kind at $what) it is a $status that a retry gets over', async ({ kind, where, status }) => {
    const { id, key } = await server.createTenant();
    mockOf(server).failNext({ kind, ...where, times: 3 });
    const failed = await askCheckout(server, key);
    mockOf(server).clearFailures();
    expect(failed.status).toBe(status);
    expect(failed.headers.get('retry-after')).toBe(status === 503 ? '2' : null);
    expect(failed.errors[0]?.extensions.code).toBe(
      status === 503 ? 'SERVICE_UNAVAILABLE' : 'PAYMENT_PROVIDER_ERROR',
    );
    expect(JSON.stringify(failed.errors)).not.toMatch(/sk_|whsec_|Bearer|stack/i);
    if (kind === 'server_error') expect(failed.errors[0]?.extensions.stripeRequestId).toMatch(/^req_/);
    await subscribe(server, key);
    expect(await tierOfNextCall(server, key)).toBe('pro');
    expect(await subscriptionsAtStripe(id)).toHaveLength(1);
  });

  it.each(Object.entries(PATHS))(
    'a failure at %s that Stripe repeats for a day under its key is got over, too',
    async (_what, where) => {
      const { id, key } = await server.createTenant();
      mockOf(server).failNext({ kind: 'server_error', ...where, remembered: true });
      expect((await askCheckout(server, key)).status).toBe(502);
      await subscribe(server, key);
      expect(await subscriptionsAtStripe(id)).toHaveLength(1);
    },
  );

  it.each(Object.entries(PATHS))(
    'an answer about %s that is lost makes nothing twice',
    async (_what, where) => {
      const { id, key } = await server.createTenant();
      const customerEmail = `${id}@example.com`;
      mockOf(server).failNext({ kind: 'connection', ...where, phase: 'after', times: 3 });
      expect((await askCheckout(server, key, { customerEmail })).status).toBe(502);
      mockOf(server).clearFailures();
      await beginCheckout(server, key, { customerEmail });
      expect((await stripeOf(server).customers.list({ email: customerEmail })).data).toHaveLength(1);
      expect(await openSessionsOf(id)).toHaveLength(1);
      const made = (await stripeOf(server).customers.list({ limit: 100 })).data;
      expect(made.filter(({ metadata }) => metadata.tenant_id === id)).toHaveLength(1);
    },
  );

  it('an answer to a cancellation that is lost is found out', async () => {
    const { key } = await server.createTenant();
    await subscribe(server, key);
    mockOf(server).failNext({
      kind: 'connection',
      method: 'DELETE',
      path: '/v1/subscriptions',
      phase: 'after',
    });
    const { status, data } = await server.gql(CANCEL_NOW, { key });
    expect(status).toBe(200);
    expect(data.cancelSubscription.status).toBe('CANCELED');
    expect(await tierOfNextCall(server, key)).toBe('free');
  });

  it('a cancellation that failed has changed nothing, and can be repeated', async () => {
    const { key } = await server.createTenant();
    await subscribe(server, key);
    const where = { method: 'POST', path: '/v1/subscriptions' };
    mockOf(server).failNext({ kind: 'server_error', ...where, remembered: true });
    expect((await server.gql(CANCEL_LATER, { key })).status).toBe(502);
    expect(await subscriptionOf(server, key)).toMatchObject({ status: 'ACTIVE', cancelAtPeriodEnd: false });
    expect((await server.gql(CANCEL_LATER, { key })).data.cancelSubscription.cancelAtPeriodEnd).toBe(true);
  });

  it('a declined card is said to be one', async () => {
    const { key } = await server.createTenant();
    await subscribe(server, key);
    mockOf(server).failNext({ kind: 'card_declined', method: 'POST', path: '/v1/subscriptions' });
    const { status, errors } = await server.gql(CANCEL_LATER, { key });
    expect(status).toBe(502);
    expect(errors[0]?.message).toContain('declined (generic_decline)');
  });
});

describe('usage reports', () => {
  const report = (key: string, quantity: number, idempotencyKey?: string) =>
    server.gql(
      'mutation ($input: ReportUsageInput!) { reportUsage(input: $input) { id quantity status tenantId } }',
      {
        key,
        variables: { input: { quantity, idempotencyKey } },
      },
    );

  it('repeat nothing under one idempotency key, and reject it for another quantity', async () => {
    const { id, key } = await server.createTenant();
    const first = await report(key, 5, 'hour-1');
    expect(first.data.reportUsage).toEqual({ id: 'hour-1', quantity: 5, status: 'REPORTED', tenantId: id });
    expect((await report(key, 5, 'hour-1')).data).toEqual(first.data);
    const other = await report(key, 6, 'hour-1');
    expect(other.status).toBe(400);
    expect(other.errors[0]?.extensions.argument).toBe('input.idempotencyKey');
  });

  it('that failed at Stripe, or whose answer was lost, are made good by a retry', async () => {
    const { key } = await server.createTenant();
    const where = { method: 'POST', path: '/v1/billing/meter_events' };
    mockOf(server).failNext({ kind: 'server_error', ...where, remembered: true, times: 3 });
    expect((await report(key, 5, 'hour-1')).data.reportUsage.status).toBe('PENDING');
    mockOf(server).clearFailures();
    expect((await report(key, 5, 'hour-1')).data.reportUsage.status).toBe('REPORTED');
    mockOf(server).failNext({ kind: 'connection', ...where, phase: 'after', times: 3 });
    await report(key, 7, 'hour-2');
    mockOf(server).clearFailures();
    expect((await report(key, 7, 'hour-2')).data.reportUsage.status).toBe('REPORTED');
  });
});

describe('a server that is stopped and started', () => {
  it('still knows the subscription, the usage and the keys', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    for (let i = 0; i < 3; i++) await tierOfNextCall(server, key);
    const before = await subscriptionOf(server, key);
    const second = await startTestServer({ clock, uri: server.uri });
    await second.stop();
    const third = await startTestServer({ clock, uri: server.uri });
    try {
      expect(await subscriptionOf(third, key)).toEqual(before);
      expect(await tierOfNextCall(third, key)).toBe('pro');
      const { data } = await third.gql('{ usage { apiCalls } tenant { id } }', { key });
      expect(data).toEqual({ usage: { apiCalls: 4 }, tenant: { id } });
      expect((await third.gql(CANCEL_NOW, { key })).data.cancelSubscription.status).toBe('CANCELED');
    } finally {
      await third.stop();
    }
  });
});
