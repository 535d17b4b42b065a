import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const HISTORY = `query ($from: DateTime!, $to: DateTime!, $granularity: UsageGranularity!) {
  usageHistory(from: $from, to: $to, granularity: $granularity) FIELDS
}`;
const EVERY_FIELD = `{
  __typename period from to apiCalls limit remaining resetsAt byEndpoint { __typename endpoint calls }
  federationShares extractions overageCalls overageCostCents
}`;
const LISTS = [
  'memories(first: 100) { edges { cursor node { id content embedding metadata bytes shared createdAt } } pageInfo { endCursor } }',
  'searchMemories(input: { query: "x", first: 100 }) { score memory { id content embedding metadata } }',
  'invoices(first: 100) { edges { node { id number status totalCents } } }',
  'usageReports(first: 100) { edges { node { id } } }',
  'alerts(first: 100) { edges { node { id } } }',
  'apiKeys { id name scopes createdAt expiresAt revokedAt lastUsedAt rotatedTo }',
  'paymentMethods { id }',
];
const OPERATOR_LISTS = [
  `tenants(first: 100) { edges { node { id name email tier { name features limits { apiCallsPerDay stored { resource limit } } }
    subscription { id status tier { name } } usage { apiCalls byEndpoint { endpoint calls } }
    storage { memories resources { resource stored } limits { maxMemories } } } } }`,
  'webhookEvents(first: 100) { edges { node { id } } }',
  'webhookDeliveries(first: 100) { edges { node { id } } }',
];
const aliases = (count: number, field: string) =>
  Array.from({ length: count }, (_, i) => `a${i}: ${field}`).join(' ');

let server: TestServer;
let tenant: TestTenant;
beforeAll(async () => {
  server = await startTestServer();
  tenant = await server.createTenant();
  await server.setLimits(
    tenant.id,
    { apiCallsPerDay: 10_000, apiCallsPerMinute: 10_000, concurrentRequests: 100 },
    'ENTERPRISE',
  );
});
afterAll(() => server.stop());

const days = (count: number, granularity: string) => ({
  from: new Date(Date.now() - count * 86_400_000).toISOString(),
  to: new Date().toISOString(),
  granularity,
});

describe('the default budget', () => {
  it("has room for graphql-js's introspection query, without a key", async () => {
    const { status, data } = await server.gql(getIntrospectionQuery({ inputValueDeprecation: true }), {
      key: null,
    });
    expect(status).toBe(200);
    expect(data.__schema.types.length).toBeGreaterThan(80);
  });

  it('has room for 400 days of hourly history, with every field', async () => {
    const { status, data } = await server.gql(HISTORY.replace('FIELDS', EVERY_FIELD), {
      key: tenant.key,
      variables: days(399, 'HOUR'),
    });
    expect(status).toBe(200);
    expect(data.usageHistory.length).toBeGreaterThan(9_500);
  });

  it.each(LISTS)('has room for a page of 100: %s', async (list) => {
    const { errors } = await server.gql(`{ ${list} }`, { key: tenant.key });
    expect(errors).toEqual([]);
  });

  it.each(OPERATOR_LISTS)('has room for a page of 100 of the operator: %s', async (list) => {
    const { errors } = await server.gql(`{ ${list} }`);
    expect(errors).toEqual([]);
  });
});

describe('an operation past the budget', () => {
  it.each([
    [
      'aliases below the introspected fields',
      `{ __schema { types { fields { ${aliases(4_900, 'description')} } } } }`,
    ],
    [
      'many introspections',
      `{ ${aliases(100, '__schema { types { fields { name description isDeprecated type { kind name ofType { kind name ofType { kind name } } } } } }')} }`,
    ],
    ['a field repeated under one name', `{ ${'__typename '.repeat(500)} }`],
    ['aliases of a field without arguments', `{ ${aliases(101, '__typename')} }`],
  ])('is rejected without a key: %s', async (_, query) => {
    const { status, data, errors } = await server.gql(query, { key: null });
    expect(errors[0]?.extensions.code, errors[0]?.message).toBe('OPERATION_TOO_EXPENSIVE');
    expect(status).toBe(400);
    expect(data).toBeUndefined();
    const { cost, limit, field } = errors[0]?.extensions ?? {};
    expect(cost).toBeGreaterThan(limit);
    expect(field).toEqual(expect.any(String));
  });

  it.each([
    [
      'history by the hour with aliases',
      HISTORY.replace('FIELDS', `{ ${aliases(90, 'from')} }`),
      'Usage.from',
    ],
    [
      'history under many aliases',
      `query ($from: DateTime!, $to: DateTime!, $granularity: UsageGranularity!) { ${aliases(100, 'usageHistory(from: $from, to: $to, granularity: $granularity) { apiCalls }')} }`,
      null,
    ],
    ['requests to Stripe', `{ ${aliases(60, 'invoices { edges { node { id } } }')} }`, 'Query.invoices'],
    [
      'scans of all embeddings',
      `{ ${aliases(20, 'searchMemories(input: { embedding: [1, 2] }) { score }')} }`,
      'Query.searchMemories',
    ],
    [
      'pages of embeddings',
      `{ ${aliases(60, 'memories(first: 100) { edges { node { embedding } } }')} }`,
      'Memory.embedding',
    ],
    [
      'hashes of keys',
      `mutation { ${aliases(100, 'createApiKey(input: { name: "k" }) { secret }')} }`,
      'Mutation.createApiKey',
    ],
  ])('is rejected before anything is charged, with its heaviest field: %s', async (_, query, heaviest) => {
    const before = await server.gql('{ usage { apiCalls } }', { key: tenant.key });
    const { status, errors } = await server.gql(query, { key: tenant.key, variables: days(399, 'HOUR') });
    expect(errors[0]?.extensions.code, errors[0]?.message).toBe('OPERATION_TOO_EXPENSIVE');
    expect(status).toBe(400);
    expect(errors[0]?.extensions).toMatchObject({ limit: 250_000, ...(heaviest && { field: heaviest }) });
    const after = await server.gql('{ usage { apiCalls } }', { key: tenant.key });
    expect(after.data).toEqual(before.data);
  });

  it('is rejected before its arguments are validated, however often one variable is used', async () => {
    const input = Array.from({ length: 1_000 }, (_, i) => ({ content: `${i}` }));
    const query = `mutation ($input: [StoreMemoryInput!]!) { ${aliases(400, 'storeMemories(input: $input) { id }')} }`;
    const { errors } = await server.gql(query, { key: tenant.key, variables: { input } });
    expect(errors[0]?.extensions.code).toBe('OPERATION_TOO_EXPENSIVE');
  });

  it('is what the configuration says', async () => {
    const small = await startTestServer({ uri: server.uri, env: { MAX_OPERATION_COST: '1000' } });
    try {
      const { errors } = await small.gql('{ memories(first: 100) { edges { node { embedding } } } }', {
        key: tenant.key,
      });
      expect(errors[0]?.extensions).toMatchObject({ code: 'OPERATION_TOO_EXPENSIVE', limit: 1_000 });
      expect((await small.gql('{ memories { edges { node { id } } } }', { key: tenant.key })).status).toBe(
        200,
      );
    } finally {
      await small.stop();
    }
  });

  it('that goes round in a circle of introspection is rejected', async () => {
    for (const query of [
      '{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }',
      '{ __type(name: "Mutation") { fields { type { fields { type { fields { name } } } } } } }',
    ]) {
      const { status, data } = await server.gql(query, { key: null });
      expect([status, data]).toEqual([400, undefined]);
    }
  });

  it.each([
    ['a selection set in a selection set', `{ tiers ${'{ a '.repeat(6_000)} ${'}'.repeat(6_000)} }`],
    ['inline fragments', `{ ${'... { '.repeat(6_000)} __typename ${'}'.repeat(6_000)} }`],
    ['a list in a list', `{ tier(name: ${'['.repeat(9_000)}${']'.repeat(9_000)}) { name } }`],
    ['an object in an object', `{ tier(name: ${'{ a: '.repeat(6_000)} 1 ${'}'.repeat(6_000)}) { name } }`],
  ])('is rejected before the parser goes too deep: %s', async (_, query) => {
    const { status, errors } = await server.gql(query, { key: null });
    expect(errors[0]?.extensions.code).toBe('OPERATION_TOO_EXPENSIVE');
    expect(errors[0]?.message).toMatch(/nested deeper than/);
    expect(status).toBe(400);
  });
});

describe('the variables of an operation', () => {
  it('are not looked at before the caller may select its fields', async () => {
    const unknown = Object.fromEntries(Array.from({ length: 80_000 }, (_, i) => [`u${i}`, 1]));
    const query = 'mutation ($input: StoreMemoryInput!) { storeMemory(input: $input) { id } }';
    const { status, errors } = await server.gql(query, { key: null, variables: { input: unknown } });
    expect([status, errors[0]?.extensions.code]).toEqual([401, 'UNAUTHENTICATED']);
  });

  it('that are wrong in many ways get one short error', async () => {
    const unknown = Object.fromEntries(Array.from({ length: 80_000 }, (_, i) => [`u${i}`, 1]));
    const query = 'mutation ($input: StoreMemoryInput!) { storeMemory(input: $input) { id } }';
    const { status, errors } = await server.gql(query, { key: tenant.key, variables: { input: unknown } });
    expect(status).toBe(400);
    expect(errors).toHaveLength(1);
    expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    expect(errors[0]?.message.length).toBeLessThan(600);
  });

  it('more than fifty of which are wrong are answered 400', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `v${i}`);
    const query = `query (${names.map((name) => `$${name}: TierName!`).join(' ')}) { ${names
      .map((name) => `${name}: tier(name: $${name}) { name }`)
      .join(' ')} }`;
    const variables = Object.fromEntries(names.map((name) => [name, 'NONE']));
    const { status, errors } = await server.gql(query, { key: null, variables });
    expect(status).toBe(400);
    expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });

  it.each([
    ['an argument', 'query ($t: TierName = PRO) { tier(name: $t) { name } }', { t: null }],
    ['@include', 'query ($t: Boolean = true) { tiers @include(if: $t) { name } }', { t: null }],
    ['@skip below the root', 'query ($t: Boolean = true) { tiers { name @skip(if: $t) } }', { t: null }],
    ['introspection', 'query ($t: String = "Tier") { __type(name: $t) { name } }', { t: null }],
    ['a list item', 'query ($t: TierName = PRO) { tier(name: $t) { name } }', { t: [] }],
  ])(
    'that are null despite a default are rejected with the message of graphql: %s',
    async (_, query, variables) => {
      const { status, errors } = await server.gql(query, { key: null, variables });
      expect(status).toBe(400);
      expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
      expect(errors[0]?.message).toMatch(/\$t|Argument/);
    },
  );

  it('that are null despite a default are rejected below the root, too', async () => {
    const query = 'query ($p: UsagePeriod = DAY) { tenant { usage(period: $p) { apiCalls } } }';
    const { status, errors } = await server.gql(query, { key: tenant.key, variables: { p: null } });
    expect([status, errors[0]?.extensions.code]).toEqual([400, 'BAD_USER_INPUT']);
    expect(errors[0]?.message).toBe('Argument "period" of non-null type "UsagePeriod!" must not be null.');
  });
});

describe('what graphql or Apollo rejects', () => {
  const send = async (body: object) => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, text: await response.text() };
  };

  it.each([
    [
      'a hash that is not that of the query',
      { query: '{ __typename }', extensions: { persistedQuery: { version: 1, sha256Hash: 'abc' } } },
    ],
    [
      'another version',
      { query: '{ __typename }', extensions: { persistedQuery: { version: 9, sha256Hash: 'abc' } } },
    ],
    ['an extension of another type', { query: '{ __typename }', extensions: { persistedQuery: 'abc' } }],
  ])('of persisted queries is answered 400: %s', async (_, body) => {
    const { status, text } = await send(body);
    expect(status, text).toBe(400);
    expect(JSON.parse(text).errors[0].extensions.code).toEqual(expect.any(String));
  });

  it('is not quoted whole, and not error by error', async () => {
    const long = 'a'.repeat(500_000);
    for (const query of [
      `{ ${long} }`,
      `{ ${aliases(3_000, 'unknownField')} }`,
      `{ tier(name: "${long}") { name } }`,
    ]) {
      const { status, text } = await send({ query });
      expect(status).toBe(400);
      expect(text.length).toBeLessThan(10_000);
    }
    const { text } = await send({ query: 'query A { tiers { name } }', operationName: long });
    expect(text.length).toBeLessThan(10_000);
  });
});
