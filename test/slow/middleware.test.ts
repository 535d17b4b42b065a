import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  expressLimits,
  fastifyLimits,
  type Limits,
  remoteLimits,
  tenantOfRequest,
} from '@continuum-billing/limits';
import express5, { type Request, type Response } from 'express';
// @ts-expect-error it has the types of Express 5
import express4 from 'express4';
import fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directLimits } from '../../src/directLimits.js';
import { createServiceKey } from '../support/federation.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

let billing: TestServer;
let serviceKey: string;

beforeAll(async () => {
  billing = await startTestServer();
  serviceKey = await createServiceKey(billing);
});
afterAll(() => billing.stop());

interface Api {
  url: string;
  stop(): Promise<void>;
}

/** What the handlers of every framework do. */
const gate = { waiting: 0, open: () => {}, opened: Promise.resolve() };
function closeGate(): void {
  gate.opened = new Promise((resolve) => {
    gate.open = resolve;
  });
}

const costOf = ({ headers }: { headers: Record<string, unknown> }) => Number(headers['x-cost'] ?? 1);

async function startExpress(express: typeof express5, limits: Limits): Promise<Api> {
  const limited = expressLimits<Request>({ limits });
  const app = express();
  app.get('/lamps/:id', limited(), (req: Request, res: Response) => {
    res.json({ tenant: tenantOfRequest(req) });
  });
  app.post('/render', limited({ cost: costOf, endpoint: 'render' }), (_req: Request, res: Response) => {
    res.json({});
  });
  app.get('/shade', limited({ cost: 0, feature: 'FEDERATION' }), (_req: Request, res: Response) => {
    res.json({});
  });
  app.get('/owner', limited({ cost: 0, max: 1, window: '1h' }), (_req: Request, res: Response) => {
    res.json({});
  });
  app.get('/fails/:status', limited({ cost: 3 }), (req: Request, res: Response) => {
    res.status(Number(req.params.status)).json({});
  });
  app.get('/slow', limited(), async (_req: Request, res: Response) => {
    gate.waiting++;
    await gate.opened;
    res.json({});
  });
  app.get('/free', (_req: Request, res: Response) => {
    res.json({});
  });
  return listen(app as RequestListener);
}

async function listen(handler: RequestListener): Promise<Api> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function startFastify(limits: Limits): Promise<Api> {
  const limited = fastifyLimits({ limits });
  const app = fastify({ forceCloseConnections: true });
  app.get('/lamps/:id', { preHandler: limited() }, async (request) => ({ tenant: tenantOfRequest(request) }));
  app.post('/render', { preHandler: limited({ cost: costOf, endpoint: 'render' }) }, async () => ({}));
  app.get('/shade', { preHandler: limited({ cost: 0, feature: 'FEDERATION' }) }, async () => ({}));
  app.get('/owner', { preHandler: limited({ cost: 0, max: 1, window: '1h' }) }, async () => ({}));
  app.get<{ Params: { status: string } }>(
    '/fails/:status',
    { preHandler: limited({ cost: 3 }) },
    async (request, reply) => reply.code(Number(request.params.status)).send({}),
  );
  app.get('/slow', { preHandler: limited() }, async () => {
    gate.waiting++;
    await gate.opened;
    return {};
  });
  app.get('/free', async () => ({}));
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  return { url, stop: () => app.close() };
}

async function tenantWith(apiCallsPerDay: number, concurrentRequests = 1_000): Promise<TestTenant> {
  const tenant = await billing.createTenant();
  await billing.setLimits(tenant.id, { apiCallsPerDay, apiCallsPerMinute: 100_000, concurrentRequests });
  return tenant;
}

const usageOf = async ({ key }: TestTenant) => {
  const response = await fetch(`${billing.url}/v1/billing/usage`, { headers: { 'x-api-key': key } });
  return (await response.json()) as { calls: number; by_endpoint: { endpoint: string; calls: number }[] };
};

const decided: [string, () => Promise<Limits>][] = [
  ['directly', () => directLimits({ mongodbUri: billing.uri, upgradeUrl: 'http://localhost/upgrade' })],
  ['by the billing server', () => remoteLimits({ url: billing.url, serviceKey, whenAway: 'refuse' })],
];
const frameworks: [string, (limits: Limits) => Promise<Api>][] = [
  ['Express 5', (limits) => startExpress(express5, limits)],
  ['Express 4', (limits) => startExpress(express4 as typeof express5, limits)],
  ['Fastify 5', startFastify],
];
const cases = frameworks.flatMap(([name, start]) =>
  decided.map(([how, connect]) => ({ name, how, start, connect })),
);

describe.each(cases)('limits of $name, decided $how', ({ start, connect }) => {
  let limits: Limits;
  let api: Api;
  beforeAll(async () => {
    limits = await connect();
    api = await start(limits);
  });
  afterAll(async () => {
    await api.stop();
    await limits.close();
  });

  async function ask(path: string, key: string | null, options: RequestInit & { headers?: object } = {}) {
    const response = await fetch(`${api.url}${path}`, {
      ...options,
      headers: { ...(key && { 'x-api-key': key }), ...options.headers },
    });
    const text = await response.text();
    // Express answers an unexpected error with a page.
    const body = text.startsWith('{') ? JSON.parse(text) : null;
    return { status: response.status, headers: response.headers, body };
  }

  it('accept exactly so many of parallel requests as there are calls left, and say so', async () => {
    const tenant = await tenantWith(10);
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => ask(`/lamps/${i}`, tenant.key)));
    const accepted = answers.filter(({ status }) => status === 200);
    expect(accepted).toHaveLength(10);
    expect(accepted[0]?.body).toEqual({ tenant: { id: tenant.id, tier: 'FREE' } });
    expect(accepted[0]?.headers.get('x-ratelimit-limit-day')).toBe('10');
    expect(accepted[0]?.headers.get('ratelimit')).toContain('"day";r=');
    const rejected = answers.find(({ status }) => status === 429);
    expect(rejected?.body.error).toMatchObject({
      code: 'RATE_LIMITED',
      limit: 10,
      window: 'day',
      remaining: 0,
      resets_at: expect.any(String),
      tier: 'free',
      upgrade_url: expect.any(String),
    });
    expect(Number(rejected?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(rejected?.headers.get('x-ratelimit-remaining-day')).toBe('0');
    expect(rejected?.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await usageOf(tenant)).toMatchObject({
      calls: 10,
      by_endpoint: [{ endpoint: 'GET /lamps/:id', calls: 10 }],
    });
  });

  it('charge what the request costs, and nothing of it beyond the limit', async () => {
    const tenant = await tenantWith(10);
    const render = (cost: number) =>
      ask('/render', tenant.key, { method: 'POST', headers: { 'x-cost': String(cost) } });
    expect((await render(7)).status).toBe(200);
    expect((await render(4)).body.error).toMatchObject({ code: 'RATE_LIMITED', requested: 4, remaining: 3 });
    expect((await render(3)).status).toBe(200);
    expect((await render(-1)).status).toBe(500);
    expect(await usageOf(tenant)).toMatchObject({ by_endpoint: [{ endpoint: 'render', calls: 10 }] });
  });

  it('return the calls of a request that ends in 5xx or 400, before its response', async () => {
    const tenant = await tenantWith(3);
    for (const status of [500, 503, 400])
      expect((await ask(`/fails/${status}`, tenant.key)).status).toBe(status);
    expect((await usageOf(tenant)).calls).toBe(0);
    expect((await ask('/fails/404', tenant.key)).status).toBe(404);
    expect((await usageOf(tenant)).calls).toBe(3);
  });

  it('need a key, the feature and the room of the route', async () => {
    const tenant = await tenantWith(10);
    expect(await ask('/lamps/1', null)).toMatchObject({
      status: 401,
      body: { error: { code: 'UNAUTHENTICATED' } },
    });
    expect(await ask('/lamps/1', 'nonsense')).toMatchObject({ status: 401 });
    expect(await ask('/shade', tenant.key)).toMatchObject({
      status: 403,
      body: { error: { code: 'FEATURE_NOT_AVAILABLE', feature: 'federation', tier: 'free' } },
    });
    expect((await ask('/owner', tenant.key)).status).toBe(200);
    expect(await ask('/owner', tenant.key)).toMatchObject({ status: 429, body: { error: { window: '1h' } } });
    expect((await ask('/free', null)).status).toBe(200);
  });

  it('count the requests under way, and free their places', async () => {
    const tenant = await tenantWith(100, 2);
    // `remoteLimits` learns the tenant's limit by its first decision.
    await ask('/lamps/1', tenant.key);
    closeGate();
    gate.waiting = 0;
    const slow = [ask('/slow', tenant.key), ask('/slow', tenant.key)];
    await expect.poll(() => gate.waiting).toBe(2);
    expect(await ask('/lamps/1', tenant.key)).toMatchObject({
      status: 429,
      body: { error: { code: 'RATE_LIMITED', window: 'concurrent', limit: 2 } },
    });
    gate.open();
    for (const { status } of await Promise.all(slow)) expect(status).toBe(200);
    expect((await ask('/lamps/1', tenant.key)).status).toBe(200);
    closeGate();
    const controller = new AbortController();
    const left = [1, 2].map(() => ask('/slow', tenant.key, { signal: controller.signal }).catch(() => null));
    await expect.poll(() => gate.waiting).toBe(4);
    controller.abort();
    await Promise.all(left);
    await expect.poll(async () => (await ask('/lamps/1', tenant.key)).status).toBe(200);
    gate.open();
  });
});

it('a tenant that the server identifies itself needs no key', async () => {
  const limits = await remoteLimits({ url: billing.url, serviceKey, whenAway: 'refuse' });
  await billing.gql('mutation { createTenant(input: { name: "A", externalId: "org-1" }) { tenant { id } } }');
  const limited = fastifyLimits({
    limits,
    identify: ({ headers }) => ({ externalId: headers['x-org'] as string | undefined }),
  });
  const app = fastify();
  app.get('/me', { preHandler: limited({ cost: 0 }) }, async (request) => ({
    tenant: tenantOfRequest(request),
  }));
  app.get('/lamps', { preHandler: limited() }, async () => ({}));
  try {
    const me = await app.inject({ url: '/me', headers: { 'x-org': 'org-1' } });
    expect(me.json()).toEqual({ tenant: { id: expect.stringMatching(/^ten_/), tier: 'FREE' } });
    expect((await app.inject({ url: '/me' })).json()).toEqual({ tenant: null });
    expect((await app.inject({ url: '/lamps' })).json().error.code).toBe('UNAUTHENTICATED');
    expect((await app.inject({ url: '/lamps', headers: { 'x-org': 'org-2' } })).statusCode).toBe(404);
    expect((await app.inject({ url: '/lamps', headers: { 'x-org': 'org-1' } })).statusCode).toBe(200);
  } finally {
    await app.close();
    await limits.close();
  }
});

it('wrong limits of a route are found when it is made, all at once', async () => {
  const limits = await remoteLimits({ url: billing.url, serviceKey, whenAway: 'refuse' });
  const limited = expressLimits({ limits });
  expect(() => limited({ cost: 0.5, feature: 'LASERS', max: 0, window: 'soon', endpoint: '' })).toThrow(
    /5 errors:\n.*cost must be[\s\S]*endpoint must[\s\S]*feature must be one of FEDERATION[\s\S]*max must[\s\S]*window must/,
  );
  expect(() => limited({ max: 3 })).toThrow('max and window need each other');
  expect(() => expressLimits({ limits, apiKey: () => null, identify: () => null })).toThrow(
    'expressLimits takes apiKey or identify, not both',
  );
  await limits.close();
});
