import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const OWN = '{ tenant { id } }';
const MINUTE_MS = 60_000;

const clock = createFakeClock('2026-11-22T12:00:00Z');
let server: TestServer;
/** Another instance on the same database. */
let other: TestServer;
let tenant: TestTenant;

beforeAll(async () => {
  server = await startTestServer({ clock });
  other = await startTestServer({ clock, uri: server.uri });
});
afterAll(async () => {
  await other.stop();
  await server.stop();
});
beforeEach(async () => {
  clock.advance(MINUTE_MS);
  tenant = await server.createTenant();
});

const create = (key: string, input: object = {}) =>
  server.gql(
    'mutation ($input: CreateTenantTokenInput!) { createTenantToken(input: $input) { token expiresAt } }',
    { key, variables: { input } },
  );

async function tokenOf(key: string, input?: object): Promise<string> {
  const { data, errors } = await create(key, input);
  expect(errors).toEqual([]);
  return data.createTenantToken.token;
}

const codeOf = async (token: string, query = OWN, on = server) => {
  const { status, errors } = await on.gql(query, { key: token });
  return errors[0] ? `${status} ${errors[0].extensions.code}` : status;
};

async function createKey(creator: string, input: object): Promise<{ id: string; secret: string }> {
  const { data, errors } = await server.gql(
    'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret apiKey { id } } }',
    { key: creator, variables: { input: { name: 'a key', ...input } } },
  );
  expect(errors).toEqual([]);
  return { id: data.createApiKey.apiKey.id, secret: data.createApiKey.secret };
}

async function operatorKey(role: string): Promise<{ id: string; secret: string }> {
  const { data } = await server.gql(
    `mutation { createOperatorKey(input: { name: "op", role: ${role} }) { secret operatorKey { id } } }`,
  );
  return { id: data.createOperatorKey.operatorKey.id, secret: data.createOperatorKey.secret };
}

describe('a token of a tenant', () => {
  it('acts for the tenant that created it, on every instance, as x-api-key and as bearer, and reads', async () => {
    const { data } = await create(tenant.key);
    const { token, expiresAt } = data.createTenantToken;
    expect(token).toMatch(/^ctt_/);
    expect(Date.parse(expiresAt)).toBe(clock.now() + 15 * MINUTE_MS);
    for (const instance of [server, other]) {
      expect((await instance.gql(OWN, { key: token })).data.tenant.id).toBe(tenant.id);
      const headers = { authorization: `Bearer ${token}` };
      expect((await instance.gql(OWN, { key: null, headers })).data.tenant.id).toBe(tenant.id);
    }
    const rest = await fetch(`${server.url}/v1/billing/subscription`, { headers: { 'x-api-key': token } });
    expect(rest.status).toBe(200);
    expect(await codeOf(token, 'mutation { deleteMemory(id: "none") }')).toBe('403 FORBIDDEN');
    expect(await codeOf(token, '{ apiKeys { id } }')).toBe('403 FORBIDDEN');
    expect(await codeOf(token, 'mutation { createTenantToken(input: {}) { token } }')).toBe('403 FORBIDDEN');
  });

  it('has the scopes that it was created with, never KEYS or ENFORCE, and never more than its creator', async () => {
    const token = await tokenOf(tenant.key, { scopes: ['WRITE', 'WRITE'] });
    expect(await codeOf(token, 'mutation { deleteMemory(id: "none") }')).toBe(200);
    expect(await codeOf(token)).toBe('403 FORBIDDEN');
    for (const scope of ['KEYS', 'ENFORCE']) {
      for (const key of [tenant.key, OPERATOR_KEY]) {
        const { errors } = await create(key, { tenantId: tenant.id, scopes: ['READ', scope] });
        expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.scopes' });
      }
    }
    const narrow = await createKey(tenant.key, { scopes: ['KEYS', 'READ'] });
    expect((await create(narrow.secret, { scopes: ['WRITE'] })).errors[0]?.extensions.code).toBe('FORBIDDEN');
    const withoutKeys = await createKey(tenant.key, { scopes: ['READ'] });
    expect((await create(withoutKeys.secret)).errors[0]?.extensions.code).toBe('FORBIDDEN');
  });

  it('works for 60 s to an hour, and not a millisecond longer', async () => {
    for (const ttlSeconds of [59, 3_601, -1])
      expect((await create(tenant.key, { ttlSeconds })).errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    const token = await tokenOf(tenant.key, { ttlSeconds: 60 });
    clock.advance(MINUTE_MS - 1);
    expect(await codeOf(token)).toBe(200);
    clock.advance(1);
    expect(await codeOf(token)).toBe('401 UNAUTHENTICATED');
  });

  it('ends with the expiry of the key that created it', async () => {
    const expiresAt = new Date(clock.now() + 90_000).toISOString();
    const key = await createKey(tenant.key, { expiresAt });
    expect((await create(key.secret)).data.createTenantToken.expiresAt).toBe(expiresAt);
  });

  it.each([
    [
      "a tenant's key",
      async () => createKey(tenant.key, {}),
      'mutation ($id: ID!) { revokeApiKey(id: $id) { id } }',
    ],
    [
      "an operator's key",
      () => operatorKey('PROVISION'),
      'mutation ($id: ID!) { revokeOperatorKey(id: $id) { id } }',
    ],
  ])('ends with the revocation of %s that created it, on every instance', async (_, make, revoke) => {
    const { id, secret } = await make();
    const token = await tokenOf(secret, { tenantId: tenant.id });
    const kept = await tokenOf(tenant.key);
    for (const instance of [server, other]) expect(await codeOf(token, OWN, instance)).toBe(200);
    const key = revoke.includes('Operator') ? OPERATOR_KEY : tenant.key;
    expect((await server.gql(revoke, { key, variables: { id } })).errors).toEqual([]);
    expect(await codeOf(token)).toBe('401 UNAUTHENTICATED');
    await expect.poll(() => codeOf(token, OWN, other)).toBe('401 UNAUTHENTICATED');
    expect(await codeOf(kept)).toBe(200);
  });

  it('ends with its tenant', async () => {
    const token = await tokenOf(OPERATOR_KEY, { tenantId: tenant.id });
    expect(await codeOf(token)).toBe(200);
    const erased = await server.gql(`mutation { eraseTenant(tenantId: "${tenant.id}") { tenantId } }`);
    expect(erased.errors).toEqual([]);
    await expect.poll(() => codeOf(token)).toBe('401 UNAUTHENTICATED');
  });

  it('is rejected when any part of it is altered, and guesses are limited', async () => {
    const token = await tokenOf(tenant.key);
    const [version, keyId, payload = '', signature = ''] = token.slice('ctt_'.length).split('.');
    const content = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const wider = Buffer.from(JSON.stringify({ ...content, s: ['READ', 'WRITE', 'KEYS'] })).toString(
      'base64url',
    );
    const flipped = (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1);
    const altered = [
      `${version}.${keyId}.${wider}.${signature}`,
      `${version}.${keyId}.${payload}.${flipped}`,
      `${version}.other.${payload}.${signature}`,
      `${version}.${keyId}.${payload}`,
      'v1.a.b.c',
      'x'.repeat(10_000),
      '',
    ];
    for (const text of altered) expect(await codeOf(`ctt_${text}`)).toBe('401 UNAUTHENTICATED');
    let last: unknown;
    for (let i = 0; i < 45; i++) last = await codeOf(`ctt_${version}.${keyId}.${payload}.${flipped}`);
    expect(last).toBe('429 RATE_LIMITED');
    expect(await codeOf(token)).toBe(200);
  });

  it('is not accepted as a receipt, nor a receipt as a token', async () => {
    const { data } = await server.gql(
      'mutation ($operations: [OperationInput!]!) { decideOperations(operations: $operations) { receipt } }',
      {
        variables: {
          operations: [
            {
              apiKey: tenant.key,
              scope: 'READ',
              charges: [{ endpoint: 'zebra' }],
              features: [],
              fieldLimits: [],
              stores: [],
            },
          ],
        },
      },
    );
    const [{ receipt }] = data.decideOperations;
    expect(receipt).toMatch(/^v1\./);
    expect(await codeOf(`ctt_${receipt}`)).toBe('401 UNAUTHENTICATED');
  });
});

describe('a token may be created', () => {
  it('by an OWNER and by PROVISION, for a tenant that they name by either id', async () => {
    const { data } = await server.gql(
      'mutation { createTenant(input: { name: "Own", externalId: "own-1" }) { tenant { id } } }',
    );
    const { id } = data.createTenant.tenant;
    const provision = await operatorKey('PROVISION');
    for (const key of [OPERATOR_KEY, provision.secret]) {
      for (const named of [{ tenantId: id }, { externalId: 'own-1' }]) {
        const token = await tokenOf(key, named);
        expect((await server.gql(OWN, { key: token })).data.tenant.id).toBe(id);
      }
      expect((await create(key)).errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
      expect((await create(key, { externalId: 'none' })).errors[0]?.extensions.code).toBe('NOT_FOUND');
    }
  });

  it('by nobody else', async () => {
    for (const role of ['SUPPORT', 'READ']) {
      const { secret } = await operatorKey(role);
      expect((await create(secret, { tenantId: tenant.id })).errors[0]?.extensions.code).toBe('FORBIDDEN');
    }
    const service = await createKey(OPERATOR_KEY, { scopes: ['ENFORCE'] });
    expect((await create(service.secret, { tenantId: tenant.id })).errors[0]?.extensions.code).toBe(
      'FORBIDDEN',
    );
    const stranger = await server.createTenant();
    for (const named of [{ tenantId: stranger.id }, { externalId: 'own-1' }])
      expect((await create(tenant.key, named)).errors[0]?.extensions.code).toBe('FORBIDDEN');
  });

  it('and is in the audit log if an operator created it, without the token', async () => {
    const named = { tenantId: tenant.id };
    const token = await tokenOf(OPERATOR_KEY, { ...named, scopes: ['READ', 'USAGE'] });
    await tokenOf(tenant.key, named);
    const { data } = await server.gql('{ auditLog { nodes: edges { node { actor action after } } } }', {
      key: tenant.key,
    });
    const entries: { action: string }[] = data.auditLog.nodes.map(({ node }: { node: object }) => node);
    expect(entries.map(({ action }) => action)).toEqual(['token.created', 'tenant.created']);
    expect(entries[0]).toEqual({
      actor: 'operator',
      action: 'token.created',
      after: {
        id: expect.any(String),
        scopes: ['READ', 'USAGE'],
        expiresAt: new Date(clock.now() + 15 * MINUTE_MS).toISOString(),
      },
    });
    expect(JSON.stringify(data)).not.toContain(token.slice(10));
  });
});
