import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer } from '../support/server.js';

const STORE = 'mutation { storeMemory(input: { content: "hello" }) { id } }';
const READ = '{ memories { pageInfo { hasNextPage } } }';
const WIDE = { apiCallsPerMinute: 100_000, concurrentRequests: 1_000 };

let server: TestServer;
const clock = createFakeClock('2026-11-22T12:00:10Z');

beforeAll(async () => {
  server = await startTestServer({ clock });
});
afterAll(() => server.stop());

describe('@rateLimited', () => {
  it('lets ten calls of a FREE minute through and rejects the eleventh with its headers', async () => {
    const { key } = await server.createTenant();
    for (let i = 1; i <= 10; i++) {
      const answer = await server.gql(STORE, { key });
      expect(answer.errors).toEqual([]);
      expect(answer.headers.get('x-ratelimit-remaining-minute')).toBe(String(10 - i));
      expect(answer.headers.get('x-ratelimit-remaining-day')).toBe(String(100 - i));
    }
    const refused = await server.gql(STORE, { key });
    expect(refused.status).toBe(429);
    expect(refused.data ?? null).toBeNull();
    expect(refused.errors[0]?.message).toContain('Rate limit exceeded (10 calls/minute)');
    expect(refused.errors[0]?.extensions).toMatchObject({
      code: 'RATE_LIMITED',
      http: { status: 429 },
      limit: 10,
      window: 'minute',
      remaining: 0,
      resetsAt: '2026-11-22T12:01:00.000Z',
      tier: 'FREE',
    });
    expect(refused.errors[0]?.extensions.upgradeUrl).toMatch(/^http/);
    const headers = Object.fromEntries(refused.headers);
    expect(headers).toMatchObject({
      'retry-after': '50',
      'x-ratelimit-limit-day': '100',
      'x-ratelimit-limit-minute': '10',
      'x-ratelimit-remaining-minute': '0',
      'x-ratelimit-reset': String(Date.parse('2026-11-22T12:01:00Z') / 1000),
      'x-tier': 'free',
      'ratelimit-policy': '"minute";q=10;w=60, "day";q=100;w=86400',
      ratelimit: '"minute";r=0;t=50, "day";r=90;t=43190',
    });
    expect(Number(headers['x-request-duration-ms'])).toBeGreaterThan(0);
  });

  it('lets exactly 20 of 60 parallel calls through at a day limit of 20', async () => {
    const { id, key } = await server.createTenant();
    await server.setLimits(id, { ...WIDE, apiCallsPerDay: 20 });
    const answers = await Promise.all(Array.from({ length: 60 }, () => server.gql(STORE, { key })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(20);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(
      refused.every(({ status, errors }) => status === 429 && errors[0]?.extensions.window === 'day'),
    ).toBe(true);
    const { data } = await server.gql(
      '{ usage { apiCalls remaining byEndpoint { endpoint calls } } storage { memories } }',
      { key },
    );
    expect(data.usage).toEqual({
      apiCalls: 20,
      remaining: 0,
      byEndpoint: [{ endpoint: 'storeMemory', calls: 20 }],
    });
    expect(data.storage.memories).toBe(20);
  });

  it('counts aliases and list arguments, and rejects the whole operation', async () => {
    const { id, key } = await server.createTenant();
    await server.setLimits(id, { ...WIDE, apiCallsPerDay: 6 });
    const three = `mutation { a: ${field('x')} b: ${field('y')} many: storeMemories(input: [{ content: "1" }, { content: "2" }]) { id } }`;
    expect((await server.gql(three, { key })).errors).toEqual([]);
    const refused = await server.gql(three, { key });
    expect(refused.status).toBe(429);
    expect(refused.errors[0]?.extensions).toMatchObject({ window: 'day', remaining: 2 });
    const { data } = await server.gql('{ usage { apiCalls } storage { memories } }', { key });
    expect(data).toEqual({ usage: { apiCalls: 4 }, storage: { memories: 4 } });
  });

  it('charges nothing for fields that @skip and @include leave out', async () => {
    const { id, key } = await server.createTenant();
    await server.setLimits(id, { ...WIDE, apiCallsPerDay: 1 });
    const query = `query ($no: Boolean!) { a: ${'memories'} @include(if: $no) { edges { cursor } } ...F @skip(if: true) tiers { name } }
      fragment F on Query { b: memories { edges { cursor } } }`;
    expect((await server.gql(query, { key, variables: { no: false } })).errors).toEqual([]);
    expect((await server.gql('{ usage { apiCalls } }', { key })).data.usage.apiCalls).toBe(0);
  });

  it('costs nothing to look at usage and tiers, also for a tenant over its limit', async () => {
    const { id, key } = await server.createTenant();
    await server.setLimits(id, { ...WIDE, apiCallsPerDay: 0 });
    expect((await server.gql(READ, { key })).status).toBe(429);
    const free = await server.gql(
      '{ usage { remaining } subscription { status } tiers { name } apiKeys { id } }',
      { key },
    );
    expect(free.status).toBe(200);
    expect(free.headers.get('x-ratelimit-limit-day')).toBeNull();
  });

  it('begins again with the minute and with the UTC day', async () => {
    const { id, key } = await server.createTenant();
    await server.setLimits(id, { apiCallsPerDay: 3, apiCallsPerMinute: 2, concurrentRequests: 10 });
    const status = async () => (await server.gql(READ, { key })).status;
    clock.set('2026-11-22T23:58:59.999Z');
    expect([await status(), await status(), await status()]).toEqual([200, 200, 429]);
    clock.set('2026-11-22T23:59:00Z');
    expect([await status(), await status()]).toEqual([200, 429]);
    clock.set('2026-11-23T00:00:00Z');
    expect([await status(), await status(), await status()]).toEqual([200, 200, 429]);
    const { data } = await server.gql(
      '{ usageHistory(from: "2026-11-22T00:00:00Z", to: "2026-11-24T00:00:00Z") { from apiCalls } }',
      { key },
    );
    expect(data.usageHistory.map(({ apiCalls }: { apiCalls: number }) => apiCalls)).toEqual([3, 2]);
  });

  it('rejects more concurrent requests than the tier has', async () => {
    const { id, key } = await server.createTenant();
    await server.setLimits(id, { apiCallsPerDay: 1_000, apiCallsPerMinute: 1_000, concurrentRequests: 1 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => server.gql(STORE, { key })));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.every(({ errors }) => errors[0]?.extensions.window === 'concurrent')).toBe(true);
    const stored = (await server.gql('{ usage { apiCalls } }', { key })).data.usage.apiCalls;
    expect(stored).toBe(20 - refused.length);
    expect((await server.gql(STORE, { key })).status).toBe(200);
  });

  it('is felt at the next request when a limit changes', async () => {
    const { id, key } = await server.createTenant();
    await server.setLimits(id, { ...WIDE, apiCallsPerDay: 1 });
    expect((await server.gql(READ, { key })).status).toBe(200);
    expect((await server.gql(READ, { key })).status).toBe(429);
    await server.setLimits(id, { apiCallsPerDay: 2 });
    expect((await server.gql(READ, { key })).status).toBe(200);
    expect((await server.gql(READ, { key })).status).toBe(429);
    await server.setLimits(id, null);
    expect((await server.gql(READ, { key })).headers.get('x-ratelimit-limit-day')).toBe('100');
  });
});

describe('@requiresFeature', () => {
  it('rejects a feature that the tier lacks, before anything runs and at no cost', async () => {
    const { key } = await server.createTenant();
    const answer = await server.gql(`mutation { ${field('x')} shareMemory(id: "mem_1") { id } }`, { key });
    expect(answer.status).toBe(403);
    expect(answer.errors[0]?.message).toContain("Feature 'federation' not available on free tier");
    expect(answer.errors[0]?.extensions).toMatchObject({
      code: 'FEATURE_NOT_AVAILABLE',
      feature: 'FEDERATION',
      tier: 'FREE',
    });
    const { data } = await server.gql('{ usage { apiCalls } storage { memories } }', { key });
    expect(data).toEqual({ usage: { apiCalls: 0 }, storage: { memories: 0 } });
  });
});

describe('@storageQuota', () => {
  it('lets exactly what fits through under concurrency, and frees on deletion', async () => {
    const { id, key } = await server.createTenant();
    await server.setLimits(id, { ...WIDE, apiCallsPerDay: 1_000, maxMemories: 5 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => server.gql(STORE, { key })));
    const stored = answers.filter(({ status }) => status === 200);
    expect(stored).toHaveLength(5);
    const refused = answers.find(({ status }) => status !== 200);
    expect(refused?.status).toBe(507);
    expect(refused?.errors[0]?.extensions).toMatchObject({
      code: 'STORAGE_QUOTA_EXCEEDED',
      resource: 'memories',
      limit: 5,
      tier: 'FREE',
    });
    expect((await server.gql('{ usage { apiCalls } storage { memories bytes } }', { key })).data).toEqual({
      usage: { apiCalls: 5 },
      storage: { memories: 5, bytes: 25 },
    });
    const memoryId = stored[0]?.data.storeMemory.id;
    expect(
      (await server.gql(`mutation { deleteMemory(id: "${memoryId}") }`, { key })).data.deleteMemory,
    ).toBe(true);
    expect((await server.gql(STORE, { key })).status).toBe(200);
    expect((await server.gql(STORE, { key })).status).toBe(507);
  });

  it('counts embeddings and bytes from the argument, for lists too', async () => {
    const { id, key } = await server.createTenant();
    await server.setLimits(id, { ...WIDE, apiCallsPerDay: 1_000, maxEmbeddings: 1, maxStorageBytes: 100 });
    const store = (variables: object) =>
      server.gql('mutation ($input: [StoreMemoryInput!]!) { storeMemories(input: $input) { id } }', {
        key,
        variables,
      });
    const both = await store({
      input: [
        { content: 'a', embedding: [1, 2] },
        { content: 'b', embedding: [1, 2] },
      ],
    });
    expect(both.errors[0]?.extensions).toMatchObject({
      code: 'STORAGE_QUOTA_EXCEEDED',
      resource: 'embeddings',
      usage: 0,
    });
    const large = await store({ input: [{ content: 'x'.repeat(101) }] });
    expect(large.errors[0]?.extensions).toMatchObject({ resource: 'bytes', limit: 100, usage: 0 });
    expect((await store({ input: [{ content: 'x'.repeat(84), embedding: [1, 2] }] })).errors).toEqual([]);
    expect((await server.gql('{ storage { memories embeddings bytes } }', { key })).data.storage).toEqual({
      memories: 1,
      embeddings: 1,
      bytes: 100,
    });
  });
});

function field(content: string): string {
  return `storeMemory(input: { content: "${content}" }) { id }`;
}
