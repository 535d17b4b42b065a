import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemAuthor } from '../../src/services/audit/author.js';
import {
  ask,
  type GraphQLAnswer,
  OPERATOR_KEY,
  startTestServer,
  type TestServer,
  type TestTenant,
} from '../support/server.js';

const SECRET = 'gateway-secret-of-the-tests-0123456789';
const ENTITIES = 'query ($of: [_Any!]!)';

let server: TestServer;
let tenant: TestTenant;
let other: TestTenant;
beforeAll(async () => {
  server = await startTestServer({ env: { GATEWAY_SECRET: SECRET } });
  tenant = await server.createTenant('Mine');
  other = await server.createTenant('Zanzibar Limited');
  for (const { id } of [tenant, other]) await server.setLimits(id, { apiCallsPerMinute: 1_000 }, 'PRO');
});
afterAll(() => server.stop());

interface GatewayOptions {
  key?: string | null;
  of?: unknown[];
  on?: TestServer;
}

/** As a gateway does. */
const viaGateway = (query: string, { key = tenant.key, of, on = server }: GatewayOptions = {}) =>
  ask(`${on.url}/subgraph`, query, { key, variables: { of }, headers: { 'x-gateway-secret': SECRET } });

async function storeMemory(key: string, content: string): Promise<string> {
  const { data, errors } = await server.gql(
    `mutation { storeMemory(input: { content: "${content}" }) { id } }`,
    { key },
  );
  expect(errors).toEqual([]);
  return data.storeMemory.id;
}

async function callsOf({ key }: TestTenant): Promise<Record<string, number>> {
  const { data } = await server.gql('{ usage { byEndpoint { endpoint calls } } }', { key });
  const counts: { endpoint: string; calls: number }[] = data.usage.byEndpoint;
  return Object.fromEntries(counts.map(({ endpoint, calls }) => [endpoint, calls]));
}

/** What an operation adds to the tenant's calls. */
async function charged(
  run: () => Promise<unknown>,
  of: TestTenant = tenant,
): Promise<Record<string, number>> {
  const before = await callsOf(of);
  await run();
  const after = await callsOf(of);
  const added = Object.entries(after).map(([name, calls]) => [name, calls - (before[name] ?? 0)] as const);
  return Object.fromEntries(added.filter(([, calls]) => calls > 0));
}

const refusal = ({ data, errors }: GraphQLAnswer) => ({
  data: data ?? null,
  code: errors[0]?.extensions.code,
  status: errors[0]?.extensions.http.status,
});

describe('only a gateway that shows GATEWAY_SECRET is let in', () => {
  const post = (headers: Record<string, string>, on = server) =>
    ask(`${on.url}/subgraph`, '{ tiers { name } }', { key: tenant.key, headers });

  it.each([
    ['no secret', {}, 'it sends GATEWAY_SECRET as the header x-gateway-secret'],
    ['an empty one', { 'x-gateway-secret': '' }, 'it sends GATEWAY_SECRET as the header x-gateway-secret'],
    [
      'a wrong one',
      { 'x-gateway-secret': 'gateway-secret-of-the-tests-012345678' },
      "is not this server's GATEWAY_SECRET",
    ],
    ['it elsewhere', { authorization: `Bearer ${SECRET}` }, 'as the header x-gateway-secret'],
  ])('%s: UNAUTHENTICATED, with status 401', async (_, headers, words) => {
    const answer = await post(headers);
    expect(answer.status).toBe(401);
    expect(refusal(answer)).toEqual({ data: null, code: 'UNAUTHENTICATED', status: 401 });
    expect(answer.errors[0]?.message).toContain(words);
  });

  it('the operator’s key is none', async () => {
    expect((await ask(`${server.url}/subgraph`, '{ tiers { name } }')).status).toBe(401);
  });

  it('where the server has none there is no subgraph', async () => {
    const closed = await startTestServer();
    try {
      const answer = await post({ 'x-gateway-secret': SECRET }, closed);
      expect(answer.status).toBe(404);
      expect(refusal(answer)).toEqual({ data: null, code: 'NOT_FOUND', status: 404 });
    } finally {
      await closed.stop();
    }
  });

  it('the caller’s own key still identifies the caller', async () => {
    expect((await viaGateway('{ tenant { id } }')).data.tenant.id).toBe(tenant.id);
    const without = await viaGateway('{ tenant { id } }', { key: null });
    expect(refusal(without)).toEqual({ data: null, code: 'UNAUTHENTICATED', status: 401 });
    // What needs no key is answered without one.
    const open = await viaGateway('{ tiers { name } _service { sdl } }', { key: null });
    expect(open.errors).toEqual([]);
    expect(open.data._service.sdl).toContain('type BillingTenant @key(fields: "id")');
  });
});

describe('/graphql has nothing of federation', () => {
  it.each(['{ _service { sdl } }', '{ _entities(representations: []) { __typename } }'])(
    '%s',
    async (query) => {
      const { status, errors } = await server.gql(query, { key: tenant.key });
      expect(status).toBe(400);
      expect(errors[0]?.extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
    },
  );

  it('and no type of its own names', async () => {
    const { data } = await server.gql('{ __schema { types { name } } }');
    const names: string[] = data.__schema.types.map(({ name }: { name: string }) => name);
    expect(names).toContain('Subscription');
    // The page has its name from what it is for.
    const OWN = ['BillingPageSession'];
    const reserved = names.filter((name) => /^(_|Billing)/.test(name) && !name.startsWith('__'));
    expect(reserved.filter((name) => !OWN.includes(name))).toEqual([]);
  });
});

describe('the four entities', () => {
  it('are resolved by their keys', async () => {
    const memory = await storeMemory(tenant.key, 'known');
    const { data, errors } = await viaGateway(
      `${ENTITIES} { _entities(representations: $of) {
        ... on BillingTenant { name tier { name } subscription { status } usage { apiCalls period } storage { memories } }
        ... on BillingSubscription { id tenantId status tier { name } }
        ... on BillingTier { monthlyPriceCents features limits { apiCallsPerMinute } }
        ... on BillingMemory { content shared }
      } }`,
      {
        of: [
          { __typename: 'BillingTenant', id: tenant.id },
          { __typename: 'BillingSubscription', tenantId: tenant.id },
          { __typename: 'BillingTier', name: 'PRO' },
          { __typename: 'BillingMemory', id: memory },
        ],
      },
    );
    expect(errors).toEqual([]);
    expect(data._entities).toEqual([
      {
        name: 'Mine',
        tier: { name: 'PRO' },
        subscription: { status: 'ACTIVE' },
        usage: { apiCalls: expect.any(Number), period: 'DAY' },
        storage: { memories: 1 },
      },
      { id: `subscription:${tenant.id}`, tenantId: tenant.id, status: 'ACTIVE', tier: { name: 'PRO' } },
      {
        monthlyPriceCents: 2900,
        features: ['FEDERATION', 'REALTIME_SYNC', 'SEMANTIC_SEARCH'],
        limits: { apiCallsPerMinute: 100 },
      },
      { content: 'known', shared: false },
    ]);
  });

  /** The reads about the tenant that the operation makes: what the server does meanwhile names none. */
  async function readsOf(query: string, options: GatewayOptions): Promise<string[]> {
    const { connection } = server.app.models;
    const reads: string[] = [];
    connection.set('debug', (collection: string, method: string, ...args: unknown[]) => {
      if (JSON.stringify(args).includes(tenant.id)) reads.push(`${collection}.${method}`);
    });
    try {
      const { errors } = await viaGateway(query, options);
      expect(errors).toEqual([]);
    } finally {
      connection.set('debug', false);
    }
    return reads.sort();
  }

  it('a hundred tenants cost as many reads as one', async () => {
    const ids = [tenant.id];
    const { tenants } = server.app.services;
    for (let i = 1; i < 100; i++)
      ids.push((await tenants.create({ name: `tenant ${i}` }, systemAuthor('test'))).tenant._id);
    const query = `${ENTITIES} { _entities(representations: $of) {
      ... on BillingTenant { name tier { name } subscription { status } usage { apiCalls } storage { memories } }
      ... on BillingSubscription { status tier { name } }
    } }`;
    const of = (count: number) =>
      ids.slice(0, count).flatMap((id) => [
        { __typename: 'BillingTenant', id },
        { __typename: 'BillingSubscription', tenantId: id },
      ]);
    const asOperator = (count: number) => ({ key: OPERATOR_KEY, of: of(count) });
    const one = await readsOf(query, asOperator(1));
    const hundred = await readsOf(query, asOperator(100));
    expect(hundred).toEqual(one);
    expect(one).toContain('tenants.find');
  });

  it('a hundred memories cost one read', async () => {
    const ids: string[] = [];
    const inputs = Array.from({ length: 100 }, (_, i) => `{ content: "memory ${i}" }`).join(' ');
    const { data } = await server.gql(`mutation { storeMemories(input: [${inputs}]) { id } }`, {
      key: tenant.key,
    });
    for (const { id } of data.storeMemories) ids.push(id);
    const reads = await readsOf(
      `${ENTITIES} { _entities(representations: $of) { ... on BillingMemory { content } } }`,
      {
        of: ids.map((id) => ({ __typename: 'BillingMemory', id })),
      },
    );
    expect(reads.filter((read) => read.startsWith('memories.'))).toEqual(['memories.find']);
  });
});

describe('a tenant never sees the entities of another', () => {
  it('each is null with an error of its own, existing or not; its own beside them are answered', async () => {
    const secret = await storeMemory(other.key, 'zanzibar secret');
    const answer = await viaGateway(
      `${ENTITIES} { _entities(representations: $of) {
        ... on BillingTenant { name email usage { apiCalls } }
        ... on BillingSubscription { status stripeSubscriptionId }
        ... on BillingMemory { content }
      } }`,
      {
        of: [
          { __typename: 'BillingTenant', id: tenant.id },
          { __typename: 'BillingTenant', id: other.id },
          { __typename: 'BillingTenant', id: 'ten_none' },
          { __typename: 'BillingSubscription', tenantId: other.id },
          { __typename: 'BillingMemory', id: secret },
          // The key of the document, should it ever be taken as it comes.
          { __typename: 'BillingMemory', id: `../${other.id}:${secret}` },
        ],
      },
    );
    const [own, ...rest] = answer.data._entities;
    expect(own.name).toBe('Mine');
    expect(rest).toEqual([null, null, null, null, null]);
    expect(answer.errors.map(({ path, extensions }) => [path?.[1], extensions.code]).sort()).toEqual([
      [1, 'FORBIDDEN'],
      [2, 'FORBIDDEN'],
      [3, 'FORBIDDEN'],
      [4, 'NOT_FOUND'],
      [5, 'NOT_FOUND'],
    ]);
    expect(JSON.stringify(answer.data)).not.toContain('anzibar');
  });

  it('fields that a representation brings along are not believed', async () => {
    const { data } = await viaGateway(
      `${ENTITIES} { _entities(representations: $of) { ... on BillingTenant { id name } } }`,
      {
        of: [{ __typename: 'BillingTenant', id: tenant.id, name: 'A lie', tier: { name: 'ENTERPRISE' } }],
      },
    );
    expect(data._entities).toEqual([{ id: tenant.id, name: 'Mine' }]);
  });

  it('the operator sees any tenant, gets NOT_FOUND for one that does not exist, and has no memories', async () => {
    const query = `${ENTITIES} { _entities(representations: $of) { ... on BillingTenant { name } ... on BillingSubscription { status } } }`;
    const { data, errors } = await viaGateway(query, {
      key: OPERATOR_KEY,
      of: [
        { __typename: 'BillingTenant', id: other.id },
        { __typename: 'BillingTenant', id: 'ten_none' },
        { __typename: 'BillingSubscription', tenantId: 'ten_none' },
      ],
    });
    expect(data._entities).toEqual([{ name: 'Zanzibar Limited' }, null, null]);
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(['NOT_FOUND', 'NOT_FOUND']);
    const memory = await viaGateway(`${ENTITIES} { _entities(representations: $of) { __typename } }`, {
      key: OPERATOR_KEY,
      of: [{ __typename: 'BillingMemory', id: 'mem_1' }],
    });
    expect(refusal(memory)).toEqual({ data: null, code: 'FORBIDDEN', status: 403 });
  });

  it('a key without the scope READ, or no key, is rejected whole', async () => {
    const { data } = await server.gql(
      'mutation { createApiKey(input: { name: "writer", scopes: [WRITE] }) { secret } }',
      { key: tenant.key },
    );
    const of = [{ __typename: 'BillingTenant', id: tenant.id }];
    const query = `${ENTITIES} { _entities(representations: $of) { ... on BillingTenant { name } } }`;
    const writer = await viaGateway(query, { key: data.createApiKey.secret, of });
    expect(refusal(writer)).toEqual({ data: null, code: 'FORBIDDEN', status: 403 });
    expect(refusal(await viaGateway(query, { key: null, of }))).toMatchObject({ code: 'UNAUTHENTICATED' });
    // What anyone may read is read without a key.
    const tier = await viaGateway(
      `${ENTITIES} { _entities(representations: $of) { ... on BillingTier { currency } } }`,
      {
        key: null,
        of: [{ __typename: 'BillingTier', name: 'FREE' }],
      },
    );
    expect(tier.data._entities).toEqual([{ currency: 'usd' }]);
  });
});

describe('what an operation costs', () => {
  const MEMORIES = `${ENTITIES} { _entities(representations: $of) { ... on BillingMemory { id } } }`;
  const memory = (id: string) => ({ __typename: 'BillingMemory', id });

  it('entities are charged as the root field that answers the same, each once', async () => {
    const [a, b] = [await storeMemory(tenant.key, 'a'), await storeMemory(tenant.key, 'b')];
    const cost = (query: string, ids: string[]) => charged(() => viaGateway(query, { of: ids.map(memory) }));
    expect(await cost(MEMORIES, [a, b, a, a])).toEqual({ memory: 2 });
    const both = `${ENTITIES} { a: _entities(representations: $of) { __typename } b: _entities(representations: $of) { __typename } memories { pageInfo { hasNextPage } } }`;
    expect(await cost(both, [a, b])).toEqual({ memory: 4, memories: 1 });
    expect(
      await cost(`${ENTITIES} { _entities(representations: $of) @skip(if: true) { __typename } }`, [a]),
    ).toEqual({});
  });

  it('what is free as a root field is free as an entity', async () => {
    const of = [
      { __typename: 'BillingTenant', id: tenant.id },
      { __typename: 'BillingTier', name: 'PRO' },
    ];
    const query = `${ENTITIES} { _entities(representations: $of) { ... on BillingTenant { usage { apiCalls } } } }`;
    expect(await charged(() => viaGateway(query, { of }))).toEqual({});
  });

  it('an operation without room for all of it is rejected whole, with the reason, and is charged nothing', async () => {
    const poor = await server.createTenant('Poor');
    const ids = [await storeMemory(poor.key, 'x'), await storeMemory(poor.key, 'y')];
    await server.setLimits(poor.id, { apiCallsPerDay: 3, apiCallsPerMinute: 1_000 });
    const of = ids.map(memory);
    const cost = await charged(async () => {
      const answer = await viaGateway(MEMORIES, { key: poor.key, of });
      expect(answer.status).toBe(200);
      expect(refusal(answer)).toEqual({ data: null, code: 'RATE_LIMITED', status: 429 });
      expect(answer.errors[0]?.extensions).toMatchObject({
        limit: 3,
        window: 'day',
        remaining: 1,
        tier: 'FREE',
      });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(answer.headers.get('x-ratelimit-remaining-day')).toBe('1');
      expect(answer.headers.get('x-tier')).toBe('free');
    }, poor);
    expect(cost).toEqual({});
    const fits = await viaGateway(MEMORIES, { key: poor.key, of: of.slice(0, 1) });
    expect(fits.errors).toEqual([]);
    expect(fits.headers.get('x-ratelimit-remaining-day')).toBe('0');
  });

  it('a server error is answered with 200 as well, and its calls are returned', async () => {
    const { memories } = server.app.services;
    const { find } = memories;
    memories.find = async () => {
      throw new Error('the disk is on fire');
    };
    try {
      const cost = await charged(async () => {
        const answer = await viaGateway(MEMORIES, { of: [memory('mem_1')] });
        expect(answer.status).toBe(200);
        expect(answer.errors[0]?.message).toBe('Internal server error');
        expect(refusal(answer)).toMatchObject({ code: 'INTERNAL_SERVER_ERROR', status: 500 });
      });
      expect(cost).toEqual({});
    } finally {
      memories.find = find;
    }
  });

  it('features and storage hold as on /graphql', async () => {
    const free = await server.createTenant('Free');
    const shared = await viaGateway('mutation { shareMemory(id: "mem_1") { id } }', { key: free.key });
    expect(refusal(shared)).toEqual({ data: null, code: 'FEATURE_NOT_AVAILABLE', status: 403 });
    await server.setLimits(free.id, { maxMemories: 1 });
    const store = 'mutation { storeMemory(input: { content: "one" }) { content } }';
    expect((await viaGateway(store, { key: free.key })).data.storeMemory.content).toBe('one');
    const full = await viaGateway(store, { key: free.key });
    expect(refusal(full)).toEqual({ data: null, code: 'STORAGE_QUOTA_EXCEEDED', status: 507 });
  });
});

describe('representations that are none are rejected whole, named, and cost nothing', () => {
  const QUERY = `${ENTITIES} { _entities(representations: $of) { __typename } }`;
  const good = { __typename: 'BillingMemory', id: 'mem_1' };

  it.each<[string, unknown, string]>([
    [
      'a type that is no entity',
      { __typename: 'BillingUsage', id: '1' },
      '__typename: must be one of BillingTenant',
    ],
    ['a type that does not exist', { __typename: 'Tenant', id: '1' }, '__typename: must be one of'],
    ['a root', { __typename: 'Query' }, '__typename: must be one of'],
    ['no type', { id: '1' }, '__typename: must be one of'],
    ['a type that is no text', { __typename: { a: 1 }, id: '1' }, '__typename: must be one of'],
    ['another key', { __typename: 'BillingTenant', email: 'a@b.example' }, 'it is the key of BillingTenant'],
    ['a number for a key', { __typename: 'BillingMemory', id: 7 }, 'it is the key of BillingMemory'],
    ['an operator of MongoDB for a key', { __typename: 'BillingMemory', id: { $ne: null } }, 'it is the key'],
    [
      'a long key',
      { __typename: 'BillingMemory', id: 'x'.repeat(201) },
      'must be a string of 1 to 200 characters',
    ],
    ['a list', [], '__typename: must be one of'],
    ['a text', 'BillingTenant', 'must be an object with __typename'],
  ])('%s', async (_, representation, words) => {
    const cost = await charged(async () => {
      const answer = await viaGateway(QUERY, { of: [good, representation] });
      expect(refusal(answer)).toEqual({ data: null, code: 'BAD_USER_INPUT', status: 400 });
      expect(answer.errors[0]?.message).toContain('representations.1');
      expect(answer.errors[0]?.message).toContain(words);
    });
    expect(cost).toEqual({});
  });

  it('more than 1,000, in one field or over several', async () => {
    const many = (count: number) =>
      Array.from({ length: count }, () => ({ __typename: 'BillingTier', name: 'PRO' }));
    for (const count of [1_001, 10_000]) {
      const answer = await viaGateway(QUERY, { of: many(count) });
      expect(refusal(answer)).toEqual({ data: null, code: 'BAD_USER_INPUT', status: 400 });
      expect(answer.errors[0]?.message).toBe(
        `representations: has more than 1000 items (${count}); split it`,
      );
    }
    const twice = `${ENTITIES} { a: _entities(representations: $of) { __typename } b: _entities(representations: $of) { __typename } }`;
    expect(refusal(await viaGateway(twice, { of: many(501) }))).toMatchObject({ code: 'BAD_USER_INPUT' });
    expect((await viaGateway(QUERY, { of: many(1_000) })).data._entities).toHaveLength(1_000);
  });

  it('what graphql itself rejects carries its status as well: a gateway knows nothing of our scalars', async () => {
    for (const query of ['{ usageHistory(from: "never", to: "ever") { apiCalls } }', '{ nothing }', '{']) {
      const answer = await viaGateway(query);
      expect(answer.status).toBe(200);
      expect(answer.errors[0]?.extensions.http).toEqual({ status: 400 });
    }
    const variables = await viaGateway(
      'query ($of: [_Any!]!) { _entities(representations: $of) { __typename } }',
    );
    expect(refusal(variables)).toEqual({ data: null, code: 'BAD_USER_INPUT', status: 400 });
  });

  it('a tier that the catalogue lacks is null, with an error', async () => {
    const { data, errors } = await viaGateway(QUERY, { of: [{ __typename: 'BillingTier', name: 'GOLD' }] });
    expect(data._entities).toEqual([null]);
    expect(errors[0]).toMatchObject({
      message: 'Tier GOLD does not exist',
      extensions: { code: 'NOT_FOUND' },
    });
  });
});

describe('with names of one’s own', () => {
  let named: TestServer;
  beforeAll(async () => {
    const env = { GATEWAY_SECRET: SECRET, SUBGRAPH_TYPE_PREFIX: 'Pay', SUBGRAPH_FIELD_PREFIX: 'pay' };
    named = await startTestServer({ env, uri: server.uri });
  });
  afterAll(() => named.stop());

  it('types and root fields bear them, and what they cost stays the same', async () => {
    const cost = await charged(async () => {
      const { data, errors } = await viaGateway(
        `${ENTITIES} { payTenant { id usage { period } } payMemories(first: 1) { pageInfo { __typename } }
          _entities(representations: $of) { ... on PaySubscription { status } } }`,
        { on: named, of: [{ __typename: 'PaySubscription', tenantId: tenant.id }] },
      );
      expect(errors).toEqual([]);
      expect(data).toEqual({
        payTenant: { id: tenant.id, usage: { period: 'DAY' } },
        payMemories: { pageInfo: { __typename: 'PayPageInfo' } },
        _entities: [{ status: 'ACTIVE' }],
      });
    });
    expect(cost).toEqual({ memories: 1 });
  });

  it('arguments are checked before anything is charged', async () => {
    const cost = await charged(async () => {
      const constraint = await viaGateway('{ payMemories(first: 1000) { pageInfo { __typename } } }', {
        on: named,
      });
      expect(constraint.errors[0]?.message).toBe('first: must be at most 100');
      const checked = await viaGateway('{ payMemories(after: "garbage") { pageInfo { __typename } } }', {
        on: named,
      });
      expect(refusal(checked)).toEqual({ data: null, code: 'BAD_USER_INPUT', status: 400 });
    });
    expect(cost).toEqual({});
  });
});
