import { ApolloClient, gql as document, HttpLink, InMemoryCache } from '@apollo/client';
import { ApolloLink } from '@apollo/client/link';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { getMainDefinition } from '@apollo/client/utilities';
import { createClient } from 'graphql-ws';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { connectSse, connectWs, type LiveTestClient } from '../support/liveClient.js';
import { OPERATOR_KEY, startTestServer, type TestServer } from '../support/server.js';

/** What takes a moment, on a machine that is busy with other tests. */
const USAGE = 'subscription { usageChanged { apiCalls remaining period } }';
const USAGE_NOW = 'subscription { usageChanged(current: true) { apiCalls } }';
const SUBSCRIPTION_NOW =
  'subscription { subscriptionChanged(current: true) { tenantId tier { name } status } }';
const MEMORY = 'subscription { memoryChanged { id kind memory { id content shared } } }';
const STORE = 'mutation { storeMemory(input: { content: "hello" }) { id } }';

let server: TestServer;
/** Another instance on the same database. */
let other: TestServer;
const open: LiveTestClient[] = [];

function ws(...args: Parameters<typeof connectWs>): LiveTestClient {
  const client = connectWs(...args);
  open.push(client);
  return client;
}

function sse(url: string, key: string | null): LiveTestClient {
  const client = connectSse(url, key === null ? {} : { 'x-api-key': key });
  open.push(client);
  return client;
}

/** Both transports to the first instance, as one tenant. */
const both = (key: string) => [ws(server.url, { apiKey: key }), sse(server.url, key)] as const;

const codeOf = ({ errors }: { errors?: { extensions: { code: string } }[] }) => errors?.[0]?.extensions.code;

async function expectOk(query: string, key?: string, on = server) {
  const { data, errors } = await on.gql(query, key === undefined ? {} : { key });
  expect(errors).toEqual([]);
  return data;
}

beforeAll(async () => {
  server = await startTestServer();
  other = await startTestServer({ uri: server.uri });
});
afterAll(async () => {
  await other.stop();
  await server.stop();
});
afterEach(async () => {
  for (const client of open.splice(0)) client.dispose();
  for (const { app } of [server, other])
    await expect
      .poll(() => [app.services.realtime.streams(), app.services.realtime.connections()])
      .toEqual([
        { usage: 0, subscription: 0, alert: 0, memory: 0 },
        { websocket: 0, sse: 0 },
      ]);
});

describe('usageChanged', () => {
  it('tells what an operation on another instance used, over both transports', async () => {
    const tenant = await server.createTenant();
    const streams = both(tenant.key).map((client) => client.subscribe(USAGE_NOW));
    for (const stream of streams)
      expect(await stream.next()).toEqual({ data: { usageChanged: { apiCalls: 0 } } });
    await expectOk(STORE, tenant.key, other);
    for (const stream of streams)
      expect(await stream.next()).toEqual({ data: { usageChanged: { apiCalls: 1 } } });
  });

  it('has at most one message a second, and the last state always arrives', async () => {
    const tenant = await server.createTenant();
    await server.setLimits(tenant.id, null, 'ENTERPRISE');
    const stream = ws(server.url, { apiKey: tenant.key }).subscribe(USAGE_NOW);
    await stream.next();
    const startedAt = performance.now();
    let calls = 0;
    while (performance.now() - startedAt < 2_200) {
      await expectOk(STORE, tenant.key, calls++ % 2 === 0 ? server : other);
    }
    expect(calls).toBeGreaterThan(10);
    await expect.poll(() => stream.messages.at(-1)?.data.usageChanged.apiCalls).toBe(calls);
    // One at the start, one for each begun second, and the last state.
    expect(stream.messages.length).toBeLessThanOrEqual(6);
    expect(stream.messages.length).toBeGreaterThanOrEqual(3);
  });

  it('says what the limits are after they changed, in the period that was asked for', async () => {
    const tenant = await server.createTenant();
    const stream = sse(server.url, OPERATOR_KEY).subscribe(
      'subscription ($id: ID!) { usageChanged(tenantId: $id, period: MONTH, current: true) { period apiCalls byEndpoint { endpoint calls } } }',
      { id: tenant.id },
    );
    expect((await stream.next()).data.usageChanged).toEqual({ period: 'MONTH', apiCalls: 0, byEndpoint: [] });
    await expectOk(STORE, tenant.key);
    expect((await stream.next()).data.usageChanged).toEqual({
      period: 'MONTH',
      apiCalls: 1,
      byEndpoint: [{ endpoint: 'storeMemory', calls: 1 }],
    });
    const limit = ws(server.url, { apiKey: tenant.key }).subscribe(
      'subscription { usageChanged(current: true) { limit } }',
    );
    await limit.next();
    await other.setLimits(tenant.id, { apiCallsPerDay: 4321 });
    expect((await limit.next()).data.usageChanged.limit).toBe(4321);
  });
});

describe('subscriptionChanged', () => {
  it('tells a new tier that another instance granted, and nothing for what changed nothing', async () => {
    const tenant = await server.createTenant();
    const streams = both(tenant.key).map((client) => client.subscribe(SUBSCRIPTION_NOW));
    const changed = (name: string) => ({
      data: { subscriptionChanged: { tenantId: tenant.id, tier: { name }, status: 'ACTIVE' } },
    });
    for (const stream of streams) expect(await stream.next()).toEqual(changed('FREE'));
    await expectOk(`mutation { updateTenant(tenantId: "${tenant.id}", input: { name: "Renamed" }) { id } }`);
    await other.setLimits(tenant.id, null, 'PRO');
    for (const stream of streams) expect(await stream.next()).toEqual(changed('PRO'));
    for (const stream of streams) expect(stream.messages).toHaveLength(2);
  });
});

describe('alertRaised', () => {
  it('tells each level once, on every instance', async () => {
    const tenant = await server.createTenant();
    await server.setLimits(tenant.id, { apiCallsPerDay: 5 });
    const query = 'subscription { alertRaised { kind level used limit } }';
    const streams = [
      ws(server.url, { authorization: `Bearer ${tenant.key}` }),
      sse(other.url, tenant.key),
    ].map((client) => client.subscribe(query));
    const usage = ws(server.url, { apiKey: tenant.key }).subscribe(USAGE_NOW);
    await usage.next();
    await expect
      .poll(() => [server, other].map(({ app }) => app.services.realtime.streams().alert))
      .toEqual([1, 1]);
    for (let i = 0; i < 4; i++) await expectOk(STORE, tenant.key);
    for (const stream of streams) {
      expect((await stream.next()).data.alertRaised).toEqual({
        kind: 'API_CALLS_PER_DAY',
        level: 80,
        used: 4,
        limit: 5,
      });
    }
  });
});

describe('memoryChanged', () => {
  it('tells what was stored, shared and deleted, with the memory as it is', async () => {
    const tenant = await server.createTenant();
    await server.setLimits(tenant.id, null, 'ENTERPRISE');
    const streams = both(tenant.key).map((client) => client.subscribe(MEMORY));
    streams.push(
      ws(other.url, { apiKey: OPERATOR_KEY }).subscribe(
        'subscription ($id: ID!) { memoryChanged(tenantId: $id) { id kind memory { id content shared } } }',
        { id: tenant.id },
      ),
    );
    await expect
      .poll(() => [server, other].map(({ app }) => app.services.realtime.streams().memory))
      .toEqual([2, 1]);
    const { storeMemory } = await expectOk(STORE, tenant.key, other);
    const { id } = storeMemory;
    const expectEach = async (expected: object) => {
      for (const stream of streams)
        expect(await stream.next()).toEqual({ data: { memoryChanged: expected } });
    };
    await expectEach({ id, kind: 'STORED', memory: { id, content: 'hello', shared: false } });
    await expectOk(`mutation { shareMemory(id: "${id}") { id } }`, tenant.key);
    await expectEach({ id, kind: 'SHARED', memory: { id, content: 'hello', shared: true } });
    await expectOk(`mutation { deleteMemory(id: "${id}") }`, tenant.key);
    await expectEach({ id, kind: 'DELETED', memory: null });
  });

  it('needs the feature, and ends when the tenant loses it or is suspended; usage goes on', async () => {
    const tenant = await server.createTenant();
    const client = ws(server.url, { apiKey: tenant.key });
    const rejected = client.subscribe(MEMORY);
    expect((await rejected.end())[0].extensions).toMatchObject({
      code: 'FEATURE_NOT_AVAILABLE',
      feature: 'REALTIME_SYNC',
      http: { status: 403 },
    });
    const byOperator = sse(server.url, OPERATOR_KEY).subscribe(
      `subscription { memoryChanged(tenantId: "${tenant.id}") { id } }`,
    );
    expect(codeOf(await byOperator.next())).toBe('FEATURE_NOT_AVAILABLE');

    await server.setLimits(tenant.id, null, 'ENTERPRISE');
    const usage = client.subscribe(USAGE_NOW);
    await usage.next();
    const lost = client.subscribe(MEMORY);
    await expect.poll(() => server.app.services.realtime.streams().memory).toBe(1);
    await other.setLimits(tenant.id, null, null);
    expect((await lost.end())[0].extensions.code).toBe('FEATURE_NOT_AVAILABLE');

    await server.setLimits(tenant.id, null, 'ENTERPRISE');
    const suspended = sse(server.url, tenant.key).subscribe(MEMORY);
    await expect.poll(() => server.app.services.realtime.streams().memory).toBe(1);
    await expectOk(`mutation { suspendTenant(tenantId: "${tenant.id}") { id } }`, OPERATOR_KEY, other);
    expect(codeOf(await suspended.next())).toBe('TENANT_SUSPENDED');
    expect(await suspended.end()).toBe('complete');
    expect(usage.ended).toBeNull();
    await expect.poll(() => server.app.services.realtime.streams().memory).toBe(0);
  });
});

describe('who may subscribe', () => {
  it('a tenant to itself alone, an operator to the tenant that it names', async () => {
    const [tenant, stranger] = [await server.createTenant(), await server.createTenant()];
    const rejectedAs = async (key: string, query: string) => {
      const [viaWs, viaSse] = both(key).map((client) => client.subscribe(query)) as [never, never];
      const wsCode = (await (viaWs as ReturnType<LiveTestClient['subscribe']>).end())[0].extensions.code;
      const sseCode = codeOf(await (viaSse as ReturnType<LiveTestClient['subscribe']>).next());
      expect(sseCode).toBe(wsCode);
      return wsCode;
    };
    const usageOf = (id: string) => `subscription { usageChanged(tenantId: "${id}") { apiCalls } }`;
    expect(await rejectedAs(tenant.key, usageOf(stranger.id))).toBe('FORBIDDEN');
    expect(await rejectedAs(OPERATOR_KEY, USAGE)).toBe('BAD_USER_INPUT');
    expect(await rejectedAs(OPERATOR_KEY, usageOf('ten_nobody'))).toBe('NOT_FOUND');
    const own = ws(server.url, { apiKey: tenant.key }).subscribe(
      `subscription { usageChanged(tenantId: "${tenant.id}", current: true) { apiCalls } }`,
    );
    expect((await own.next()).data.usageChanged.apiCalls).toBe(0);
    const { createOperatorKey } = await expectOk(
      'mutation { createOperatorKey(input: { name: "reader", role: READ }) { secret } }',
    );
    const reader = createOperatorKey.secret;
    expect(await rejectedAs(reader, `subscription { memoryChanged(tenantId: "${tenant.id}") { id } }`)).toBe(
      'FORBIDDEN',
    );
    const read = sse(server.url, reader).subscribe(
      `subscription { usageChanged(tenantId: "${tenant.id}", current: true) { apiCalls } }`,
    );
    expect((await read.next()).data.usageChanged.apiCalls).toBe(0);
  });

  it('nobody with a wrong key, or without one', async () => {
    const client = ws(server.url, { apiKey: 'ctm_test_nonsense' });
    expect(await client.subscribe(USAGE).end()).toMatchObject({
      code: 4401,
      reason: expect.stringMatching(/^UNAUTHENTICATED: /),
    });
    expect(await ws(server.url).subscribe('{ tiers { name } }').end()).toMatchObject({ code: 4401 });
    for (const key of [null, 'ctm_test_nonsense']) {
      const stream = sse(server.url, key).subscribe(USAGE);
      expect(codeOf(await stream.next())).toBe('UNAUTHENTICATED');
      expect(await stream.end()).toBe('complete');
    }
  });

  it('the keys in the headers of a WebSocket’s request count too', async () => {
    const tenant = await server.createTenant();
    const stream = ws(server.url, undefined, { headers: { 'x-api-key': tenant.key } }).subscribe(USAGE_NOW);
    expect((await stream.next()).data.usageChanged.apiCalls).toBe(0);
  });
});

describe('other operations', () => {
  it('queries and mutations run over both transports as over HTTP', async () => {
    const tenant = await server.createTenant();
    for (const client of both(tenant.key)) {
      const query = client.subscribe('{ tenant { id } usage { apiCalls } }');
      expect((await query.next()).data.tenant.id).toBe(tenant.id);
      expect(await query.end()).toBe('complete');
      const stored = client.subscribe(STORE);
      expect((await stored.next()).data.storeMemory.id).toMatch(/^mem_/);
    }
    expect((await expectOk('{ usage { apiCalls } }', tenant.key)).usage.apiCalls).toBe(2);
    const limited = await server.createTenant();
    await server.setLimits(limited.id, { apiCallsPerDay: 0 });
    const [viaWs, viaSse] = both(limited.key);
    expect((await viaWs.subscribe(STORE).end())[0].extensions).toMatchObject({
      code: 'RATE_LIMITED',
      window: 'day',
    });
    expect(codeOf(await viaSse.subscribe(STORE).next())).toBe('RATE_LIMITED');
  });

  it('a subscription over plain HTTP is rejected, with what to do instead', async () => {
    const tenant = await server.createTenant();
    const { status, errors } = await server.gql(USAGE, { key: tenant.key });
    expect(status).toBe(400);
    expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    expect(errors[0]?.message).toContain('text/event-stream');
  });

  it('documents have the bounds and errors that they have over HTTP', async () => {
    const tenant = await server.createTenant();
    const deep = `subscription { usageChanged { ${'a { '.repeat(60)} b ${'}'.repeat(60)} } }`;
    for (const [query, code] of [
      [deep, 'OPERATION_TOO_EXPENSIVE'],
      ['subscription { usageChanged { nothing } }', 'GRAPHQL_VALIDATION_FAILED'],
      ['subscription { usageChanged { apiCalls }', 'GRAPHQL_PARSE_FAILED'],
      [
        'subscription { a: usageChanged { apiCalls } b: usageChanged { apiCalls } }',
        'GRAPHQL_VALIDATION_FAILED',
      ],
      ['subscription { usageChanged(period: NOPE) { apiCalls } }', 'GRAPHQL_VALIDATION_FAILED'],
      [`subscription { usageChanged(externalId: "${'x'.repeat(300)}") { apiCalls } }`, 'BAD_USER_INPUT'],
    ] as const) {
      const [viaWs, viaSse] = both(tenant.key);
      expect((await viaWs.subscribe(query).end())[0].extensions.code).toBe(code);
      expect(codeOf(await viaSse.subscribe(query).next())).toBe(code);
    }
  });
});

describe('Apollo Client', () => {
  it('with the link and the cache of the documents shows what the stream tells', async () => {
    const tenant = await server.createTenant();
    const wsClient = createClient({
      url: `${server.url.replace('http', 'ws')}/graphql`,
      connectionParams: { apiKey: tenant.key },
      webSocketImpl: WebSocket,
    });
    const client = new ApolloClient({
      link: ApolloLink.split(
        ({ query }) => {
          const definition = getMainDefinition(query);
          return definition.kind === 'OperationDefinition' && definition.operation === 'subscription';
        },
        new GraphQLWsLink(wsClient),
        new HttpLink({ uri: `${server.url}/graphql`, headers: { 'x-api-key': tenant.key } }),
      ),
      cache: new InMemoryCache({
        typePolicies: {
          Realtime: { subscriptionType: true },
          Usage: { keyFields: ['tenantId', 'period', 'from'] },
        },
      }),
    });
    const query = document`{ subscription { id tier { name } } usage { tenantId period from apiCalls } }`;
    const seen: unknown[] = [];
    const watched = client.watchQuery({ query }).subscribe(({ data }) => {
      if (data) seen.push(JSON.parse(JSON.stringify(data)));
    });
    const subscriptions = [
      document`subscription { usageChanged { tenantId period from apiCalls } }`,
      document`subscription { subscriptionChanged { id tier { name } } }`,
    ].map((subscription) => client.subscribe({ query: subscription }).subscribe({}));
    try {
      await expect.poll(() => seen.length).toBeGreaterThan(0);
      await expect
        .poll(() => server.app.services.realtime.streams())
        .toMatchObject({ usage: 1, subscription: 1 });
      await expectOk(STORE, tenant.key);
      await server.setLimits(tenant.id, null, 'PRO');
      await expect
        .poll(() => seen.at(-1))
        .toMatchObject({
          subscription: { __typename: 'Subscription', tier: { name: 'PRO' } },
          usage: { apiCalls: 1 },
        });
      // Without the policy for Realtime, Apollo would keep what a tenant has bought as the root of subscriptions.
      expect(Object.keys(client.cache.extract() as object)).toContain(
        `Subscription:subscription:${tenant.id}`,
      );
    } finally {
      watched.unsubscribe();
      for (const subscription of subscriptions) subscription.unsubscribe();
      client.stop();
      await wsClient.dispose();
    }
  });
});
