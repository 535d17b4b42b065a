import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  expectNothing,
  type GraphQLAnswer,
  OPERATOR_KEY,
  startTestServer,
  type TestServer,
  type TestTenant,
} from '../support/server.js';

const STORE = 'mutation ($input: StoreMemoryInput!) { storeMemory(input: $input) { id } }';
const STORE_MANY = 'mutation ($input: [StoreMemoryInput!]!) { storeMemories(input: $input) { id } }';
const MEMORIES =
  'query ($first: Int, $after: String) { memories(first: $first, after: $after) { edges { cursor } } }';
const SEARCH = 'query ($input: SearchMemoriesInput!) { searchMemories(input: $input) { score } }';
const HISTORY =
  'query ($from: DateTime!, $to: DateTime!) { usageHistory(from: $from, to: $to) { apiCalls } }';
const CHECKOUT =
  'mutation ($input: CreateCheckoutSessionInput!) { createCheckoutSession(input: $input) { id } }';
const CREATE_KEY = 'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }';
const ROTATE = 'mutation ($s: Int!) { rotateApiKey(id: "none", overlapSeconds: $s) { secret } }';
const REPORT = 'mutation ($input: ReportUsageInput!) { reportUsage(input: $input) { id } }';
const CREATE_TENANT =
  'mutation ($input: CreateTenantInput!) { createTenant(input: $input) { tenant { id } } }';
const TENANTS =
  'query ($first: Int, $after: String, $search: String) { tenants(first: $first, after: $after, search: $search) { edges { cursor } } }';
const SET_LIMITS = 'mutation ($input: SetTenantLimitsInput!) { setTenantLimits(input: $input) { id } }';

const OK_URL = 'https://app.example/ok';
const cursor = (text: string) => Buffer.from(text).toString('base64url');
const nested = (levels: number): object => {
  let value: object = {};
  for (let i = 0; i < levels; i++) value = { a: value };
  return value;
};

let server: TestServer;
let tenant: TestTenant;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());
beforeEach(async () => {
  tenant = await server.createTenant();
  await server.setLimits(
    tenant.id,
    { apiCallsPerDay: 10_000, apiCallsPerMinute: 10_000, concurrentRequests: 100 },
    'PRO',
  );
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** What a refused operation must leave as it was. */
async function state(): Promise<object> {
  const { data } = await server.gql(
    '{ usage { apiCalls } storage { memories embeddings bytes } apiKeys { id } }',
    {
      key: tenant.key,
    },
  );
  const { models } = server.app;
  const [tenants, customers, reports, held] = await Promise.all([
    // Without the mark that the announcer takes off beside the requests.
    models.tenants.find({}, { unannounced: 0 }).sort({ _id: 1 }).lean(),
    models.billingCustomers.countDocuments(),
    models.usageReports.countDocuments(),
    models.ledgers.countDocuments({ 'reservations.0': { $exists: true } }),
  ]);
  return { ...data, tenants, customers, reports, held };
}

/** The argument is named by the extension, or, where graphql itself refuses a variable, by the message. */
function expectBadInput({ status, data, errors }: GraphQLAnswer, argument: string): void {
  const [error] = errors;
  expect(error?.extensions.code, error?.message).toBe('BAD_USER_INPUT');
  expect(error?.extensions.http?.status ?? 400).toBe(400);
  expect(status).toBe(400);
  expectNothing(data);
  if (error?.extensions.argument !== undefined) expect(error.extensions.argument).toBe(argument);
  expect(error?.message).toContain(argument);
  expect(JSON.stringify(errors)).not.toMatch(/stacktrace|node_modules|Mongo\w*Error|BSONError/);
}

type Case = [what: string, query: string, variables: Record<string, unknown>, argument: string];

const memory: Case[] = [
  ['empty content', STORE, { input: { content: '' } }, 'input.content'],
  ['content of white space', STORE, { input: { content: ' \n\t ' } }, 'input.content'],
  ['content over 1 MB', STORE, { input: { content: 'x'.repeat(1_048_577) } }, 'input.content'],
  ['content over 1 MB in UTF-8', STORE, { input: { content: 'é'.repeat(524_289) } }, 'input.content'],
  ['content that is a number', STORE, { input: { content: 5 } }, 'input.content'],
  ['no content', STORE, { input: {} }, 'input'],
  ['no input', STORE, {}, 'input'],
  ['a field that is unknown', STORE, { input: { content: 'x', tenantId: 'other' } }, 'input'],
  ['an empty embedding', STORE, { input: { content: 'x', embedding: [] } }, 'input.embedding'],
  [
    'an embedding of 8,193 numbers',
    STORE,
    { input: { content: 'x', embedding: Array(8_193).fill(0) } },
    'input.embedding',
  ],
  ['an embedding with a null', STORE, { input: { content: 'x', embedding: [1, null] } }, 'input.embedding'],
  ['an embedding of words', STORE, { input: { content: 'x', embedding: ['one'] } }, 'input.embedding'],
  [
    'metadata over 64 KB',
    STORE,
    { input: { content: 'x', metadata: { a: 'x'.repeat(65_530) } } },
    'input.metadata',
  ],
  ['metadata that is a list', STORE, { input: { content: 'x', metadata: [1] } }, 'input.metadata'],
  ['metadata that is a text', STORE, { input: { content: 'x', metadata: 'x' } }, 'input.metadata'],
  [
    'metadata too deep to be stored',
    STORE,
    { input: { content: 'x', metadata: nested(1_000) } },
    'input.metadata',
  ],
  ['one bad memory of many', STORE_MANY, { input: [{ content: 'ok' }, { content: '' }] }, 'input.1.content'],
  [
    'embeddings of two lengths at once',
    STORE_MANY,
    {
      input: [
        { content: 'a', embedding: [1] },
        { content: 'b', embedding: [1, 2] },
      ],
    },
    'input.embedding',
  ],
  ['no memory at all', STORE_MANY, { input: [] }, 'input'],
  ['more than 1,000 memories', STORE_MANY, { input: Array(1_001).fill({ content: 'x' }) }, 'input'],
];

const reading: Case[] = [
  ['first of 0', MEMORIES, { first: 0 }, 'first'],
  ['first of 101', MEMORIES, { first: 101 }, 'first'],
  ['a negative first', MEMORIES, { first: -1 }, 'first'],
  ['first past an Int', MEMORIES, { first: 2 ** 31 }, 'first'],
  ['a cursor that is garbage', MEMORIES, { after: '%%%' }, 'after'],
  ['a cursor of other characters', MEMORIES, { after: cursor('{"$gt":""}') }, 'after'],
  ['a cursor that is too long', MEMORIES, { after: cursor('x'.repeat(200)) }, 'after'],
  ['neither text nor embedding', SEARCH, { input: {} }, 'input'],
  ['text and embedding', SEARCH, { input: { query: 'x', embedding: [1] } }, 'input'],
  ['an empty query', SEARCH, { input: { query: ' ' } }, 'input.query'],
  ['a query of 1,001 characters', SEARCH, { input: { query: 'x'.repeat(1_001) } }, 'input.query'],
  ['an empty embedding to search by', SEARCH, { input: { embedding: [] } }, 'input.embedding'],
  ['first of 0 in a search', SEARCH, { input: { query: 'x', first: 0 } }, 'input.first'],
  ['first of 101 in a search', SEARCH, { input: { query: 'x', first: 101 } }, 'input.first'],
  ['an unknown tier', 'query ($name: TierName!) { tier(name: $name) { name } }', { name: 'GOLD' }, 'name'],
  [
    'a tier in lower case',
    'query ($name: TierName!) { tier(name: $name) { name } }',
    { name: 'pro' },
    'name',
  ],
  [
    'an unknown feature',
    'query ($feature: Feature!) { entitlement(feature: $feature) }',
    { feature: 'ALL' },
    'feature',
  ],
  [
    'an unknown period',
    'query ($period: UsagePeriod!) { usage(period: $period) { apiCalls } }',
    { period: 'YEAR' },
    'period',
  ],
  ['a date that is none', HISTORY, { from: 'yesterday', to: '2026-11-22T00:00:00Z' }, 'from'],
  [
    'a day that does not exist',
    HISTORY,
    { from: '2026-02-30T00:00:00Z', to: '2026-11-22T00:00:00Z' },
    'from',
  ],
  ['a date without a time', HISTORY, { from: '2026-11-20', to: '2026-11-22' }, 'from'],
  [
    'a range that ends before it begins',
    HISTORY,
    { from: '2026-11-22T00:00:00Z', to: '2026-11-21T00:00:00Z' },
    'to',
  ],
  ['a range of no length', HISTORY, { from: '2026-11-22T00:00:00Z', to: '2026-11-22T00:00:00Z' }, 'to'],
  ['a range of 401 days', HISTORY, { from: '2025-01-01T00:00:00Z', to: '2026-02-06T00:00:00Z' }, 'from'],
];

const billing: Case[] = [
  ...(['successUrl', 'cancelUrl'] as const).flatMap((name) =>
    [
      'javascript:alert(1)',
      'ftp://a.example',
      '/relative',
      'not a url',
      '',
      'data:text/html,x',
      'https://',
      `https://a.example/${'x'.repeat(2_048)}`,
      'https://user:password@a.example',
      ' javascript:alert(1)',
    ].map(
      (url): Case => [
        `${name} ${url.slice(0, 40)}`,
        CHECKOUT,
        { input: { tier: 'PRO', successUrl: OK_URL, cancelUrl: OK_URL, [name]: url } },
        `input.${name}`,
      ],
    ),
  ),
  ...['nobody', 'a@', '@b.example', 'a b@c.example', '', `${'x'.repeat(310)}@long.example`].map(
    (customerEmail): Case => [
      `the e-mail address "${customerEmail.slice(0, 20)}"`,
      CHECKOUT,
      { input: { tier: 'PRO', successUrl: OK_URL, cancelUrl: OK_URL, customerEmail } },
      'input.customerEmail',
    ],
  ),
  [
    'a tier that does not exist',
    CHECKOUT,
    { input: { tier: 'GOLD', successUrl: OK_URL, cancelUrl: OK_URL } },
    'input.tier',
  ],
  [
    'the tier that is free',
    CHECKOUT,
    { input: { tier: 'FREE', successUrl: OK_URL, cancelUrl: OK_URL } },
    'input.tier',
  ],
  [
    'a tier by contract',
    CHECKOUT,
    { input: { tier: 'ENTERPRISE', successUrl: OK_URL, cancelUrl: OK_URL } },
    'input.tier',
  ],
  ['usage of 0', REPORT, { input: { quantity: 0 } }, 'input.quantity'],
  ['negative usage', REPORT, { input: { quantity: -5 } }, 'input.quantity'],
  ['usage past a milliard', REPORT, { input: { quantity: 1_000_000_001 } }, 'input.quantity'],
  ['a fraction of usage', REPORT, { input: { quantity: 1.5 } }, 'input.quantity'],
  [
    'an empty idempotency key',
    REPORT,
    { input: { quantity: 1, idempotencyKey: '' } },
    'input.idempotencyKey',
  ],
  [
    'an idempotency key of 61 characters',
    REPORT,
    { input: { quantity: 1, idempotencyKey: 'x'.repeat(61) } },
    'input.idempotencyKey',
  ],
  [
    'an idempotency key with spaces',
    REPORT,
    { input: { quantity: 1, idempotencyKey: 'a b' } },
    'input.idempotencyKey',
  ],
];

const keys: Case[] = [
  ['an empty name', CREATE_KEY, { input: { name: '' } }, 'input.name'],
  ['a name of white space', CREATE_KEY, { input: { name: '  ' } }, 'input.name'],
  ['a name of 101 characters', CREATE_KEY, { input: { name: 'x'.repeat(101) } }, 'input.name'],
  ['no scope', CREATE_KEY, { input: { name: 'x', scopes: [] } }, 'input.scopes'],
  ['an unknown scope', CREATE_KEY, { input: { name: 'x', scopes: ['ADMIN'] } }, 'input.scopes'],
  [
    'an expiry in the past',
    CREATE_KEY,
    { input: { name: 'x', expiresAt: '2020-01-01T00:00:00Z' } },
    'input.expiresAt',
  ],
  ['an expiry that is no date', CREATE_KEY, { input: { name: 'x', expiresAt: 'soon' } }, 'input.expiresAt'],
  ['an overlap below 0', ROTATE, { s: -1 }, 'overlapSeconds'],
  ['an overlap past 30 days', ROTATE, { s: 2_592_001 }, 'overlapSeconds'],
];

const operator: Case[] = [
  ['an empty name', CREATE_TENANT, { input: { name: '' } }, 'input.name'],
  ['a name of 201 characters', CREATE_TENANT, { input: { name: 'x'.repeat(201) } }, 'input.name'],
  ['a bad e-mail address', CREATE_TENANT, { input: { name: 'x', email: 'nobody' } }, 'input.email'],
  ['first of 0', TENANTS, { first: 0 }, 'first'],
  ['first of 101', TENANTS, { first: 101 }, 'first'],
  ['a cursor that is garbage', TENANTS, { after: 'garbage!' }, 'after'],
  ['a search of 101 characters', TENANTS, { search: 'x'.repeat(101) }, 'search'],
  ['nothing to set', SET_LIMITS, { input: { tenantId: 'ten_1' } }, 'input'],
  ['an unknown tier', SET_LIMITS, { input: { tenantId: 'ten_1', tier: 'GOLD' } }, 'input.tier'],
  [
    'a limit nobody knows',
    SET_LIMITS,
    { input: { tenantId: 'ten_1', limits: { maxCalls: 1 } } },
    'input.limits',
  ],
  ...[
    'apiCallsPerDay',
    'apiCallsPerMinute',
    'concurrentRequests',
    'maxMemories',
    'maxEmbeddings',
    'maxStorageBytes',
    'maxExtractionBatchSize',
    'federationPriority',
  ].flatMap((name): Case[] =>
    [-1, 2 ** 53, 1.5, 'many'].map((value) => [
      `${name} of ${value}`,
      SET_LIMITS,
      { input: { tenantId: 'ten_1', limits: { [name]: value } } },
      `input.limits.${name}`,
    ]),
  ),
];

describe.each([
  ['storing memories', memory],
  ['reading', reading],
  ['billing', billing],
  ['keys', keys],
])('%s', (_, cases) => {
  it.each(cases)(
    '%s is rejected, named, and neither changes nor costs anything',
    async (_what, query, variables, argument) => {
      const before = await state();
      expectBadInput(await server.gql(query, { key: tenant.key, variables }), argument);
      expect(await state()).toEqual(before);
    },
  );
});

describe("the operator's fields", () => {
  it.each(operator)(
    '%s is rejected, named, and changes nothing',
    async (_what, query, variables, argument) => {
      const before = await state();
      const aimed = JSON.parse(JSON.stringify(variables).replaceAll('ten_1', tenant.id));
      expectBadInput(await server.gql(query, { variables: aimed }), argument);
      expect(await state()).toEqual(before);
    },
  );

  it('a tenant that does not exist is NOT_FOUND', async () => {
    for (const query of [
      'mutation { setTenantLimits(input: { tenantId: "none", tier: PRO }) { id } }',
      '{ tenant(id: "none") { id } }',
    ]) {
      const answer = await server.gql(query);
      expect(answer.status).toBe(404);
      expect(answer.errors[0]?.extensions.code).toBe('NOT_FOUND');
    }
  });
});

describe('good input at the very edge is taken', () => {
  const run = async (query: string, variables: object, key = tenant.key) => {
    const { errors, data } = await server.gql(query, { key, variables });
    expect(errors).toEqual([]);
    return data;
  };

  it('content of exactly 1 MB, embeddings of 8,192 numbers, metadata of exactly 64 KB', async () => {
    await run(STORE, { input: { content: 'x'.repeat(1_048_576) } });
    await run(STORE, { input: { content: 'x', embedding: Array(8_192).fill(0.5) } });
    const metadata = { a: 'x'.repeat(65_536 - '{"a":""}'.length) };
    await run(STORE, { input: { content: 'x', metadata } });
    await run(STORE_MANY, { input: Array(1_000).fill({ content: 'x' }) });
  });

  it('first of 1 and of 100, null where null may be, a history of 400 days', async () => {
    await run(MEMORIES, { first: 1 });
    await run(MEMORIES, { first: 100, after: null });
    await run(SEARCH, { input: { query: 'x', first: 100, embedding: null } });
    await run(HISTORY, { from: '2025-01-01T00:00:00Z', to: '2026-02-05T00:00:00Z' });
  });

  it('a first that is null is the default', async () => {
    await run(STORE_MANY, { input: Array(3).fill({ content: 'x', embedding: [1] }) });
    expect((await run(MEMORIES, { first: null })).memories.edges).toHaveLength(3);
    const search = { input: { embedding: [1], first: null } };
    expect((await run(SEARCH, search)).searchMemories).toHaveLength(3);
    expect((await run(TENANTS, { first: null }, OPERATOR_KEY)).tenants.edges.length).toBeGreaterThan(1);
  });

  it('limits of 0 and of 2^53 - 1, names of 200 characters', async () => {
    const limits = {
      maxMemories: 0,
      maxStorageBytes: Number.MAX_SAFE_INTEGER,
      apiCallsPerMinute: 2 ** 31 - 1,
    };
    await run(SET_LIMITS, { input: { tenantId: tenant.id, limits } }, OPERATOR_KEY);
    await run(CREATE_TENANT, { input: { name: 'x'.repeat(200), email: 'a.b+c@d.example' } }, OPERATOR_KEY);
  });
});

it('a subscription is rejected as the client’s mistake: this API has none', async () => {
  const { status, errors } = await server.gql('subscription { usage }', { key: tenant.key });
  expect(status).toBe(400);
  expect(errors[0]?.extensions.code).toMatch(/^(BAD_USER_INPUT|GRAPHQL_VALIDATION_FAILED)$/);
});

describe('numbers that JSON cannot hold', () => {
  it('an embedding with an infinite number is rejected: no answer could ever show it', async () => {
    const before = await state();
    for (const number of ['1e999', '-1e999', `1${'0'.repeat(400)}`]) {
      const answer = await server.gql(
        `mutation { storeMemory(input: { content: "x", embedding: [${number}] }) { id } }`,
        { key: tenant.key },
      );
      expect(answer.status).toBe(400);
      expect(answer.errors[0]?.extensions.code).toMatch(/^(BAD_USER_INPUT|GRAPHQL_VALIDATION_FAILED)$/);
    }
    expect(await state()).toEqual(before);
    expect(
      (await server.gql('{ memories { edges { node { embedding } } } }', { key: tenant.key })).errors,
    ).toEqual([]);
  });

  it('a limit past 2^53 is rejected as a literal, too', async () => {
    const answer = await server.gql(
      `mutation { setTenantLimits(input: { tenantId: "${tenant.id}", limits: { maxMemories: 9007199254740993 } }) { id } }`,
    );
    expect(answer.status).toBe(400);
    expect(answer.errors[0]?.message).toContain('9007199254740993');
  });
});

describe('an embedding of another length than the stored ones', () => {
  it('is rejected, named, and stores nothing', async () => {
    await server.gql(STORE, { key: tenant.key, variables: { input: { content: 'x', embedding: [1, 2] } } });
    for (const [query, input] of [
      [STORE, { content: 'y', embedding: [1, 2, 3] }],
      [SEARCH, { embedding: [1] }],
    ] as const) {
      expectBadInput(await server.gql(query, { key: tenant.key, variables: { input } }), 'input.embedding');
    }
    expect(await state()).toMatchObject({ storage: { memories: 1, embeddings: 1, bytes: 17 }, held: 0 });
  });
});

describe('a mutation with a good field and a bad one runs neither', () => {
  it.each([
    ['empty content', 'bad: storeMemory(input: { content: "" }) { id }'],
    [
      'a bad e-mail',
      `bad: createCheckoutSession(input: { tier: PRO, successUrl: "${OK_URL}", cancelUrl: "${OK_URL}", customerEmail: "x" }) { id }`,
    ],
    [
      'an expiry in the past',
      'bad: createApiKey(input: { name: "x", expiresAt: "2020-01-01T00:00:00Z" }) { secret }',
    ],
    [
      'embeddings of two lengths',
      'bad: storeMemories(input: [{ content: "a", embedding: [1] }, { content: "b", embedding: [1, 2] }]) { id }',
    ],
    ['no memory at all', 'bad: storeMemories(input: []) { id }'],
  ])('%s', async (_, bad) => {
    const before = await state();
    for (const fields of [
      `good: storeMemory(input: { content: "good" }) { id } ${bad}`,
      `${bad} good: storeMemory(input: { content: "good" }) { id }`,
    ]) {
      const answer = await server.gql(`mutation { ${fields} }`, { key: tenant.key });
      expect(answer.status).toBe(400);
      expect(answer.errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
      expectNothing(answer.data);
      expect(await state()).toEqual(before);
    }
  });

  it('within a fragment or behind a variable, too', async () => {
    const before = await state();
    const answer = await server.gql(
      `mutation ($bad: StoreMemoryInput!) { good: storeMemory(input: { content: "good" }) { id } ...F }
       fragment F on Mutation { ... on Mutation { bad: storeMemory(input: $bad) { id } } }`,
      { key: tenant.key, variables: { bad: { content: ' ' } } },
    );
    expectBadInput(answer, 'input.content');
    expect(await state()).toEqual(before);
  });

  it('but a bad field that @skip leaves out is no error', async () => {
    const { errors } = await server.gql(
      'mutation { good: storeMemory(input: { content: "good" }) { id } bad: storeMemory(input: { content: "" }) @skip(if: true) { id } }',
      { key: tenant.key },
    );
    expect(errors).toEqual([]);
  });
});

describe('over HTTP', () => {
  const ask = async (init: RequestInit, path = '/graphql') => {
    const response = await fetch(`${server.url}${path}`, init);
    const text = await response.text();
    return { status: response.status, type: response.headers.get('content-type') ?? '', text };
  };
  const JSON_TYPE = { 'content-type': 'application/json' };

  function expectGraphQLError(answer: Awaited<ReturnType<typeof ask>>, status?: number): void {
    if (status) expect(answer.status).toBe(status);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(answer.type).toMatch(/^application\/(graphql-response\+)?json/);
    const { errors, data } = JSON.parse(answer.text);
    expect(errors[0].message.length).toBeGreaterThan(5);
    expect(errors[0].extensions.code).toMatch(/^[A-Z_]+$/);
    expectNothing(data);
    expect(answer.text).not.toMatch(/stacktrace|node_modules|\bat \w+ \(/);
  }

  it.each<[string, RequestInit, number?]>([
    ['a body that is no JSON', { headers: JSON_TYPE, body: '{"query": "{ tiers' }, 400],
    ['an empty body', { headers: JSON_TYPE, body: '' }, 400],
    ['no body and no type', {}],
    ['an empty object', { headers: JSON_TYPE, body: '{}' }, 400],
    ['null', { headers: JSON_TYPE, body: 'null' }, 400],
    ['a text', { headers: JSON_TYPE, body: '"{ tiers { name } }"' }, 400],
    ['a number for the query', { headers: JSON_TYPE, body: '{"query": 5}' }, 400],
    [
      'variables that are a list',
      { headers: JSON_TYPE, body: '{"query": "{ tiers { name } }", "variables": [1]}' },
      400,
    ],
    [
      'variables that are a text',
      { headers: JSON_TYPE, body: '{"query": "{ tiers { name } }", "variables": "x"}' },
      400,
    ],
    ['a batch', { headers: JSON_TYPE, body: '[{"query": "{ tiers { name } }"}]' }, 400],
    [
      'a poisoned prototype',
      { headers: JSON_TYPE, body: '{"query": "{ tiers { name } }", "__proto__": {"a": 1}}' },
      400,
    ],
    [
      'another content type',
      { headers: { 'content-type': 'text/plain' }, body: '{"query": "{ tiers { name } }"}' },
    ],
    ['a form', { body: new URLSearchParams({ query: '{ tiers { name } }' }) }],
    [
      'an upload',
      {
        body: (() => {
          const form = new FormData();
          form.set('operations', '{}');
          return form;
        })(),
      },
    ],
    ['bytes', { headers: { 'content-type': 'application/octet-stream' }, body: new Uint8Array([1, 2, 3]) }],
    [
      'a body over the limit',
      { headers: JSON_TYPE, body: JSON.stringify({ query: `# ${'x'.repeat(1_100_000)}` }) },
      413,
    ],
    ['a query that cannot be parsed', { headers: JSON_TYPE, body: '{"query": "{ tiers {"}' }, 400],
    ['a field that does not exist', { headers: JSON_TYPE, body: '{"query": "{ secrets }"}' }, 400],
    [
      'two operations without a name',
      { headers: JSON_TYPE, body: '{"query": "query A { tiers { name } } query B { tiers { name } }"}' },
      400,
    ],
    [
      'an operation that is not there',
      { headers: JSON_TYPE, body: '{"query": "query A { tiers { name } }", "operationName": "B"}' },
      400,
    ],
    [
      'more than 20,000 tokens',
      { headers: JSON_TYPE, body: JSON.stringify({ query: `{ ${'tiers { name } '.repeat(6_000)} }` }) },
      400,
    ],
    [
      'a query nested 9,000 deep',
      { headers: JSON_TYPE, body: JSON.stringify({ query: `${'{ a '.repeat(9_000)}${'}'.repeat(2)}` }) },
    ],
    [
      'a list nested 9,000 deep',
      {
        headers: JSON_TYPE,
        body: JSON.stringify({ query: `{ tier(name: ${'['.repeat(9_000)}${']'.repeat(9_000)}) { name } }` }),
      },
    ],
  ])("%s is a client's error in GraphQL's shape, as JSON", async (_, init, status) => {
    expectGraphQLError(await ask({ method: 'POST', ...init }), status);
  });

  it('a bomb of fragments, each of which spreads the next one twice, holds nobody up', async () => {
    const levels = 22;
    const bomb = Array.from(
      { length: levels },
      (_, i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`,
    );
    const query = `{ ...F0 tiers { name } } ${bomb.join(' ')} fragment F${levels} on Query { tenant @skip(if: true) { id } }`;
    const beforeMs = performance.now();
    const { status } = await ask({ method: 'POST', headers: JSON_TYPE, body: JSON.stringify({ query }) });
    expect([200, 400]).toContain(status);
    expect(performance.now() - beforeMs).toBeLessThan(2_000);
  });

  it('a path that does not exist is 404 as JSON', async () => {
    const answer = await ask({}, '/nothing');
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.text).error.code).toBe('NOT_FOUND');
  });

  it('a GET query from a plain page is rejected (CSRF), one of an API client answers', async () => {
    const path = `/graphql?query=${encodeURIComponent('{ tiers { name } }')}`;
    for (const type of [
      {},
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/x-www-form-urlencoded' },
    ]) {
      const refused = await ask({ headers: type }, path);
      expectGraphQLError(refused, 400);
      expect(refused.text).toContain('CSRF');
    }
    const answered = await ask({ headers: { 'apollo-require-preflight': 'true' } }, path);
    expect(answered.status).toBe(200);
    expect(JSON.parse(answered.text).data.tiers).toHaveLength(3);
  });

  it('a mutation by GET is rejected', async () => {
    const query = encodeURIComponent('mutation { storeMemory(input: { content: "x" }) { id } }');
    const answer = await ask(
      { headers: { 'apollo-require-preflight': 'true', 'x-api-key': tenant.key } },
      `/graphql?query=${query}`,
    );
    expectGraphQLError(answer, 405);
    expect(await state()).toMatchObject({ usage: { apiCalls: 0 }, storage: { memories: 0 } });
  });
});

describe('the Sandbox', () => {
  const page = async (env: Record<string, string>) => {
    const own = await startTestServer({ uri: server.uri, env });
    const response = await fetch(`${own.url}/graphql`, { headers: { accept: 'text/html' } });
    const answer = {
      status: response.status,
      type: response.headers.get('content-type'),
      text: await response.text(),
    };
    await own.stop();
    return answer;
  };

  it('is shown to a browser at GET /graphql', async () => {
    const { status, type, text } = await page({});
    expect(status).toBe(200);
    expect(type).toContain('text/html');
    expect(text.toLowerCase()).toContain('sandbox');
  });

  it('is off in production unless APOLLO_SANDBOX=true', async () => {
    const production = { NODE_ENV: 'production', STRIPE_MOCK_MODE: 'true' };
    const off = await page(production);
    expect(off.status).toBe(400);
    expect(off.type).not.toContain('text/html');
    expect((await page({ ...production, APOLLO_SANDBOX: 'true' })).type).toContain('text/html');
  });
});

describe('a server error', () => {
  const SECRET = 'password=hunter2 in /srv/secret.ts';
  const boom = () => Promise.reject(new Error(SECRET));

  function expectMasked({ status, errors }: GraphQLAnswer, expectedStatus = 500): void {
    expect(status).toBe(expectedStatus);
    expect(errors[0]?.message).toBe('Internal server error');
    expect(errors[0]?.extensions).toEqual({ code: 'INTERNAL_SERVER_ERROR', http: { status: 500 } });
    expect(JSON.stringify(errors)).not.toMatch(/hunter2|secret\.ts|stack/);
  }

  it('while reading is masked, 500, and the call is returned', async () => {
    vi.spyOn(server.app.services.memories, 'page').mockImplementation(boom);
    expectMasked(await server.gql(MEMORIES, { key: tenant.key }));
    expect(await state()).toMatchObject({ usage: { apiCalls: 0 } });
  });

  it('that is thrown at once, and is no Error, is masked as well', async () => {
    vi.spyOn(server.app.services.memories, 'page').mockImplementation(() => {
      throw SECRET;
    });
    expectMasked(await server.gql(MEMORIES, { key: tenant.key }));
    expect(await state()).toMatchObject({ usage: { apiCalls: 0 } });
  });

  it('while storing gives the call and the storage back', async () => {
    vi.spyOn(server.app.services.memories, 'store').mockImplementation(boom);
    const input = { content: 'x', embedding: [1, 2] };
    expectMasked(await server.gql(STORE, { key: tenant.key, variables: { input } }));
    const nothing = { memories: 0, embeddings: 0, bytes: 0 };
    expect(await state()).toMatchObject({ usage: { apiCalls: 0 }, storage: nothing, held: 0 });
  });

  it('returns what its own field cost, and keeps what the others did', async () => {
    vi.spyOn(server.app.services.memories, 'share').mockImplementation(boom);
    const answer = await server.gql(
      'mutation { good: storeMemory(input: { content: "kept" }) { id } bad: shareMemory(id: "mem_1") { id } }',
      { key: tenant.key },
    );
    expectMasked(answer, 200);
    expect(await state()).toMatchObject({
      usage: { apiCalls: 1 },
      storage: { memories: 1, bytes: 4 },
      held: 0,
    });
  });

  it('in a field that may be null leaves the rest of the answer, which is 200 then', async () => {
    vi.spyOn(server.app.services.memories, 'find').mockImplementation(boom);
    const answer = await server.gql('{ memory(id: "mem_1") { id } tiers { name } }', { key: tenant.key });
    expectMasked(answer, 200);
    expect(answer.data.memory).toBeNull();
    expect(answer.data.tiers).toHaveLength(3);
    expect(await state()).toMatchObject({ usage: { apiCalls: 0 } });
  });

  it('before anything runs is masked too', async () => {
    vi.spyOn(server.app.services.entitlements, 'get').mockImplementation(boom);
    expectMasked(await server.gql(MEMORIES, { key: tenant.key }));
    vi.restoreAllMocks();
    vi.spyOn(server.app.services.authenticator, 'authenticate').mockImplementation(boom);
    expectMasked(await server.gql('{ tiers { name } }', { key: tenant.key }));
    vi.restoreAllMocks();
    expect(await state()).toMatchObject({ usage: { apiCalls: 0 } });
  });

  it('does not use up the concurrent requests of the tenant', async () => {
    await server.setLimits(tenant.id, { concurrentRequests: 1 });
    const spy = vi.spyOn(server.app.services.memories, 'page').mockImplementation(boom);
    for (let i = 0; i < 3; i++) expectMasked(await server.gql(MEMORIES, { key: tenant.key }));
    spy.mockRestore();
    expect((await server.gql(MEMORIES, { key: tenant.key })).status).toBe(200);
  });
});
