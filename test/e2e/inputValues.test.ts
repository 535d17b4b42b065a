import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ask,
  type GraphQLAnswer,
  OPERATOR_KEY,
  startTestServer,
  type TestServer,
  type TestTenant,
} from '../support/server.js';

const GATEWAY_SECRET = 'gateway-secret-of-the-tests-of-inputs';
const STORE =
  'mutation ($input: StoreMemoryInput!) { storeMemory(input: $input) { id content metadata embedding } }';
const SEARCH = 'query ($embedding: [Float!]) { searchMemories(input: { embedding: $embedding }) { score } }';
const HISTORY = 'query ($from: DateTime!) { usageHistory(from: $from, to: "2026-11-22T00:00:00Z") { from } }';
const SET_LIMITS = 'mutation ($input: SetTenantLimitsInput!) { setTenantLimits(input: $input) { id } }';
const JSON_TYPE = { 'content-type': 'application/json' };
const URLS = { successUrl: 'https://app.example/ok', cancelUrl: 'https://app.example/no' };

let server: TestServer;
let tenant: TestTenant;
beforeAll(async () => {
  server = await startTestServer({ env: { GATEWAY_SECRET } });
  tenant = await server.createTenant();
  await server.setLimits(tenant.id, { apiCallsPerDay: 10_000, apiCallsPerMinute: 10_000 }, 'PRO');
});
afterAll(() => server.stop());

const run = (query: string, variables: object = {}, key: string | null = tenant.key) =>
  server.gql(query, { key, variables });
const memoryWith = (fields: string) => `mutation { storeMemory(input: { content: "x", ${fields} }) { id } }`;

function expectRejected({ status, errors, data }: GraphQLAnswer, words: string | RegExp): void {
  expect(status, JSON.stringify(errors)).toBe(400);
  expect(errors[0]?.extensions.code).toMatch(
    /^(BAD_USER_INPUT|OPERATION_TOO_EXPENSIVE|GRAPHQL_(VALIDATION|PARSE)_FAILED)$/,
  );
  expect(errors[0]?.message).toMatch(words);
  expect(JSON.stringify(errors)).not.toContain('Maximum call stack');
  expect(JSON.stringify(errors).length).toBeLessThan(5_000);
  expect(data ?? null).toBeNull();
}

const post = async (path: string, body: string, headers: Record<string, string> = JSON_TYPE) => {
  const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body });
  return { status: response.status, text: await response.text() };
};

describe.each([
  ['NUL', 'a\0b', 'NUL'],
  ['half a surrogate pair', 'a\ud83d', 'surrogate'],
  ['the other half', '\ude00b', 'surrogate'],
])('a text with %s is rejected with 400', (_, bad, words) => {
  it.each<[string, string, object, 'operator'?]>([
    ['content', STORE, { input: { content: bad } }],
    ['a value of metadata', STORE, { input: { content: 'x', metadata: { a: [{ b: bad }] } } }],
    ['a key of metadata', STORE, { input: { content: 'x', metadata: { a: { [bad]: 1 } } } }],
    ['a search', 'query ($q: String) { searchMemories(input: { query: $q }) { score } }', { q: bad }],
    ['a cursor', 'query ($after: String) { memories(after: $after) { edges { cursor } } }', { after: bad }],
    ['an id', 'query ($id: ID!) { memory(id: $id) { id } }', { id: bad }],
    ['an id to delete', 'mutation ($id: ID!) { deleteMemory(id: $id) }', { id: bad }],
    ['a tenant id', 'query ($id: ID) { tenant(id: $id) { id } }', { id: bad }, 'operator'],
    [
      'the name of a key',
      'mutation ($n: String!) { createApiKey(input: { name: $n }) { secret } }',
      { n: bad },
    ],
    ['a key to revoke', 'mutation ($id: ID!) { revokeApiKey(id: $id) { id } }', { id: bad }],
    [
      'the name of a tenant',
      'mutation ($n: String!) { createTenant(input: { name: $n }) { tenant { id } } }',
      { n: bad },
      'operator',
    ],
    [
      'an e-mail address',
      'mutation ($e: String) { createTenant(input: { name: "x", email: $e }) { tenant { id } } }',
      { e: `${bad}@x.example` },
      'operator',
    ],
    [
      'a search for tenants',
      'query ($s: String) { tenants(search: $s) { edges { cursor } } }',
      { s: bad },
      'operator',
    ],
    ['an endpoint', 'mutation ($e: String!) { consume(input: { endpoint: $e }) { allowed } }', { e: bad }],
    [
      'an idempotency key',
      'mutation ($k: String) { reportUsage(input: { quantity: 1, idempotencyKey: $k }) { id } }',
      { k: bad },
    ],
    [
      'a URL for Stripe',
      'mutation ($i: CreateCheckoutSessionInput!) { createCheckoutSession(input: $i) { id } }',
      { i: { tier: 'PRO', ...URLS, cancelUrl: `https://app.example/${bad}` } },
    ],
    [
      'the URL of a webhook',
      'mutation ($u: String!) { createWebhookEndpoint(input: { url: $u }) { secret } }',
      { u: `https://app.example/${bad}` },
      'operator',
    ],
    [
      'a key that a service asks about',
      'mutation ($o: [OperationInput!]!) { decideOperations(operations: $o) { allowed } }',
      { o: [{ apiKey: bad, scope: 'READ', charges: [], features: [], fieldLimits: [], stores: [] }] },
      'operator',
    ],
  ])('as %s', async (_what, query, variables, who) => {
    expectRejected(await run(query, variables, who ? OPERATOR_KEY : tenant.key), words);
  });

  it('as a literal of the document, and in an escape', async () => {
    // A lone surrogate is not even read: graphql-js rejects it while it parses.
    for (const text of [JSON.stringify(bad), JSON.stringify(bad).replace('\0', '\\u0000')])
      expectRejected(
        await run(memoryWith(`metadata: { a: ${text} }`)),
        words === 'NUL' ? words : /Unicode|character/,
      );
  });

  it('as the key of an entity, which a gateway sends', async () => {
    const answer = await ask(
      `${server.url}/subgraph`,
      'query ($of: [_Any!]!) { _entities(representations: $of) { __typename } }',
      {
        key: tenant.key,
        headers: { 'x-gateway-secret': GATEWAY_SECRET },
        variables: { of: [{ __typename: 'BillingMemory', id: bad }] },
      },
    );
    expect(answer.errors[0]).toMatchObject({
      message: expect.stringMatching(words),
      extensions: { code: 'BAD_USER_INPUT', http: { status: 400 } },
    });
  });

  it('in the body of a REST route', async () => {
    const body = JSON.stringify({
      tier: 'pro',
      success_url: `https://app.example/${bad}`,
      cancel_url: URLS.cancelUrl,
    });
    const headers = { ...JSON_TYPE, 'x-api-key': tenant.key };
    const { status, text } = await post('/v1/billing/create-checkout-session', body, headers);
    expect(status).toBe(400);
    expect(text).toMatch(words);
  });
});

it('NUL in the path or the form of a mock page is rejected with 400', async () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  expect((await post('/mock/checkout/cs_%00/complete', '', form)).status).toBe(400);
  expect((await post('/mock/checkout/cs_1/complete', 'promotion_code=%00', form)).status).toBe(400);
  expect((await post('/mock/portal/bps_%00/cancel', '', form)).status).toBe(400);
  expect((await post('/mock/portal/bps_1/switch', 'price=%00', form)).status).toBe(400);
});

it('emoji, characters past the first plane and unusual keys come back as they were sent', async () => {
  const metadata = {
    '😀': '👩‍👩‍👧‍👦',
    $where: '1',
    'a.b': 1,
    constructor: { prototype: { x: 1 } },
    toString: null,
    '': '𝕏',
  };
  for (const content of ['😀 𝕏 \u{10ffff}', 'e\u0301 \u202e \u0007'])
    expect((await run(STORE, { input: { content, metadata } })).data.storeMemory).toMatchObject({
      content,
      metadata,
    });
});

describe('__proto__ is rejected by its name, and nothing is polluted', () => {
  const named = /"__proto__"/;
  it('in a JSON body, in its variables, and written as an escape', async () => {
    for (const key of ['__proto__', '\\u005f_proto__']) {
      const answer = await post(
        '/graphql',
        `{"query":${JSON.stringify(STORE)},"variables":{"input":{"content":"x","metadata":{"a":{"${key}":{"polluted":1}}}}}}`,
        { ...JSON_TYPE, 'x-api-key': tenant.key },
      );
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.text).errors[0].message).toMatch(named);
    }
    const rest = await post('/v1/billing/report-usage', '{"quantity":1,"__proto__":{"a":1}}', {
      ...JSON_TYPE,
      'x-api-key': tenant.key,
    });
    expect(rest.status).toBe(400);
    expect(JSON.parse(rest.text).error).toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(rest.text).toContain('__proto__');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('in a literal of the document', async () => {
    expectRejected(await run(memoryWith('metadata: { a: { __proto__: { polluted: 1 } } }')), named);
  });

  it('in variables of a URL', async () => {
    const query = new URLSearchParams({
      query: 'query ($i: SearchMemoriesInput!) { searchMemories(input: $i) { score } }',
      variables: '{"i":{"query":"x","__proto__":{"first":1}}}',
    });
    const response = await fetch(`${server.url}/graphql?${query}`, {
      headers: { 'apollo-require-preflight': 'true', 'x-api-key': tenant.key },
    });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('__proto__');
  });
});

describe('JSON in a document', () => {
  it.each([
    ['the name of an enum', 'metadata: { a: PRO }', 'PRO'],
    ['a number past the doubles', 'metadata: { a: [1e999] }', 'finite'],
    ['a negative one', 'metadata: { a: -1e999 }', 'finite'],
    ['a whole number that loses digits', 'metadata: { a: 9007199254740993 }', 'digits'],
    ['a key that is there twice', 'metadata: { a: 1, a: 2 }', /\ba\b/],
    ['a key that is there twice further in', 'metadata: { b: [{ a: 1, a: 2 }] }', /\ba\b/],
    ['a list', 'metadata: [1]', 'object'],
    ['a text', 'metadata: "x"', 'object'],
  ])('with %s is rejected', async (_, fields, words) => {
    expectRejected(await run(memoryWith(fields)), words);
  });

  it('takes variables inside, null for an item that is not given, and checks them too', async () => {
    const query =
      'mutation ($a: Int, $b: [String!], $c: String) { storeMemory(input: { content: "x", metadata: { a: $a, b: [$b, $c], c: $c, d: 0.5 } }) { metadata } }';
    expect((await run(query, { a: 7, b: ['x'] })).data.storeMemory.metadata).toEqual({
      a: 7,
      b: [['x'], null],
      d: 0.5,
    });
    expectRejected(await run(query, { b: ['\0'] }), 'NUL');
  });

  it('of variables is rejected if it has a number past the doubles, or one that loses digits', async () => {
    for (const [number, words] of [
      ['1e999', 'finite'],
      ['12345678901234567890', 'digits'],
    ]) {
      const body = `{"query":${JSON.stringify(STORE)},"variables":{"input":{"content":"x","metadata":{"a":[${number}]}}}}`;
      const { status, text } = await post('/graphql', body, { ...JSON_TYPE, 'x-api-key': tenant.key });
      expect(status).toBe(400);
      expect(text).toContain(words);
    }
  });
});

describe('what is nested too deeply is rejected without overflowing the stack', () => {
  const lists = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

  it.each([
    ['a BigInt', SET_LIMITS, `{"input":{"tenantId":"t","limits":{"maxMemories":${lists(100_000)}}}}`],
    ['a DateTime', HISTORY, `{"from":${lists(100_000)}}`],
    ['a DateTime that is an object', HISTORY, `{"from":${objects(50_000)}}`],
    ['an object of JSON', STORE, `{"input":{"content":"x","metadata":${objects(50_000)}}}`],
    ['a list for JSON', STORE, `{"input":{"content":"x","metadata":${lists(100_000)}}}`],
    ['lists within JSON', STORE, `{"input":{"content":"x","metadata":{"a":${lists(100_000)}}}}`],
    ['an embedding', STORE, `{"input":{"content":"x","embedding":${lists(100_000)}}}`],
    ['a text', STORE, `{"input":{"content":${lists(100_000)}}}`],
    ['an id', 'query ($id: ID!) { memory(id: $id) { id } }', `{"id":${objects(50_000)}}`],
    ['a tier', 'query ($t: TierName!) { tier(name: $t) { name } }', `{"t":${lists(100_000)}}`],
  ])('as the variable of %s', async (_, query, variables) => {
    for (const key of [tenant.key, OPERATOR_KEY]) {
      const body = `{"query":${JSON.stringify(query)},"variables":${variables}}`;
      const { status, text } = await post('/graphql', body, { ...JSON_TYPE, 'x-api-key': key });
      expect([400, 403]).toContain(status);
      expect(text).not.toContain('Maximum call stack');
      expect(text.length).toBeLessThan(10_000);
    }
  });

  it.each([
    ['lists', `{ tier(name: ${'['.repeat(9_000)}${']'.repeat(9_000)}) { name } }`],
    ['objects', memoryWith(`metadata: ${'{a:'.repeat(5_000)}1${'}'.repeat(5_000)}`)],
    ['objects that are never closed', memoryWith(`metadata: ${'{a:'.repeat(5_000)}`)],
    ['selections', `{ ${'a{'.repeat(6_000)} b ${'}'.repeat(6_000)} }`],
    ['types of variables', `query ($a: ${'['.repeat(9_000)}Int${']'.repeat(9_000)}) { tiers { name } }`],
    ['a value of JSON past 100', memoryWith(`metadata: ${'{a:'.repeat(102)}1${'}'.repeat(102)}`)],
  ])('as %s of a document', async (_, query) => {
    const answer = await run(query);
    expectRejected({ ...answer, errors: answer.errors.slice(0, 1) }, /nested (deeper|too deeply)/);
  });

  it('but brackets in strings and comments are none, and 100 levels of JSON are fine', async () => {
    const brackets = '[{('.repeat(1_000);
    const query = `# ${brackets}\nmutation { a: storeMemory(input: { content: "\\"${brackets}" }) { content } b: storeMemory(input: { content: """\\"""${brackets}""" }) { content } }`;
    expect((await run(query)).data).toEqual({
      a: { content: `"${brackets}` },
      b: { content: `"""${brackets}` },
    });
    expect((await run(memoryWith(`metadata: ${'{a:'.repeat(100)}1${'}'.repeat(100)}`))).errors).toEqual([]);
  });

  it('as a chain of fragments', async () => {
    const chain = Array.from({ length: 2_500 }, (_, i) => `fragment F${i} on Query { ...F${i + 1} }`).join(
      ' ',
    );
    const answer = await run(`{ ...F0 } ${chain} fragment F2500 on Query { tiers { name } }`);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.errors)).not.toContain('Maximum call stack');
  });
});

describe('a whole number', () => {
  const limits = (maxMemories: unknown) => ({ input: { tenantId: tenant.id, limits: { maxMemories } } });
  const literal = (value: string) =>
    `mutation { setTenantLimits(input: { tenantId: "${tenant.id}", limits: { maxMemories: ${value} } }) { tier { limits { maxMemories } } } }`;

  it.each([
    '9007199254740992',
    '-9007199254740992',
    '18446744073709551616',
    '1e999',
    '1.5',
    '"1.5"',
    '"0x10"',
    '" 7"',
    '"9007199254740993"',
    '""',
    'true',
    'PRO',
    '[1]',
    '{}',
    `"${'9'.repeat(100_000)}"`,
  ])('of %.25s is rejected, as a literal and as a variable', async (value) => {
    expectRejected(await run(literal(value), {}, OPERATOR_KEY), /BigInt/);
    if (value === 'PRO') return;
    const body = `{"query":${JSON.stringify(SET_LIMITS)},"variables":{"input":{"tenantId":"t","limits":{"maxMemories":${value}}}}}`;
    const { status, text } = await post('/graphql', body, { ...JSON_TYPE, 'x-api-key': OPERATOR_KEY });
    expect(status).toBe(400);
    expect(text).toContain('BigInt');
  });

  it('that fits is taken as a number and as digits in a string; -0 is 0', async () => {
    for (const [value, stored] of [
      ['9007199254740991', Number.MAX_SAFE_INTEGER],
      ['"9007199254740991"', Number.MAX_SAFE_INTEGER],
      ['-0', 0],
    ] as const) {
      const { data } = await run(literal(value), {}, OPERATOR_KEY);
      expect(data.setTenantLimits.tier.limits.maxMemories).toBe(stored);
    }
    expect((await run(SET_LIMITS, limits('10000'), OPERATOR_KEY)).errors).toEqual([]);
  });
});

describe('an instant', () => {
  it.each([
    '0000-01-01T00:00:00Z',
    '10000-01-01T00:00:00Z',
    '+010000-01-01T00:00:00Z',
    '-000001-01-01T00:00:00Z',
    '9999-12-31T23:59:59-01:00',
    '0001-01-01T00:00:00+01:00',
    '2026-11-26T24:00:00Z',
    '2016-12-31T23:59:60Z',
    '2026-02-29T00:00:00Z',
    '2026-11-26',
    '2026-11-26T10:00Z',
    '2026-11-26T10:00:00',
    '2026-11-26T10:00:00+24:00',
    '2026-11-26T10:00:00|01:00',
    '',
    `2026-11-26T10:00:00.${'1'.repeat(100_000)}`,
  ])('of %.40s is rejected', async (from) => {
    expectRejected(await run(HISTORY, { from }), /DateTime/);
    expectRejected(
      await run(HISTORY.replace('$from,', `${JSON.stringify(from)},`).replace('($from: DateTime!)', '')),
      /DateTime/,
    );
  });

  it.each([1, 1e20, true, {}, [], null])('that is %j is rejected', async (from) => {
    expectRejected(await run(HISTORY, { from }), /DateTime/);
  });

  it('of the first and the last year is read; a fraction and an offset count', async () => {
    for (const from of ['0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z'])
      expectRejected(await run(HISTORY, { from }), /^(from|to):/);
    expect(
      (await run(HISTORY, { from: '2026-11-21t01:30:00.123456789+01:30' })).data.usageHistory[0].from,
    ).toBe('2026-11-21T00:00:00.000Z');
  });
});

it('embeddings of any finite size give scores from -1 to 1', async () => {
  const own = await server.createTenant();
  await server.setLimits(own.id, { apiCallsPerMinute: 1_000 }, 'PRO');
  const sizes = [0, -0, 5e-324, 1e-200, 1e-160, 1, 1e153, 1e200, 1.7976931348623157e308];
  const input = sizes.flatMap((size) => [
    { content: `${size}`, embedding: [size, size] },
    { content: `-${size}`, embedding: [-size, size / 3] },
  ]);
  const many = 'mutation ($input: [StoreMemoryInput!]!) { storeMemories(input: $input) { id } }';
  expect((await run(many, { input }, own.key)).errors).toEqual([]);
  for (const size of sizes) {
    const { data, errors } = await run(SEARCH, { embedding: [size, size] }, own.key);
    expect(errors).toEqual([]);
    for (const { score } of data.searchMemories) {
      expect(score).toBeGreaterThanOrEqual(-1);
      expect(score).toBeLessThanOrEqual(1);
    }
    expect(data.searchMemories[0].score).toBeCloseTo(size === 0 ? 0 : 1, 12);
  }
});

describe('null for an optional input is its default, or says what is wrong', () => {
  it.each<[string, string, 'operator'?]>([
    ['first and after', '{ memories(first: null, after: null) { edges { cursor } } }'],
    [
      'first of a search',
      '{ searchMemories(input: { query: "x", embedding: null, first: null }) { score } }',
    ],
    ['the fields of a memory', memoryWith('embedding: null, metadata: null')],
    ['tenant', '{ tenant(id: null) { id } alerts(tenantId: null) { edges { cursor } } }'],
    ['tenantId of usage', 'mutation { recordUsage(events: [], tenantId: null) { id } }'],
    [
      'at of an event',
      'mutation { recordUsage(events: [{ id: "n", endpoint: "n", quantity: 1, at: null }]) { status } }',
    ],
    [
      'customerEmail',
      `mutation { createCheckoutSession(input: { tier: PRO, successUrl: "${URLS.successUrl}", cancelUrl: "${URLS.cancelUrl}", customerEmail: null }) { id } }`,
    ],
    [
      'the fields of a key',
      'mutation { createApiKey(input: { name: "n", scopes: null, expiresAt: null, tenantId: null }) { secret } }',
    ],
    ['idempotencyKey', 'mutation { reportUsage(input: { quantity: 1, idempotencyKey: null }) { id } }'],
    ['monthlyCapCents', 'mutation { setOverage(input: { monthlyCapCents: null }) { monthlyCapCents } }'],
    [
      'a filter of tenants',
      '{ tenants(search: null, tier: null, first: null) { edges { cursor } } }',
      'operator',
    ],
    [
      'the e-mail of a tenant',
      'mutation { createTenant(input: { name: "n", email: null }) { tenant { id } } }',
      'operator',
    ],
    [
      'the filter of deliveries',
      '{ webhookDeliveries(endpointId: null, status: null) { edges { cursor } } }',
      'operator',
    ],
    ['the filter of events', '{ webhookEvents(status: null, first: null) { edges { cursor } } }', 'operator'],
  ])('%s', async (_, query, who) => {
    expect(
      (await run(query, {}, who ? OPERATOR_KEY : tenant.key)).errors.map(({ message }) => message),
    ).toEqual([]);
  });

  it.each([
    ['cost', 'mutation { consume(input: { endpoint: "x", cost: null }) { allowed } }'],
    ['overlapSeconds', 'mutation { rotateApiKey(id: "x", overlapSeconds: null) { secret } }'],
    ['period', '{ usage(period: null) { apiCalls } }'],
    ['immediately', '{ previewTierChange(tier: PRO, immediately: null) { tier } }'],
    [
      'granularity',
      '{ usageHistory(from: "2026-11-21T00:00:00Z", to: "2026-11-22T00:00:00Z", granularity: null) { from } }',
    ],
  ])('%s', async (_, query) => {
    expectRejected(await run(query), /null/);
  });

  it('atPeriodEnd and immediately: as if they were not there', async () => {
    for (const query of [
      'mutation { cancelSubscription(input: { atPeriodEnd: null }) { id } }',
      'mutation { cancelSubscription(input: null) { id } }',
      'mutation { changeTier(input: { tier: PRO, immediately: null }) { id } }',
    ]) {
      const { status, errors } = await run(query);
      expect(status).toBe(400);
      expect(errors[0]?.message).toContain('no paid subscription');
    }
  });
});

describe('a body that is too large, or of another type, has a code of its own', () => {
  const large = JSON.stringify({ query: 'x'.repeat(1_100_000) });
  const secret = { 'x-gateway-secret': GATEWAY_SECRET };
  it.each([
    ['/graphql', large, {}],
    ['/subgraph', large, secret],
    ['/v1/billing/report-usage', large, {}],
    ['/v1/billing/webhook', large, {}],
    ['/mock/trigger', large, {}],
  ])('%s: 413 PAYLOAD_TOO_LARGE, which says how much was sent and may be', async (path, body, headers) => {
    const { status, text } = await post(path, body, { ...JSON_TYPE, 'x-api-key': tenant.key, ...headers });
    expect(status).toBe(413);
    const parsed = JSON.parse(text);
    const { message, ...error } = parsed.error ?? {
      message: parsed.errors[0].message,
      ...parsed.errors[0].extensions,
    };
    expect(error).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', requested: large.length });
    expect(error.limit).toBeLessThan(large.length);
    expect(message).toContain(String(error.limit));
    expect(message).toContain(String(large.length));
  });

  it.each([
    ['/graphql', {}],
    ['/subgraph', secret],
    ['/v1/billing/report-usage', {}],
  ])(
    '%s: a body nested more deeply than any value may be is rejected before it is parsed',
    async (path, headers) => {
      const { status, text } = await post(path, `{"query": "\\"]}", "variables": ${'['.repeat(1_000_000)}`, {
        'content-type': 'application/json',
        'x-api-key': tenant.key,
        ...headers,
      });
      expect(status).toBe(400);
      expect(text).toContain('nested too deeply');
    },
  );

  it.each([
    ['/graphql', {}],
    ['/subgraph', secret],
    ['/v1/billing/report-usage', {}],
  ])('%s: 415 UNSUPPORTED_MEDIA_TYPE', async (path, headers) => {
    for (const type of ['text/plain', 'application/xml', 'multipart/form-data; boundary=x']) {
      const { status, text } = await post(path, '{"quantity": 1}', {
        'content-type': type,
        'x-api-key': tenant.key,
        ...headers,
      });
      expect(status).toBe(415);
      const parsed = JSON.parse(text);
      const error = parsed.error ?? { message: parsed.errors[0].message, ...parsed.errors[0].extensions };
      expect(error.code).toBe('UNSUPPORTED_MEDIA_TYPE');
      expect(error.message).toContain('application/json');
    }
  });
});

it('a rejection says how much was asked for', async () => {
  const own = await server.createTenant();
  await server.setLimits(own.id, { maxMemories: 1, maxStorageBytes: 100, apiCallsPerMinute: 5 });
  const many = 'mutation ($input: [StoreMemoryInput!]!) { storeMemories(input: $input) { id } }';
  const rejection = async (count: number, content: string) =>
    (await run(many, { input: Array(count).fill({ content }) }, own.key)).errors[0];
  expect(await rejection(2, 'x')).toMatchObject({
    message: expect.stringMatching(/\(1 memory\): 0 memories stored, 2 memories more requested/),
    extensions: { resource: 'memories', limit: 1, usage: 0, requested: 2 },
  });
  expect(await rejection(1, 'x'.repeat(101))).toMatchObject({
    message: expect.stringMatching(/\(100 bytes\): 0 bytes stored, 101 bytes more requested/),
    extensions: { resource: 'bytes', limit: 100, requested: 101 },
  });
  await server.setLimits(own.id, { maxMemories: 100 });
  expect(await rejection(6, 'x')).toMatchObject({
    message: expect.stringMatching(/\(5 calls\/minute\); this operation costs 6, and 5 are left/),
    extensions: { window: 'minute', limit: 5, requested: 6 },
  });
});

it.each([
  ['a line break', 'a\nb'],
  ['an escape', 'a\u001b[31mb'],
  ['a mark that turns the direction', 'a\u202eb'],
])('a name with %s is rejected, and one in any alphabet is not', async (_, name) => {
  const CREATE = 'mutation ($name: String!) { createTenant(input: { name: $name }) { tenant { name } } }';
  const RENAME = 'mutation ($name: String!) { updateTenant(input: { name: $name }) { name } }';
  const CREATE_KEY = 'mutation ($name: String!) { createApiKey(input: { name: $name }) { secret } }';
  const words = /name: must have no line breaks, control characters or marks of direction/;
  expect((await run(CREATE, { name }, OPERATOR_KEY)).errors[0]?.message).toMatch(words);
  expect((await run(RENAME, { name })).errors[0]?.message).toMatch(words);
  expect((await run(CREATE_KEY, { name })).errors[0]?.message).toMatch(words);
  const { data } = await run(CREATE, { name: 'Śnieżka 株式会社 שלום 👩‍👩‍👧' }, OPERATOR_KEY);
  expect(data.createTenant.tenant.name).toBe('Śnieżka 株式会社 שלום 👩‍👩‍👧');
});
