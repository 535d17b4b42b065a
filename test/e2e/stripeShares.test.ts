import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Harness, openHarness, PRICES } from '../../packages/mock-stripe/test/support/harness.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { openStripeBridge } from '../support/stripeBridge.js';

/** A server in live mode, and a Stripe that answers requests of one customer only when it may. */
let harness: Harness;
let bridge: Awaited<ReturnType<typeof openStripeBridge>>;
let server: TestServer;
let slowCustomer: string | null = null;
let isFull = false;
let release = () => {};
let released = Promise.resolve();

const TOO_MANY = {
  error: { type: 'invalid_request_error', code: 'rate_limit', message: 'Request rate limit exceeded.' },
};

beforeAll(async () => {
  harness = await openHarness({ webhookUrl: () => undefined });
  bridge = await openStripeBridge(async (input, init) => {
    if (isFull) return Response.json(TOO_MANY, { status: 429, headers: { 'Retry-After': '7' } });
    if (slowCustomer && String(input).includes(slowCustomer)) await released;
    return harness.mock.fetch(input, init);
  });
  server = await startTestServer({
    env: {
      STRIPE_SECRET_KEY: 'sk_test_1',
      STRIPE_WEBHOOK_SECRET: 'whsec_1',
      STRIPE_API_BASE: bridge.url,
      ...Object.fromEntries(PRICES.map(({ metadata: { tier }, id }) => [`STRIPE_PRICE_${tier}`, id])),
    },
  });
});
afterAll(async () => {
  release();
  await server?.stop();
  await bridge?.close();
  await harness?.close();
});

const CHECKOUT = `mutation { createCheckoutSession(input: { tier: PRO, successUrl: "http://localhost/a", cancelUrl: "http://localhost/b" }) { id } }`;
const INVOICES = '{ invoices { edges { cursor } } }';

async function customer(): Promise<TestTenant & { stripeCustomerId: string }> {
  const tenant = await server.createTenant();
  const { errors } = await server.gql(CHECKOUT, { key: tenant.key });
  expect(errors).toEqual([]);
  const doc = await server.app.models.billingCustomers.findById(tenant.id).lean();
  return { ...tenant, stripeCustomerId: doc?.stripeCustomerId as string };
}

const LIMITED = {
  Query: ['invoices', 'paymentMethods', 'previewTierChange'],
  Mutation: [
    'cancelSubscription',
    'changeTier',
    'createCheckoutSession',
    'createEnterpriseSubscription',
    'createPortalSession',
    'extendTrial',
    'pausePayments',
    'replayWebhookEvent',
    'reportUsage',
    'resumePayments',
    'resumeSubscription',
    'setOverage',
  ],
};

it('every field that calls Stripe costs no call and has a limit of its own', () => {
  const sdl = readFileSync('schema.graphql', 'utf8');
  for (const field of [...LIMITED.Query, ...LIMITED.Mutation]) {
    expect(sdl, field).toMatch(
      new RegExp(`\\n  ${field}\\b[^@]*@rateLimited\\(cost: 0, max: \\d+, window: "\\w+"\\)`),
    );
  }
});

describe('in live mode', () => {
  it('loops of 499 aliases of invoices are rejected, and cost no other tenant an answer', async () => {
    const [one, other] = [await customer(), await customer()];
    const aliases = Array.from({ length: 499 }, (_, i) => `a${i}: invoices { edges { cursor } }`).join(' ');
    const loops = [1, 2, 3].map(async () => {
      for (let i = 0; i < 5; i++) {
        const { status, errors } = await server.gql(`{ ${aliases} }`, { key: one.key });
        expect(status).toBeGreaterThanOrEqual(400);
        expect(status).toBeLessThan(500);
        expect(errors[0]?.extensions.code).toMatch(/RATE_LIMITED|OPERATION_TOO_EXPENSIVE/);
        const { errors: none } = await server.gql(INVOICES, { key: other.key });
        expect(none).toEqual([]);
      }
    });
    await Promise.all(loops);
    // Its own were not used up by what was rejected.
    expect((await server.gql(INVOICES, { key: one.key })).errors).toEqual([]);
  });

  it('a tenant whose requests hang holds its share alone: what is more is 503 with Retry-After', async () => {
    const [one, other] = [await customer(), await customer()];
    released = new Promise((resolve) => {
      release = resolve;
    });
    slowCustomer = one.stripeCustomerId;
    const aliased = `{ ${Array.from({ length: 20 }, (_, i) => `a${i}: invoices { edges { cursor } }`).join(' ')} }`;
    const methods = `{ ${Array.from({ length: 20 }, (_, i) => `a${i}: paymentMethods { brand }`).join(' ')} }`;
    const asked = [aliased, methods].map((query) => server.gql(query, { key: one.key }));
    const second = await Promise.race(asked);
    expect(second.status).toBe(503);
    expect(second.headers.get('retry-after')).toBe('2');
    expect(second.errors[0]?.extensions.code).toBe('SERVICE_UNAVAILABLE');
    expect(second.errors[0]?.message).not.toContain('does not answer');
    // Meanwhile others read and buy.
    expect((await server.gql(INVOICES, { key: other.key })).errors).toEqual([]);
    expect((await server.gql(CHECKOUT, { key: other.key })).errors).toEqual([]);
    release();
    slowCustomer = null;
    await Promise.all(asked);
  });

  it('429 of Stripe is 503, with its Retry-After', async () => {
    const { key } = await customer();
    isFull = true;
    const answers = [INVOICES, CHECKOUT].map((query) => server.gql(query, { key }));
    for (const { status, headers, errors } of await Promise.all(answers)) {
      expect(status).toBe(503);
      expect(headers.get('retry-after')).toBe('7');
      expect(errors[0]?.extensions).toMatchObject({ code: 'SERVICE_UNAVAILABLE', stripeCode: 'rate_limit' });
      expect(errors[0]?.message).toContain('accepts no more requests');
    }
    isFull = false;
    expect((await server.gql(INVOICES, { key })).errors).toEqual([]);
  });

  it('a person has room for a page of their account, and the operator for those of many tenants', async () => {
    const one = await customer();
    const page = '{ invoices { edges { cursor } } paymentMethods { brand } }';
    for (let i = 0; i < 5; i++) expect((await server.gql(page, { key: one.key })).errors).toEqual([]);
    const named = `{ invoices(tenantId: "${one.id}") { edges { cursor } } }`;
    expect((await server.gql(named)).errors).toEqual([]);
    const tooMany = Array.from(
      { length: 40 },
      (_, i) => `a${i}: invoices(tenantId: "${one.id}") { edges { cursor } }`,
    );
    const { status, errors } = await server.gql(`{ ${tooMany.join(' ')} }`);
    expect(status).toBe(429);
    expect(errors[0]?.extensions).toMatchObject({ code: 'RATE_LIMITED', limit: 30, window: '10s' });
  });

  it('REST and GraphQL share the windows', async () => {
    const { key } = await server.createTenant();
    const cancel = () =>
      fetch(`${server.url}/v1/billing/cancel-subscription`, {
        method: 'POST',
        headers: { 'x-api-key': key },
      });
    const statuses = [];
    for (let i = 0; i < 15; i++) {
      statuses.push((await server.gql('mutation { cancelSubscription { id } }', { key })).status);
      statuses.push((await cancel()).status);
    }
    expect(new Set(statuses)).toEqual(new Set([400]));
    const limited = await cancel();
    expect(limited.status).toBe(429);
    expect(limited.headers.get('retry-after')).toMatch(/^\d+$/);
  });
});
