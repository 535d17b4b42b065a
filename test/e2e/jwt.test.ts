import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import {
  AUDIENCE,
  answerKeys,
  createSigningKey,
  type IdentityProvider,
  jwtVariables,
  startIdentityProvider,
  TENANT_CLAIM,
} from '../support/identityProvider.js';
import {
  ask as askAt,
  OPERATOR_KEY,
  startTestServer,
  type TestServer,
  type TestTenant,
} from '../support/server.js';

const OWN = '{ tenant { id } }';
const METERED = '{ memories { pageInfo { hasNextPage } } }';
const MINUTE_MS = 60_000;

const clock = createFakeClock('2026-11-22T12:00:00Z');
let provider: IdentityProvider;
let server: TestServer;
/** Creates tenants on first sight, on the same database. */
let creating: TestServer;
let tenant: TestTenant;
const EXTERNAL_ID = 'team-1';
const GATEWAY_SECRET = 'gateway-secret-of-the-tests-of-jwts-1';

beforeAll(async () => {
  provider = await startIdentityProvider(clock);
  server = await startTestServer({ clock, env: { ...jwtVariables(provider), GATEWAY_SECRET } });
  creating = await startTestServer({
    clock,
    uri: server.uri,
    env: { ...jwtVariables(provider), JWT_TENANT_CLAIM: 'app.tenant', JWT_CREATE_TENANTS: 'true' },
  });
  tenant = await createTenant(EXTERNAL_ID);
});
afterAll(async () => {
  await creating.stop();
  await server.stop();
  await provider.stop();
});
beforeEach(() => {
  // Wrong tokens of other tests do not count any more, and the keys may be asked for again.
  clock.advance(MINUTE_MS);
});
afterEach(() => {
  provider.answer = answerKeys;
});

async function createTenant(externalId: string): Promise<TestTenant> {
  const { data, errors } = await server.gql(
    'mutation ($id: ID) { createTenant(input: { name: "A team", externalId: $id }) { tenant { id } apiKey { id secret } } }',
    { variables: { id: externalId } },
  );
  expect(errors).toEqual([]);
  const { tenant, apiKey } = data.createTenant;
  return { id: tenant.id, key: apiKey.secret, keyId: apiKey.id };
}

const tokenOf = (externalId: unknown = EXTERNAL_ID, claims: object = {}) =>
  provider.sign({ [TENANT_CLAIM]: externalId, ...claims });

const ask = (token: string, query = OWN, on = server) =>
  on.gql(query, { key: null, headers: { authorization: `Bearer ${token}` } });

const codeOf = async (token: string, query = OWN, on = server) => {
  const { status, errors } = await ask(token, query, on);
  return errors[0] ? `${status} ${errors[0].extensions.code}` : status;
};

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a token of the identity provider', () => {
  it('identifies its tenant for GraphQL, a gateway and REST, and reads', async () => {
    const token = await tokenOf();
    expect((await ask(token)).data.tenant.id).toBe(tenant.id);
    const rest = await fetch(`${server.url}/v1/billing/subscription`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(rest.status).toBe(200);
    const headers = { authorization: `Bearer ${token}`, 'x-gateway-secret': GATEWAY_SECRET };
    const subgraph = await askAt(`${server.url}/subgraph`, OWN, { key: null, headers });
    expect(subgraph.data.tenant.id).toBe(tenant.id);
    expect(await codeOf(token, METERED)).toBe(200);
    expect(await codeOf(token, 'mutation { storeMemory(input: { content: "x" }) { id } }')).toBe(
      '403 FORBIDDEN',
    );
    expect(await codeOf(token, '{ apiKeys { id } }')).toBe('403 FORBIDDEN');
  });

  it('has the scopes of its claim, whether they are a text or an array; ENFORCE and unknown ones are ignored', async () => {
    const write = 'mutation { deleteMemory(id: "none") }';
    for (const scope of ['openid WRITE  BILLING', ['WRITE', 'profile', 7]]) {
      const token = await tokenOf(EXTERNAL_ID, { scope });
      expect(await codeOf(token, write)).toBe(200);
      expect(await codeOf(token, METERED)).toBe('403 FORBIDDEN');
    }
    const token = await tokenOf(EXTERNAL_ID, { scope: 'ENFORCE openid' });
    expect(await codeOf(token, METERED)).toBe(200);
    expect(
      await codeOf(token, 'mutation { setStored(input: { tenantId: "x", resource: "bytes", amount: 1 }) }'),
    ).toBe('403 FORBIDDEN');
  });

  it('creates keys with its own scopes at most, which end when it does', async () => {
    const token = await tokenOf(EXTERNAL_ID, { scope: 'KEYS READ' });
    const create = (scopes: string) =>
      ask(token, `mutation { createApiKey(input: { name: "k"${scopes} }) { apiKey { scopes expiresAt } } }`);
    const { apiKey } = (await create('')).data.createApiKey;
    expect(apiKey.scopes.toSorted()).toEqual(['KEYS', 'READ']);
    expect(Date.parse(apiKey.expiresAt)).toBe(Math.floor(clock.now() / 1000) * 1000 + 300_000);
    expect((await create(', scopes: [WRITE]')).errors[0]?.extensions.code).toBe('FORBIDDEN');
  });

  it('is no key: in x-api-key it is rejected', async () => {
    const { status, errors } = await server.gql(OWN, { key: await tokenOf() });
    expect([status, errors[0]?.extensions.code]).toEqual([401, 'UNAUTHENTICATED']);
  });

  it('leaves keys as bearers what they were', async () => {
    expect((await ask(tenant.key)).data.tenant.id).toBe(tenant.id);
    expect(await codeOf(OPERATOR_KEY, '{ tenants { edges { node { id } } } }')).toBe(200);
  });

  it('may name its tenant by a number', async () => {
    const numbered = await createTenant('12345');
    expect((await ask(await tokenOf(12_345))).data.tenant.id).toBe(numbered.id);
  });

  it('of no tenant is UNAUTHENTICATED, and works as soon as the tenant exists', async () => {
    const token = await tokenOf('team-later');
    const { status, errors } = await ask(token);
    expect([status, errors[0]?.message]).toEqual([
      401,
      'No tenant has the external id team-later; create it with createTenant',
    ]);
    const later = await createTenant('team-later');
    expect((await ask(token)).data.tenant.id).toBe(later.id);
  });

  it('dies with its tenant, though it was verified a moment ago', async () => {
    const gone = await createTenant('team-gone');
    const token = await tokenOf('team-gone');
    expect(await codeOf(token)).toBe(200);
    await server.app.models.tenants.updateOne({ _id: gone.id }, { $unset: { externalId: 1 } });
    await expect.poll(() => codeOf(token)).toBe('401 UNAUTHENTICATED');
  });

  it('is verified once in a minute, and once for many requests at once', async () => {
    const verify = vi.spyOn(crypto.subtle, 'verify');
    const token = await tokenOf();
    const codes = await Promise.all(Array.from({ length: 20 }, () => codeOf(token)));
    expect(new Set(codes)).toEqual(new Set([200]));
    expect(verify).toHaveBeenCalledTimes(1);
    clock.advance(MINUTE_MS);
    expect(await codeOf(token)).toBe(200);
    expect(verify).toHaveBeenCalledTimes(2);
    verify.mockRestore();
  });

  it('works until its expiry, with a tolerance of 30 s for clocks', async () => {
    const token = await tokenOf(EXTERNAL_ID);
    clock.advance(300_000 + 29_000);
    expect(await codeOf(token)).toBe(200);
    clock.advance(2_000);
    const { status, errors } = await ask(token);
    expect([status, errors[0]?.message]).toEqual([401, 'The token has expired']);
  });
});

describe('a wrong token', () => {
  const wrong: [string, () => Promise<string>][] = [
    ['another issuer', () => tokenOf(EXTERNAL_ID, { iss: 'https://evil.example/' })],
    ['another audience', () => tokenOf(EXTERNAL_ID, { aud: 'shop' })],
    ['no audience', () => tokenOf(EXTERNAL_ID, { aud: undefined })],
    ['no expiry', () => provider.sign({ [TENANT_CLAIM]: EXTERNAL_ID }, { expiresInS: null })],
    ['an expiry in the past', () => provider.sign({ [TENANT_CLAIM]: EXTERNAL_ID }, { expiresInS: -60 })],
    ['a beginning in the future', () => tokenOf(EXTERNAL_ID, { nbf: Math.floor(clock.now() / 1000) + 60 })],
    ['an issue in the future', () => tokenOf(EXTERNAL_ID, { iat: Math.floor(clock.now() / 1000) + 60 })],
    ['no tenant', () => provider.sign({})],
    ['a tenant that is no id', () => tokenOf({ $ne: null })],
    [
      'an unknown key',
      async () => provider.sign({ [TENANT_CLAIM]: EXTERNAL_ID }, { key: await createSigningKey() }),
    ],
    [
      "another key under a published key's id",
      async () =>
        provider.sign(
          { [TENANT_CLAIM]: EXTERNAL_ID },
          { key: await createSigningKey(), kid: provider.current().kid },
        ),
    ],
    [
      'no signature (alg none)',
      async () => {
        const [, payload] = (await tokenOf()).split('.');
        return `${encoded({ alg: 'none' })}.${payload}.`;
      },
    ],
    [
      'a published key as the secret of HS256',
      async () => {
        const { kid, jwk } = provider.current();
        const [, payload] = (await tokenOf()).split('.');
        const signed = `${encoded({ alg: 'HS256', kid })}.${payload}`;
        return `${signed}.${createHmac('sha256', JSON.stringify(jwk)).update(signed).digest('base64url')}`;
      },
    ],
    [
      'changed claims',
      async () => {
        const [header, payload = '', signature] = (await tokenOf()).split('.');
        const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
        return `${header}.${encoded({ ...claims, [TENANT_CLAIM]: 'team-2' })}.${signature}`;
      },
    ],
    [
      'a key of its own in the header',
      async () => {
        const { privateKey, jwk } = await createSigningKey();
        const [, payload] = (await tokenOf()).split('.');
        const signed = `${encoded({ alg: 'ES256', jwk })}.${payload}`;
        const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
        const signature = await crypto.subtle.sign(algorithm, privateKey, Buffer.from(signed));
        return `${signed}.${Buffer.from(signature).toString('base64url')}`;
      },
    ],
    ['more than 8 KB', () => tokenOf(EXTERNAL_ID, { filler: 'x'.repeat(8_192) })],
    ['no claims', async () => `${encoded({ alg: 'ES256' })}.e30.e30`],
    ['nonsense in it', async () => 'eyJ.a.b'],
  ];
  it.each(wrong)('with %s is UNAUTHENTICATED, for public fields too', async (_, make) => {
    const token = await make();
    const { status, errors } = await ask(token, '{ tiers { name } }');
    expect([status, errors[0]?.extensions.code]).toEqual([401, 'UNAUTHENTICATED']);
    expect(JSON.stringify(errors)).not.toContain(token);
  });

  it('is limited by address after many, and right ones still work', async () => {
    const token = `${encoded({ alg: 'ES256', kid: 'x' })}.e30.e30`;
    const codes = [];
    for (let i = 0; i < 45; i++) codes.push(await codeOf(`${token}${i}`));
    expect(codes.at(0)).toBe('401 UNAUTHENTICATED');
    expect(codes.at(-1)).toBe('429 RATE_LIMITED');
    expect(await codeOf(await tokenOf())).toBe(200);
    expect(await codeOf(tenant.key)).toBe(200);
  });

  it('gets an error that says so where JWTs are not accepted', async () => {
    const plain = await startTestServer({ clock, uri: server.uri });
    expect(await codeOf(await tokenOf(), OWN, plain)).toBe('401 UNAUTHENTICATED');
    await plain.stop();
  });
});

describe("the provider's keys", () => {
  it.each(['RS256', 'PS384', 'ES384', 'EdDSA'])('may be for %s', async (alg) => {
    await provider.rotate(alg);
    expect(await codeOf(await tokenOf())).toBe(200);
  });

  it('are asked for again when a token names a new one, once for many tokens and at most every 5 s', async () => {
    await provider.rotate();
    const before = provider.asked;
    const tokens = await Promise.all(Array.from({ length: 10 }, (_, i) => tokenOf(EXTERNAL_ID, { i })));
    expect(new Set(await Promise.all(tokens.map((token) => codeOf(token))))).toEqual(new Set([200]));
    expect(provider.asked).toBe(before + 1);
    const unknown = await createSigningKey();
    for (let i = 0; i < 3; i++) {
      const token = await provider.sign({ [TENANT_CLAIM]: EXTERNAL_ID, i }, { key: unknown });
      expect(await codeOf(token)).toBe('401 UNAUTHENTICATED');
    }
    expect(provider.asked).toBe(before + 1);
    clock.advance(5_000);
    const token = await provider.sign({ [TENANT_CLAIM]: EXTERNAL_ID }, { key: unknown });
    expect(await codeOf(token)).toBe('401 UNAUTHENTICATED');
    expect(provider.asked).toBe(before + 2);
  });

  it('stop working once they are no longer published', async () => {
    const old = provider.current();
    await provider.rotate('ES256', false);
    clock.advance(10 * MINUTE_MS);
    const token = () =>
      provider.sign({ [TENANT_CLAIM]: EXTERNAL_ID, jti: String(Math.random()) }, { key: old });
    await expect.poll(async () => codeOf(await token())).toBe('401 UNAUTHENTICATED');
  });

  const failures: [string, IdentityProvider['answer']][] = [
    ['breaks connections', (response) => void response.destroy()],
    ['answers 500', (response) => void response.writeHead(500).end()],
    ['redirects', (response) => void response.writeHead(302, { location: '/elsewhere' }).end()],
    ['answers nonsense', (response) => void response.end('<html>')],
    ['sends no key set', (response) => void response.end('{"keys": 7}')],
    ['sends megabytes', (response) => void response.end(`{"keys": [], "x": "${'x'.repeat(3_000_000)}"}`)],
  ];
  it.each(failures)(
    'that are known go on working while the provider %s; only unknown ones are SERVICE_UNAVAILABLE',
    async (_, answer) => {
      expect(await codeOf(await tokenOf(EXTERNAL_ID, { jti: String(Math.random()) }))).toBe(200);
      clock.advance(11 * MINUTE_MS);
      provider.answer = answer;
      expect(await codeOf(await tokenOf())).toBe(200);
      const unknown = await createSigningKey();
      const token = await provider.sign({ [TENANT_CLAIM]: EXTERNAL_ID }, { key: unknown });
      const { status, headers, errors } = await ask(token);
      expect([status, errors[0]?.extensions.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
      expect(headers.get('retry-after')).toBe('2');
      expect(await codeOf(tenant.key)).toBe(200);
      provider.answer = answerKeys;
      clock.advance(5_000);
      expect(await codeOf(token)).toBe('401 UNAUTHENTICATED');
    },
  );

  it('that are unknown are awaited for a second, and found when a slow provider has answered', async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    provider.answer = (response, keys) => void gate.then(() => answerKeys(response, keys));
    await provider.rotate();
    const token = await tokenOf();
    const startedAt = performance.now();
    expect(await codeOf(token)).toBe('503 SERVICE_UNAVAILABLE');
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    open();
    await expect.poll(() => codeOf(token)).toBe(200);
  });

  it('do not outlive a day without the provider', async () => {
    expect(await codeOf(await tokenOf())).toBe(200);
    provider.answer = (response) => void response.destroy();
    clock.advance(23 * 60 * MINUTE_MS);
    expect(await codeOf(await tokenOf())).toBe(200);
    clock.advance(60 * MINUTE_MS);
    expect(await codeOf(await tokenOf())).toBe('503 SERVICE_UNAVAILABLE');
    provider.answer = answerKeys;
    clock.advance(5_000);
    expect(await codeOf(await tokenOf())).toBe(200);
  });
});

describe('with JWT_CREATE_TENANTS', () => {
  const sign = (externalId: string, claims: object = {}) =>
    provider.sign({ app: { tenant: externalId }, aud: ['other', AUDIENCE], ...claims });

  it('parallel first sights create one tenant, with the name of the token', async () => {
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, i) => sign('team-new', { name: 'Team New', jti: String(i) })),
    );
    const answers = await Promise.all(
      tokens.map((token) => ask(token, '{ tenant { id name externalId } }', creating)),
    );
    const tenants = answers.map(({ data }) => data?.tenant);
    expect(tenants[0]).toMatchObject({ name: 'Team New', externalId: 'team-new' });
    expect(new Set(tenants.map(({ id }) => id)).size).toBe(1);
    expect(await creating.app.models.tenants.countDocuments({ externalId: 'team-new' })).toBe(1);
    expect(await creating.app.models.apiKeys.countDocuments({ tenantId: tenants[0].id })).toBe(0);
    const log = await server.gql(
      'query ($id: ID) { auditLog(tenantId: $id) { edges { node { actor action } } } }',
      { variables: { id: tenants[0].id } },
    );
    const actor = `jwt:${tenants[0].id}`;
    expect(log.data.auditLog.edges).toEqual([{ node: { actor, action: 'tenant.created' } }]);
  });

  it('a tenant without a name is called like its id, and an existing one is left as it is', async () => {
    const { data } = await ask(await sign('team-nameless'), '{ tenant { name } }', creating);
    expect(data.tenant.name).toBe('team-nameless');
    // A user can edit the name at many providers.
    const hostile = await sign('team-hostile', { name: 'evil\u0000\n\u001b[31m\u202eteam' });
    const shown = (await ask(hostile, '{ tenant { name } }', creating)).data.tenant.name;
    expect(shown).not.toMatch(/\p{C}/u);
    expect(shown).toContain('team');
    const token = await sign(EXTERNAL_ID, { name: 'Renamed' });
    const existing = await ask(token, '{ tenant { id name } }', creating);
    expect(existing.data.tenant).toEqual({ id: tenant.id, name: 'A team' });
  });

  it('a wrong token creates nothing', async () => {
    const key = await createSigningKey();
    const token = await provider.sign({ app: { tenant: 'team-evil' } }, { key });
    expect(await codeOf(token, OWN, creating)).toBe('401 UNAUTHENTICATED');
    expect(await creating.app.models.tenants.countDocuments({ externalId: 'team-evil' })).toBe(0);
  });
});
