import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  advance,
  askCheckout,
  customerIdOf,
  mockOf,
  SUBSCRIPTION,
  settled,
  stripeOf,
  subscribe,
  subscriptionOf,
  tierOfNextCall,
} from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { TEAM_CENTS, teamCatalogueFile } from '../support/teamCatalogue.js';

const DAY_S = 86_400;
const RETURN_URL = 'https://shop.example/account';
const clock = createFakeClock('2026-11-01T00:00:00Z');
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ clock, env: { CATALOG_FILE: teamCatalogueFile({ overage: null }) } });
});
afterAll(() => server?.stop());
afterEach(() => mockOf(server).clearFailures());

async function subscriber() {
  const tenant = await server.createTenant();
  await subscribe(server, tenant.key);
  return tenant;
}
const askPortal = (key: string, returnUrl = RETURN_URL) =>
  server.gql(
    'mutation ($input: CreatePortalSessionInput!) { createPortalSession(input: $input) { id url localUrl } }',
    { key, variables: { input: { returnUrl } } },
  );
const openPortal = async (key: string) => {
  const { data, errors } = await askPortal(key);
  expect(errors).toEqual([]);
  return data.createPortalSession as { id: string; url: string; localUrl: string };
};
const pressAt = (localUrl: string, button: string, form: Record<string, string> = {}) =>
  fetch(`${localUrl}/${button}`, { method: 'POST', redirect: 'manual', body: new URLSearchParams(form) });

describe('the portal', () => {
  it('shows the plan, and leads back to where it was opened', async () => {
    const { key } = await subscriber();
    const session = await openPortal(key);
    expect(session.id).toMatch(/^bps_mock_/);
    expect(session.url).toBe(`https://billing.stripe.com/mock/${session.id}`);
    expect(session.localUrl).toBe(`${server.url}/mock/portal/${session.id}`);
    const page = await fetch(session.localUrl);
    const html = await page.text();
    expect(page.status).toBe(200);
    for (const text of [
      'Continuum PRO',
      '$29.00 / month',
      'active',
      '4242',
      `href="${RETURN_URL}"`,
      'Continuum TEAM',
    ])
      expect(html).toContain(text);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(html).not.toContain('<script');
  });

  it('cancels by date, as Stripe does under flexible billing, and takes it back', async () => {
    const { key } = await subscriber();
    const { localUrl } = await openPortal(key);
    const left = await pressAt(localUrl, 'cancel');
    expect(left.status).toBe(303);
    const { currentPeriodEnd, ...cancelled } = await subscriptionOf(server, key);
    expect(cancelled).toMatchObject({
      cancelAtPeriodEnd: false,
      cancelAt: currentPeriodEnd,
      status: 'ACTIVE',
    });
    expect(await (await fetch(localUrl)).text()).toContain('ends on 2026-12-01');
    // Here it is the same as what we schedule ourselves.
    const again = await server.gql(`mutation { cancelSubscription { ${SUBSCRIPTION} } }`, { key });
    expect(again.data.cancelSubscription.cancelAt).toBe(currentPeriodEnd);
    await pressAt(localUrl, 'resume');
    expect(await subscriptionOf(server, key)).toMatchObject({ cancelAtPeriodEnd: false, cancelAt: null });
  });

  it('switches the tier at once', async () => {
    const { id, key } = await subscriber();
    const { localUrl } = await openPortal(key);
    expect((await pressAt(localUrl, 'switch', { price: 'price_team' })).status).toBe(303);
    expect(await tierOfNextCall(server, key)).toBe('team');
    const customer = await customerIdOf(server, id);
    const [subscription] = (await stripeOf(server).subscriptions.list({ customer })).data;
    expect(subscription?.items.data[0]?.price.unit_amount).toBe(TEAM_CENTS);
  });

  it('ends a change that was scheduled here', async () => {
    const { key } = await subscriber();
    const { localUrl } = await openPortal(key);
    await pressAt(localUrl, 'switch', { price: 'price_team' });
    const { data } = await server.gql('mutation { changeTier(input: { tier: PRO }) { scheduledTier } }', {
      key,
    });
    expect(data.changeTier.scheduledTier).toBe('PRO');
    await pressAt(localUrl, 'cancel');
    const now = await server.gql('{ subscription { scheduledTier cancelAt } }', { key });
    expect(now.data.subscription).toEqual({ scheduledTier: null, cancelAt: expect.any(String) });
  });

  it('takes another card: a payment that failed is made good', async () => {
    const { id, key } = await subscriber();
    await pressAt((await openPortal(key)).localUrl, 'card', { card: 'pm_card_chargeCustomerFail' });
    await advance(server, 31 * DAY_S);
    clock.advance(60_000);
    const { localUrl } = await openPortal(key);
    expect((await subscriptionOf(server, key)).status).toBe('PAST_DUE');
    expect((await pressAt(localUrl, 'pay')).status).toBe(402);
    await pressAt(localUrl, 'card', { card: 'pm_card_mastercard' });
    expect(await (await fetch(localUrl)).text()).toContain('Pay $29.00 now');
    expect((await pressAt(localUrl, 'pay')).status).toBe(303);
    expect((await subscriptionOf(server, key)).status).toBe('ACTIVE');
    expect((await server.app.models.billingSubscriptions.findById(id).lean())?.pastDueSince).toBeNull();
  });

  it('is one for two clicks, and another one later: an old one may be over', async () => {
    const { key } = await subscriber();
    const [one, two] = await Promise.all([openPortal(key), openPortal(key)]);
    expect(two).toEqual(one);
    clock.advance(60_000);
    expect((await openPortal(key)).id).not.toBe(one.id);
  });

  it('is rejected where there is nothing to look after, and for what is no web address', async () => {
    const { key } = await server.createTenant();
    const none = await askPortal(key);
    expect(none.status).toBe(400);
    expect(none.errors[0]?.message).toContain('createCheckoutSession');
    for (const returnUrl of ['javascript:alert(1)', '/account', 'https://a:b@shop.example', '']) {
      const { status, errors } = await askPortal(key, returnUrl);
      expect(status).toBe(400);
      expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.returnUrl' });
    }
    expect((await fetch(`${server.url}/mock/portal/bps_mock_none`)).status).toBe(404);
    expect((await pressAt(`${server.url}/mock/portal/bps_mock_none`, 'cancel')).status).toBe(404);
  });

  it('that Stripe failed to open can be asked for again at once', async () => {
    const { key } = await subscriber();
    const where = { method: 'POST', path: '/v1/billing_portal' };
    mockOf(server).failNext({ kind: 'server_error', ...where, remembered: true });
    expect((await askPortal(key)).errors[0]?.extensions.code).toBe('PAYMENT_PROVIDER_ERROR');
    expect((await askPortal(key)).status).toBe(200);
  });
});

const INVOICE = `number status currency totalCents amountDueCents amountPaidCents amountRemainingCents createdAt
  hostedUrl pdfUrl`;
const invoicesOf = (key: string, args = '') =>
  server.gql(
    `{ invoices${args} { edges { node { id ${INVOICE} } cursor } pageInfo { hasNextPage endCursor } } }`,
    {
      key,
    },
  );

describe('invoices', () => {
  it('are the tenant’s own, newest first, a page at a time', async () => {
    const { key } = await subscriber();
    await subscriber();
    await advance(server, 62 * DAY_S);
    const all = await invoicesOf(key);
    expect(all.errors).toEqual([]);
    const nodes = all.data.invoices.edges.map(({ node }: { node: object }) => node);
    expect(nodes).toHaveLength(3);
    expect(nodes[0]).toMatchObject({
      number: expect.stringMatching(/-0003$/),
      status: 'PAID',
      currency: 'usd',
      totalCents: 2900,
      amountDueCents: 2900,
      amountPaidCents: 2900,
      amountRemainingCents: 0,
      hostedUrl: expect.stringMatching(/^https:/),
      pdfUrl: expect.stringMatching(/^https:/),
    });
    const first = await invoicesOf(key, '(first: 2)');
    expect(first.data.invoices.pageInfo.hasNextPage).toBe(true);
    const rest = await invoicesOf(key, `(first: 2, after: "${first.data.invoices.pageInfo.endCursor}")`);
    expect([...first.data.invoices.edges, ...rest.data.invoices.edges].map(({ node }) => node)).toEqual(
      nodes,
    );
    expect(rest.data.invoices.pageInfo.hasNextPage).toBe(false);
  });

  it('of another tenant are out of reach, also by their cursor; the operator names a tenant', async () => {
    const mine = await subscriber();
    const other = await subscriber();
    const theirs = (await invoicesOf(other.key)).data.invoices.edges;
    const seen = await invoicesOf(mine.key, `(after: "${theirs[0].cursor}")`);
    expect(JSON.stringify(seen)).not.toContain(theirs[0].node.id);
    const named = await invoicesOf(mine.key, `(tenantId: "${other.id}")`);
    expect(named.errors[0]?.extensions.code).toBe('FORBIDDEN');
    const { data } = await server.gql(`{ invoices(tenantId: "${other.id}") { edges { node { id } } } }`);
    expect(data.invoices.edges[0].node.id).toBe(theirs[0].node.id);
  });

  it('of a tenant that never paid are none, and a cursor that is none is rejected', async () => {
    const { key } = await server.createTenant();
    expect((await invoicesOf(key)).data.invoices.edges).toEqual([]);
    for (const after of ['x', Buffer.from('in_nothing').toString('base64url')]) {
      const { status, errors } = await invoicesOf((await subscriber()).key, `(after: "${after}")`);
      expect(status).toBe(400);
      expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'after' });
    }
  });
});

describe('payment methods', () => {
  it('are the tenant’s own, with the one that pays next marked', async () => {
    const { key } = await subscriber();
    const query = '{ paymentMethods { id type brand last4 expMonth expYear isDefault } }';
    const first = (await server.gql(query, { key })).data.paymentMethods;
    expect(first).toEqual([
      {
        id: expect.stringMatching(/^pm_/),
        type: 'card',
        brand: 'visa',
        last4: '4242',
        expMonth: 12,
        expYear: expect.any(Number),
        isDefault: true,
      },
    ]);
    await pressAt((await openPortal(key)).localUrl, 'card', { card: 'pm_card_mastercard' });
    await settled(server);
    const both = (await server.gql(query, { key })).data.paymentMethods;
    expect(
      both.map(({ last4, isDefault }: { last4: string; isDefault: boolean }) => [last4, isDefault]),
    ).toEqual([
      ['4444', true],
      ['4242', false],
    ]);
    const { key: nobody } = await server.createTenant();
    expect((await server.gql(query, { key: nobody })).data.paymentMethods).toEqual([]);
  });

  it('past the newest 100 are left out, but never the one that pays', async () => {
    const { id, key } = await subscriber();
    const customer = await customerIdOf(server, id);
    const stripe = stripeOf(server);
    await Promise.all(
      Array.from({ length: 101 }, () => stripe.paymentMethods.attach('pm_card_mastercard', { customer })),
    );
    const { data } = await server.gql('{ paymentMethods { last4 isDefault } }', { key });
    expect(data.paymentMethods).toHaveLength(101);
    expect(data.paymentMethods.at(-1)).toEqual({ last4: '4242', isDefault: true });
    expect(data.paymentMethods[0]).toEqual({ last4: '4444', isDefault: false });
  });

  it('and invoices need the scope of billing, and a key', async () => {
    const { key } = await subscriber();
    const made = await server.gql(
      'mutation { createApiKey(input: { name: "reader", scopes: [READ] }) { secret } }',
      { key },
    );
    for (const query of ['{ paymentMethods { id } }', '{ invoices { edges { cursor } } }']) {
      const { errors } = await server.gql(query, { key: made.data.createApiKey.secret });
      expect(errors[0]?.extensions.code).toBe('FORBIDDEN');
      expect((await server.gql(query, { key: null })).errors[0]?.extensions.code).toBe('UNAUTHENTICATED');
    }
  });
});

describe('a checkout that is begun', () => {
  it('on two servers by double clicks and in two tabs makes one customer, one session and one subscription', async () => {
    const other = await startTestServer({
      clock,
      uri: server.uri,
      env: { CATALOG_FILE: teamCatalogueFile({ overage: null }) },
    });
    try {
      const { id, key } = await server.createTenant();
      // Each server runs five of them at once; more would wait for a second, which a busy machine may need for each.
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, i) => askCheckout(i % 2 ? other : server, key)),
      );
      expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
      expect(new Set(answers.map(({ data }) => data.createCheckoutSession.id)).size).toBe(1);
      const [checkout] = answers.map(({ data }) => data.createCheckoutSession);
      const pages = [server, other].map(({ url }) => `${url}/mock/checkout/${checkout.id}/complete`);
      const paid = await Promise.all(
        [...pages, ...pages].map((page) => fetch(page, { method: 'POST', redirect: 'manual' })),
      );
      expect(paid.map(({ status }) => status)).toEqual([303, 303, 303, 303]);
      const stripe = stripeOf(server);
      const all = (await stripe.customers.list({ limit: 100 })).data;
      expect(all.filter(({ metadata }) => metadata.tenant_id === id)).toHaveLength(1);
      const customer = await customerIdOf(server, id);
      expect((await stripe.subscriptions.list({ customer, status: 'all' })).data).toHaveLength(1);
      // Both servers know at once: another click does not buy twice.
      for (const one of [server, other]) {
        expect((await askCheckout(one, key)).errors[0]?.message).toContain('changeTier');
        expect(await tierOfNextCall(one, key)).toBe('pro');
      }
      // Ten clicks on two servers move to the next tier once.
      const moved = await Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          (i % 2 ? other : server).gql('mutation { changeTier(input: { tier: TEAM }) { tier { name } } }', {
            key,
          }),
        ),
      );
      expect(moved.map(({ data }) => data?.changeTier.tier.name)).toEqual(Array(10).fill('TEAM'));
      const invoices = (await stripe.invoices.list({ customer })).data;
      expect(invoices.filter(({ billing_reason: why }) => why === 'subscription_update')).toHaveLength(1);
    } finally {
      await other.stop();
    }
  });
});
