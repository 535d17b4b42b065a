import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { randomText } from '../../src/common/randomText.js';
import { generateKey, secretMatches } from '../../src/services/accounts/keySecret.js';
import { authorOf, OperatorRole } from '../../src/services/accounts/principal.js';
import { createFakeClock } from '../support/fakeClock.js';
import {
  expectNothing,
  type GraphQLAnswer,
  OPERATOR_KEY,
  startTestServer,
  type TestServer,
  type TestTenant,
} from '../support/server.js';

// Watched only: they do what they do.
vi.mock('../../src/services/accounts/keySecret.js', { spy: true });

const OWN = '{ tenant { id } }';
const METERED = '{ memories { pageInfo { hasNextPage } } }';
const PUBLIC = '{ tiers { name } }';
const ALL_SCOPES = ['BILLING', 'KEYS', 'READ', 'USAGE', 'WRITE'];
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const MINUTE_MS = 60_000;

const clock = createFakeClock('2026-11-22T12:00:00Z');
let server: TestServer;
/** Another instance on the same database, with the same clock. */
let other: TestServer;

beforeAll(async () => {
  server = await startTestServer({ clock });
  other = await startTestServer({ clock, uri: server.uri });
});
afterAll(async () => {
  await other.stop();
  await server.stop();
});

interface MadeKey {
  id: string;
  secret: string;
  name: string;
  scopes: string[];
  expiresAt: string | null;
}

async function createKey(creator: string, input: object = {}): Promise<MadeKey> {
  const { data, errors } = await server.gql(
    'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret apiKey { id name scopes expiresAt } } }',
    { key: creator, variables: { input: { name: 'a key', ...input } } },
  );
  expect(errors).toEqual([]);
  return { ...data.createApiKey.apiKey, secret: data.createApiKey.secret };
}

/** A tenant that every instance has heard of: a change of a key makes an instance verify it again. */
async function knownTenant(): Promise<TestTenant> {
  const tenant = await server.createTenant();
  // Changes arrive in order: an instance that has a later tenant's contract has these.
  const later = await server.createTenant();
  const limitOn = async ({ gql }: TestServer) =>
    (await gql(METERED, { key: later.key })).headers.get('x-ratelimit-limit-day');
  for (const instance of [server, other]) expect(await limitOn(instance)).not.toBe('77');
  await server.app.models.tenants.updateOne({ _id: later.id }, { 'contract.limits': { apiCallsPerDay: 77 } });
  for (const instance of [server, other]) await expect.poll(() => limitOn(instance)).toBe('77');
  return tenant;
}

const rotate = (key: string, id: string, overlapSeconds?: number) =>
  server.gql(
    `mutation { rotateApiKey(id: "${id}"${overlapSeconds === undefined ? '' : `, overlapSeconds: ${overlapSeconds}`}) { secret apiKey { id name scopes } } }`,
    { key },
  );
const revoke = (key: string, id: string) =>
  server.gql(`mutation { revokeApiKey(id: "${id}") { id revokedAt } }`, { key });
const list = async (key: string) =>
  (
    await server.gql('{ apiKeys { id name scopes createdAt expiresAt revokedAt lastUsedAt rotatedTo } }', {
      key,
    })
  ).data.apiKeys as (MadeKey & { revokedAt: string | null; rotatedTo: string | null })[];

const statusOf = async (key: string | null, on = server) => (await on.gql(OWN, { key })).status;

/** A wrong key for a key id that exists, with a checksum that is right. */
function guessOf(keyId: string): string {
  const body = `ctm_test_${keyId}_${randomText(40)}`;
  let rest = crc32(body);
  let checksum = '';
  for (let i = 0; i < 6; i++) {
    checksum = ALPHABET[rest % 62] + checksum;
    rest = Math.floor(rest / 62);
  }
  return body + checksum;
}

function expectUnauthenticated(answer: GraphQLAnswer): void {
  expect(answer.status).toBe(401);
  expectNothing(answer.data);
  expect(answer.errors[0]?.extensions).toMatchObject({ code: 'UNAUTHENTICATED', http: { status: 401 } });
}

describe('who calls', () => {
  let tenant: TestTenant;
  beforeAll(async () => {
    tenant = await server.createTenant();
  });

  const post = async (headers: Record<string, string>, query = OWN) => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query }),
    });
    return { status: response.status, body: (await response.json()) as Partial<GraphQLAnswer> };
  };

  it('is identified by x-api-key, and by Authorization: Bearer', async () => {
    const expected = { status: 200, body: { data: { tenant: { id: tenant.id } } } };
    expect(await post({ 'x-api-key': tenant.key })).toMatchObject(expected);
    expect(await post({ authorization: `Bearer ${tenant.key}` })).toMatchObject(expected);
    expect(await post({ authorization: `bearer   ${tenant.key} ` })).toMatchObject(expected);
  });

  it('is nobody without a key: public fields answer, the others are UNAUTHENTICATED', async () => {
    expect((await server.gql(PUBLIC, { key: null })).status).toBe(200);
    expectUnauthenticated(await server.gql(OWN, { key: null }));
    expectUnauthenticated(await server.gql('{ tiers { name } tenant { id } }', { key: null }));
    expect((await post({ authorization: 'Basic dXNlcjpwYXNz' })).status).toBe(401);
  });

  it('is rejected with any bad key, for public fields too', async () => {
    const unknown = generateKey('test').key;
    const bad = {
      malformed: 'not-a-key',
      'cut short': tenant.key.slice(0, -1),
      'wrong checksum': `${tenant.key.slice(0, -1)}${tenant.key.endsWith('a') ? 'b' : 'a'}`,
      unknown,
      'wrong secret': guessOf(tenant.keyId),
      'almost the operator': `${OPERATOR_KEY}x`,
    };
    for (const [what, key] of Object.entries(bad)) {
      for (const query of [OWN, PUBLIC]) {
        const answer = await server.gql(query, { key });
        expect(answer.status, what).toBe(401);
        expectUnauthenticated(answer);
        expect(JSON.stringify(answer.errors)).not.toContain(key);
      }
      expect((await post({ authorization: `Bearer ${key}` }, PUBLIC)).status, what).toBe(401);
    }
  });

  it('is rejected with a header that names a key but is malformed: it is a bad key, not none', async () => {
    const two = `${tenant.key}, ${tenant.key}`;
    expect((await post({ 'x-api-key': two }, PUBLIC)).status).toBe(401);
    expect((await post({ authorization: `Bearer ${two}` }, PUBLIC)).status).toBe(401);
  });

  it('is the operator with ADMIN_API_KEY, who has no tenant of its own', async () => {
    const page = await server.gql('{ tenants { edges { node { id } } } }', { key: OPERATOR_KEY });
    expect(page.data.tenants.edges.length).toBeGreaterThan(0);
    const asTenant = await server.gql(OWN, { key: OPERATOR_KEY });
    expect(asTenant.errors[0]?.extensions.code).toBe('FORBIDDEN');
    const looking = await server.gql(`{ tenant(id: "${tenant.id}") { id } }`, { key: OPERATOR_KEY });
    expect(looking.data.tenant.id).toBe(tenant.id);
  });

  it('may be an operator whose key is stored, as the first start makes one', async () => {
    const { tenants } = server.app.services;
    const { operatorKey } = await tenants.createFirst({ name: 'second operator' }, true);
    const key = operatorKey?.secret as string;
    expect((await server.gql('{ tenants { edges { node { id } } } }', { key })).errors).toEqual([]);
    expect((await list(tenant.key)).map(({ name }) => name)).not.toContain('operator');
  });
});

describe('a key', () => {
  let tenant: TestTenant;
  beforeAll(async () => {
    tenant = await server.createTenant();
  });

  it('is made with a name, scopes and an expiry, is shown once, and works at once', async () => {
    const made = await createKey(tenant.key, {
      name: 'reader',
      scopes: ['READ', 'READ'],
      expiresAt: '2030-01-01T00:00:00Z',
    });
    expect(made).toMatchObject({ name: 'reader', scopes: ['READ'], expiresAt: '2030-01-01T00:00:00.000Z' });
    expect(await statusOf(made.secret)).toBe(200);
    const [newest] = await list(tenant.key);
    expect(newest).toMatchObject({ id: made.id, name: 'reader', revokedAt: null, rotatedTo: null });
  });

  it('has all scopes of its maker where none are named', async () => {
    const made = await createKey(tenant.key);
    expect([...made.scopes].sort()).toEqual(ALL_SCOPES);
    const narrow = await createKey(tenant.key, { scopes: ['KEYS', 'READ'] });
    expect([...(await createKey(narrow.secret)).scopes].sort()).toEqual(['KEYS', 'READ']);
  });

  it('is made by the operator for a tenant that it names, and by no tenant for another', async () => {
    const make = (key: string, tenantId: string | null) =>
      server.gql(
        'mutation ($tenantId: ID) { createApiKey(input: { name: "given", tenantId: $tenantId }) { secret } }',
        { key, variables: { tenantId } },
      );
    const { data } = await make(OPERATOR_KEY, tenant.id);
    const { data: whose } = await server.gql(OWN, { key: data.createApiKey.secret });
    expect(whose.tenant.id).toBe(tenant.id);
    const refusals = [
      await make(OPERATOR_KEY, null),
      await make(OPERATOR_KEY, 'none'),
      await make((await server.createTenant()).key, tenant.id),
    ];
    const codes = refusals.map(({ errors }) => errors[0]?.extensions.code);
    expect(codes).toEqual(['BAD_USER_INPUT', 'NOT_FOUND', 'FORBIDDEN']);
    expect((await make(tenant.key, tenant.id)).errors).toEqual([]);
  });

  it('works until its expiry and not a millisecond longer, remembered or not', async () => {
    const made = await createKey(tenant.key, { expiresAt: new Date(clock.now() + 5_000) });
    expect(await statusOf(made.secret)).toBe(200);
    clock.advance(4_999);
    expect(await statusOf(made.secret)).toBe(200);
    clock.advance(1);
    expectUnauthenticated(await server.gql(OWN, { key: made.secret }));
    expectUnauthenticated(await other.gql(PUBLIC, { key: made.secret }));
  });

  it('cannot be made to expire in the past', async () => {
    const answer = await server.gql(
      'mutation ($at: DateTime!) { createApiKey(input: { name: "late", expiresAt: $at }) { secret } }',
      { key: tenant.key, variables: { at: new Date(clock.now()) } },
    );
    expect(answer.status).toBe(400);
    expect(answer.errors[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      argument: 'input.expiresAt',
    });
  });

  it('is one of at most 100 usable ones, whether they are made at once or one by one', async () => {
    const { id } = await server.createTenant();
    const { models } = server.app;
    const stored = await models.apiKeys.findOne({ tenantId: id }).lean();
    await models.apiKeys.insertMany(
      Array.from({ length: 98 }, (_, i) => ({
        ...stored,
        _id: `${stored?._id}${i}`,
        salt: Buffer.alloc(16, i),
      })),
    );
    const make = async () => {
      const { errors } = await server.gql(
        `mutation { createApiKey(input: { name: "more", tenantId: "${id}" }) { secret } }`,
      );
      return errors[0]?.extensions.code ?? 'OK';
    };
    const codes = await Promise.all([make(), make(), make()]);
    expect(codes.toSorted()).toEqual(['BAD_USER_INPUT', 'BAD_USER_INPUT', 'OK']);
    expect(await models.apiKeys.countDocuments({ tenantId: id })).toBe(100);
  });

  it('remembers when it was last used, to the minute', async () => {
    const made = await createKey(tenant.key);
    expect((await list(tenant.key))[0]).toMatchObject({ id: made.id, lastUsedAt: null });
    await statusOf(made.secret);
    const used = new Date(clock.now()).toISOString();
    await expect.poll(async () => (await list(tenant.key))[0]).toMatchObject({ lastUsedAt: used });
  });
});

describe('a verified key', () => {
  it('costs neither a read nor a hash for a minute, on each instance, though its use is noted', async () => {
    const { key } = await knownTenant();
    for (const instance of [server, other]) {
      const reads = vi.spyOn(instance.app.models.apiKeys, 'find');
      for (let i = 0; i < 5; i++) {
        expect(await statusOf(key, instance)).toBe(200);
        clock.advance(1_000);
        // Long enough for a change stream to tell that the use was noted.
        await sleep(100);
      }
      expect(reads).toHaveBeenCalledTimes(1);
      reads.mockRestore();
    }
  });

  it('is verified once for many requests that come at once', async () => {
    const { key } = await knownTenant();
    const reads = vi.spyOn(server.app.models.apiKeys, 'find');
    const statuses = await Promise.all(Array.from({ length: 20 }, () => statusOf(key)));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(reads).toHaveBeenCalledTimes(1);
    reads.mockRestore();
  });

  it('is read again after a minute, but not hashed again: its hash is the one that it matched', async () => {
    const { key } = await knownTenant();
    expect(await statusOf(key)).toBe(200);
    const reads = vi.spyOn(server.app.models.apiKeys, 'find');
    vi.mocked(secretMatches).mockClear();
    clock.advance(MINUTE_MS);
    expect(await statusOf(key)).toBe(200);
    expect(reads).toHaveBeenCalledTimes(1);
    expect(secretMatches).not.toHaveBeenCalled();
    reads.mockRestore();
  });

  it('is hashed again when its stored hash is another one, and rejected', async () => {
    const { key, keyId } = await knownTenant();
    const otherTenant = await knownTenant();
    expect(await statusOf(key)).toBe(200);
    const keys = server.app.models.apiKeys;
    const { salt, hash } = (await keys.findById(otherTenant.keyId).lean()) ?? {};
    await keys.updateOne({ _id: keyId }, { $set: { salt, hash } });
    clock.advance(MINUTE_MS);
    expect(await statusOf(key)).toBe(401);
    await keys.deleteOne({ _id: keyId });
  });
});

describe('secrets', () => {
  it('are stored as salted PBKDF2 hashes only, and are in no list', async () => {
    const tenant = await server.createTenant();
    const made = await createKey(tenant.key);
    await statusOf(made.secret);
    const keyPart = made.secret.split('_')[3] as string;
    const { connection } = server.app.models;
    const collections = (await connection.db?.listCollections().toArray()) ?? [];
    expect(collections.map(({ name }) => name)).toContain('api_keys');
    for (const { name } of collections) {
      const text = JSON.stringify(await connection.collection(name).find().toArray());
      for (const secret of [made.secret, tenant.key, keyPart, keyPart.slice(0, 40), OPERATOR_KEY])
        expect(text.includes(secret), name).toBe(false);
    }
    const stored = await connection.collection('api_keys').findOne({ _id: made.id as never });
    expect(Object.keys(stored ?? {}).sort()).toEqual([
      '_id',
      'createdAt',
      'createdBy',
      'expiresAt',
      'hash',
      'lastUsedAt',
      'name',
      'revokedAt',
      'role',
      'rotatedTo',
      'salt',
      'scopes',
      'tag',
      'tenantId',
    ]);
    expect(stored?.hash.length()).toBe(32);
    expect(stored?.salt.length()).toBe(16);
    expect(JSON.stringify(await list(tenant.key))).not.toMatch(/ctm_|hash|salt/);
  });

  it('of two keys have different salts', async () => {
    const docs = await server.app.models.apiKeys.collection.find().toArray();
    const salts = docs.map(({ salt }) => Buffer.from(salt.buffer).toString('hex'));
    expect(new Set(salts).size).toBe(docs.length);
  });
});

describe('rotation', () => {
  let tenant: TestTenant;
  beforeAll(async () => {
    tenant = await server.createTenant();
  });

  it('gives a key like the old one, which works for the overlap and no longer', async () => {
    const old = await createKey(tenant.key, { name: 'worker', scopes: ['READ', 'WRITE'] });
    expect([await statusOf(old.secret), await statusOf(old.secret, other)]).toEqual([200, 200]);
    const { data } = await rotate(tenant.key, old.id, 3_600);
    const next = data.rotateApiKey;
    expect(next.apiKey).toMatchObject({ name: 'worker', scopes: ['READ', 'WRITE'] });
    expect(next.apiKey.id).not.toBe(old.id);
    expect((await list(tenant.key)).find(({ id }) => id === old.id)?.rotatedTo).toBe(next.apiKey.id);

    clock.advance(3_599_999);
    expect([await statusOf(old.secret), await statusOf(next.secret)]).toEqual([200, 200]);
    clock.advance(1);
    expect([await statusOf(old.secret), await statusOf(old.secret, other)]).toEqual([401, 401]);
    expect([await statusOf(next.secret), await statusOf(next.secret, other)]).toEqual([200, 200]);
  });

  it('overlaps a day by default, and not at all with 0', async () => {
    const one = await createKey(tenant.key);
    await rotate(tenant.key, one.id);
    const listed = (await list(tenant.key)).find(({ id }) => id === one.id);
    expect(listed?.expiresAt).toBe(new Date(clock.now() + 86_400_000).toISOString());

    const two = await createKey(tenant.key);
    expect(await statusOf(two.secret)).toBe(200);
    const { data } = await rotate(tenant.key, two.id, 0);
    expect([await statusOf(two.secret), await statusOf(data.rotateApiKey.secret)]).toEqual([401, 200]);
  });

  it('does not lengthen the life of a key that ends sooner', async () => {
    const expiresAt = new Date(clock.now() + MINUTE_MS).toISOString();
    const made = await createKey(tenant.key, { expiresAt });
    await rotate(tenant.key, made.id, 86_400);
    expect((await list(tenant.key)).find(({ id }) => id === made.id)?.expiresAt).toBe(expiresAt);
  });

  it('is rejected a second time, and for a revoked or expired key', async () => {
    const twice = await createKey(tenant.key);
    expect((await rotate(tenant.key, twice.id)).status).toBe(200);
    const revoked = await createKey(tenant.key);
    await revoke(tenant.key, revoked.id);
    const expired = await createKey(tenant.key, { expiresAt: new Date(clock.now() + 1_000) });
    clock.advance(1_000);
    for (const { id } of [twice, revoked, expired]) {
      const answer = await rotate(tenant.key, id);
      expect(answer.status).toBe(400);
      expect(answer.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'id' });
    }
  });

  it('twice at the same moment makes one new key, not two', async () => {
    const made = await createKey(tenant.key);
    const before = (await list(tenant.key)).length;
    const answers = await Promise.all(Array.from({ length: 4 }, () => rotate(tenant.key, made.id)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await list(tenant.key)).toHaveLength(before + 1);
  });
});

describe('revocation', () => {
  let tenant: TestTenant;
  beforeAll(async () => {
    tenant = await server.createTenant();
  });

  it('is effective at the next request', async () => {
    const made = await createKey(tenant.key);
    expect(await statusOf(made.secret)).toBe(200);
    const { data } = await revoke(tenant.key, made.id);
    expect(data.revokeApiKey).toEqual({ id: made.id, revokedAt: new Date(clock.now()).toISOString() });
    expectUnauthenticated(await server.gql(OWN, { key: made.secret }));
    expectUnauthenticated(await server.gql(PUBLIC, { key: made.secret }));
  });

  it('is effective on another instance soon, though that one remembers the key', async () => {
    const made = await createKey(tenant.key);
    expect([await statusOf(made.secret), await statusOf(made.secret, other)]).toEqual([200, 200]);
    await revoke(tenant.key, made.id);
    await expect.poll(() => statusOf(made.secret, other)).toBe(401);
  });

  it('is effective for a key that was being verified at that very moment', async () => {
    const { authenticator, apiKeys } = server.app.services;
    for (let i = 0; i < 3; i++) {
      const made = await createKey(tenant.key);
      // Its record is read as valid; the revocation is done before 100,000 rounds of the hash are.
      const verifying = authenticator.authenticate(made.secret, '127.0.0.1').catch(() => null);
      const operator = { kind: 'operator', role: OperatorRole.OWNER, keyId: null, expiresAt: null } as const;
      await apiKeys.revoke({ tenantId: tenant.id }, made.id, operator, authorOf(operator, null));
      // Who comes after the revocation does not share a verification that began before it.
      await expect(authenticator.authenticate(made.secret, '127.0.0.1')).rejects.toThrow();
      await verifying;
      expect(await statusOf(made.secret)).toBe(401);
    }
  });

  it('twice is no error and keeps the first moment; a key may revoke itself', async () => {
    const made = await createKey(tenant.key);
    const first = (await revoke(made.secret, made.id)).data.revokeApiKey.revokedAt;
    clock.advance(MINUTE_MS);
    expect((await revoke(tenant.key, made.id)).data.revokeApiKey.revokedAt).toBe(first);
    expect(await statusOf(made.secret)).toBe(401);
  });

  it('of a key that does not exist is NOT_FOUND', async () => {
    const answer = await revoke(tenant.key, 'none');
    expect(answer.status).toBe(404);
    expect(answer.errors[0]?.extensions.code).toBe('NOT_FOUND');
  });
});

describe('scopes', () => {
  let tenant: TestTenant;
  const FIELDS: Record<string, string[]> = {
    READ: [
      '{ tenant { id } }',
      '{ subscription { id } }',
      '{ usage { apiCalls } }',
      '{ storage { bytes } }',
      '{ entitlement(feature: FEDERATION) }',
      '{ usageHistory(from: "2026-11-20T00:00:00Z", to: "2026-11-21T00:00:00Z") { apiCalls } }',
      '{ memory(id: "mem_1") { id } }',
      '{ memories { edges { cursor } } }',
      '{ searchMemories(input: { query: "x" }) { score } }',
    ],
    WRITE: [
      'mutation { storeMemory(input: { content: "x" }) { id } }',
      'mutation { storeMemories(input: [{ content: "x" }]) { id } }',
      'mutation { deleteMemory(id: "mem_1") }',
      'mutation { shareMemory(id: "mem_1") { id } }',
    ],
    BILLING: [
      'mutation { createCheckoutSession(input: { tier: PRO, successUrl: "http://localhost", cancelUrl: "http://localhost" }) { id } }',
      'mutation { cancelSubscription { id } }',
      'mutation { resumeSubscription { id } }',
    ],
    KEYS: [
      '{ apiKeys { id } }',
      'mutation { createApiKey(input: { name: "x" }) { secret } }',
      'mutation { rotateApiKey(id: "none") { secret } }',
      'mutation { revokeApiKey(id: "none") { id } }',
    ],
    USAGE: [
      'mutation { reportUsage(input: { quantity: 1 }) { id } }',
      'mutation { consume(input: { endpoint: "x" }) { allowed } }',
      'mutation { recordUsage(events: [{ id: "1", endpoint: "x", quantity: 1 }]) { status } }',
    ],
  };
  beforeAll(async () => {
    tenant = await server.createTenant();
    await server.setLimits(tenant.id, { apiCallsPerMinute: 10_000, apiCallsPerDay: 10_000 }, 'PRO');
  });

  it.each(Object.keys(FIELDS))('a key without %s is FORBIDDEN its fields, and only those', async (scope) => {
    const without = await createKey(tenant.key, { scopes: ALL_SCOPES.filter((s) => s !== scope) });
    const within = await createKey(tenant.key, { scopes: [scope] });
    for (const query of FIELDS[scope] ?? []) {
      const refused = await server.gql(query, { key: without.secret });
      expect(refused.status, query).toBe(403);
      expect(refused.errors[0]?.extensions.code, query).toBe('FORBIDDEN');
      expect(refused.errors[0]?.message).toContain(scope);
      const allowed = await server.gql(query, { key: within.secret });
      expect(allowed.errors[0]?.extensions.code, query).not.toBe('FORBIDDEN');
    }
    expect((await server.gql(PUBLIC, { key: without.secret })).status).toBe(200);
  });

  it('are asked for each field of an operation before any of it runs', async () => {
    const reader = await createKey(tenant.key, { scopes: ['WRITE'] });
    const before = (await server.gql('{ storage { memories } }', { key: tenant.key })).data.storage.memories;
    const answer = await server.gql(
      'mutation { storeMemory(input: { content: "x" }) { id } createApiKey(input: { name: "x" }) { secret } }',
      { key: reader.secret },
    );
    expect(answer.errors[0]?.extensions.code).toBe('FORBIDDEN');
    const { data } = await server.gql('{ storage { memories } }', { key: tenant.key });
    expect(data.storage.memories).toBe(before);
  });

  it('cannot be given by a key that lacks them', async () => {
    const narrow = await createKey(tenant.key, { scopes: ['KEYS', 'READ'] });
    const answer = await server.gql(
      'mutation { createApiKey(input: { name: "more", scopes: [READ, WRITE] }) { secret } }',
      { key: narrow.secret },
    );
    expect(answer.status).toBe(403);
    expect(answer.errors[0]?.extensions.code).toBe('FORBIDDEN');
    expect(answer.errors[0]?.message).toContain('WRITE');
  });

  it('cannot be won by rotating a key that has them: its new secret is a key that may do more', async () => {
    const powerful = await createKey(tenant.key);
    const narrow = await createKey(tenant.key, { scopes: ['KEYS'] });
    const answer = await rotate(narrow.secret, powerful.id);
    expectNothing(answer.data);
    expect(answer.errors[0]?.extensions.code).toBe('FORBIDDEN');
    expect((await list(tenant.key)).find(({ id }) => id === powerful.id)?.rotatedTo).toBeNull();
  });

  it('must be at least one', async () => {
    const answer = await server.gql(
      'mutation { createApiKey(input: { name: "x", scopes: [] }) { secret } }',
      {
        key: tenant.key,
      },
    );
    expect(answer.status).toBe(400);
    expect(answer.errors[0]?.extensions.argument).toBe('input.scopes');
  });
});

describe('a key may not touch a key that may do more than itself', () => {
  let tenant: TestTenant;
  let all: MadeKey;
  let narrow: MadeKey;
  beforeAll(async () => {
    tenant = await server.createTenant();
    all = await createKey(tenant.key);
    narrow = await createKey(tenant.key, { scopes: ['KEYS', 'READ'] });
  });

  it('neither revoke nor rotate it: both are FORBIDDEN, name the scopes, and leave it as it was', async () => {
    for (const answer of [await revoke(narrow.secret, all.id), await rotate(narrow.secret, all.id, 0)]) {
      expect(answer.status).toBe(403);
      expect(answer.errors[0]?.extensions.code).toBe('FORBIDDEN');
      expect(answer.errors[0]?.message).toContain('WRITE');
    }
    expect((await revoke(narrow.secret, tenant.keyId)).status).toBe(403);
    const kept = (await list(tenant.key)).find(({ id }) => id === all.id);
    expect(kept).toMatchObject({ revokedAt: null, rotatedTo: null, expiresAt: null });
    expect(await statusOf(all.secret)).toBe(200);
  });

  it('but one that may do no more, and itself', async () => {
    const reader = await createKey(tenant.key, { scopes: ['READ'] });
    expect((await revoke(narrow.secret, reader.id)).status).toBe(200);
    const own = await createKey(tenant.key, { scopes: ['KEYS', 'READ'] });
    expect((await rotate(own.secret, own.id)).status).toBe(200);
    expect((await revoke(own.secret, own.id)).status).toBe(200);
    expect((await revoke(tenant.key, all.id)).status).toBe(200);
  });

  it('nor of the operator: its keys and those of its services do not exist for a tenant', async () => {
    const { operatorKey } = await server.app.services.tenants.createFirst({ name: 'x' }, true);
    const { data } = await server.gql(
      'mutation { createApiKey(input: { name: "s", scopes: [ENFORCE] }) { secret apiKey { id } } }',
    );
    const { secret, apiKey } = data.createApiKey;
    for (const id of [operatorKey?.apiKey._id, apiKey.id]) {
      expect((await revoke(tenant.key, id)).status).toBe(404);
      expect((await rotate(tenant.key, id)).status).toBe(404);
    }
    for (const query of [
      `mutation { revokeApiKey(id: "${operatorKey?.apiKey._id}") { id } }`,
      '{ apiKeys { id } }',
    ])
      expect((await server.gql(query, { key: secret })).status).toBe(403);
  });

  it('nor make or rotate one that works longer: a key that expires leaves no key behind', async () => {
    const endsAt = clock.now() + 3_600_000;
    const brief = await createKey(tenant.key, { expiresAt: new Date(endsAt) });
    const lasting = await createKey(tenant.key);
    expect((await createKey(brief.secret)).expiresAt).toBe(new Date(endsAt).toISOString());
    expect((await createKey(brief.secret, { expiresAt: new Date(endsAt - 1) })).expiresAt).not.toBeNull();
    const longer = await server.gql(
      'mutation ($at: DateTime) { createApiKey(input: { name: "x", expiresAt: $at }) { secret } }',
      { key: brief.secret, variables: { at: new Date(endsAt + 1) } },
    );
    for (const answer of [longer, await rotate(brief.secret, lasting.id)]) {
      expect(answer.status).toBe(403);
      expect(answer.errors[0]?.message).toContain('works longer');
    }
    const { data } = await rotate(brief.secret, brief.id);
    const next = (await list(tenant.key)).find(({ id }) => id === data.rotateApiKey.apiKey.id);
    expect(next?.expiresAt).toBe(new Date(endsAt).toISOString());
  });
});

describe('a tenant is made with its first key, or not at all', () => {
  const CREATE = 'mutation { createTenant(input: { name: "half" }) { tenant { id } apiKey { secret } } }';
  const halves = () => server.app.models.tenants.countDocuments({ name: 'half' });

  it.each(['tenants', 'apiKeys'] as const)('an error while %s are written leaves neither', async (name) => {
    const { collection } = server.app.models[name];
    const keysBefore = await server.app.models.apiKeys.countDocuments();
    // Written, and then an error before the commit.
    const failing = vi.spyOn(collection, 'insertMany').mockRejectedValue(new Error('the disk is full'));
    const failingOne = vi.spyOn(collection, 'insertOne').mockRejectedValue(new Error('the disk is full'));
    const answer = await server.gql(CREATE);
    expect(failing.mock.calls.length + failingOne.mock.calls.length).toBeGreaterThan(0);
    failing.mockRestore();
    failingOne.mockRestore();
    expect(answer.status).toBe(500);
    expect(await halves()).toBe(0);
    expect(await server.app.models.apiKeys.countDocuments()).toBe(keysBefore);
  });

  it('so is the demo tenant of a first start, with the operator key', async () => {
    const { tenants } = server.app.services;
    const failing = vi.spyOn(server.app.models.apiKeys.collection, 'insertMany');
    failing.mockRejectedValue(new Error('the disk is full'));
    await expect(tenants.createFirst({ name: 'half' }, true)).rejects.toThrow('the disk is full');
    failing.mockRestore();
    expect(await halves()).toBe(0);
  });
});

describe('guessing', () => {
  const hashes = vi.mocked(secretMatches);
  const guess = (key: string, on = server) => on.gql(PUBLIC, { key });
  const statusesOf = async (keys: string[], on = server) =>
    (await Promise.all(keys.map((key) => guess(key, on)))).map(({ status }) => status);
  const guessesOf = (keyId: string, count: number) => Array.from({ length: count }, () => guessOf(keyId));
  const count = (statuses: number[], status: number) => statuses.filter((one) => one === status).length;

  beforeEach(() => {
    clock.advance(MINUTE_MS);
    hashes.mockClear();
  });

  it('1,000 wrong keys at once cost no hash, and meanwhile every right key works, though none is remembered', async () => {
    const [victim, bystander] = [await server.createTenant(), await server.createTenant()];
    const guesses = statusesOf(guessesOf(victim.keyId, 1_000));
    expect([await statusOf(victim.key), await statusOf(bystander.key)]).toEqual([200, 200]);
    const statuses = await guesses;
    expect(hashes).toHaveBeenCalledTimes(2);
    expect(count(statuses, 401)).toBe(20);
    expect(count(statuses, 429)).toBe(980);
    expect(await statusOf(victim.key, other)).toBe(200);
  });

  it('1,000 wrong keys at once of as many key ids that exist cost no hash either', async () => {
    const victims = await Promise.all(Array.from({ length: 10 }, () => server.createTenant()));
    const statuses = await statusesOf(victims.flatMap(({ keyId }) => guessesOf(keyId, 100)));
    expect(hashes).not.toHaveBeenCalled();
    expect(count(statuses, 401)).toBe(40);
    for (const { key } of victims) expect(await statusOf(key)).toBe(200);
  });

  it('is limited per key: the 21st wrong one of a minute is RATE_LIMITED, and the next minute begins again', async () => {
    const { keyId } = await server.createTenant();
    expect(await statusesOf(guessesOf(keyId, 20))).toEqual(Array(20).fill(401));
    const refused = await guess(guessOf(keyId));
    expect(refused.status).toBe(429);
    expect(refused.errors[0]?.extensions).toMatchObject({ code: 'RATE_LIMITED', remaining: 0 });
    expect(refused.headers.get('retry-after')).toBe('60');
    clock.advance(MINUTE_MS);
    expect((await guess(guessOf(keyId))).status).toBe(401);
  });

  it.each([
    ['keys that do not exist', () => generateKey('test').key],
    ['keys that are malformed', () => `ctm_test_${randomText(20)}`],
    ['operator keys', () => `${OPERATOR_KEY.slice(0, -4)}${randomText(4)}`],
  ])(
    'is limited per address, with %s; the operator and every owner still work from there',
    async (_, make) => {
      const { key } = await server.createTenant();
      const statuses = await statusesOf(Array.from({ length: 50 }, make));
      expect([count(statuses, 401), count(statuses, 429)]).toEqual([40, 10]);
      expect((await server.gql('{ tenants { edges { node { id } } } }', { key: OPERATOR_KEY })).status).toBe(
        200,
      );
      expect(await statusOf(key)).toBe(200);
      clock.advance(MINUTE_MS);
      expect((await guess(make())).status).toBe(401);
    },
  );

  it('of revoked and expired keys counts too, and costs no hash', async () => {
    const tenant = await server.createTenant();
    const revoked = await createKey(tenant.key);
    await revoke(tenant.key, revoked.id);
    hashes.mockClear();
    for (let i = 0; i < 20; i++) expect((await guess(revoked.secret)).status).toBe(401);
    expect((await guess(revoked.secret)).status).toBe(429);
    expect(hashes).not.toHaveBeenCalled();
  });

  it('does not lock out a verified key when the minute for which it is remembered ends', async () => {
    const { key, keyId } = await knownTenant();
    expect(await statusOf(key)).toBe(200);
    clock.advance(50_000);
    expect(await statusOf(key)).toBe(200);
    await statusesOf(guessesOf(keyId, 21));
    clock.advance(11_000);
    expect((await guess(guessOf(keyId))).status).toBe(429);
    expect(await statusOf(key)).toBe(200);
  });

  it("counts wherever a key is shown: GraphQL, REST, the mock's clock and decisions for other services", async () => {
    const { data } = await server.gql(
      'mutation { createApiKey(input: { name: "s", scopes: [ENFORCE] }) { secret } }',
    );
    const service = data.createApiKey.secret;
    const places: ((key: string) => Promise<unknown>)[] = [
      async (key) => (await guess(key)).errors[0]?.extensions.code,
      async (key) => {
        const response = await fetch(`${server.url}/v1/billing/subscription`, {
          headers: { 'x-api-key': key },
        });
        return ((await response.json()) as { error: { code: string } }).error.code;
      },
      async (key) => {
        const options = { method: 'POST', headers: { 'x-api-key': key }, body: '{"advanceSeconds": 1}' };
        const response = await fetch(`${server.url}/mock/clock`, options);
        return ((await response.json()) as { error: { code: string } }).error.code;
      },
      async (apiKey) => {
        const operation = { apiKey, scope: 'READ', charges: [], features: [], fieldLimits: [], stores: [] };
        const answer = await server.gql(
          'mutation ($operations: [OperationInput!]!) { decideOperations(operations: $operations) { error } }',
          { key: service, variables: { operations: [{ ...operation, address: '127.0.0.1' }] } },
        );
        return answer.data?.decideOperations[0].error.code;
      },
    ];
    for (const place of places) {
      clock.advance(MINUTE_MS);
      for (let i = 0; i < 40; i++) expect(await place(generateKey('test').key)).toBe('UNAUTHENTICATED');
      for (const limited of places) expect(await limited(generateKey('test').key)).toBe('RATE_LIMITED');
    }
  });
});

describe('two operator keys while one is rotated', () => {
  it('both work, and nothing else does', async () => {
    const [next, old] = ['n'.repeat(32), 'o'.repeat(32)];
    const rotating = await startTestServer({ uri: server.uri, env: { ADMIN_API_KEY: `${next},${old}` } });
    try {
      const statusFor = async (key: string) =>
        (await rotating.gql('{ tenants { edges { node { id } } } }', { key })).status;
      expect([await statusFor(next), await statusFor(old)]).toEqual([200, 200]);
      expect([await statusFor(`${next},${old}`), await statusFor(OPERATOR_KEY)]).toEqual([401, 401]);
    } finally {
      await rotating.stop();
    }
  });
});

describe('behind proxies', () => {
  const wrong = (on: TestServer, forwarded: string) =>
    on.gql(PUBLIC, { key: generateKey('test').key, headers: { 'x-forwarded-for': forwarded } });
  const fresh = (i: number) => `198.51.100.${i}`;

  it.each<[string, string | null, (i: number) => string]>([
    ['without TRUST_PROXY the header means nothing', null, fresh],
    ['what a client wrote before the entry of one proxy means nothing', '1', (i) => `${fresh(i)}, 192.0.2.1`],
    ['nor before that of a proxy that is named', '127.0.0.1', (i) => `${fresh(i)}, 192.0.2.1`],
    ['nor before an address that is no proxy', 'loopback', (i) => `${fresh(i)}, 192.0.2.1, 127.0.0.1`],
    ['nor after garbage', '2', (i) => `${fresh(i)}, <garbage ${i}>`],
    ['one client is one, whatever address of its /64 it takes', '1', (i) => `2001:db8::${i}`],
  ])('%s', async (_, trusted, forwarded) => {
    const env = trusted === null ? {} : { TRUST_PROXY: trusted };
    const behind = await startTestServer({ uri: server.uri, env });
    try {
      for (let i = 0; i < 40; i++) expect((await wrong(behind, forwarded(i))).status).toBe(401);
      expect((await wrong(behind, forwarded(99))).status).toBe(429);
    } finally {
      await behind.stop();
    }
  });

  it('each client that a trusted proxy reports has a limit of its own', async () => {
    const behind = await startTestServer({ uri: server.uri, env: { TRUST_PROXY: '1' } });
    try {
      for (let i = 0; i < 50; i++) expect((await wrong(behind, fresh(i))).status).toBe(401);
      const { data } = await behind.gql(
        'mutation ($id: ID!) { createApiKey(input: { name: "x", tenantId: $id }) { secret } }',
        {
          variables: { id: (await server.createTenant()).id },
          headers: { 'x-forwarded-host': 'evil.example' },
        },
      );
      const { data: bought } = await behind.gql(
        'mutation { createCheckoutSession(input: { tier: PRO, successUrl: "http://localhost", cancelUrl: "http://localhost" }) { localUrl } }',
        {
          key: data.createApiKey.secret,
          headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
        },
      );
      expect(bought.createCheckoutSession.localUrl.startsWith(behind.url)).toBe(true);
    } finally {
      await behind.stop();
    }
  });
});
