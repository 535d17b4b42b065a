import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const MAX_BYTES = 2_097_152;
const GATEWAY_SECRET = 'the-gateway-secret-of-the-tests-0001';
const STORE = 'mutation ($input: StoreMemoryInput!) { storeMemory(input: $input) { id } }';
const WIDE = { apiCallsPerDay: 1e9, apiCallsPerMinute: 1e9, maxStorageBytes: 1e12, maxEmbeddings: 1e6 };
let server: TestServer;
let tenant: TestTenant;

beforeAll(async () => {
  server = await startTestServer({ env: { GATEWAY_SECRET, MAX_RESPONSE_BYTES: String(MAX_BYTES) } });
});
afterAll(() => server.stop());
beforeEach(async () => {
  tenant = await server.createTenant();
  await server.setLimits(tenant.id, WIDE, 'PRO');
});

async function send(query: string, variables: object = {}, path = '/graphql') {
  const response = await fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-api-key': tenant.key,
      'x-gateway-secret': GATEWAY_SECRET,
    },
    body: JSON.stringify({ query, variables }),
  });
  const text = await response.text();
  return { status: response.status, bytes: Buffer.byteLength(text), body: JSON.parse(text) };
}

async function store(input: object): Promise<string> {
  const { body } = await send(STORE, { input });
  return body.data.storeMemory.id;
}
const calls = async () => (await send('{ usage { apiCalls } }')).body.data.usage.apiCalls as number;

/** @param cost in calls: what was asked for stays charged */
async function expectTooLarge(query: string, cost: number, variables: object = {}): Promise<void> {
  const before = await calls();
  const { status, bytes, body } = await send(query, variables);
  expect(body.errors.map(({ extensions }: { extensions: object }) => extensions)).toEqual([
    { code: 'RESPONSE_TOO_LARGE', limit: MAX_BYTES, http: { status: 400 } },
  ]);
  expect(status).toBe(400);
  expect(body.data).toBeNull();
  expect(bytes).toBeLessThan(1_000);
  expect(await calls()).toBe(before + cost);
}

describe('a query whose data are more than MAX_RESPONSE_BYTES is RESPONSE_TOO_LARGE, and stays charged', () => {
  it('by large contents in a list', async () => {
    for (let i = 0; i < 3; i++) await store({ content: 'x'.repeat(1_000_000) });
    await expectTooLarge('{ memories { edges { node { id content } } } }', 1);
    await expectTooLarge(
      '{ searchMemories(input: { query: "x" }) { score memory { id } } memories { edges { node { content } } } }',
      2,
    );
    const small = await send('{ memories { edges { node { id bytes metadata } } } }');
    expect(small.status).toBe(200);
    expect(small.body.data.memories.edges).toHaveLength(3);
    const page = await send('{ memories(first: 2) { edges { node { content } } pageInfo { hasNextPage } } }');
    expect(page.status).toBe(200);
    expect(page.bytes).toBeGreaterThan(2_000_000);
    expect(page.body.data.memories.pageInfo.hasNextPage).toBe(true);
  });

  it('by aliases of one content, of root fields and of embeddings', async () => {
    const id = await store({
      content: 'y'.repeat(400_000),
      embedding: Array.from({ length: 4_000 }, (_, i) => i / 7),
    });
    const aliases = (count: number, field: string) =>
      Array.from({ length: count }, (_, i) => `a${i}: ${field}`).join(' ');
    await expectTooLarge(`query ($id: ID!) { memory(id: $id) { ${aliases(6, 'content')} } }`, 1, { id });
    await expectTooLarge(`query ($id: ID!) { ${aliases(6, 'memory(id: $id) { content }')} }`, 6, { id });
    await expectTooLarge(`query ($id: ID!) { memory(id: $id) { ${aliases(40, 'embedding')} } }`, 1, { id });
  });

  it('by what JSON makes of control characters', async () => {
    const id = await store({ content: `z${'\u0001'.repeat(150_000)}` });
    await expectTooLarge('query ($id: ID!) { memory(id: $id) { a: content b: content c: content } }', 1, {
      id,
    });
  });

  it('by metadata', async () => {
    const metadata = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`k${i}`, 'v'.repeat(1_000)]));
    for (let i = 0; i < 40; i++) await store({ content: `m${i}`, metadata });
    await expectTooLarge('{ memories(first: 40) { edges { node { metadata } } } }', 1);
    const some = await send('{ memories(first: 20) { edges { node { metadata } } } }');
    expect(some.body.data.memories.edges[19].node.metadata).toEqual(metadata);
  });

  it('by entities of a gateway, with the status in the body alone', async () => {
    const ids = [];
    for (let i = 0; i < 3; i++) ids.push(await store({ content: 'x'.repeat(1_000_000) }));
    const representations = ids.map((id) => ({ __typename: 'BillingMemory', id }));
    const query =
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on BillingMemory { content } } }';
    const answer = await send(query, { r: representations }, '/subgraph');
    expect(answer.status).toBe(200);
    expect(answer.body.errors[0].extensions).toMatchObject({
      code: 'RESPONSE_TOO_LARGE',
      http: { status: 400 },
    });
    expect(answer.bytes).toBeLessThan(1_000);
    expect((await send(query, { r: representations.slice(1) }, '/subgraph')).body.errors).toBeUndefined();
  });
});

describe('a mutation that took effect', () => {
  it('answers its ids, and leaves out what would make the response too large', async () => {
    const content = 'x'.repeat(9_000);
    const fields = Array.from({ length: 4 }, (_, i) => `c${i}: content`).join(' ');
    const { status, bytes, body } = await send(
      `mutation ($input: [StoreMemoryInput!]!) { storeMemories(input: $input) { id bytes ${fields} } }`,
      { input: Array.from({ length: 100 }, () => ({ content })) },
    );
    expect(status).toBe(200);
    expect(bytes).toBeLessThan(MAX_BYTES * 1.1);
    const memories = body.data.storeMemories as { id: string; bytes: number; c3: string | null }[];
    expect(new Set(memories.map(({ id }) => id)).size).toBe(100);
    expect(memories.every((memory) => memory.bytes === 9_000)).toBe(true);
    expect(memories[0]?.c3).toBe(content);
    expect(memories[99]?.c3).toBeNull();
    expect(body.errors.map(({ extensions }: { extensions: { code: string } }) => extensions.code)).toEqual([
      'RESPONSE_TOO_LARGE',
    ]);
    expect((await send('{ storage { memories } usage { apiCalls } }')).body.data).toEqual({
      storage: { memories: 100 },
      usage: { apiCalls: 100 },
    });
  });

  it('answers a secret after what was left out', async () => {
    const fields = Array.from({ length: 30 }, (_, i) => `c${i}: content`).join(' ');
    const { status, body } = await send(
      `mutation ($input: StoreMemoryInput!) { storeMemory(input: $input) { id ${fields} } createApiKey(input: { name: "k" }) { secret } }`,
      { input: { content: 'x'.repeat(100_000) } },
    );
    expect(status).toBe(200);
    expect(body.data.storeMemory).toMatchObject({ id: expect.any(String), c29: null });
    const own = await ask(`${server.url}/graphql`, '{ tenant { id } }', {
      key: body.data.createApiKey.secret,
    });
    expect(own.data.tenant.id).toBe(tenant.id);
  });

  it('has short errors, whatever was sent', async () => {
    const query = Array.from({ length: 50 }, (_, i) => `a${i}: revokeApiKey(id: $id) { id }`).join(' ');
    for (const [length, errors] of [
      [200, 50],
      [20_000, 1],
    ] as const) {
      const { bytes, body } = await send(`mutation ($id: ID!) { ${query} }`, { id: 'n'.repeat(length) });
      expect(body.errors).toHaveLength(errors);
      expect(bytes).toBeLessThan(100_000);
    }
  });
});

it('reads no more than a few megabytes of large memories, however many are asked for', async () => {
  for (let i = 0; i < 12; i++) await store({ content: `${i}${'x'.repeat(1_000_000)}` });
  let read = 0;
  const client = server.app.models.connection.getClient();
  client.on('commandSucceeded', ({ commandName, reply }) => {
    if (commandName === 'find') read += JSON.stringify(reply).length;
  });
  const fields = Array.from({ length: 50 }, (_, i) => `a${i}: memories { edges { node { content } } }`);
  await expectTooLarge(`{ ${fields.join(' ')} }`, 50);
  expect(read).toBeLessThan(20_000_000);
});

it('introspection counts as well', async () => {
  const small = await startTestServer({ uri: server.uri, env: { MAX_RESPONSE_BYTES: '65536' } });
  try {
    const aliases = Array.from({ length: 30 }, (_, i) => `a${i}: description`).join(' ');
    const fields = `fields { name ${aliases} }`;
    const answer = await small.gql(`{ __schema { types { ${fields} } } }`);
    expect(answer).toMatchObject({ status: 400, data: null });
    expect(answer.errors[0]?.extensions.code).toBe('RESPONSE_TOO_LARGE');
    expect((await small.gql('{ __schema { types { name } } }')).status).toBe(200);
  } finally {
    await small.stop();
  }
});
