import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const MINUTE_MS = 60_000;
const RETURN_URL = 'https://app.example/settings?tab=billing';

const clock = createFakeClock('2026-11-22T12:00:00Z');
let server: TestServer;
let tenant: TestTenant;

beforeAll(async () => {
  server = await startTestServer({ clock });
  tenant = await server.createTenant();
});
afterAll(() => server.stop());

const create = (key: string, input: object = {}) =>
  server.gql(
    'mutation ($input: CreateBillingPageSessionInput!) { createBillingPageSession(input: $input) { url expiresAt } }',
    { key, variables: { input: { returnUrl: RETURN_URL, ...input } } },
  );

async function linkOf(key: string, input?: object): Promise<string> {
  const { data, errors } = await create(key, input);
  expect(errors).toEqual([]);
  return new URL(data.createBillingPageSession.url).hash.replace('#link=', '');
}

async function exchange(link: string) {
  const response = await fetch(`${server.url}/billing/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: server.url },
    body: JSON.stringify({ link }),
  });
  const cookie = response.headers.get('set-cookie')?.split(';', 1)[0] ?? '';
  return { status: response.status, body: await response.json(), cookie };
}

const onPage = (cookie: string, query: string) =>
  server.gql(query, { key: null, headers: { cookie, origin: server.url, 'x-session': 'billing' } });

async function keyWith(scopes: string[]): Promise<{ id: string; secret: string }> {
  const { data } = await server.gql(
    'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret apiKey { id } } }',
    { key: tenant.key, variables: { input: { name: 'a key', scopes } } },
  );
  return { id: data.createApiKey.apiKey.id, secret: data.createApiKey.secret };
}

const codeOf = async (answer: ReturnType<typeof create>) => (await answer).errors[0]?.extensions.code;

describe('createBillingPageSession', () => {
  it('returns a link whose secret no server sees, and which opens the page of this tenant', async () => {
    const { data } = await create(tenant.key, { locale: 'de-DE' });
    const { url, expiresAt } = data.createBillingPageSession;
    expect(url).toMatch(new RegExp(`^${server.url}/billing#link=[\\w-]{43}$`));
    expect(Date.parse(expiresAt)).toBe(clock.now() + 30 * MINUTE_MS);
    // A scanner that only fetches the link sends no fragment.
    await fetch(url);
    const { status, body, cookie } = await exchange(new URL(url).hash.replace('#link=', ''));
    expect({ status, body }).toMatchObject({ status: 200, body: { returnUrl: RETURN_URL, locale: 'de-DE' } });
    const { data: seen } = await onPage(cookie, '{ tenant { id } subscription { tier { displayName } } }');
    expect(seen).toEqual({ tenant: { id: tenant.id }, subscription: { tier: { displayName: 'Free' } } });
  });

  it('is for a tenant’s key that reads and pays, an OWNER and PROVISION, and nobody else', async () => {
    const operatorKey = async (role: string) => {
      const { data } = await server.gql(
        `mutation { createOperatorKey(input: { name: "op", role: ${role} }) { secret } }`,
      );
      return data.createOperatorKey.secret;
    };
    const named = { tenantId: tenant.id };
    for (const key of [OPERATOR_KEY, await operatorKey('PROVISION')])
      expect(await codeOf(create(key, named))).toBeUndefined();
    for (const role of ['READ', 'SUPPORT'])
      expect(await codeOf(create(await operatorKey(role), named)), role).toBe('FORBIDDEN');
    for (const scopes of [['READ'], ['BILLING'], ['KEYS', 'WRITE']])
      expect(await codeOf(create((await keyWith(scopes)).secret)), scopes.join()).toBe('FORBIDDEN');
    expect(await codeOf(create((await keyWith(['READ', 'BILLING'])).secret))).toBeUndefined();
    const { data } = await server.gql(
      'mutation { createApiKey(input: { name: "service", scopes: [ENFORCE] }) { secret } }',
    );
    expect(await codeOf(create(data.createApiKey.secret, named))).toBe('FORBIDDEN');
    expect(await codeOf(create(OPERATOR_KEY))).toBe('BAD_USER_INPUT');
    expect(await codeOf(create(OPERATOR_KEY, { tenantId: 'ten_none' }))).toBe('NOT_FOUND');
  });

  it('makes nothing that lives longer than what was stolen from a browser', async () => {
    const { data } = await server.gql(
      'mutation { createTenantToken(input: { scopes: [READ, BILLING] }) { token } }',
      { key: tenant.key },
    );
    const { errors } = await create(data.createTenantToken.token);
    expect(errors[0]?.message).toBe(
      'A token cannot create a link to the billing page; use a key of the tenant',
    );
    const { cookie } = await exchange(await linkOf(tenant.key));
    const again = await onPage(
      cookie,
      'mutation { createBillingPageSession(input: { returnUrl: "https://app.example" }) { url } }',
    );
    expect(again.errors[0]?.extensions.code).toBe('FORBIDDEN');
  });

  it.each([
    ['a URL of another kind', { returnUrl: 'javascript:alert(1)' }, 'input.returnUrl'],
    ['a URL with a password', { returnUrl: 'https://a:b@app.example' }, 'input.returnUrl'],
    ['a relative URL', { returnUrl: '/settings' }, 'input.returnUrl'],
    ['no language', { locale: 'not a language' }, 'input.locale'],
    ['an endless language', { locale: `de-${'x'.repeat(100)}` }, 'input.locale'],
  ])('rejects %s', async (_, input, argument) => {
    const { errors } = await create(tenant.key, input);
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument });
  });
});

describe('the session of the page', () => {
  it.each([
    ['a tenant’s key', () => keyWith(['READ', 'BILLING']), 'revokeApiKey'],
    [
      'an operator’s key',
      async () => {
        const { data } = await server.gql(
          'mutation { createOperatorKey(input: { name: "op", role: PROVISION }) { secret operatorKey { id } } }',
        );
        return { id: data.createOperatorKey.operatorKey.id, secret: data.createOperatorKey.secret };
      },
      'revokeOperatorKey',
    ],
  ])('and its link end when %s that made the link is revoked', async (_, make, revoke) => {
    const { id, secret } = await make();
    const [used, unused] = [
      await linkOf(secret, { tenantId: tenant.id }),
      await linkOf(secret, { tenantId: tenant.id }),
    ];
    const { cookie } = await exchange(used);
    expect((await onPage(cookie, '{ tenant { id } }')).errors).toEqual([]);
    const key = revoke === 'revokeOperatorKey' ? OPERATOR_KEY : tenant.key;
    await server.gql(`mutation { ${revoke}(id: "${id}") { id } }`, { key });
    expect((await onPage(cookie, '{ tenant { id } }')).status).toBe(401);
    expect((await exchange(unused)).status).toBe(401);
  });

  it('ends after two hours', async () => {
    const { cookie } = await exchange(await linkOf(tenant.key));
    clock.advance(120 * MINUTE_MS - 1);
    expect((await onPage(cookie, '{ tenant { id } }')).status).toBe(200);
    clock.advance(1);
    expect((await onPage(cookie, '{ tenant { id } }')).status).toBe(401);
  });

  it('is named in the audit log by the link that an operator made', async () => {
    const link = await linkOf(OPERATOR_KEY, { tenantId: tenant.id });
    const { cookie } = await exchange(link);
    await onPage(cookie, 'mutation { updateTenant(input: { name: "none" }) { id } }');
    const bought = await onPage(
      cookie,
      'mutation { createCheckoutSession(input: { tier: PRO, successUrl: "https://a.example", cancelUrl: "https://a.example" }) { id } }',
    );
    expect(bought.errors).toEqual([]);
    const { data } = await server.gql(
      `{ auditLog(tenantId: "${tenant.id}", first: 3) { edges { node { action actor after } } } }`,
    );
    const entries = data.auditLog.edges.map(({ node }: { node: { action: string } }) => node);
    const made = entries.find(({ action }: { action: string }) => action === 'billing_page_link.created');
    expect(made.actor).toBe('operator:ADMIN_API_KEY');
    expect(entries[0]).toMatchObject({ action: 'checkout.created', actor: `session:${made.after.id}` });
  });

  it('begins whole or not at all: an exchange that fails midway leaves the link as it was', async () => {
    const link = await linkOf(tenant.key);
    const { sessions } = server.app.models;
    // The transaction fails after the link was marked as used.
    const insert = sessions.create;
    sessions.create = (async () => {
      throw new Error('killed');
    }) as unknown as typeof insert;
    try {
      expect((await exchange(link)).status).toBe(500);
    } finally {
      sessions.create = insert;
    }
    expect((await exchange(link)).status).toBe(200);
  });
});
