import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CANCEL_URL, SUCCESS_URL, settled, subscribe, tierOfNextCall } from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { createServiceKey } from '../support/federation.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const clock = createFakeClock('2026-11-22T12:00:10Z');

let server: TestServer;
let tenant: TestTenant;
let serviceKey: string;

beforeAll(async () => {
  server = await startTestServer({ clock });
  tenant = await server.createTenant();
  serviceKey = await createServiceKey(server);
});
afterAll(() => server.stop());

/** @param body sent by POST; otherwise the request is a GET */
async function call(name: string, body?: object, key: string | null = tenant.key) {
  const response = await fetch(`${server.url}/v1/billing/${name}`, {
    method: body ? 'POST' : 'GET',
    headers: { ...(key && { 'x-api-key': key }), ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
  return { status: response.status, headers: response.headers, body: (await response.json()) as any };
}

const newTenant = async (externalId: string) =>
  (await call('create-tenant', { name: 'Ann', external_id: externalId }, OPERATOR_KEY)).body;

const callsOf = async (key: string) => (await call('usage', undefined, key)).body.calls;

describe('consume', () => {
  it('charges in one exact step, whatever comes at once, and shows the limits in its headers', async () => {
    const { key } = await server.createTenant();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => call('consume', { endpoint: 'search', cost: 3 }, key)),
    );
    // FREE has 10 calls a minute.
    expect(answers.filter(({ body }) => body.allowed)).toHaveLength(3);
    expect(await callsOf(key)).toBe(9);
    const rejected = await call('consume', { endpoint: 'search', cost: 2 }, key);
    expect(rejected).toMatchObject({
      status: 200,
      body: { allowed: false, remaining: 1, resets_at: '2026-11-22T12:01:00.000Z' },
    });
    expect(Object.fromEntries(rejected.headers)).toMatchObject({
      'retry-after': '50',
      'x-ratelimit-limit-minute': '10',
      'x-ratelimit-remaining-minute': '1',
      'x-ratelimit-remaining-day': '91',
      'x-tier': 'free',
      ratelimit: '"minute";r=1;t=50, "day";r=91;t=43190',
    });
  });

  it('costs 1 by default, and is charged once under an idempotency key', async () => {
    const { key } = await server.createTenant();
    const request = { endpoint: 'search', idempotency_key: 'once' };
    const [first, second] = [await call('consume', request, key), await call('consume', request, key)];
    expect(first.body).toEqual({ allowed: true, remaining: 9, resets_at: '2026-11-22T12:01:00.000Z' });
    expect(second.body).toEqual(first.body);
    expect(await callsOf(key)).toBe(1);
    const other = await call('consume', { ...request, cost: 2 }, key);
    expect(other.body.error).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'idempotency_key' });
  });

  it('has no number left without a limit', async () => {
    const { id, key } = await server.createTenant();
    const unlimited = { apiCallsPerDay: Number.MAX_SAFE_INTEGER, apiCallsPerMinute: 2 ** 31 - 1 };
    await server.setLimits(id, unlimited);
    expect((await call('consume', { endpoint: 'search' }, key)).body).toMatchObject({
      allowed: true,
      remaining: null,
    });
  });

  it('is for a service on behalf of a tenant, by either id', async () => {
    const { tenant: named } = await newTenant('consumer-1');
    for (const which of [{ tenant_id: named.id }, { external_id: 'consumer-1' }])
      expect((await call('consume', { endpoint: 'search', ...which }, serviceKey)).body.allowed).toBe(true);
    const { body } = await call('usage?external_id=consumer-1', undefined, OPERATOR_KEY);
    expect(body).toMatchObject({ tenant_id: named.id, calls: 2 });
    const unnamed = await call('consume', { endpoint: 'search' }, serviceKey);
    expect(unnamed).toMatchObject({ status: 403, body: { error: { code: 'FORBIDDEN' } } });
    expect(unnamed.body.error.message).toContain('tenant_id or external_id');
    const both = { tenant_id: named.id, external_id: 'consumer-1' };
    expect((await call('consume', { endpoint: 'search', ...both }, serviceKey)).body.error).toMatchObject({
      code: 'BAD_USER_INPUT',
      argument: 'tenant_id',
      message: 'tenant_id: name one tenant, by tenant_id or by external_id',
    });
    const gone = await call('consume', { endpoint: 'search', external_id: 'nobody' }, serviceKey);
    expect(gone).toMatchObject({
      status: 404,
      body: {
        error: { code: 'NOT_FOUND', message: 'The tenant with the external_id nobody does not exist' },
      },
    });
  });

  it.each<[object, string]>([
    [{}, 'endpoint: is required'],
    [{ endpoint: '' }, 'endpoint: must NOT have fewer than 1 characters'],
    [{ endpoint: 'a\nb' }, 'endpoint: must have 1 to 100 printable characters'],
    [{ endpoint: 'a\0b' }, 'endpoint: must not have the character NUL (U+0000)'],
    [{ endpoint: 'a', cost: 0 }, 'cost: must be >= 1'],
    [{ endpoint: 'a', cost: '1' }, 'cost: must be integer'],
    [{ endpoint: 'a', cost: 1_000_001 }, 'cost: must be <= 1000000'],
    [{ endpoint: 'a', idempotencyKey: 'x' }, 'idempotencyKey: is not a field of this request'],
    [
      { endpoint: 'a', external_id: ' a' },
      'external_id: must have 1 to 200 printable characters, without white space at its ends',
    ],
    [{ endpoint: 'a', tenant_id: 'ten_another' }, ''],
  ])('of %j is rejected, and charges nothing', async (request, message) => {
    const { key } = await server.createTenant();
    const { status, body } = await call('consume', request, key);
    if (message) {
      expect({ status, ...body.error }).toMatchObject({ status: 400, code: 'BAD_USER_INPUT', message });
      expect(`${body.error.argument}: ${body.error.problem}`).toBe(message);
    } else expect({ status, ...body.error }).toMatchObject({ status: 403, code: 'FORBIDDEN' });
    expect(await callsOf(key)).toBe(0);
  });
});

describe('record-usage', () => {
  it('records each event once and rejects bad ones by themselves', async () => {
    const { key } = await server.createTenant();
    const events = [
      { id: 'a', endpoint: 'search', quantity: 5, at: '2026-11-22T10:00:00Z' },
      { id: 'b', endpoint: 'search', quantity: 'many' },
      { id: 'c', endpoint: 'search', quantity: 1, at: 'yesterday' },
      { id: 'd', endpoint: 'search', quantity: 1, at: '2026-10-01T00:00:00Z' },
      { id: 'e', endpoint: 'search', quantity: 1, color: 'red' },
      'nonsense',
    ];
    const { status, body } = await call('record-usage', { events }, key);
    expect(status).toBe(200);
    expect(body.results).toEqual([
      { id: 'a', status: 'accepted', reason: null },
      { id: 'b', status: 'rejected', reason: 'quantity: must be a number' },
      { id: 'c', status: 'rejected', reason: 'at: must be a time such as 2026-03-01T12:00:00Z' },
      { id: 'd', status: 'rejected', reason: 'at: is more than 31 days ago' },
      { id: 'e', status: 'rejected', reason: 'must not have the field "color"' },
      { id: '', status: 'rejected', reason: 'must be an object' },
    ]);
    const again = await call('record-usage', { events: events.slice(0, 1) }, key);
    expect(again.body.results[0].status).toBe('duplicate');
    expect(await callsOf(key)).toBe(5);
  });

  it.each([[{}], [{ events: [] }], [{ events: {} }], [{ events: Array(1_001).fill({}) }]])(
    'of no list of 1 to 1,000 events is 400',
    async (request) => {
      const { status, body } = await call('record-usage', request);
      expect({ status, ...body.error }).toMatchObject({ status: 400, argument: 'events' });
    },
  );
});

describe('usage', () => {
  it('is of the day by default, with its endpoints', async () => {
    const { id, key } = await server.createTenant();
    await call('consume', { endpoint: 'search', cost: 4 }, key);
    await call('consume', { endpoint: 'export', cost: 1 }, key);
    expect((await call('usage', undefined, key)).body).toEqual({
      tenant_id: id,
      period: 'day',
      from: '2026-11-22T00:00:00.000Z',
      to: '2026-11-23T00:00:00.000Z',
      calls: 5,
      limit: 100,
      remaining: 95,
      resets_at: '2026-11-23T00:00:00.000Z',
      overage_calls: 0,
      overage_cost_cents: 0,
      by_endpoint: [
        { endpoint: 'search', calls: 4 },
        { endpoint: 'export', calls: 1 },
      ],
    });
    expect((await call('usage?period=minute', undefined, key)).body).toMatchObject({
      period: 'minute',
      limit: 10,
    });
    const history = await call(
      'usage-history?from=2026-11-20T00:00:00Z&to=2026-11-23T00:00:00Z',
      undefined,
      key,
    );
    expect(
      history.body.usage.map(({ from, calls }: { from: string; calls: number }) => [
        from.slice(0, 10),
        calls,
      ]),
    ).toEqual([
      ['2026-11-20', 0],
      ['2026-11-21', 0],
      ['2026-11-22', 5],
    ]);
    expect(history.body.usage[0]).not.toHaveProperty('by_endpoint');
  });

  it.each([
    ['usage?period=year', 'period', 'must be one of minute, day, month'],
    ['usage?per=day', 'per', 'is not a parameter of this request'],
    ['usage-history?to=2026-11-23T00:00:00Z', 'from', 'is required'],
    ['usage-history?from=yesterday&to=2026-11-23T00:00:00Z', 'from', 'must match format "date-time"'],
    [
      'usage-history?from=2024-01-01T00:00:00Z&to=2026-11-23T00:00:00Z',
      'from',
      expect.stringContaining('400'),
    ],
    ['preview-seats?seats=many', 'seats', 'must be integer'],
    ['preview-tier-change?tier=gold', 'tier', 'must be one of free, pro, enterprise'],
  ])('%s is 400 and names the parameter', async (path, argument, problem) => {
    const { status, body } = await call(path);
    expect({ status, ...body.error }).toMatchObject({
      status: 400,
      code: 'BAD_USER_INPUT',
      argument,
      problem,
    });
  });
});

describe('tenants', () => {
  it('are created once for an external id, and read by either id', async () => {
    const created = await newTenant('crm/42');
    expect(created).toEqual({
      tenant: {
        id: expect.stringMatching(/^ten_/),
        external_id: 'crm/42',
        name: 'Ann',
        email: null,
        tier: 'free',
        created_at: '2026-11-22T12:00:10.000Z',
        suspended_at: null,
      },
      api_key: { id: expect.any(String), secret: expect.any(String) },
    });
    expect(await newTenant('crm/42')).toEqual({ tenant: created.tenant, api_key: null });
    const { id } = created.tenant;
    for (const which of [`tenant_id=${id}`, 'external_id=crm%2F42'])
      expect((await call(`tenant?${which}`, undefined, OPERATOR_KEY)).body).toEqual(created.tenant);
    expect((await call('tenant', undefined, created.api_key.secret)).body).toEqual(created.tenant);
    expect((await call(`tenant?tenant_id=${id}`)).status).toBe(403);
  });

  it('are listed page by page for the operator', async () => {
    const ids: string[] = [];
    let cursor = '';
    do {
      const { status, body } = await call(
        `tenants?limit=5${cursor && `&cursor=${cursor}`}`,
        undefined,
        OPERATOR_KEY,
      );
      expect(status).toBe(200);
      expect(body.tenants.length).toBeLessThanOrEqual(5);
      ids.push(...body.tenants.map(({ id }: { id: string }) => id));
      cursor = body.next_cursor;
    } while (cursor);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength(await server.app.models.tenants.countDocuments());
    expect(ids).toContain(tenant.id);
    const found = await call('tenants?search=crm/42&tier=free', undefined, OPERATOR_KEY);
    expect(found.body).toMatchObject({ tenants: [{ external_id: 'crm/42' }], next_cursor: null });
    expect((await call('tenants')).body.error.code).toBe('FORBIDDEN');
    for (const [query, argument] of [
      ['limit=101', 'limit'],
      ['limit=0', 'limit'],
      ['cursor=x', 'cursor'],
    ]) {
      const { status, body } = await call(`tenants?${query}`, undefined, OPERATOR_KEY);
      expect({ status, ...body.error }).toMatchObject({ status: 400, argument });
    }
    const { body } = await call('tenants?cursor=x', undefined, OPERATOR_KEY);
    expect(body.error.message).toBe(
      'cursor: is not a cursor of this list: pass next_cursor of the previous page',
    );
  });

  it.each<[object, string]>([
    [{}, 'name'],
    [{ name: ' ' }, 'name'],
    [{ name: 'Ann', email: 'nobody' }, 'email'],
    [{ name: 'Ann', external_id: 'a\n' }, 'external_id'],
    [{ name: 'Ann', externalId: 'a' }, 'externalId'],
  ])('with %j are 400', async (request, argument) => {
    const { status, body } = await call('create-tenant', request, OPERATOR_KEY);
    expect({ status, ...body.error }).toMatchObject({ status: 400, code: 'BAD_USER_INPUT', argument });
    expect((await call('create-tenant', request)).status).toBe(403);
  });
});

describe('change of tier', () => {
  it('is previewed, made and undone; the portal is a page', async () => {
    const { key } = await server.createTenant();
    const before = await call('change-tier', { tier: 'pro' }, key);
    expect(before).toMatchObject({
      status: 400,
      body: {
        error: {
          argument: 'subscription',
          problem: 'there is no paid subscription; start one with create-checkout-session',
        },
      },
    });
    await subscribe(server, key);
    await settled(server);
    expect((await call('preview-tier-change?tier=free', undefined, key)).body).toMatchObject({
      tier: 'free',
      immediately: false,
      effective_at: '2026-12-22T12:00:10.000Z',
      amount_due_now_cents: 0,
      tax_cents: 0,
    });
    expect((await call('change-tier', { tier: 'free' }, key)).body).toMatchObject({
      tier: 'pro',
      cancel_at_period_end: true,
    });
    expect((await call('resume-subscription', {}, key)).body).toMatchObject({ cancel_at_period_end: false });
    const portal = await call('create-portal-session', { return_url: SUCCESS_URL }, key);
    expect(portal.body).toEqual({
      session_id: expect.any(String),
      url: expect.stringContaining('https://'),
      local_url: expect.stringContaining(`${server.url}/mock/portal/`),
    });
    expect((await call('change-tier', { tier: 'free', immediately: true }, key)).body.tier).toBe('free');
    expect(await tierOfNextCall(server, key)).toBe('free');
  });

  it('is made by an operator for the tenant that it names, and written down as the operator', async () => {
    const { tenant: named } = await newTenant('payer-1');
    const wanted = { tier: 'pro', success_url: SUCCESS_URL, cancel_url: CANCEL_URL, external_id: 'payer-1' };
    const { body } = await call('create-checkout-session', wanted, OPERATOR_KEY);
    await fetch(`${body.local_url}/complete`, { method: 'POST', redirect: 'manual' });
    await settled(server);
    expect((await call('subscription?external_id=payer-1', undefined, OPERATOR_KEY)).body).toMatchObject({
      tenant_id: named.id,
      tier: 'pro',
    });
    await call('cancel-subscription', { tenant_id: named.id, at_period_end: false }, OPERATOR_KEY);
    const { data } = await server.gql(
      'query ($id: ID) { auditLog(tenantId: $id, first: 1) { nodes: edges { node { action actor } } } }',
      { variables: { id: named.id } },
    );
    expect(data.auditLog.nodes[0].node.actor).toMatch(/^operator:/);
  });

  it('has a limit, which the error describes with the names of this API', async () => {
    const { key } = await server.createTenant();
    await subscribe(server, key);
    const answers = await Promise.all(
      Array.from({ length: 31 }, () => call('preview-tier-change?tier=free', undefined, key)),
    );
    const limited = answers.find(({ status }) => status === 429);
    expect(limited?.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(limited?.body.error).toEqual({
      code: 'RATE_LIMITED',
      message: expect.stringContaining('30 calls of preview-tier-change in 10s'),
      limit: 30,
      window: '10s',
      field: expect.any(String),
      remaining: 0,
      requested: 1,
      resets_at: expect.any(String),
      tier: 'pro',
      upgrade_url: expect.any(String),
    });
  });
});
