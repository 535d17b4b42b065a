import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const DAY_S = 86_400;

let server: TestServer;
let tenant: TestTenant;
beforeAll(async () => {
  server = await startTestServer();
  tenant = await server.createTenant('Acme <b>& Sons</b>');
});
afterAll(() => server?.stop());

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
  body: any;
}

async function request(path: string, body?: unknown, key: string | null = OPERATOR_KEY): Promise<Answer> {
  const response = await fetch(`${server.url}${path}`, {
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json', ...(key && { 'x-api-key': key }) },
  });
  return { status: response.status, body: await response.json() };
}

const stateOf = async (tenantId: string) => (await request(`/mock/state?tenantId=${tenantId}`)).body;

async function startCheckout(tenantId: string): Promise<string> {
  const { data, errors } = await server.gql(
    `mutation ($tenantId: ID) { createCheckoutSession(tenantId: $tenantId, input: {
      tier: PRO, successUrl: "http://localhost/ok", cancelUrl: "http://localhost/no" }) { id } }`,
    { variables: { tenantId } },
  );
  expect(errors).toEqual([]);
  return data.createCheckoutSession.id;
}

const subscriptionOf = async (tenantId: string) =>
  (
    await server.gql('query ($tenantId: ID) { subscription(tenantId: $tenantId) { status tier { name } } }', {
      variables: { tenantId },
    })
  ).data.subscription;

async function operatorKey(role: string): Promise<string> {
  const { data } = await server.gql(
    `mutation { createOperatorKey(input: { name: "${role}", role: ${role} }) { secret } }`,
  );
  return data.createOperatorKey.secret;
}

describe("the mock's state", () => {
  it('shows a purchase from the open checkout to the events that followed', async () => {
    expect(await stateOf(tenant.id)).toMatchObject({ checkouts: [], subscriptions: [], events: [] });
    const id = await startCheckout(tenant.id);
    const named = { id: tenant.id, name: 'Acme <b>& Sons</b>' };
    const [checkout] = (await stateOf(tenant.id)).checkouts;
    expect(checkout).toMatchObject({
      id,
      tenant: named,
      title: 'Continuum PRO',
      currency: 'usd',
      path: `/mock/checkout/${id}`,
    });

    const paid = await fetch(`${server.url}${checkout.path}/complete`, {
      method: 'POST',
      redirect: 'manual',
    });
    expect(paid.status).toBe(303);
    const after = await stateOf(tenant.id);
    expect(after.checkouts).toEqual([]);
    expect(after.subscriptions).toMatchObject([
      { tenant: named, status: expect.stringMatching(/active|trialing/) },
    ]);
    expect(after.subscriptions[0].upcoming.length).toBeGreaterThan(0);
    expect(after.events).toContainEqual(
      expect.objectContaining({
        type: 'checkout.session.completed',
        objectKind: 'checkout.session',
        objectId: id,
        tenant: named,
        delivery: { state: 'delivered', attempts: 1, lastError: null },
      }),
    );
    expect((await request('/mock/state')).body.events.length).toBeGreaterThanOrEqual(after.events.length);
  });

  it('names nothing of other tenants when asked for one', async () => {
    const other = await server.createTenant();
    await startCheckout(other.id);
    const { checkouts } = await stateOf(other.id);
    expect(checkouts).toHaveLength(1);
    expect((await stateOf(tenant.id)).checkouts).toEqual([]);
  });

  it('says how far the clock is ahead, and what can be triggered', async () => {
    const before = (await request('/mock/state')).body;
    await request('/mock/clock', { advanceSeconds: DAY_S });
    const after = (await request('/mock/state')).body;
    expect(after.aheadSeconds - before.aheadSeconds).toBe(DAY_S);
    expect(Date.parse(after.now) - Date.parse(before.now)).toBeGreaterThanOrEqual(DAY_S * 1000);
    expect(after.triggers).toContainEqual({
      event: 'invoice.payment_failed',
      summary: expect.stringContaining('card is declined'),
    });
  });

  it('is read by operators who may read, and changed by OWNERs alone', async () => {
    const READ = await operatorKey('READ');
    const PROVISION = await operatorKey('PROVISION');
    const reads = async (key: string | null) => (await request('/mock/state', undefined, key)).status;
    expect([await reads(null), await reads(tenant.key), await reads(PROVISION), await reads(READ)]).toEqual([
      401, 403, 403, 200,
    ]);
    for (const [path, body] of [
      ['/mock/clock', { advanceSeconds: 1 }],
      ['/mock/trigger', { event: 'customer.updated' }],
      ['/mock/conditions', { stripe: 'NORMAL' }],
    ] as const) {
      expect((await request(path, body, READ)).status).toBe(403);
      expect((await request(path, body, null)).status).toBe(401);
    }
  });

  it('rejects what it does not know', async () => {
    expect((await request('/mock/state?tenantId=ten_none')).status).toBe(404);
    expect((await request('/mock/state?tenant=x')).status).toBe(400);
    for (const body of [{ webhooks: 'GONE' }, { stripe: 1 }, { other: 'NORMAL' }, [], 'x'])
      expect((await request('/mock/conditions', body)).status, JSON.stringify(body)).toBe(400);
    expect((await request('/mock/state')).body.conditions).toEqual({ webhooks: 'NORMAL', stripe: 'NORMAL' });
  });
});

describe('conditions', () => {
  it('lose webhooks until they are set back', async () => {
    const { id } = await server.createTenant();
    await startCheckout(id);
    const [{ path }] = (await stateOf(id)).checkouts;
    expect((await request('/mock/conditions', { webhooks: 'LOST' })).body).toEqual({
      webhooks: 'LOST',
      stripe: 'NORMAL',
    });
    await fetch(`${server.url}${path}/complete`, { method: 'POST', redirect: 'manual' });
    expect(await subscriptionOf(id)).toMatchObject({ tier: { name: 'FREE' } });
    const lost = (await stateOf(id)).events.map((event: { delivery: object }) => event.delivery);
    expect(lost).toContainEqual({ state: 'failed', attempts: 1, lastError: 'dropped' });

    await request('/mock/conditions', { webhooks: 'NORMAL' });
    await request('/mock/trigger', { event: 'customer.updated', tenantId: id });
    expect(await subscriptionOf(id)).toMatchObject({ tier: { name: 'PRO' } });
  });

  it('make Stripe unreachable until they are set back', async () => {
    const { id } = await server.createTenant();
    await request('/mock/conditions', { stripe: 'UNREACHABLE' });
    const { errors } = await server.gql(
      `mutation { createCheckoutSession(tenantId: "${id}", input: { tier: PRO, successUrl: "http://localhost/", cancelUrl: "http://localhost/" }) { id } }`,
    );
    expect(errors[0]?.extensions.code).toBe('PAYMENT_PROVIDER_ERROR');
    await request('/mock/conditions', { stripe: 'NORMAL' });
    await startCheckout(id);
  });
});
