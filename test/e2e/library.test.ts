import { enforceLimits, limitDirectivesSdl, remoteLimits } from '@continuum-billing/limits';
import type { Limits } from '@continuum-billing/limits/core';
import { buildSchema } from 'graphql';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { directLimits } from '../../src/directLimits.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { soon } from '../support/soon.js';
import { catalogueFile, storingCatalogue } from '../support/teamCatalogue.js';
import {
  type Runs,
  startApollo,
  startPlain,
  startYoga,
  type TeamServer,
  teamSchema,
} from '../support/teamServer.js';

const MOST_LAMPS = 5;
const catalogue = storingCatalogue({ lamps: MOST_LAMPS });

let billing: TestServer;
let serviceKey: string;

beforeAll(async () => {
  const file = catalogueFile(catalogue);
  billing = await startTestServer({ env: { CATALOG_FILE: file } });
  serviceKey = await createServiceKey();
});
afterAll(() => billing.stop());

async function createServiceKey(): Promise<string> {
  const { data } = await billing.gql(
    'mutation { createApiKey(input: { name: "lamps", scopes: [ENFORCE] }) { secret apiKey { scopes } } }',
  );
  expect(data.createApiKey.apiKey.scopes).toEqual(['ENFORCE']);
  return data.createApiKey.secret;
}

const direct = () =>
  directLimits({ mongodbUri: billing.uri, catalogue, upgradeUrl: 'http://localhost/upgrade' });
const remote = () => remoteLimits({ url: billing.url, serviceKey, whenAway: 'refuse' });

/** A tenant with so many calls a day, and room for them in the minute. */
async function tenantWith(apiCallsPerDay: number, more: object = {}): Promise<TestTenant> {
  const tenant = await billing.createTenant();
  await billing.setLimits(tenant.id, {
    apiCallsPerDay,
    apiCallsPerMinute: 100_000,
    concurrentRequests: 1_000,
    ...more,
  });
  return tenant;
}

/** What is counted as stored, the holds of operations under way aside. */
async function storageOf({ id, key }: TestTenant): Promise<{ lamps: number; bytes: number; holds: number }> {
  const { data } = await billing.gql('{ storage { bytes resources { resource stored limit } } }', { key });
  const [lamps] = data.storage.resources;
  expect(lamps).toMatchObject({ resource: 'lamps', limit: MOST_LAMPS });
  const ledger = await billing.app.models.ledgers.findById(id).lean();
  return { lamps: lamps.stored, bytes: data.storage.bytes, holds: ledger?.reservations?.length ?? 0 };
}

const callsOf = async ({ key }: TestTenant): Promise<number> =>
  (await billing.gql('{ usage { apiCalls } }', { key })).data.usage.apiCalls;

describe.each([
  ['directly', direct],
  ['by asking the billing server', remote],
])('limits that are decided %s', (_, connect) => {
  let limits: Limits;
  beforeAll(async () => {
    limits = await connect();
  });
  afterAll(() => limits.close());

  describe.each([
    ['Apollo Server', startApollo, true],
    ['GraphQL Yoga', startYoga, true],
    ['graphql alone', startPlain, false],
  ])('in %s', (_, start, hasHttp) => {
    const runs: Runs = {};
    let team: TeamServer;
    beforeAll(async () => {
      team = await start(teamSchema(limits, runs));
    });
    afterAll(() => team.stop());
    afterEach(() => {
      for (const name of Object.keys(runs)) delete runs[name];
    });

    it('lets exactly so many of parallel operations through as there are calls left', async () => {
      const tenant = await tenantWith(20);
      const answers = await Promise.all(Array.from({ length: 60 }, () => team.ask('{ lamp }', tenant.key)));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(20);
      expect(runs.lamp).toBe(20);
      const refused = answers.find(({ status }) => status !== 200);
      expect(refused?.status).toBe(429);
      expect(refused?.errors[0]?.extensions).toMatchObject({
        code: 'RATE_LIMITED',
        limit: 20,
        window: 'day',
        remaining: 0,
        tier: 'FREE',
      });
      if (hasHttp) expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await callsOf(tenant)).toBe(20);
    });

    it('rejects a suspended tenant, and what costs nothing still runs', async () => {
      const tenant = await tenantWith(5);
      expect((await team.ask('{ lamp }', tenant.key)).status).toBe(200);
      const { errors } = await billing.gql(`mutation { suspendTenant(tenantId: "${tenant.id}") { id } }`);
      expect(errors).toEqual([]);
      await soon(async () => {
        const answer = await team.ask('{ lamp }', tenant.key);
        expect(answer.errors[0]?.extensions.code).toBe('TENANT_SUSPENDED');
        if (hasHttp) expect(answer.status).toBe(403);
      });
      runs.lamp = 0;
      expect((await team.ask('{ free }', tenant.key)).errors).toEqual([]);
      await team.ask('{ lamp }', tenant.key);
      expect(runs).toEqual({ lamp: 0, free: 1 });
    });

    it('rejects an operation whole, before any of it runs', async () => {
      const tenant = await tenantWith(5);
      const refused = await team.ask('{ free lamps(ids: [1, 2, 3]) }', tenant.key);
      expect(refused.errors[0]?.extensions.code).toBe('RATE_LIMITED');
      expect(refused.data ?? {}).not.toMatchObject({ free: 1 });
      if (hasHttp) expect(runs).toEqual({});
      expect((await team.ask('{ a: lamps(ids: [1]) b: lamp }', tenant.key)).data).toEqual({ a: 1, b: 1 });
      expect(await callsOf(tenant)).toBe(3);
    });

    it('asks nobody for operations that ask nothing', async () => {
      expect(await team.ask('{ free }', null)).toMatchObject({ status: 200, data: { free: 1 } });
    });

    it.each([
      [null, 'UNAUTHENTICATED', 401],
      ['nonsense', 'UNAUTHENTICATED', 401],
      [`ctm_test_${'a'.repeat(16)}_${'b'.repeat(40)}012345`, 'UNAUTHENTICATED', 401],
    ])('rejects the key %s', async (key, code, status) => {
      const { errors, ...answer } = await team.ask('{ lamp }', key);
      expect(answer.status).toBe(status);
      expect(errors[0]?.extensions.code).toBe(code);
      expect(runs).toEqual({});
    });

    it("rejects a feature that the tenant's tier lacks, and grants it after the upgrade", async () => {
      const tenant = await tenantWith(5);
      const refused = await team.ask('{ federated }', tenant.key);
      expect(refused).toMatchObject({ status: 403 });
      expect(refused.errors[0]?.extensions).toMatchObject({
        code: 'FEATURE_NOT_AVAILABLE',
        feature: 'FEDERATION',
        tier: 'FREE',
      });
      await billing.setLimits(tenant.id, null, 'PRO');
      await expect
        .poll(async () => (await team.ask('{ federated shade }', tenant.key)).data)
        .toEqual({ federated: 1, shade: 1 });
    });

    it("holds a field's own limit, over all servers", async () => {
      const tenant = await tenantWith(5);
      const statuses = [];
      for (let i = 0; i < 3; i++) statuses.push((await team.ask('{ seldom }', tenant.key)).status);
      expect(statuses).toEqual([200, 200, 429]);
      expect(await callsOf(tenant)).toBe(0);
    });

    it('returns what failed by a server error', async () => {
      const tenant = await tenantWith(50);
      expect((await team.ask('{ broken lamp }', tenant.key)).data).toEqual({ broken: null, lamp: 1 });
      await expect.poll(() => callsOf(tenant)).toBe(1);
      expect((await team.ask('mutation { make fail }', tenant.key)).data).toEqual({ make: 1, fail: null });
      await expect.poll(() => callsOf(tenant)).toBe(2);
    });

    it('charges the dearest object that an interface may turn out to be', async () => {
      const tenant = await tenantWith(50);
      await team.ask('{ thing { price } }', tenant.key);
      expect(await callsOf(tenant)).toBe(3);
      await team.ask('{ things { id ... on Lamp { price } ... on Bulb { price } } }', tenant.key);
      expect(await callsOf(tenant)).toBe(7);
    });

    it('counts concurrent requests', async () => {
      const tenant = await tenantWith(50, { concurrentRequests: 2 });
      // What is not known of a key yet is asked for with its first call.
      await team.ask('{ lamp }', tenant.key);
      const { promise: gate, resolve: open } = Promise.withResolvers<void>();
      const slow = await start(teamSchema(limits, {}, () => gate));
      let refused = 0;
      const all = Array.from({ length: 5 }, async () => {
        const answer = await slow.ask('{ slow }', tenant.key);
        if (answer.status === 429) refused++;
        return answer;
      });
      await expect.poll(() => refused).toBe(3);
      open();
      const statuses = (await Promise.all(all)).map(({ status }) => status).sort();
      await slow.stop();
      expect(statuses).toEqual([200, 200, 429, 429, 429]);
    });

    it('stores exactly as many of a resource as the tier allows', async () => {
      const tenant = await tenantWith(50);
      const keep = 'mutation { keep(lamp: { name: "one" }) }';
      const answers = await Promise.all(Array.from({ length: 12 }, () => team.ask(keep, tenant.key)));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(MOST_LAMPS);
      const refused = answers.find(({ status }) => status !== 200);
      expect(refused?.status).toBe(507);
      expect(refused?.errors[0]?.extensions).toMatchObject({
        code: 'STORAGE_QUOTA_EXCEEDED',
        resource: 'lamps',
        limit: MOST_LAMPS,
      });
      const lampBytes = Buffer.byteLength('{"name":"one"}');
      expect(await storageOf(tenant)).toEqual({
        lamps: MOST_LAMPS,
        bytes: MOST_LAMPS * lampBytes,
        holds: 0,
      });
      const { key } = tenant;
      for (const wrong of [{ memories: 1 }, { suns: 1 }, { lamps: 0.5 }, { lamps: -1 }, { holds: 1 }])
        await expect(limits.free(tenant.id, wrong), JSON.stringify(wrong)).rejects.toThrow();
      await limits.free(tenant.id, { lamps: 2, bytes: 2 * lampBytes });
      const two = 'mutation { keepAll(lamps: [{ name: "one" }, { name: "one" }]) }';
      expect((await team.ask(two, key)).data).toEqual({ keepAll: 1 });
      expect((await team.ask(two, key)).status).toBe(507);
    });

    it('returns room for what was certainly not stored, and keeps it when that is not known', async () => {
      const tenant = await tenantWith(50);
      const { key } = tenant;
      await team.ask('mutation { keepBroken(lamp: { name: "one" }) }', key);
      await expect.poll(() => storageOf(tenant)).toEqual({ lamps: 0, bytes: 0, holds: 0 });
      if (!hasHttp) return;
      // Its resolver did store; what failed is below it, and the next field never ran.
      await team.ask(
        'mutation { keepOddly(lamp: { name: "one" }) { odd } keep(lamp: { name: "two" }) }',
        key,
      );
      await expect.poll(async () => (await storageOf(tenant)).lamps).toBe(1);
    });

    if (hasHttp) {
      it('sends the rate limit headers with the answer', async () => {
        const tenant = await tenantWith(50);
        const { headers } = await team.ask('{ lamp }', tenant.key);
        expect(headers.get('x-ratelimit-limit-day')).toBe('50');
        expect(headers.get('x-ratelimit-remaining-day')).toBe('49');
        expect(headers.get('x-tier')).toBe('free');
        expect(headers.get('ratelimit')).toMatch(/^"minute";r=/);
      });
    }
  });

  it('are exact beside the billing server itself', async () => {
    const tenant = await tenantWith(30);
    const team = await startApollo(teamSchema(limits));
    const consume = 'mutation { consume(input: { endpoint: "lamps" }) { allowed } }';
    const [ours, theirs] = await Promise.all([
      Promise.all(Array.from({ length: 40 }, () => team.ask('{ lamp }', tenant.key))),
      Promise.all(Array.from({ length: 40 }, () => billing.gql(consume, { key: tenant.key }))),
    ]);
    await team.stop();
    const granted =
      ours.filter(({ status }) => status === 200).length +
      theirs.filter(({ data }) => data.consume.allowed).length;
    expect(granted).toBe(30);
    expect(await callsOf(tenant)).toBe(30);
  });

  it('reject a key of the operator, and one that lacks the scope', async () => {
    const team = await startPlain(teamSchema(limits));
    const tenant = await tenantWith(5);
    const { data } = await billing.gql(
      'mutation { createApiKey(input: { name: "reader", scopes: [READ] }) { secret } }'.replace(
        'scopes',
        `tenantId: "${tenant.id}", scopes`,
      ),
    );
    const reader = data.createApiKey.secret;
    expect((await team.ask('{ lamp }', reader)).data).toEqual({ lamp: 1 });
    expect((await team.ask('mutation { make }', reader)).errors[0]?.extensions.code).toBe('FORBIDDEN');
    expect((await team.ask('{ lamp }', serviceKey)).errors[0]?.extensions.code).toBe('FORBIDDEN');
  });

  it('report all errors of a schema at once, a feature that no tier has too', () => {
    const schema = buildSchema(`${limitDirectivesSdl}
      type Query {
        a: Int @rateLimited(cost: -1)
        b: Int @rateLimited(max: 3)
        c: Int @requiresFeature(feature: TELEPATHY)
        d: Int @storageQuota
        e(input: Int): Int @storageQuota(resource: "suns")
      }`);
    expect(() => enforceLimits(schema, { limits })).toThrow(
      [
        "The schema's directives have 6 errors:",
        '  - Query.a @rateLimited: cost must be a whole number from 0 to 1000000, not -1',
        '  - Query.b @rateLimited: max and window go together',
        '  - Query.c @requiresFeature: the catalogue has no feature TELEPATHY',
        '  - Query.d @storageQuota: the field has no argument "input"',
        '  - Query.d @storageQuota: must name the resource of the catalogue that is stored',
        '  - Query.e @storageQuota: the catalogue has no resource suns',
      ].join('\n'),
    );
  });

  it('are not enforced twice', () => {
    const schema = teamSchema(limits);
    expect(() => enforceLimits(schema, { limits })).toThrow('enforced already');
  });
});

describe("a service's key", () => {
  const decide =
    'mutation { decideOperations(operations: [{ apiKey: "", scope: READ, charges: [], features: [], fieldLimits: [], stores: [] }]) { allowed error } }';

  it('decides operations, and does nothing else', async () => {
    expect(await billing.gql(decide, { key: serviceKey })).toMatchObject({
      data: { decideOperations: [{ allowed: false, error: { code: 'UNAUTHENTICATED' } }] },
    });
    for (const query of [
      '{ tenants { edges { cursor } } }',
      '{ tenant { id } }',
      '{ apiKeys { id } }',
      '{ memories { edges { cursor } } }',
    ]) {
      expect((await billing.gql(query, { key: serviceKey })).errors[0]?.extensions.code, query).toBe(
        'FORBIDDEN',
      );
    }
  });

  it('gets an error that names what is wrong with an operation, and nothing of the request is decided', async () => {
    const { key, ...tenant } = await billing.createTenant();
    const good = { apiKey: key, scope: 'READ', charges: [], features: [], fieldLimits: [], stores: [] };
    const charged = { ...good, charges: [{ endpoint: 'lamp', cost: 1 }] };
    for (const [bad, path] of [
      [{ charges: [{ endpoint: 'lamp', cost: -5 }] }, 'operations.1.charges.0.cost'],
      [{ charges: [{ endpoint: '', cost: 1 }] }, 'operations.1.charges.0.endpoint'],
      [{ fieldLimits: [{ field: 'Query.lamp', max: 0, window: '1h' }] }, 'operations.1.fieldLimits.0.max'],
      [{ fieldLimits: [{ field: 'Query.lamp', max: 1, window: 'soon' }] }, 'operations.1.fieldLimits'],
      [
        { stores: [{ rootField: 'a', amounts: [{ resource: 'memories', amount: -1 }] }] },
        'operations.1.stores.0.amounts.0.amount',
      ],
    ] as const) {
      const { data, errors } = await billing.gql(
        'mutation ($operations: [OperationInput!]!) { decideOperations(operations: $operations) { allowed } }',
        { key: serviceKey, variables: { operations: [charged, { ...good, ...bad }] } },
      );
      expect(data ?? null).toBeNull();
      expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: path });
    }
    expect(await callsOf({ key, ...tenant })).toBe(0);
  });

  it('has a malformed key of a caller rejected alone, whatever came with it', async () => {
    const { key } = await billing.createTenant();
    const operation = { scope: 'READ', charges: [], features: [], fieldLimits: [], stores: [] };
    const keys = ['', 'nope', 'ä', 'x'.repeat(50_000), key.slice(0, -1), key];
    const operations = keys.map((apiKey) => ({ ...operation, apiKey, address: 'x'.repeat(5_000) }));
    const { data, errors } = await billing.gql(
      'mutation ($operations: [OperationInput!]!) { decideOperations(operations: $operations) { allowed error } }',
      { key: serviceKey, variables: { operations } },
    );
    expect(errors).toEqual([]);
    expect(data.decideOperations).toEqual([
      ...Array(5).fill({
        allowed: false,
        error: expect.objectContaining({
          code: 'UNAUTHENTICATED',
          message: expect.stringContaining('malformed'),
        }),
      }),
      { allowed: true, error: null },
    ]);
  });

  it("is what a tenant's key is not", async () => {
    const { key } = await billing.createTenant();
    expect((await billing.gql(decide, { key })).errors[0]?.extensions.code).toBe('FORBIDDEN');
    const enforcing = 'mutation { createApiKey(input: { name: "x", scopes: [ENFORCE] }) { secret } }';
    expect((await billing.gql(enforcing, { key })).errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });

  it('is listed, rotated and revoked by the operator', async () => {
    const { data } = await billing.gql(
      'mutation { createApiKey(input: { name: "other", scopes: [ENFORCE] }) { secret apiKey { id } } }',
    );
    const { secret, apiKey } = data.createApiKey;
    expect((await billing.gql('{ apiKeys { id } }')).data.apiKeys).toContainEqual({ id: apiKey.id });
    await billing.gql(`mutation { revokeApiKey(id: "${apiKey.id}") { id } }`);
    expect((await billing.gql(decide, { key: secret })).status).toBe(401);
  });
});

it('asks a server without introspection, as in production, for the names of the catalogue', async () => {
  const closed = await startTestServer({
    env: { CATALOG_FILE: catalogueFile(catalogue), INTROSPECTION: 'false' },
    uri: billing.uri,
  });
  const limits = await remoteLimits({ url: closed.url, serviceKey, whenAway: 'refuse' });
  expect(limits.features).toContain('SEMANTIC_SEARCH');
  expect(limits.resources).toEqual(new Set(['lamps']));
  await limits.close();
  await closed.stop();
});

describe('while the billing server is away', () => {
  const url = 'http://127.0.0.1:9';

  it('rejects or allows, as was said', async () => {
    const seen: Error[] = [];
    const onAway = (error: Error) => void seen.push(error);
    for (const [whenAway, status] of [
      ['refuse', 503],
      ['allow', 200],
    ] as const) {
      const limits = await remoteLimits({ url, serviceKey, whenAway, onAway });
      const team = await startApollo(teamSchema(limits));
      const tenant = await billing.createTenant();
      const answer = await team.ask('{ lamp }', tenant.key);
      expect(answer.status).toBe(status);
      if (whenAway === 'refuse') expect(answer.errors[0]?.extensions.code).toBe('SERVICE_UNAVAILABLE');
      await team.stop();
      await limits.close();
    }
    expect(seen.length).toBeGreaterThan(0);
  });

  it('a key that may not decide is reported at the start', async () => {
    const { key } = await billing.createTenant();
    await expect(remoteLimits({ url: billing.url, serviceKey: key, whenAway: 'allow' })).rejects.toThrow(
      '403',
    );
  });
});
