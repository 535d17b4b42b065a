import type { mongo } from 'mongoose';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import {
  composeExample,
  type ExampleProcess,
  productsEnv,
  type Supergraph,
  startExample,
} from '../support/federation.js';
import {
  ask,
  expectNothing,
  type GraphQLAnswer,
  OPERATOR_KEY,
  startTestServer,
  type TestServer,
  type TestTenant,
} from '../support/server.js';
import { buildServer } from '../support/serverProcess.js';

const SECRET = 'gateway-secret-of-the-tests-0123456789';
const GATEWAYS = [
  ['the Apollo gateway', 'apolloGateway.mjs'],
  ['the Hive gateway', 'hiveGateway.mjs'],
] as const;

let database: TestDatabase;
let billing: TestServer;
let products: ExampleProcess;
let environment: Record<string, string>;
let supergraph: Supergraph;
const gateways = new Map<string, ExampleProcess>();
/** Requests that arrived at POST /subgraph. */
let requests = 0;

const log = pino(
  { level: 'info' },
  {
    write(line: string) {
      const { msg, route } = JSON.parse(line);
      if (msg === 'request.answered' && route === '/subgraph') requests++;
    },
  },
);
const startBilling = (env: Record<string, string> = {}) =>
  startTestServer({ env: { GATEWAY_SECRET: SECRET, ...env }, uri: database.uri, log });
const portOf = (url: string) => new URL(url).port;
const gatewayEnv = (secret = SECRET) => ({ SUPERGRAPH: supergraph.file, GATEWAY_SECRET: secret });

beforeAll(async () => {
  // Of its own: it outlives a restart.
  database = await connectTestDatabase();
  [billing] = await Promise.all([startBilling(), buildServer()]);
  environment = await productsEnv(billing);
  products = await startExample('products.mjs', environment);
  supergraph = await composeExample(`${billing.url}/subgraph`, products.url);
  await Promise.all(
    GATEWAYS.map(async ([, file]) => gateways.set(file, await startExample(file, gatewayEnv()))),
  );
}, 120_000);
afterAll(async () => {
  await Promise.all([...gateways.values(), products].map((process) => process?.kill()));
  await supergraph?.remove();
  await billing?.stop();
  await database?.dropAndClose();
});

async function newTenant(limits: object = {}, tier?: string): Promise<TestTenant> {
  const tenant = await billing.createTenant('A customer');
  await billing.setLimits(tenant.id, { apiCallsPerMinute: 1_000, ...limits }, tier);
  return tenant;
}

const callsOf = async ({ key }: TestTenant): Promise<number> =>
  (await billing.gql('{ usage { apiCalls } }', { key })).data.usage.apiCalls;

/** Sets up what cannot fail. */
async function run(url: string, query: string, key: string) {
  const { data, errors } = await ask(url, query, { key });
  expect(errors).toEqual([]);
  return data;
}

/** Resolves when the query is answered without errors: a gateway finds out by itself that a subgraph is back. */
async function recovered(url: string, query: string, key: string): Promise<GraphQLAnswer> {
  for (let tries = 0; ; tries++) {
    const answer = await ask(url, query, { key });
    if (answer.errors.length === 0 || tries === 50) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe('the supergraph', () => {
  it('has the other subgraph’s subscription root, and nothing of billing in it', () => {
    const root = /type Subscription\b[^{]*\{([^}]*)\}/.exec(supergraph.sdl)?.[1];
    expect(root?.match(/^ {2}\w+/gm)).toEqual(['  productAdded']);
    expect(supergraph.sdl).toMatch(/type BillingSubscription\b/);
  });

  it('has the three directives', () => {
    for (const name of ['rateLimited', 'requiresFeature', 'storageQuota'])
      expect(supergraph.sdl).toMatch(new RegExp(`^directive @${name}\\(`, 'm'));
  });
});

describe.each(GATEWAYS)('through %s', (_, file) => {
  let url: string;
  let tenant: TestTenant;
  beforeAll(async () => {
    url = (gateways.get(file) as ExampleProcess).url;
    tenant = await newTenant({}, 'PRO');
  });

  const addProduct = (owner: TestTenant, more = '') =>
    run(
      url,
      `mutation { addProduct(name: "lamp", ownerId: "${owner.id}", tier: PRO ${more}) { id } }`,
      owner.key,
    );

  it('the introspected subscription root is the other subgraph’s alone', async () => {
    const { __schema } = await run(
      url,
      '{ __schema { subscriptionType { name fields { name } } } }',
      tenant.key,
    );
    expect(__schema.subscriptionType).toEqual({ name: 'Subscription', fields: [{ name: 'productAdded' }] });
  });

  it('queries go from billing to products and back again', async () => {
    await addProduct(tenant);
    const { tenant: found } = await run(
      url,
      '{ tenant { name products { name owner { name tier { name } } plan { status tenantId } tier { monthlyPriceCents } } } }',
      tenant.key,
    );
    expect(found).toEqual({
      name: 'A customer',
      products: [
        {
          name: 'lamp',
          owner: { name: 'A customer', tier: { name: 'PRO' } },
          plan: { status: 'ACTIVE', tenantId: tenant.id },
          tier: { monthlyPriceCents: 2900 },
        },
      ],
    });
  });

  it('mutations with inputs, enums and defaults work', async () => {
    const { storeMemory, usageReport } = await run(
      url,
      'mutation { storeMemory(input: { content: "kept", metadata: { a: [1] } }) { content metadata } usageReport: reportUsage(input: { quantity: 2 }) { quantity } }',
      tenant.key,
    );
    expect({ storeMemory, usageReport }).toEqual({
      storeMemory: { content: 'kept', metadata: { a: [1] } },
      usageReport: { quantity: 2 },
    });
    expect(await run(url, '{ usage { period } }', tenant.key)).toEqual({ usage: { period: 'DAY' } });
  });

  it('a query of one metered field costs one request and one batch', async () => {
    await run(url, '{ memories { pageInfo { hasNextPage } } }', tenant.key);
    const { connection } = billing.app.models;
    const command = vi.spyOn(connection.db as mongo.Db, 'command');
    const before = requests;
    const calls = await callsOf(tenant);
    await run(url, '{ memories { pageInfo { hasNextPage } } }', tenant.key);
    expect(requests - before).toBe(1);
    expect(command.mock.calls.filter(([{ update }]) => update === 'ledgers')).toHaveLength(1);
    command.mockRestore();
    expect((await callsOf(tenant)) - calls).toBe(1);
  });

  describe('an operation that reaches billing as several requests', () => {
    let owner: TestTenant;
    let notes: string[];
    beforeAll(async () => {
      owner = await newTenant();
      const { storeMemories } = await run(
        `${billing.url}/graphql`,
        'mutation { storeMemories(input: [{ content: "a" }, { content: "b" }]) { id } }',
        owner.key,
      );
      notes = storeMemories.map(({ id }: { id: string }) => id);
      // The first is referred to twice.
      for (const id of [...notes, notes[0]]) await addProduct(owner, `, noteId: "${id}"`);
    });

    const QUERY = '{ memories { pageInfo { hasNextPage } } tenant { products { note { content } } } }';

    it('is charged for all that it selects: root fields, and each entity once', async () => {
      const before = await callsOf(owner);
      const { data, errors, headers } = await ask(url, QUERY, { key: owner.key });
      expect(errors).toEqual([]);
      const { tenant: found } = data;
      expect(found.products.map(({ note }: { note: object }) => note)).toEqual([
        { content: 'a' },
        { content: 'b' },
        { content: 'a' },
      ]);
      expect((await callsOf(owner)) - before).toBe(3);
      // Of several answers' headers one is passed on.
      expect(headers.get('x-tier')).toBe('free');
    });

    it('of which one is rejected keeps what the others brought, and what they cost', async () => {
      // Room for the root field, not for both entities.
      await billing.setLimits(owner.id, { apiCallsPerDay: (await callsOf(owner)) + 2 });
      const before = await callsOf(owner);
      const { data, errors, status } = await ask(url, QUERY, { key: owner.key });
      expect(data.memories).toEqual({ pageInfo: { hasNextPage: false } });
      expect(data.tenant.products.map(({ note }: { note: unknown }) => note)).toEqual(
        Array.from({ length: 3 }, () => ({ content: null })),
      );
      expect(new Set(errors.map(({ extensions }) => extensions.code))).toEqual(new Set(['RATE_LIMITED']));
      expect(errors[0]?.extensions).toMatchObject({ window: 'day', remaining: 1, tier: 'FREE' });
      expect(status).toBe(429);
      expect((await callsOf(owner)) - before).toBe(1);
    });
  });

  describe('a rejection keeps its code, its details and its status', () => {
    interface Rejection {
      query: string;
      variables?: object;
      code: string;
      status: number;
      details?: object;
      key?: () => Promise<string | null>;
    }
    const poor = async (limits: object) => (await newTenant(limits)).key;

    it.each<Rejection>([
      { query: '{ tenant { id } }', key: async () => null, code: 'UNAUTHENTICATED', status: 401 },
      { query: '{ tenant { id } }', key: async () => 'ctm_test_no', code: 'UNAUTHENTICATED', status: 401 },
      { query: '{ tenants { edges { cursor } } }', code: 'FORBIDDEN', status: 403 },
      {
        query: 'mutation { storeMemory(input: { content: " " }) { id } }',
        code: 'BAD_USER_INPUT',
        status: 400,
        details: { argument: 'input.content', problem: 'must not be empty' },
      },
      {
        query: 'mutation { shareMemory(id: "mem_1") { id } }',
        key: () => poor({}),
        code: 'FEATURE_NOT_AVAILABLE',
        status: 403,
        details: { feature: 'FEDERATION', tier: 'FREE' },
      },
      {
        query: 'mutation { storeMemory(input: { content: "x" }) { id } }',
        key: () => poor({ maxMemories: 0 }),
        code: 'STORAGE_QUOTA_EXCEEDED',
        status: 507,
        details: { resource: 'memories', limit: 0, usage: 0 },
      },
      {
        query: '{ memories { edges { cursor } } }',
        key: () => poor({ apiCallsPerDay: 0 }),
        code: 'RATE_LIMITED',
        status: 429,
        details: { limit: 0, window: 'day', remaining: 0, tier: 'FREE' },
      },
      { query: 'mutation { revokeApiKey(id: "none") { id } }', code: 'NOT_FOUND', status: 404 },
      // The gateways take any value for a scalar of ours.
      {
        query: 'query ($at: DateTime!) { usageHistory(from: $at, to: $at) { apiCalls } }',
        variables: { at: 'never' },
        code: 'BAD_USER_INPUT',
        status: 400,
      },
    ])(
      '$code: $query',
      async ({ query, variables = {}, code, status, details = {}, key = async () => tenant.key }) => {
        const answer = await ask(url, query, { key: await key(), variables });
        expectNothing(answer.data);
        expect(answer.errors[0]?.extensions).toMatchObject({ code, serviceName: 'billing', ...details });
        expect(answer.status).toBe(status);
      },
    );

    it('and the headers that the example passes on', async () => {
      const { key } = await newTenant({ apiCallsPerDay: 1 });
      const query = '{ memories { edges { cursor } } }';
      const good = await ask(url, query, { key });
      expect(good.headers.get('x-ratelimit-remaining-day')).toBe('0');
      expect(good.headers.get('x-tier')).toBe('free');
      const refused = await ask(url, query, { key });
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(refused.headers.get('ratelimit-policy')).toContain('"day";q=1;w=86400');
    });
  });

  it('a tenant sees its own entities among those of others, and an error for each of theirs', async () => {
    const stranger = await newTenant();
    const { storeMemory } = await run(
      `${billing.url}/graphql`,
      'mutation { storeMemory(input: { content: "zanzibar" }) { id } }',
      stranger.key,
    );
    const { addProduct: theirs } = await addProduct(stranger, `, noteId: "${storeMemory.id}"`);
    const { addProduct: mine } = await addProduct(tenant);
    const select = '{ note { content } plan { status } }';
    const { data, errors } = await ask(
      url,
      `{ theirs: product(id: "${theirs.id}") ${select} mine: product(id: "${mine.id}") ${select} }`,
      { key: tenant.key },
    );
    expect(data).toEqual({
      theirs: { note: { content: null }, plan: null },
      mine: { note: null, plan: { status: 'ACTIVE' } },
    });
    expect(errors.map(({ extensions }) => extensions.code).sort()).toEqual(['FORBIDDEN', 'NOT_FOUND']);
  });

  it('tenants who ask the same at once each get their own data', async () => {
    const tenants = await Promise.all(Array.from({ length: 5 }, () => newTenant()));
    const asked = Array.from({ length: 8 }, () => tenants).flat();
    const answers = await Promise.all(asked.map(({ key }) => ask(url, '{ tenant { id } }', { key })));
    expect(answers.map(({ data }) => data.tenant.id)).toEqual(asked.map(({ id }) => id));
  });

  it('the operator’s key works as everywhere', async () => {
    const { data } = await ask(url, `{ tenant(id: "${tenant.id}") { name products { name } } }`, {
      key: OPERATOR_KEY,
    });
    expect(data.tenant.name).toBe('A customer');
  });

  it('a gateway with another secret gets nothing, and says so', async () => {
    const stranger = await startExample(file, gatewayEnv('some-other-secret'));
    try {
      const { data, errors } = await ask(stranger.url, '{ tiers { name } }', { key: tenant.key });
      expect(data ?? null).toBeNull();
      expect(JSON.stringify(errors)).toContain("is not this server's GATEWAY_SECRET");
    } finally {
      await stranger.kill();
    }
  });

  it('a subgraph that crashes fails its own fields alone, and is used again when it is back', async () => {
    const query = '{ tiers { name } products { id } }';
    await run(url, query, tenant.key);
    await products.kill();
    const { data, errors } = await ask(url, '{ tiers { name } tenant { name } }', { key: tenant.key });
    expect(errors).toEqual([]);
    expect(data.tiers).toHaveLength(3);
    expect((await ask(url, '{ products { id } }', { key: tenant.key })).errors).toHaveLength(1);
    products = await startExample('products.mjs', { ...environment, PORT: portOf(products.url) });
    expect((await recovered(url, query, tenant.key)).data).toMatchObject({ products: [] });
  });

  it('billing that is restarted is used again, with what was counted before', async () => {
    const query = '{ memories { pageInfo { hasNextPage } } }';
    await run(url, query, tenant.key);
    const calls = await callsOf(tenant);
    const port = portOf(billing.url);
    await billing.stop();
    const down = await ask(url, query, { key: tenant.key });
    expect(down.data?.memories ?? null).toBeNull();
    expect(down.errors).toHaveLength(1);
    billing = await startBilling({ PORT: port });
    expect((await recovered(url, query, tenant.key)).errors).toEqual([]);
    expect(await callsOf(tenant)).toBe(calls + 1);
  });
});

describe('limits', () => {
  it('are exact whatever comes through whichever gateway at once', async () => {
    const tenant = await newTenant({ apiCallsPerDay: 20, concurrentRequests: 100 });
    // Each asks something else: Hive makes one request of queries that are alike and come at once.
    const query = (i: number) => `{ memories(first: ${i + 1}) { pageInfo { hasNextPage } } }`;
    const asked = [...gateways.values()].flatMap(({ url }) =>
      Array.from({ length: 20 }, (_, i) => ask(url, query(i), { key: tenant.key })),
    );
    const answers = await Promise.all(asked);
    expect(answers.filter(({ errors }) => errors.length === 0)).toHaveLength(20);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(20);
    expect(await callsOf(tenant)).toBe(20);
  });
});

describe('operations that are alike and come at once', () => {
  const alike = (file: string, query: string, key: string) => {
    const { url } = gateways.get(file) as ExampleProcess;
    return Promise.all(Array.from({ length: 6 }, () => ask(url, query, { key })));
  };

  it.each(GATEWAYS)('through %s: mutations are each executed and charged', async (_, file) => {
    const tenant = await newTenant();
    const answers = await alike(
      file,
      'mutation { consume(input: { endpoint: "x" }) { allowed } }',
      tenant.key,
    );
    expect(answers.map(({ data }) => data.consume.allowed)).toEqual(Array(6).fill(true));
    expect(await callsOf(tenant)).toBe(6);
  });

  it('through Hive: queries with the same headers may be one request, charged once', async () => {
    const tenant = await newTenant({ concurrentRequests: 100 });
    const before = requests;
    const query = '{ memories { pageInfo { hasNextPage } } }';
    const answers = await alike('hiveGateway.mjs', query, tenant.key);
    expect(answers.every(({ data }) => data.memories)).toBe(true);
    expect(await callsOf(tenant)).toBe(requests - before);
  });
});

describe('subscriptions', () => {
  it('are the other subgraph’s, with billing’s entities in what they bring (Hive; Apollo’s gateway has none)', async () => {
    const tenant = await newTenant();
    const { url } = gateways.get('hiveGateway.mjs') as ExampleProcess;
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', 'x-api-key': tenant.key },
      body: JSON.stringify({
        query: 'subscription { productAdded { name owner { name } plan { status } } }',
      }),
    });
    expect(response.status).toBe(200);
    const events = readEvents(response);
    const next = events.next();
    await run(url, `mutation { addProduct(name: "chair", ownerId: "${tenant.id}") { id } }`, tenant.key);
    expect((await next).value).toEqual({
      data: { productAdded: { name: 'chair', owner: { name: 'A customer' }, plan: { status: 'ACTIVE' } } },
    });
    await events.return(undefined);
  });
});

/** What a stream of server-sent events brings. */
async function* readEvents({ body }: Response): AsyncGenerator<unknown> {
  let text = '';
  for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const data = /^data: ?(.+)$/m.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (data) yield JSON.parse(data);
    }
  }
}
