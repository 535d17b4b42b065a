import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beginCheckout, mockOf, press, subscribe } from '../support/billing.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { teamCatalogueFile } from '../support/teamCatalogue.js';

/** The table of docs/stripe-requests.md: how many calls to Stripe each mutation makes in its usual course. */
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ env: { CATALOG_FILE: teamCatalogueFile() } });
});
afterAll(() => server?.stop());

const CHECKOUT = `createCheckoutSession(input: { tier: PRO, successUrl: "http://localhost/a", cancelUrl: "http://localhost/b" }) { id }`;

async function subscriber(tier = 'PRO'): Promise<TestTenant> {
  const tenant = await server.createTenant();
  if (tier === 'PRO') await subscribe(server, tenant.key);
  else await press(await beginCheckout(server, tenant.key, { tier }), 'complete');
  return tenant;
}

/** Without the ids: `POST /v1/subscriptions/:id`. */
async function callsOf(field: string, key?: string): Promise<string[]> {
  // What webhooks ask for, of this step and those before it, is not this mutation's.
  await mockOf(server).delivered();
  await server.app.services.inbox.idle(10_000);
  mockOf(server).disturbWebhooks({ seed: 1, dropped: 1 });
  const requests = mockOf(server).requestsSince();
  const { errors } = await server.gql(`mutation { ${field} }`, key ? { key } : {});
  const own = requests();
  await mockOf(server).delivered();
  mockOf(server).disturbWebhooks(null);
  expect(errors).toEqual([]);
  return own.map((request) => request.replace(/\/\w+_mock_\w+/, '/:id'));
}

describe('in their usual course', () => {
  it('a first checkout is two calls', async () => {
    const { key } = await server.createTenant();
    expect(await callsOf(CHECKOUT, key)).toEqual(['POST /v1/customers', 'POST /v1/checkout/sessions']);
  });

  it('the same checkout again looks whether it was paid', async () => {
    const { key } = await server.createTenant();
    await callsOf(CHECKOUT, key);
    expect(await callsOf(CHECKOUT, key)).toEqual([
      'GET /v1/subscriptions',
      'GET /v1/customers/:id',
      'GET /v1/checkout/sessions/:id',
    ]);
  });

  it.each([
    ['cancelSubscription { status }', ['POST /v1/subscriptions/:id']],
    ['cancelSubscription(input: { atPeriodEnd: false }) { status }', ['DELETE /v1/subscriptions/:id']],
    ['changeTier(input: { tier: TEAM }) { status }', ['POST /v1/subscriptions/:id']],
    ['changeTier(input: { tier: FREE }) { status }', ['POST /v1/subscriptions/:id']],
    [
      'createPortalSession(input: { returnUrl: "http://localhost/" }) { id }',
      ['POST /v1/billing_portal/sessions'],
    ],
    ['reportUsage(input: { quantity: 1 }) { id }', ['POST /v1/billing/meter_events']],
  ])('%s is one call', async (field, calls) => {
    const { key } = await subscriber();
    expect(await callsOf(field, key)).toEqual(calls);
  });

  it('a change to a smaller tier is two calls, and three more to undo it', async () => {
    const { key } = await subscriber('TEAM');
    expect(await callsOf('changeTier(input: { tier: PRO }) { status }', key)).toEqual([
      'POST /v1/subscription_schedules',
      'POST /v1/subscription_schedules/:id',
    ]);
    expect(await callsOf('resumeSubscription { status }', key)).toEqual([
      'GET /v1/subscription_schedules/:id',
      'POST /v1/subscription_schedules/:id/release',
      'GET /v1/subscriptions/:id',
    ]);
  });

  it('a cap is none', async () => {
    const { key } = await subscriber();
    expect(await callsOf('setOverage(input: { monthlyCapCents: 500 }) { allowedCalls }', key)).toEqual([]);
  });

  it('a cancellation at once first reports the overage of the hour that runs', async () => {
    const { id, key } = await subscriber();
    await server.setLimits(id, { apiCallsPerDay: 1, apiCallsPerMinute: 1_000 });
    await callsOf('setOverage(input: { monthlyCapCents: 500 }) { allowedCalls }', key);
    await callsOf('consume(input: { endpoint: "jobs", cost: 20 }) { allowed }', key);
    expect(await callsOf('cancelSubscription(input: { atPeriodEnd: false }) { status }', key)).toEqual([
      'POST /v1/billing/meter_events',
      'DELETE /v1/subscriptions/:id',
    ]);
  });

  it('a cancellation is taken back by one call', async () => {
    const { key } = await subscriber();
    await callsOf('cancelSubscription { status }', key);
    expect(await callsOf('resumeSubscription { status }', key)).toEqual(['POST /v1/subscriptions/:id']);
  });

  it('a contract reads the price, begins, and reads what came of it', async () => {
    const { id } = await server.createTenant();
    const input = `{ tenantId: "${id}", monthlyPriceCents: 100000, termMonths: 12 }`;
    expect(await callsOf(`createEnterpriseSubscription(input: ${input}) { status }`)).toEqual([
      'GET /v1/prices/price_enterprise',
      'POST /v1/customers',
      'POST /v1/subscriptions',
      'GET /v1/subscriptions',
    ]);
  });
});
