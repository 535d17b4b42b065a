import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { storedDays } from '../support/ledger.js';
import { ask, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { soon } from '../support/soon.js';

const GATEWAY_SECRET = 'secret-of-the-gateway-0123456789';
const LEASE_MS = 5_000;

const clock = createFakeClock('2026-11-26T12:00:10Z');
let server: TestServer;
let other: TestServer;
let tenant: TestTenant;

beforeAll(async () => {
  server = await startTestServer({ clock, env: { GATEWAY_SECRET } });
  other = await startTestServer({ clock, uri: server.uri });
});
afterAll(async () => {
  await other.stop();
  await server.stop();
});
beforeEach(async () => {
  tenant = await server.createTenant();
});
afterEach(() => vi.restoreAllMocks());

type Variables = Record<string, unknown>;
const send = (query: string, variables: Variables, at = server) =>
  at.gql(query, { key: tenant.key, variables });
const consume = (input: Variables, at = server) =>
  send(
    'mutation ($i: ConsumeInput!) { consume(input: $i) { allowed remaining resetsAt } }',
    { i: input },
    at,
  );
const store = (input: Variables, at = server) =>
  send(
    'mutation ($i: StoreMemoryInput!) { storeMemory(input: $i) { id content metadata bytes createdAt } }',
    { i: input },
    at,
  );
const storeAll = (input: Variables[], k: string | null) =>
  send(
    'mutation ($i: [StoreMemoryInput!]!, $k: String) { storeMemories(input: $i, idempotencyKey: $k) { id } }',
    { i: input, k },
  );
const usage = async () =>
  (await server.gql('{ usage { apiCalls } storage { memories bytes } }', { key: tenant.key })).data;
const badKey = (argument: string) => ({
  status: 400,
  errors: [{ extensions: { code: 'BAD_USER_INPUT', argument } }],
});

describe('a request with an idempotency key', () => {
  it('that stores is stored and charged once, and answered alike, however often it is sent', async () => {
    const memory = { content: 'once', metadata: { a: 1 }, idempotencyKey: 'k' };
    const first = await store(memory);
    expect(first.errors).toEqual([]);
    const again = await store(memory, other);
    expect(again).toMatchObject({ status: 200, errors: [], data: first.data });
    expect(again.headers.get('x-ratelimit-remaining')).toBe(first.headers.get('x-ratelimit-remaining'));
    const batch = [{ content: 'x' }, { content: 'y' }];
    const all = await storeAll(batch, 'k');
    expect(all.errors).toEqual([]);
    expect((await storeAll(batch, 'k')).data).toEqual(all.data);
    expect(await usage()).toMatchObject({ usage: { apiCalls: 3 }, storage: { memories: 3 } });
  });

  it('that consumes is charged once, and answered alike', async () => {
    const first = await consume({ endpoint: 'jobs', cost: 3, idempotencyKey: 'k' });
    expect(first.errors).toEqual([]);
    await consume({ endpoint: 'jobs' });
    const again = await consume({ endpoint: 'jobs', cost: 3, idempotencyKey: 'k' }, other);
    expect(again.data).toEqual(first.data);
    expect((await usage()).usage.apiCalls).toBe(4);
  });

  it('is executed once when it is sent 20 times at the same moment to two instances', async () => {
    await server.setLimits(tenant.id, { concurrentRequests: 50 });
    const times = [...Array(20).keys()];
    const stored = await Promise.all(
      times.map((i) => store({ content: 'once', idempotencyKey: 'k' }, i % 2 ? server : other)),
    );
    const consumed = await Promise.all(
      times.map((i) => consume({ endpoint: 'jobs', cost: 2, idempotencyKey: 'k' }, i % 2 ? server : other)),
    );
    expect(stored.flatMap(({ errors }) => errors)).toEqual([]);
    expect(consumed.flatMap(({ errors }) => errors)).toEqual([]);
    expect(new Set(stored.map(({ data }) => data.storeMemory.id)).size).toBe(1);
    expect(new Set(consumed.map(({ data }) => data.consume.remaining)).size).toBe(1);
    expect(await usage()).toMatchObject({ usage: { apiCalls: 3 }, storage: { memories: 1 } });
  });

  it('is rejected with a key that was used for other content', async () => {
    await store({ content: 'one', idempotencyKey: 'k' });
    await storeAll([{ content: 'one' }], 'k');
    await consume({ endpoint: 'jobs', idempotencyKey: 'k' });
    expect(await store({ content: 'two', idempotencyKey: 'k' })).toMatchObject(
      badKey('input.idempotencyKey'),
    );
    expect(await storeAll([{ content: 'two' }], 'k')).toMatchObject(badKey('idempotencyKey'));
    expect(await consume({ endpoint: 'jobs', cost: 2, idempotencyKey: 'k' })).toMatchObject({
      errors: [{ message: expect.stringMatching(/used in the last 24 hours.*new key/) }],
    });
    expect((await usage()).usage.apiCalls).toBe(3);
  });

  it('that a limit rejected is tried again', async () => {
    await server.setLimits(tenant.id, { maxMemories: 1, apiCallsPerDay: 1 });
    await store({ content: 'full' });
    const memory = { content: 'more', idempotencyKey: 'k' };
    const jobs = { endpoint: 'jobs', idempotencyKey: 'k' };
    expect((await store(memory)).errors[0]?.extensions.code).toBe('STORAGE_QUOTA_EXCEEDED');
    await server.setLimits(tenant.id, { maxMemories: 5, apiCallsPerDay: 1 });
    expect((await store(memory)).errors[0]?.extensions.code).toBe('RATE_LIMITED');
    expect((await consume(jobs)).data.consume.allowed).toBe(false);
    await server.setLimits(tenant.id, { maxMemories: 5, apiCallsPerDay: 10 });
    expect((await store(memory)).errors).toEqual([]);
    expect((await consume(jobs)).data.consume.allowed).toBe(true);
    await server.setLimits(tenant.id, { maxMemories: 2, apiCallsPerDay: 3 });
    expect((await store(memory)).errors).toEqual([]);
    expect(await usage()).toMatchObject({ usage: { apiCalls: 3 }, storage: { memories: 2 } });
  });

  it('that failed is charged for nothing, and tried again', async () => {
    await store({ content: 'a', embedding: [1, 2] });
    const wrong = { content: 'b', embedding: [1, 2, 3], idempotencyKey: 'k' };
    for (const _ of [1, 2]) expect((await store(wrong)).errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    expect((await usage()).usage.apiCalls).toBe(1);
    expect(
      await server.app.models.idempotencyKeys.countDocuments({ _id: new RegExp(`^${tenant.id}:`) }),
    ).toBe(0);
  });

  it('is the same one through the subgraph', async () => {
    const viaSubgraph = (query: string) =>
      ask(`${server.url}/subgraph`, query, {
        key: tenant.key,
        headers: { 'x-gateway-secret': GATEWAY_SECRET },
      });
    const mutation = `mutation {
      storeMemory(input: { content: "x", idempotencyKey: "k" }) { id }
      storeMemories(input: [{ content: "y" }], idempotencyKey: "k") { id }
      consume(input: { endpoint: "jobs", idempotencyKey: "k" }) { remaining }
    }`;
    const first = await viaSubgraph(mutation);
    expect(first.errors).toEqual([]);
    expect((await viaSubgraph(mutation)).data).toEqual(first.data);
    expect((await send(mutation, {})).data).toEqual(first.data);
    expect(await usage()).toMatchObject({ usage: { apiCalls: 3 }, storage: { memories: 2 } });
  });

  it('leaves no mark in the usage day once it is answered', async () => {
    await store({ content: 'x', idempotencyKey: 'k' });
    await consume({ endpoint: 'jobs', idempotencyKey: 'k' });
    await soon(async () => {
      const [day] = await storedDays(server.app.models.connection, tenant.id);
      expect(day).toMatchObject({ calls: 2, marks: {} });
    });
  });

  it('is executed once also when several fields of one operation are the same', async () => {
    const query = (b: string) => `mutation {
      a: storeMemory(input: { content: "x", idempotencyKey: "k" }) { id }
      b: storeMemory(input: { content: "${b}", idempotencyKey: "k" }) { id }
    }`;
    const { data, errors } = await send(query('x'), {});
    expect(errors).toEqual([]);
    expect(data.b).toEqual(data.a);
    expect(await send(query('y'), {})).toMatchObject({ status: 400 });
    expect(await usage()).toMatchObject({ usage: { apiCalls: 1 }, storage: { memories: 1 } });
  });

  it('is a new one after 24 hours', async () => {
    await consume({ endpoint: 'jobs', idempotencyKey: 'k' });
    clock.advance(86_400_001);
    const { data } = await consume({ endpoint: 'other', idempotencyKey: 'k' });
    expect(data.consume.allowed).toBe(true);
    const indexes = await server.app.models.idempotencyKeys.listIndexes();
    expect(indexes).toContainEqual(expect.objectContaining({ expireAfterSeconds: 0 }));
  });

  it('needs a key of 1 to 100 printable ASCII characters, in its place', async () => {
    for (const key of ['', 'ä', 'x'.repeat(101), 'a b']) {
      expect(await store({ content: 'x', idempotencyKey: key })).toMatchObject(
        badKey('input.idempotencyKey'),
      );
      expect(await storeAll([{ content: 'x' }], key)).toMatchObject(badKey('idempotencyKey'));
    }
    expect(await storeAll([{ content: 'x', idempotencyKey: 'k' }], null)).toMatchObject(
      badKey('input.0.idempotencyKey'),
    );
    expect((await usage()).usage.apiCalls).toBe(0);
  });
});

type Keys = TestServer['app']['services']['idempotencyKeys'];

/** The first attempt of `server` stops there until it is let on. */
function stallAt(step: 'acquire' | 'complete'): { reached: Promise<void>; letOn: () => void } {
  const keys = server.app.services.idempotencyKeys;
  const reached = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const stalled = async () => {
    reached.resolve();
    await gate.promise;
  };
  const { acquire, complete } = { acquire: keys.acquire, complete: keys.complete };
  if (step === 'acquire')
    vi.spyOn(keys, 'acquire').mockImplementationOnce(async (...args: Parameters<Keys['acquire']>) => {
      const acquired = await acquire(...args);
      await stalled();
      return acquired;
    });
  else
    vi.spyOn(keys, 'complete').mockImplementationOnce(async (...args: Parameters<Keys['complete']>) => {
      await stalled();
      return complete(...args);
    });
  return { reached: reached.promise, letOn: gate.resolve };
}

describe('an attempt that stalls for longer than its lease', () => {
  it.each([
    ['consume', 'before its charge', 'acquire', () => consume],
    ['consume', 'after its charge', 'complete', () => consume],
    ['storeMemory', 'before its charge', 'acquire', () => store],
    ['storeMemory', 'in its transaction', 'complete', () => store],
  ] as const)('of %s, %s, does nothing beside the one that took over', async (_, _where, step, sendOf) => {
    const input = sendOf() === store ? { content: 'x' } : { endpoint: 'jobs' };
    const request = { ...input, idempotencyKey: 'k' };
    const { reached, letOn } = stallAt(step);
    const first = sendOf()(request);
    await reached;
    clock.advance(LEASE_MS + 1);
    const second = await sendOf()(request, other);
    expect(second.errors).toEqual([]);
    letOn();
    expect((await first).errors[0]?.extensions.code).toBe('SERVICE_UNAVAILABLE');
    const memories = sendOf() === store ? 1 : 0;
    // The calls of a failed request are returned after its response.
    await soon(async () =>
      expect(await usage()).toMatchObject({ usage: { apiCalls: 1 }, storage: { memories } }),
    );
    expect((await sendOf()(request)).data).toEqual(second.data);
  });
});

describe('an attempt that failed', () => {
  const memory = { content: 'x', idempotencyKey: 'k' };
  const failsOnce = (method: 'completed' | 'mayReturnCalls') =>
    vi.spyOn(server.app.services.idempotencyKeys, method).mockImplementationOnce(() => {
      throw new Error('the answer of the database was lost');
    });

  it('although its transaction was committed stays charged, and is answered when it comes again', async () => {
    failsOnce('completed');
    expect((await store(memory)).status).toBe(500);
    expect((await store(memory)).errors).toEqual([]);
    expect(await usage()).toMatchObject({ usage: { apiCalls: 1 }, storage: { memories: 1 } });
  });

  it('does not keep its concurrent request when it is not known whether its calls may be returned', async () => {
    await server.setLimits(tenant.id, { concurrentRequests: 1 });
    failsOnce('completed');
    failsOnce('mayReturnCalls');
    expect((await store(memory)).status).toBe(500);
    expect((await store(memory)).errors).toEqual([]);
  });
});

describe('an attempt that a crash ended', () => {
  it.each(['charged', 'not charged'])('when it was %s is charged once in all', async (when) => {
    const attempts = { consume: 'a1', storeMemory: 'a2' };
    const { idempotencyKeys: keys, ledgers } = server.app.models;
    // The records of a first attempt, without their answers.
    await consume({ endpoint: 'jobs', idempotencyKey: 'k' });
    await store({ content: 'x', idempotencyKey: 'k' });
    for (const [field, attempt] of Object.entries(attempts)) {
      const leaseUntil = new Date(clock.now() - 1);
      await keys.updateOne(
        { _id: `${tenant.id}:${field}:k` },
        { $set: { attempt, answer: null, leaseUntil } },
      );
      if (when === 'charged')
        await ledgers.updateOne({ _id: tenant.id }, { $set: { [`today.marks.${attempt}`]: 1 } });
    }
    expect((await consume({ endpoint: 'jobs', idempotencyKey: 'k' })).data.consume.allowed).toBe(true);
    expect((await store({ content: 'x', idempotencyKey: 'k' })).errors).toEqual([]);
    expect((await usage()).usage.apiCalls).toBe(when === 'charged' ? 2 : 4);
    expect((await store({ content: 'x', idempotencyKey: 'k' })).errors).toEqual([]);
  });
});
