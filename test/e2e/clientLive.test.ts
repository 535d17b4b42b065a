import { type BillingClient, createBillingClient, type LiveOptions } from '@continuum-billing/client';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { type FlakyProxy, startFlakyProxy } from '../support/flakyProxy.js';
import { scrape } from '../support/scrape.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { soon } from '../support/soon.js';

let database: TestDatabase;
let server: TestServer;
let proxy: FlakyProxy;
let tenant: TestTenant;
let billing: BillingClient;
let listening: AbortController;

beforeAll(async () => {
  database = await connectTestDatabase();
  server = await startTestServer({ uri: database.uri });
  proxy = await startFlakyProxy(() => server.url);
});
afterAll(async () => {
  await proxy?.stop();
  await server?.stop();
  await database?.dropAndClose();
});
beforeEach(async () => {
  listening = new AbortController();
  tenant = await server.createTenant();
  billing = createBillingClient({ url: proxy.url, apiKey: tenant.key });
});
afterEach(() => listening.abort());

/** What an iterable has yielded so far, and how it ended. */
function collect<T>(open: (options: LiveOptions) => AsyncIterable<T>) {
  const collected = { items: [] as T[], reconnects: [] as string[], ended: null as unknown };
  const signal = listening.signal;
  const options = { signal, onReconnect: ({ code }: { code: string }) => collected.reconnects.push(code) };
  (async () => {
    for await (const item of open(options)) collected.items.push(item);
  })().then(
    () => {
      collected.ended ??= 'ended';
    },
    (error) => {
      collected.ended = error;
    },
  );
  return collected;
}
const consume = (cost = 1) =>
  createBillingClient({ url: server.url, apiKey: tenant.key }).consume({ endpoint: 'render', cost });

it('the state comes first, then its changes, until the signal is aborted', async () => {
  const usage = collect((options) => billing.live.usageChanged({}, options));
  const subscription = collect((options) => billing.live.subscriptionChanged({}, options));
  await soon(() => expect(usage.items).toMatchObject([{ apiCalls: 0, remaining: 100 }]));
  await soon(() => expect(subscription.items).toMatchObject([{ tier: { name: 'FREE' } }]));
  await consume(3);
  await soon(() => expect(usage.items.at(-1)).toMatchObject({ apiCalls: 3, remaining: 97 }));
  await server.setLimits(tenant.id, null, 'PRO');
  await soon(() => expect(subscription.items.at(-1)).toMatchObject({ tier: { name: 'PRO' } }));
  listening.abort();
  await soon(() => expect([usage.ended, subscription.ended]).toEqual(['ended', 'ended']));
});

it('a loop that ends closes its connection', async () => {
  for await (const { apiCalls } of billing.live.usageChanged()) {
    expect(apiCalls).toBe(0);
    break;
  }
  await soon(async () => {
    const { value } = await scrape(`${server.url}/metrics`);
    expect(value('continuum_live_connections', { transport: 'sse' })).toBe(0);
  });
});

it('a server that restarts, and connections that break, are survived: states and alerts of meanwhile arrive', async () => {
  await server.setLimits(tenant.id, { apiCallsPerMinute: 1_000 });
  const usage = collect((options) => billing.live.usageChanged({}, options));
  const alerts = collect((options) => billing.live.alertRaised({}, options));
  await soon(() => expect(usage.items).toHaveLength(1));
  await consume(80);
  await soon(() => expect(alerts.items).toMatchObject([{ level: 80, kind: 'API_CALLS_PER_DAY' }]));

  await server.stop();
  server = await startTestServer({ uri: database.uri });
  // Before the client is back.
  await consume(10);
  await soon(() => expect(usage.items.at(-1)).toMatchObject({ apiCalls: 90 }));
  await soon(() => expect(alerts.items.map(({ level }) => level)).toEqual([80, 90]));
  expect(usage.reconnects).toContain('NETWORK_ERROR');

  const reconnects = usage.reconnects.length;
  proxy.cut();
  await soon(() => expect(usage.reconnects.length).toBeGreaterThan(reconnects));
  await consume(10);
  await soon(() => expect(usage.items.at(-1)).toMatchObject({ apiCalls: 100 }));
  await soon(() => expect(alerts.items.map(({ level }) => level)).toEqual([80, 90, 100]));
  expect([usage.ended, alerts.ended]).toEqual([null, null]);
});

it('what the server rejects is an error', async () => {
  const unknown = createBillingClient({ url: proxy.url, apiKey: 'wrong' });
  const wrong = collect((options) => unknown.live.usageChanged({}, options));
  await soon(() => expect(wrong.ended).toMatchObject({ code: 'UNAUTHENTICATED', status: 401 }));
  const feature = collect((options) =>
    billing.subscribe('subscription { memoryChanged { id } }', {}, options),
  );
  await soon(() => expect(feature.ended).toMatchObject({ code: 'FEATURE_NOT_AVAILABLE' }));
  const operator = createBillingClient({ url: proxy.url, apiKey: OPERATOR_KEY });
  const nobody = collect((options) => operator.live.usageChanged({ externalId: 'nobody' }, options));
  await soon(() => expect(nobody.ended).toMatchObject({ code: 'NOT_FOUND' }));
});

it('a stream goes on with a new token when its own has been revoked', async () => {
  const operator = createBillingClient({ url: server.url, apiKey: OPERATOR_KEY });
  const makeKey = async () => operator.createApiKey({ tenantId: tenant.id, name: 'page', scopes: ['READ'] });
  const keys = [await makeKey()];
  const page = createBillingClient({ url: proxy.url, token: () => keys.at(-1)?.secret ?? '' });
  const usage = collect((options) => page.live.usageChanged({}, options));
  await soon(() => expect(usage.items).toHaveLength(1));
  keys.push(await makeKey());
  await operator.revokeApiKey({ tenantId: tenant.id, id: keys[0]?.apiKey.id ?? '' });
  await soon(() => expect(usage.reconnects).toEqual(['UNAUTHENTICATED']));
  await consume(1);
  await soon(() => expect(usage.items.at(-1)).toMatchObject({ apiCalls: 1 }));
  keys.push({ ...(await makeKey()), secret: 'wrong' });
  await operator.revokeApiKey({ tenantId: tenant.id, id: keys[1]?.apiKey.id ?? '' });
  await soon(() => expect(usage.ended).toMatchObject({ code: 'UNAUTHENTICATED' }));
});
