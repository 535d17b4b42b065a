import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CANCEL_URL, mockOf, SUCCESS_URL, settled, subscribe, tierOfNextCall } from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { catalogueFile, pricedCatalogue, SEAT_CENTS } from '../support/teamCatalogue.js';

const clock = createFakeClock('2026-11-22T12:00:10Z');
const CHECKOUT = '/v1/billing/create-checkout-session';
const SUBSCRIPTION = '/v1/billing/subscription';
const CANCEL = '/v1/billing/cancel-subscription';
const REPORT = '/v1/billing/report-usage';
const TIERS = '/v1/billing/tiers';
const ENTITLEMENTS = '/v1/billing/entitlements';
const SET_SEATS = '/v1/billing/set-seats';
const PREVIEW_SEATS = '/v1/billing/preview-seats';
const WANTED = { tier: 'pro', success_url: SUCCESS_URL, cancel_url: CANCEL_URL };

let server: TestServer;
let tenant: TestTenant;

beforeAll(async () => {
  server = await startTestServer({ clock });
  tenant = await server.createTenant();
});
afterAll(() => server.stop());
afterEach(() => mockOf(server).clearFailures());

interface Call {
  /** null: none */
  key?: string | null;
  headers?: Record<string, string>;
  /** An object is sent as JSON, a text as it is. */
  body?: object | string;
}

async function call(method: 'GET' | 'POST', path: string, { key = tenant.key, headers, body }: Call = {}) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      ...(key !== null && { 'x-api-key': key }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
  return { status: response.status, headers: response.headers, body: (await response.json()) as any };
}

describe('create-checkout-session', () => {
  it('answers the session, its url, and the page here', async () => {
    const { status, headers, body } = await call('POST', CHECKOUT, { body: WANTED });
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('application/json');
    const { session_id: id } = body;
    expect(id).toMatch(/^cs_mock_/);
    expect(body).toEqual({
      session_id: id,
      url: `https://checkout.stripe.com/mock/${id}`,
      local_url: `${server.url}/mock/checkout/${id}`,
    });
  });

  it('takes an e-mail, and null for none', async () => {
    const { id, key } = await server.createTenant();
    for (const customer_email of [null, 'ann@example.com']) {
      expect((await call('POST', CHECKOUT, { key, body: { ...WANTED, customer_email } })).status).toBe(200);
    }
    const customer = await server.app.models.billingCustomers.findById(id).lean();
    expect(customer?.email).toBe('ann@example.com');
  });

  it("takes Stripe's own placeholder in the success URL", async () => {
    const { key } = await server.createTenant();
    const success_url = 'https://shop.example/thanks?session={CHECKOUT_SESSION_ID}';
    expect((await call('POST', CHECKOUT, { key, body: { ...WANTED, success_url } })).status).toBe(200);
  });

  it.each([
    ['free', 'The free tier does not require checkout'],
    ['enterprise', 'The enterprise tier has custom pricing, contact sales'],
  ])('of %s is 400: "%s"', async (tier, problem) => {
    const { status, body } = await call('POST', CHECKOUT, { body: { ...WANTED, tier } });
    expect(status).toBe(400);
    expect(body).toEqual({
      error: {
        code: 'BAD_USER_INPUT',
        message: `tier: ${problem}`,
        argument: 'tier',
        problem,
      },
    });
  });

  it.each<[string, object | string]>([
    ['no tier', { success_url: SUCCESS_URL, cancel_url: CANCEL_URL }],
    ['an unknown tier', { ...WANTED, tier: 'gold' }],
    ['a tier that is no text', { ...WANTED, tier: 1 }],
    ['no success URL', { tier: 'pro', cancel_url: CANCEL_URL }],
    ['a URL of another scheme', { ...WANTED, success_url: 'javascript:alert(1)' }],
    ['a URL with a password', { ...WANTED, success_url: 'https://a:b@shop.example/' }],
    ['a URL without a host', { ...WANTED, cancel_url: 'https:///x' }],
    ['a URL with a space', { ...WANTED, cancel_url: 'https://shop.example/a b' }],
    ['a URL that is too long', { ...WANTED, cancel_url: `https://shop.example/${'x'.repeat(2048)}` }],
    ['a bad e-mail', { ...WANTED, customer_email: 'nobody' }],
    ['a field that is not known', { ...WANTED, discount: 100 }],
    ['broken JSON', '{"tier": "pro",'],
    ['a list', '[]'],
    ['null', 'null'],
    ['nothing', ''],
  ])('with %s is 400', async (_what, body) => {
    const answer = await call('POST', CHECKOUT, { body });
    expect(answer.status).toBe(400);
    expect(Object.keys(answer.body)).toEqual(['error']);
    expect(answer.body.error).toMatchObject({ code: 'BAD_USER_INPUT', message: expect.any(String) });
  });

  it('over 1 MB is 413, in another type 415', async () => {
    const large = await call('POST', CHECKOUT, { body: { ...WANTED, tier: 'x'.repeat(1_100_000) } });
    expect(large.status).toBe(413);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await call('POST', CHECKOUT, { body: 'tier=pro', headers })).status).toBe(415);
  });

  it('is 400 while a subscription is there, and 502 while Stripe is away, 503 while it takes no more', async () => {
    const { key } = await server.createTenant();
    mockOf(server).failNext({ kind: 'rate_limit', path: '/v1/customers' });
    const full = await call('POST', CHECKOUT, { key, body: WANTED });
    expect(full.status).toBe(503);
    expect(full.headers.get('retry-after')).toBe('2');
    expect(full.body.error).toMatchObject({ code: 'SERVICE_UNAVAILABLE', stripe_code: 'rate_limit' });
    mockOf(server).failNext({ kind: 'server_error', path: '/v1/customers', times: 3 });
    const away = await call('POST', CHECKOUT, { key, body: WANTED });
    expect(away.status).toBe(502);
    expect(away.body.error).toEqual({
      code: 'PAYMENT_PROVIDER_ERROR',
      message: 'The payment provider does not answer; try again shortly',
      stripe_code: null,
      stripe_request_id: expect.stringMatching(/^req_/),
    });
    await subscribe(server, key);
    const second = await call('POST', CHECKOUT, { key, body: WANTED });
    expect(second.status).toBe(400);
    expect(second.body.error.message).toContain('use change-tier to move');
  });
});

describe('tiers', () => {
  it('are listed without a key, with their prices and limits', async () => {
    const { status, body } = await call('GET', TIERS, { key: null });
    expect(status).toBe(200);
    expect(body.tiers.map(({ name }: { name: string }) => name)).toEqual(['free', 'pro', 'enterprise']);
    expect(body.tiers[1]).toMatchObject({
      name: 'pro',
      display_name: 'Pro',
      monthly_price_cents: 2_900,
      currency: 'usd',
      prices: [
        {
          id: 'pro_monthly_usd',
          interval: 'month',
          interval_count: 1,
          currency: 'usd',
          unit_amount: 2_900,
          per_seat: false,
          per: 'a month',
        },
      ],
      checkout: 'self_service',
      features: expect.arrayContaining(['semantic_search']),
      limits: { api_calls_per_day: 10_000, api_calls_per_minute: 100, max_storage_bytes: 10_485_760_000 },
      stored: {},
      limits_per_seat: [],
    });
  });
});

describe('entitlements', () => {
  it('are what the tenant has, with what is used', async () => {
    const { key } = await server.createTenant();
    await server.gql('mutation { consume(input: { endpoint: "search", cost: 7 }) { allowed } }', { key });
    const { status, body } = await call('GET', ENTITLEMENTS, { key });
    expect(status).toBe(200);
    const of = (name: string) => body.entitlements.find((one: { name: string }) => one.name === name);
    expect(of('api_calls_per_day')).toEqual({
      name: 'api_calls_per_day',
      display_name: expect.any(String),
      kind: 'limit',
      limit: 100,
      used: 7,
      remaining: 93,
      window: 'day',
      resets_at: '2026-11-23T00:00:00.000Z',
      value: null,
      source: 'tier',
    });
    expect(of('semantic_search')).toMatchObject({ kind: 'feature', window: null, resets_at: null });
    expect(of('bytes')).toMatchObject({ kind: 'stored', used: 0 });
  });
});

describe('seats', () => {
  let seatServer: TestServer;
  let seatTenant: TestTenant;

  beforeAll(async () => {
    const team = { overage: null, limits: { stored: { members: 1 } }, limitsPerSeat: ['members'] };
    const written = pricedCatalogue({ team }) as { tiers: { name: string; limits: object }[] };
    const tiers = written.tiers.map((tier) =>
      tier.name === 'TEAM' ? tier : { ...tier, limits: { ...tier.limits, stored: { members: null } } },
    );
    const env = { CATALOG_FILE: catalogueFile({ ...written, resources: ['members'], tiers }) };
    seatServer = await startTestServer({ clock, env });
    seatTenant = await seatServer.createTenant();
  });
  afterAll(() => seatServer?.stop());

  const ask = async (method: 'GET' | 'POST', path: string, body?: object) => {
    const response = await fetch(`${seatServer.url}${path}`, {
      method,
      headers: { 'x-api-key': seatTenant.key, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
    return { status: response.status, body: (await response.json()) as any };
  };

  it('are bought, previewed and set, at the price that was previewed', async () => {
    const wanted = { ...WANTED, tier: 'team', interval: 'month', seats: 3 };
    const { body: checkout } = await ask('POST', CHECKOUT, wanted);
    await fetch(`${checkout.local_url}/complete`, { method: 'POST', redirect: 'manual' });
    await settled(seatServer);
    expect((await ask('GET', SUBSCRIPTION)).body).toMatchObject({ tier: 'team', seats: 3 });
    const { status, body: told } = await ask('GET', `${PREVIEW_SEATS}?seats=5`);
    expect(status).toBe(200);
    expect(told).toMatchObject({ tier: 'team', seats: 5, immediately: true, currency: 'usd' });
    expect(told.next_invoice_cents).toBe(5 * SEAT_CENTS);
    expect(Math.abs(told.amount_due_now_cents - 2 * SEAT_CENTS)).toBeLessThanOrEqual(1);
    expect((await ask('POST', SET_SEATS, { seats: 5 })).body).toMatchObject({ tier: 'team', seats: 5 });
  });

  it('are not fewer than what is stored needs, and the error has the names of this route', async () => {
    await seatServer.gql(
      `mutation { setStored(input: { tenantId: "${seatTenant.id}", resource: "members", amount: 4 }) }`,
    );
    for (const few of [
      await ask('POST', SET_SEATS, { seats: 3 }),
      await ask('GET', `${PREVIEW_SEATS}?seats=3`),
    ]) {
      expect(few.status).toBe(400);
      expect(few.body.error).toMatchObject({
        code: 'BAD_USER_INPUT',
        argument: 'seats',
        message: 'seats: too few: 4 members are in use, which need 4 seats',
        seats_needed: 4,
      });
    }
  });

  it('and prices that are not sold are named as this route names them', async () => {
    const { status, body } = await ask('POST', CHECKOUT, { ...WANTED, interval: 'month', interval_count: 7 });
    expect([status, body.error.argument]).toEqual([400, 'interval']);
    const lone = await ask('POST', CHECKOUT, { ...WANTED, interval_count: 3 });
    expect([lone.status, lone.body.error.argument]).toEqual([400, 'interval_count']);
    expect(lone.body.error.message).toBe('interval_count: needs an interval');
  });

  it.each([
    ['POST', SET_SEATS, { seats: 0 }],
    ['POST', SET_SEATS, { seats: 1.5 }],
    ['POST', SET_SEATS, { seats: 100_001 }],
    ['POST', SET_SEATS, {}],
    ['POST', SET_SEATS, { seats: 2, tier: 'pro' }],
    ['GET', PREVIEW_SEATS, undefined],
    ['GET', `${PREVIEW_SEATS}?seats=many`, undefined],
  ] as const)('%s %s with %j is 400', async (method, path, body) => {
    const answer = await ask(method, path, body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({ code: 'BAD_USER_INPUT', message: expect.any(String) });
  });

  it('of the catalogue are listed with what grows with them; null is unlimited', async () => {
    const { body } = await ask('GET', TIERS);
    const of = (name: string) => body.tiers.find((tier: { name: string }) => tier.name === name);
    expect(of('team')).toMatchObject({ stored: { members: 1 }, limits_per_seat: ['members'] });
    expect(of('team').prices[0]).toMatchObject({ per: 'per seat a month', per_seat: true });
    expect(of('pro').stored).toEqual({ members: null });
  });
});

describe('subscription', () => {
  it('of a tenant that never paid is free and active', async () => {
    expect(await call('GET', SUBSCRIPTION)).toMatchObject({
      status: 200,
      body: {
        tenant_id: tenant.id,
        tier: 'free',
        status: 'active',
        current_period_end: null,
        cancel_at_period_end: false,
      },
    });
  });

  it('of a tenant that paid says so, in lower case, with no other fields', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    expect((await call('GET', SUBSCRIPTION, { key })).body).toEqual({
      tenant_id: id,
      tier: 'pro',
      status: 'active',
      current_period_end: '2026-12-22T12:00:10.000Z',
      cancel_at_period_end: false,
    });
  });
});

describe('cancel-subscription', () => {
  it.each<[string, Call]>([
    ['no body', {}],
    ['an empty body that is called JSON', { body: '' }],
    ['an empty object', { body: {} }],
    ['at_period_end true', { body: { at_period_end: true } }],
  ])('with %s cancels at the end of the period', async (_what, how) => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    const { status, body } = await call('POST', CANCEL, { key, ...how });
    expect(status).toBe(200);
    expect(body).toEqual({
      tenant_id: id,
      tier: 'pro',
      status: 'active',
      current_period_end: '2026-12-22T12:00:10.000Z',
      cancel_at_period_end: true,
    });
    expect(await tierOfNextCall(server, key)).toBe('pro');
  });

  it('with at_period_end false cancels at once', async () => {
    const { key } = await server.createTenant();
    await subscribe(server, key);
    const { status, body } = await call('POST', CANCEL, { key, body: { at_period_end: false } });
    expect(status).toBe(200);
    expect(body).toMatchObject({ tier: 'free', status: 'canceled' });
    expect(await tierOfNextCall(server, key)).toBe('free');
    expect((await call('GET', SUBSCRIPTION, { key })).body).toEqual(body);
  });

  it('without a subscription is 400', async () => {
    const { status, body } = await call('POST', CANCEL);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'subscription' });
  });

  it.each([[{ at_period_end: 'yes' }], [{ at_period_end: null }], [{ now: true }], ['[]'], ['{']])(
    'with the body %j is 400 and cancels nothing',
    async (body) => {
      const { key } = await server.createTenant();
      await subscribe(server, key);
      expect((await call('POST', CANCEL, { key, body })).status).toBe(400);
      expect((await call('GET', SUBSCRIPTION, { key })).body).toMatchObject({
        status: 'active',
        cancel_at_period_end: false,
      });
    },
  );
});

describe('report-usage', () => {
  it('answers what was reported', async () => {
    const { status, body } = await call('POST', REPORT, { body: { quantity: 12 } });
    expect(status).toBe(200);
    expect(body).toEqual({ status: 'success', quantity: 12, tenant_id: tenant.id });
  });

  it('reports once under one idempotency key, and rejects it for another quantity', async () => {
    const body = { quantity: 3, idempotency_key: 'job-7' };
    expect((await call('POST', REPORT, { body })).status).toBe(200);
    expect((await call('POST', REPORT, { body })).status).toBe(200);
    expect((await call('POST', REPORT, { body: { ...body, quantity: 4 } })).status).toBe(400);
    expect(await server.app.models.usageReports.countDocuments({ _id: `${tenant.id}:job-7` })).toBe(1);
  });

  it.each([
    [{}],
    [{ quantity: 0 }],
    [{ quantity: -1 }],
    [{ quantity: 1.5 }],
    [{ quantity: '3' }],
    [{ quantity: 1_000_000_001 }],
    [{ quantity: 1, idempotency_key: 'a b' }],
    [{ quantity: 1, idempotency_key: 'x'.repeat(61) }],
  ])('of %j is 400', async (body) => {
    expect((await call('POST', REPORT, { body })).status).toBe(400);
  });
});

describe('every route', () => {
  const ROUTES = [
    ['POST', CHECKOUT, WANTED],
    ['GET', SUBSCRIPTION, undefined],
    ['POST', CANCEL, {}],
    ['POST', REPORT, { quantity: 1 }],
  ] as const;
  const withBody = (body: object | undefined) => (body ? { body } : {});

  it.each(ROUTES)(
    '%s %s is 401 without a key, with a bad one, and before its body is looked at',
    async (...route) => {
      const [method, path, body] = route;
      const bad = [
        { key: null },
        { key: 'nonsense' },
        { key: `${tenant.key.slice(0, -1)}${tenant.key.endsWith('0') ? '1' : '0'}` },
        { key: null, headers: { authorization: `Basic ${tenant.key}` } },
        { key: null, headers: { authorization: 'Bearer nonsense' } },
      ];
      for (const how of bad) {
        const answer = await call(method, path, { ...withBody(body), ...how });
        expect(answer.status).toBe(401);
        expect(answer.body).toEqual({ error: { code: 'UNAUTHENTICATED', message: expect.any(String) } });
      }
      if (method === 'POST') {
        expect((await call(method, path, { key: null, body: '{' })).status).toBe(401);
      }
    },
  );

  it.each(ROUTES)('%s %s takes a key by either header', async (method, path, body) => {
    const { key } = await server.createTenant();
    await subscribe(server, key);
    const own = await call(method, path, { key, ...withBody(body) });
    const bearer = await call(method, path, {
      key: null,
      headers: { authorization: `Bearer ${key}` },
      ...withBody(body),
    });
    // A second checkout is refused; what counts is that it is known whose it is.
    const expected = path === CHECKOUT ? 400 : 200;
    expect([own.status, bearer.status]).toEqual([expected, expected]);
    expect(bearer.body).toEqual(own.body);
  });

  it.each(ROUTES)("%s %s is 403 with the operator's key", async (method, path, body) => {
    const { status, body: answer } = await call(method, path, { key: OPERATOR_KEY, ...withBody(body) });
    expect(status).toBe(403);
    expect(answer.error.code).toBe('FORBIDDEN');
  });

  it.each(ROUTES)('%s %s is 403 with a key that lacks the scope', async (method, path, body) => {
    const { data } = await server.gql(
      'mutation { createApiKey(input: { name: "narrow", scopes: [KEYS] }) { secret } }',
      { key: tenant.key },
    );
    const answer = await call(method, path, { key: data.createApiKey.secret, ...withBody(body) });
    expect(answer.status).toBe(403);
    expect(answer.body.error.message).toContain('lacks the scope');
  });

  it('is free: no route costs a call', async () => {
    const fresh = await server.createTenant();
    for (const [method, path, body] of ROUTES) {
      const { headers } = await call(method, path, { key: fresh.key, ...withBody(body) });
      expect(headers.get('x-ratelimit-limit-day')).toBeNull();
    }
    const { data } = await server.gql('{ usage { apiCalls } }', { key: fresh.key });
    expect(data.usage.apiCalls).toBe(0);
  });

  it('that does not exist is 404 with the same shape of error', async () => {
    const { status, body } = await call('GET', '/v1/billing/nothing');
    expect(status).toBe(404);
    expect(body.error.code).toBe('NOT_FOUND');
    expect(await call('GET', CANCEL)).toMatchObject({
      status: 405,
      body: { error: { code: 'METHOD_NOT_ALLOWED' } },
    });
  });
});

describe('the page of /upgrade', () => {
  it('names every tier with its price and limits for those who run no scripts', async () => {
    const response = await fetch(`${server.url}/upgrade`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/html');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    const text = await response.text();
    const words = ['Free', 'Pro', 'Enterprise', '$29 a month', 'Priced by agreement', '10,000 calls a day'];
    for (const word of words) {
      expect(text).toContain(word);
    }
    expect(text).not.toMatch(/<script(?! type="module" crossorigin src="\/assets\/)/);
    expect(text).not.toContain('GraphQL');
  });
});

describe('health', () => {
  it('is live and ready without a key', async () => {
    for (const path of ['/health/live', '/health/ready']) {
      expect(await call('GET', path, { key: null })).toMatchObject({ status: 200, body: { status: 'ok' } });
    }
  });

  it('is live, but not ready, while the server stops', async () => {
    const env = { SHUTDOWN_NOTICE_SECONDS: '1' };
    const stopping = await startTestServer({ clock, uri: server.uri, env });
    const stopped = stopping.stop();
    const ready = await fetch(`${stopping.url}/health/ready`);
    expect(ready.status).toBe(503);
    expect(ready.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await ready.json()).toEqual({ status: 'unavailable', reason: 'the server is stopping' });
    expect((await fetch(`${stopping.url}/health/live`)).status).toBe(200);
    await stopped;
    await expect(fetch(`${stopping.url}/health/live`)).rejects.toThrow();
  });
});

describe('CORS', () => {
  const preflight = (of: TestServer, origin: string) =>
    fetch(`${of.url}/graphql`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,x-api-key',
      },
    });

  it('lets no other origin in unless it is configured to', async () => {
    const response = await preflight(server, 'https://app.example');
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
    const read = await fetch(`${server.url}/health/live`, { headers: { origin: 'https://app.example' } });
    expect(read.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('lets the origins of CONTINUUM_CORS_ORIGINS in, and lets them read the headers of limits', async () => {
    const env = { CONTINUUM_CORS_ORIGINS: 'https://app.example, https://b.example' };
    const open = await startTestServer({ clock, uri: server.uri, env });
    try {
      const allowed = await preflight(open, 'https://app.example');
      expect(allowed.status).toBe(204);
      expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example');
      expect(allowed.headers.get('access-control-allow-headers')).toContain('x-api-key');
      expect(allowed.headers.get('vary')?.toLowerCase()).toContain('origin');
      const read = await fetch(`${open.url}/health/live`, { headers: { origin: 'https://b.example' } });
      expect(read.headers.get('access-control-allow-origin')).toBe('https://b.example');
      expect(read.headers.get('access-control-expose-headers')).toContain('X-RateLimit-Remaining-Day');
      const other = await preflight(open, 'https://evil.example');
      expect(other.headers.get('access-control-allow-origin')).toBeNull();
    } finally {
      await open.stop();
    }
  });

  it('lets every origin in for *', async () => {
    const open = await startTestServer({ clock, uri: server.uri, env: { CONTINUUM_CORS_ORIGINS: '*' } });
    try {
      const response = await preflight(open, 'https://anywhere.example');
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
    } finally {
      await open.stop();
    }
  });
});
