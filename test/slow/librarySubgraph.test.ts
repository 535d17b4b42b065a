import { createRequire } from 'node:module';
import { parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  composeExample,
  type ExampleProcess,
  productsEnv,
  type Supergraph,
  startExample,
} from '../support/federation.js';
import { ask, OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { buildServer } from '../support/serverProcess.js';

/** A subgraph that enforces limits with the library, behind real gateways: examples/federation. */
const SECRET = 'gateway-secret-of-the-tests-0123456789';
const GATEWAYS = [
  ['the Apollo gateway', 'apolloGateway.mjs'],
  ['the Hive gateway', 'hiveGateway.mjs'],
] as const;
const PRODUCTS = '{ products { name } }';

let billing: TestServer;
let products: ExampleProcess;
let environment: Record<string, string>;
let supergraph: Supergraph;
const gateways = new Map<string, ExampleProcess>();

beforeAll(async () => {
  [billing] = await Promise.all([startTestServer({ env: { GATEWAY_SECRET: SECRET } }), buildServer()]);
  environment = await productsEnv(billing);
  products = await startExample('products.mjs', environment);
  supergraph = await composeExample(`${billing.url}/subgraph`, products.url);
  const env = { SUPERGRAPH: supergraph.file, GATEWAY_SECRET: SECRET };
  await Promise.all(GATEWAYS.map(async ([, file]) => gateways.set(file, await startExample(file, env))));
}, 120_000);
afterAll(async () => {
  await Promise.all([...gateways.values(), products].map((process) => process?.kill()));
  await supergraph?.remove();
  await billing?.stop();
});

async function newTenant(limits: object = {}, tier?: string): Promise<TestTenant> {
  const tenant = await billing.createTenant();
  await billing.setLimits(tenant.id, { apiCallsPerMinute: 1_000, concurrentRequests: 100, ...limits }, tier);
  return tenant;
}

async function usageOf({ key }: TestTenant): Promise<{ apiCalls: number; endpoints: object }> {
  const { data } = await billing.gql('{ usage { apiCalls byEndpoint { endpoint calls } } }', { key });
  const { apiCalls, byEndpoint } = data.usage;
  return {
    apiCalls,
    endpoints: Object.fromEntries(
      byEndpoint.map((used: { endpoint: string; calls: number }) => [used.endpoint, used.calls]),
    ),
  };
}

describe('the supergraph', () => {
  it('has billing’s directives on billing’s fields, and clashes with nothing of the library', () => {
    expect(supergraph.sdl).toMatch(/^directive @requiresFeature\(feature: BillingFeature!\)/m);
    expect(supergraph.sdl).toMatch(
      /^ {2}productsOfTier\(.*\): \[Product!\]! @join__field\(graph: PRODUCTS\)$/m,
    );
  });

  it('is composed by Hive’s composition as well', async () => {
    const { typeDefs } = await import('../../examples/federation/productsTypes.mjs' as string);
    // What Hive's gateway composes with.
    const ofGateway = createRequire(createRequire(import.meta.url).resolve('@graphql-hive/gateway-runtime'));
    const { composeServices } = ofGateway('@theguild/federation-composition');
    const { data } = await ask(`${billing.url}/subgraph`, '{ _service { sdl } }', {
      headers: { 'x-gateway-secret': SECRET },
    });
    const { errors, supergraphSdl } = composeServices([
      { name: 'billing', url: `${billing.url}/subgraph`, typeDefs: parse(data._service.sdl) },
      { name: 'products', url: products.url, typeDefs },
    ]);
    expect(errors).toBeUndefined();
    expect(supergraphSdl).toMatch(/^directive @rateLimited\(/m);
  });

  it('is composed of what products serves', async () => {
    const { data } = await ask(products.url, '{ _service { sdl } }', { key: null });
    expect(data._service.sdl).toContain('directive @rateLimited(');
    expect(data._service.sdl).toMatch(/products: \[Product!\]! @rateLimited/);
  });
});

describe.each(GATEWAYS)('through %s', (_, file) => {
  let url: string;
  beforeAll(() => {
    url = (gateways.get(file) as ExampleProcess).url;
  });

  it('a call to products is charged to its caller, at billing', async () => {
    const tenant = await newTenant();
    const { data, errors, headers } = await ask(
      url,
      `mutation { a: addProduct(name: "lamp", ownerId: "${tenant.id}") { name owner { name } } b: addProduct(name: "bulb", ownerId: "${tenant.id}") { name } }`,
      { key: tenant.key },
    );
    expect(errors).toEqual([]);
    expect(data.b).toEqual({ name: 'bulb' });
    expect((await ask(url, PRODUCTS, { key: tenant.key })).status).toBe(200);
    expect(await usageOf(tenant)).toEqual({ apiCalls: 3, endpoints: { addProduct: 2, products: 1 } });
    expect(headers.get('x-ratelimit-limit-minute')).toBe('1000');
  });

  it('the limit lets exactly what is left through, and rejects whole: code, details, status and headers', async () => {
    const tenant = await newTenant({ apiCallsPerDay: 5 });
    // Mutations: Hive makes one request of queries that are alike and come at once.
    const query = `mutation { addProduct(name: "lamp", ownerId: "${tenant.id}") { id } }`;
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(url, query, { key: tenant.key })));
    expect(answers.filter(({ errors }) => errors.length === 0)).toHaveLength(5);
    const refused = answers.filter(({ errors }) => errors.length > 0);
    expect(refused).toHaveLength(7);
    for (const { data, errors, status, headers } of refused) {
      expect(data ?? null).toBeNull();
      expect(errors[0]?.extensions).toMatchObject({
        code: 'RATE_LIMITED',
        limit: 5,
        window: 'day',
        remaining: 0,
        tier: 'FREE',
        serviceName: 'products',
      });
      expect(status).toBe(429);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect((await usageOf(tenant)).apiCalls).toBe(5);
    // And nothing of it ran.
    const { data } = await ask(url, `{ tenant { products { id } } }`, { key: tenant.key });
    expect(data.tenant.products).toHaveLength(5);
  });

  it('a limit that products’ calls used up rejects billing’s own fields, and the other way round', async () => {
    const tenant = await newTenant({ apiCallsPerDay: 2 });
    await ask(url, PRODUCTS, { key: tenant.key });
    await ask(url, '{ memories { edges { cursor } } }', { key: tenant.key });
    for (const query of [PRODUCTS, '{ memories { edges { cursor } } }'])
      expect((await ask(url, query, { key: tenant.key })).errors[0]?.extensions.code).toBe('RATE_LIMITED');
  });

  it('fields of products that ask nothing need no key', async () => {
    expect(await ask(url, '{ product(id: "none") { name } }', { key: null })).toMatchObject({
      status: 200,
      data: { product: null },
    });
    const { errors, status } = await ask(url, PRODUCTS, { key: null });
    expect(errors[0]?.extensions.code).toBe('UNAUTHENTICATED');
    expect(status).toBe(401);
  });

  it('a feature that the tier lacks is rejected, and bought is granted', async () => {
    const tenant = await newTenant();
    const query = '{ productsOfTier(tier: ENTERPRISE) { name } }';
    const refused = await ask(url, query, { key: tenant.key });
    expect(refused.errors[0]?.extensions).toMatchObject({
      code: 'FEATURE_NOT_AVAILABLE',
      feature: 'FEDERATION',
      tier: 'FREE',
      serviceName: 'products',
    });
    expect(refused.status).toBe(403);
    expect((await usageOf(tenant)).apiCalls).toBe(0);
    await billing.setLimits(tenant.id, null, 'PRO');
    await expect
      .poll(async () => (await ask(url, query, { key: tenant.key })).data)
      .toEqual({ productsOfTier: [] });
    expect((await usageOf(tenant)).apiCalls).toBe(2);
  });

  it('a metered field of an entity is charged for each entity that is fetched', async () => {
    const tenant = await newTenant();
    await ask(
      `${billing.url}/graphql`,
      'mutation { storeMemories(input: [{ content: "a" }, { content: "b" }, { content: "c" }]) { id } }',
      { key: tenant.key },
    );
    const { apiCalls } = await usageOf(tenant);
    const query = '{ memories { edges { node { products { name } } } } }';
    const { data, errors } = await ask(url, query, { key: tenant.key });
    expect(errors).toEqual([]);
    expect(data.memories.edges).toEqual(Array(3).fill({ node: { products: [] } }));
    const used = await usageOf(tenant);
    expect(used.apiCalls - apiCalls).toBe(1 + 3);
    expect(used.endpoints).toMatchObject({ 'BillingMemory.products': 3 });
    // Room for the root field, and for two of the three.
    await billing.setLimits(tenant.id, { apiCallsPerDay: used.apiCalls + 3 });
    const refused = await ask(url, query, { key: tenant.key });
    expect(refused.errors[0]?.extensions).toMatchObject({ code: 'RATE_LIMITED', remaining: 2 });
    expect((await usageOf(tenant)).apiCalls).toBe(used.apiCalls + 1);
  });

  it("the operator's key has no limits of its own here", async () => {
    const { errors } = await ask(url, PRODUCTS, { key: OPERATOR_KEY });
    expect(errors[0]?.extensions.code).toBe('UNAUTHENTICATED');
  });

  it('products that is killed and started again goes on counting where it was', async () => {
    const tenant = await newTenant({ apiCallsPerDay: 2 });
    expect((await ask(url, PRODUCTS, { key: tenant.key })).status).toBe(200);
    await products.kill();
    expect((await ask(url, PRODUCTS, { key: tenant.key })).errors).toHaveLength(1);
    products = await startExample('products.mjs', { ...environment, PORT: new URL(products.url).port });
    await expect.poll(async () => (await ask(url, PRODUCTS, { key: tenant.key })).errors).toEqual([]);
    expect((await ask(url, PRODUCTS, { key: tenant.key })).errors[0]?.extensions.code).toBe('RATE_LIMITED');
    expect((await usageOf(tenant)).apiCalls).toBe(2);
  });
});

describe('entities that are asked of products as a gateway asks', () => {
  const entities = (ids: string[], key: string) =>
    ask(
      products.url,
      'query ($representations: [_Any!]!) { _entities(representations: $representations) { ... on BillingMemory { products { id } } } }',
      { key, variables: { representations: ids.map((id) => ({ __typename: 'BillingMemory', id })) } },
    );

  it('cost a call each, once however often they are named', async () => {
    const tenant = await newTenant();
    expect((await entities(['mem_1', 'mem_2', 'mem_1'], tenant.key)).data._entities).toHaveLength(3);
    expect((await usageOf(tenant)).apiCalls).toBe(2);
  });

  it('are at most 1,000 a request: more are rejected before anything is charged or run', async () => {
    const tenant = await newTenant({ apiCallsPerDay: 100_000, apiCallsPerMinute: 100_000 });
    const ids = Array.from({ length: 10_000 }, (_, i) => `mem_${i}`);
    const { data, errors } = await entities(ids, tenant.key);
    expect(data ?? null).toBeNull();
    expect(errors[0]).toMatchObject({
      message: 'representations: has more than 1000 items (10000); split it',
      extensions: { code: 'BAD_USER_INPUT', argument: 'representations' },
    });
    expect((await usageOf(tenant)).apiCalls).toBe(0);
    expect((await entities(ids.slice(0, 1_000), tenant.key)).errors).toEqual([]);
    expect((await usageOf(tenant)).apiCalls).toBe(1_000);
  });

  it('of a type that is no entity here are rejected', async () => {
    const tenant = await newTenant();
    const { errors } = await ask(
      products.url,
      '{ _entities(representations: [{ __typename: "Lamp", id: "1" }]) { __typename } }',
      { key: tenant.key },
    );
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(errors[0]?.message).toMatch(/^representations.0.__typename: must be one of .*BillingMemory/);
  });
});
