import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { soon } from '../support/soon.js';

const NOON = '2126-11-22T12:00:10Z';
const CONSUME = `mutation ($endpoint: String! = "jobs", $cost: Int! = 1) {
  consume(input: { endpoint: $endpoint, cost: $cost }) { allowed remaining resetsAt } }`;
const RECORD = `mutation ($events: [UsageEventInput!]!, $tenantId: ID) {
  recordUsage(events: $events, tenantId: $tenantId) { id status reason } }`;
const ONE = [{ id: 'a', endpoint: 'jobs', quantity: 1 }];

let server: TestServer;
const clock = createFakeClock(NOON);

beforeAll(async () => {
  server = await startTestServer({ clock });
});
afterAll(() => server.stop());

async function limited(apiCallsPerDay: number, apiCallsPerMinute: number): Promise<TestTenant> {
  const tenant = await server.createTenant();
  await server.setLimits(tenant.id, { apiCallsPerDay, apiCallsPerMinute });
  return tenant;
}

async function keyWithScopes({ key }: TestTenant, scopes: string): Promise<string> {
  const made = await server.gql(
    `mutation { createApiKey(input: { name: "k", scopes: [${scopes}] }) { secret } }`,
    { key },
  );
  return made.data.createApiKey.secret;
}

describe('consume', () => {
  it('charges until the tighter window is used up, and returns what is left and when it resets', async () => {
    const { key } = await limited(100, 3);
    const take = async (cost: number) =>
      (await server.gql(CONSUME, { key, variables: { cost } })).data.consume;
    const resetsAt = '2126-11-22T12:01:00.000Z';
    expect(await take(2)).toEqual({ allowed: true, remaining: 1, resetsAt });
    expect(await take(2)).toEqual({ allowed: false, remaining: 1, resetsAt });
    expect(await take(1)).toEqual({ allowed: true, remaining: 0, resetsAt });
    expect(await take(1)).toEqual({ allowed: false, remaining: 0, resetsAt });
    const { data } = await server.gql('{ usage { apiCalls byEndpoint { endpoint calls } } }', { key });
    expect(data.usage).toEqual({ apiCalls: 3, byEndpoint: [{ endpoint: 'jobs', calls: 3 }] });
  });

  it('names the day when the day rejects, and answers without an error', async () => {
    const { key } = await limited(5, 100);
    const answer = await server.gql(CONSUME, { key, variables: { cost: 6 } });
    expect(answer).toMatchObject({ status: 200, errors: [] });
    const resetsAt = '2126-11-23T00:00:00.000Z';
    expect(answer.data.consume).toEqual({ allowed: false, remaining: 5, resetsAt });
  });

  it('rejects an extraction of more items than the tier allows, and charges nothing for it', async () => {
    const { key } = await limited(1_000, 1_000);
    const take = (cost: number) => server.gql(CONSUME, { key, variables: { endpoint: 'extraction', cost } });
    const { status, errors } = await take(11);
    expect(status).toBe(400);
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.cost' });
    expect(errors[0]?.message).toMatch(/11 items.*more than the 10/);
    expect((await take(10)).data.consume.allowed).toBe(true);
    expect((await server.gql('{ usage { extractions } }', { key })).data.usage.extractions).toBe(10);
  });

  it('lets exactly the limit through under concurrency, together with metered operations', async () => {
    const { key } = await limited(30, 1_000);
    const answers = await Promise.all(Array.from({ length: 50 }, () => server.gql(CONSUME, { key })));
    expect(answers.filter(({ data }) => data.consume.allowed)).toHaveLength(30);
    expect((await server.gql('{ memories { edges { cursor } } }', { key })).status).toBe(429);
  });

  it('costs one call by default, and counts the endpoint extraction as extractions', async () => {
    const { key } = await limited(100, 100);
    await server.gql('mutation { consume(input: { endpoint: "jobs" }) { allowed } }', { key });
    await server.gql(CONSUME, { key, variables: { endpoint: 'extraction', cost: 4 } });
    await server.gql(CONSUME, { key, variables: { endpoint: 'extraction', cost: 2 } });
    const { data } = await server.gql('{ usage { apiCalls extractions } }', { key });
    expect(data.usage).toEqual({ apiCalls: 7, extractions: 6 });
  });

  it.each([
    ['cost', { cost: 0 }],
    ['cost', { cost: -1 }],
    ['cost', { cost: 1_000_001 }],
    ['endpoint', { endpoint: '' }],
    ['endpoint', { endpoint: '   ' }],
    ['endpoint', { endpoint: 'line\nbreak' }],
    ['endpoint', { endpoint: 'x'.repeat(101) }],
  ])('rejects the %s of %j as BAD_USER_INPUT', async (argument, variables) => {
    const { key } = await limited(10, 10);
    const answer = await server.gql(CONSUME, { key, variables });
    expect(answer.status).toBe(400);
    expect(answer.errors[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      argument: `input.${argument}`,
    });
    expect((await server.gql('{ usage { apiCalls } }', { key })).data.usage.apiCalls).toBe(0);
  });

  it('needs a key with the scope USAGE, or an operator who names the tenant', async () => {
    const tenant = await limited(10, 10);
    const code = async (key: string | null) =>
      (await server.gql(CONSUME, { key })).errors[0]?.extensions.code ?? 'none';
    expect(await code(null)).toBe('UNAUTHENTICATED');
    expect(await code(await keyWithScopes(tenant, 'READ, WRITE'))).toBe('FORBIDDEN');
    expect(await code(await keyWithScopes(tenant, 'USAGE'))).toBe('none');
    expect((await server.gql(CONSUME)).errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });
});

describe('recordUsage', () => {
  it('answers each event in order, counts what it accepts, and does not touch the minute', async () => {
    const { key } = await limited(100, 100);
    const variables = {
      events: [
        { id: 'a', endpoint: 'search', quantity: 2, at: '2126-11-22T08:15:00+02:00' },
        { id: 'a', endpoint: 'search', quantity: 2, at: '2126-11-22T06:15:00Z' },
        { id: 'b', endpoint: 'search', quantity: 0 },
        { id: 'c', endpoint: 'extraction', quantity: 3 },
      ],
    };
    const { data, errors } = await server.gql(RECORD, { key, variables });
    expect(errors).toEqual([]);
    expect(data.recordUsage).toEqual([
      { id: 'a', status: 'ACCEPTED', reason: null },
      { id: 'a', status: 'DUPLICATE', reason: 'was recorded before' },
      { id: 'b', status: 'REJECTED', reason: 'quantity: must be a whole number from 1 to 1000000000' },
      { id: 'c', status: 'ACCEPTED', reason: null },
    ]);
    const usage = await server.gql(
      '{ usage { apiCalls remaining extractions byEndpoint { endpoint calls } } minute: usage(period: MINUTE) { apiCalls } }',
      { key },
    );
    expect(usage.data).toEqual({
      usage: {
        apiCalls: 5,
        remaining: 95,
        extractions: 3,
        byEndpoint: [
          { endpoint: 'extraction', calls: 3 },
          { endpoint: 'search', calls: 2 },
        ],
      },
      minute: { apiCalls: 0 },
    });
  });

  it('rejects an event that does not fit its type, each with a reason, and records the others', async () => {
    const { key } = await limited(100, 100);
    const good = { endpoint: 'search', quantity: 1 };
    const bad: [unknown, string][] = [
      [{ id: 'text', endpoint: 'search', quantity: 'many' }, 'quantity'],
      [{ id: 'fraction', endpoint: 'search', quantity: 1.5 }, 'quantity'],
      [{ id: 'large', endpoint: 'search', quantity: 1e300 }, 'quantity'],
      [{ id: 'missing', endpoint: 'search' }, 'quantity'],
      [{ id: 'null', endpoint: null, quantity: 1 }, 'endpoint'],
      [{ id: 'unknown', ...good, extra: 1 }, 'extra'],
      [{ id: 'time', ...good, at: 'yesterday' }, 'at'],
      [{ id: { a: 1 }, ...good }, 'id'],
      [null, 'null'],
      ['x', 'object'],
      [[], 'object'],
      [{ id: 'nul', endpoint: 'a\0b', quantity: 1 }, 'endpoint'],
      [{ id: 'half\ud83d', ...good }, 'id'],
    ];
    const events = [{ id: 'first', ...good }, ...bad.map(([event]) => event), { id: 'last', ...good }];
    const { data, errors } = await server.gql(RECORD, { key, variables: { events } });
    expect(errors).toEqual([]);
    expect(data.recordUsage).toHaveLength(events.length);
    expect(data.recordUsage[0]).toEqual({ id: 'first', status: 'ACCEPTED', reason: null });
    expect(data.recordUsage.at(-1)).toEqual({ id: 'last', status: 'ACCEPTED', reason: null });
    for (const [i, [event, words]] of bad.entries()) {
      const result = data.recordUsage[i + 1];
      expect(result).toMatchObject({ status: 'REJECTED', reason: expect.stringContaining(words) });
      const { id } = Object(event);
      expect(result.id).toBe(typeof id === 'string' ? id : '');
    }
    expect((await server.gql('{ usage { apiCalls } }', { key })).data.usage.apiCalls).toBe(2);
    const none = await server.gql(RECORD, { key: null, variables: { events } });
    expect(none.status).toBe(401);
    const many = { events: Array(1_001).fill('x') };
    expect((await server.gql(RECORD, { key, variables: many })).status).toBe(400);
  });

  it('records for a tenant over its limit, which is then rejected by limits', async () => {
    const { key } = await limited(1, 100);
    const events = [{ id: 'a', endpoint: 'jobs', quantity: 50 }];
    expect((await server.gql(RECORD, { key, variables: { events } })).data.recordUsage[0].status).toBe(
      'ACCEPTED',
    );
    expect((await server.gql(CONSUME, { key })).data.consume).toMatchObject({ allowed: false, remaining: 0 });
    const more = [{ id: 'b', endpoint: 'jobs', quantity: 50 }];
    expect((await server.gql(RECORD, { key, variables: { events: more } })).errors).toEqual([]);
    expect((await server.gql('{ usage { apiCalls } }', { key })).data.usage.apiCalls).toBe(100);
  });

  it('takes 1,000 events and rejects 1,001 whole', async () => {
    const { key } = await limited(1, 1);
    const events = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ id: `e${i}`, endpoint: 'jobs', quantity: 1 }));
    const refused = await server.gql(RECORD, { key, variables: { events: events(1_001) } });
    expect(refused.status).toBe(400);
    expect(refused.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'events' });
    const taken = await server.gql(RECORD, { key, variables: { events: events(1_000) } });
    expect(taken.data.recordUsage).toHaveLength(1_000);
    expect((await server.gql('{ usage { apiCalls } }', { key })).data.usage.apiCalls).toBe(1_000);
  });

  it("is for the key's own tenant with the scope, and for the operator who names one", async () => {
    const [tenant, other] = [await limited(10, 10), await limited(10, 10)];
    const code = async (key: string | null, tenantId?: string) =>
      (await server.gql(RECORD, { key, variables: { events: ONE, tenantId } })).errors[0]?.extensions.code;
    expect(await code(null)).toBe('UNAUTHENTICATED');
    expect(await code(await keyWithScopes(tenant, 'READ'))).toBe('FORBIDDEN');
    expect(await code(tenant.key, other.id)).toBe('FORBIDDEN');
    expect(await code(tenant.key, tenant.id)).toBeUndefined();
    const operator = (tenantId?: string) =>
      server.gql(RECORD, { variables: { events: [...ONE, { ...ONE[0], id: 'b' }], tenantId } });
    expect((await operator()).errors[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      argument: 'tenantId',
    });
    expect((await operator('ten_none')).errors[0]?.extensions.code).toBe('NOT_FOUND');
    const { data } = await operator(tenant.id);
    expect(data.recordUsage.map(({ status }: { status: string }) => status)).toEqual([
      'DUPLICATE',
      'ACCEPTED',
    ]);
    expect((await server.gql('{ usage { apiCalls } }', { key: other.key })).data.usage.apiCalls).toBe(0);
  });

  it('answers 503 with Retry-After when the database fails, and the same call again is counted once', async () => {
    const { key } = await limited(10, 10);
    const collection = server.app.models.usageEventBatches.collection;
    const broken = vi.spyOn(collection, 'insertMany').mockRejectedValueOnce(new Error('away'));
    const failed = await server.gql(RECORD, { key, variables: { events: ONE } });
    broken.mockRestore();
    expect(failed.status).toBe(503);
    expect(failed.errors[0]?.extensions.code).toBe('SERVICE_UNAVAILABLE');
    expect(Number(failed.headers.get('retry-after'))).toBeGreaterThan(0);
    const again = await server.gql(RECORD, { key, variables: { events: ONE } });
    expect(again.data.recordUsage[0].status).toBe('ACCEPTED');
    expect((await server.gql('{ usage { apiCalls } }', { key })).data.usage.apiCalls).toBe(1);
  });

  it('is counted at the start of a server when the one before died in between', async () => {
    const { key } = await limited(10, 10);
    const ledgers = server.app.models.ledgers.collection;
    const bulkWrite = ledgers.bulkWrite.bind(ledgers);
    // Only the counting fails.
    const killed = vi
      .spyOn(ledgers, 'bulkWrite')
      .mockImplementation(async (...args: Parameters<typeof bulkWrite>) => {
        if (JSON.stringify(args[0]).includes('recorded.')) throw new Error('killed');
        return bulkWrite(...args);
      });
    expect((await server.gql(RECORD, { key, variables: { events: ONE } })).status).toBe(503);
    killed.mockRestore();
    const next = await startTestServer({ clock, uri: server.uri });
    try {
      const calls = async () => (await next.gql('{ usage { apiCalls } }', { key })).data.usage.apiCalls;
      await soon(async () => expect(await calls()).toBe(1));
    } finally {
      await next.stop();
    }
  });
});
