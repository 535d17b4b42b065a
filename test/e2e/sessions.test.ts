import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authorOf, OperatorRole } from '../../src/services/accounts/principal.js';
import { createFakeClock } from '../support/fakeClock.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const HOUR_MS = 3_600_000;
const clock = createFakeClock('2026-11-22T12:00:00Z');
let server: TestServer;
let tenant: TestTenant;

beforeAll(async () => {
  server = await startTestServer({ clock });
  tenant = await server.createTenant();
});
afterAll(() => server.stop());

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
  body: any;
  cookie: string | null;
  setCookie: string | null;
}

async function send(
  method: string,
  path: string,
  { body, cookie, origin = server.url, headers }: SendOptions = {},
): Promise<Answer> {
  const response = await fetch(server.url + path, {
    method,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(cookie && { cookie }),
      ...(origin && { origin }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const setCookie = response.headers.get('set-cookie');
  const text = await response.text();
  return {
    status: response.status,
    body: text && JSON.parse(text),
    cookie: setCookie?.split(';', 1)[0] ?? null,
    setCookie,
  };
}

interface SendOptions {
  body?: unknown;
  cookie?: string | null;
  origin?: string | null;
  headers?: Record<string, string>;
}

const signIn = (key: string, options: SendOptions = {}) =>
  send('POST', '/admin/session', { body: { key }, ...options });

async function signedIn(key = OPERATOR_KEY): Promise<string> {
  const { cookie } = await signIn(key);
  return cookie as string;
}

const ask = (query: string, options: SendOptions) =>
  send('POST', '/graphql', { body: { query }, ...options });
const TENANTS = '{ tenants { edges { node { id } } } }';
const operatorKey = async (role: string) => {
  const { data } = await server.gql(
    `mutation { createOperatorKey(input: { name: "a person", role: ${role} }) { secret operatorKey { id } } }`,
  );
  return { secret: data.createOperatorKey.secret, id: data.createOperatorKey.operatorKey.id };
};
const codeOf = ({ body }: Answer) => body.errors?.[0].extensions.code ?? body.error?.code;

describe('an operator', () => {
  it('signs in with a key, and gets a cookie that scripts and other sites cannot use', async () => {
    const answer = await signIn(OPERATOR_KEY);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ role: 'OWNER', mode: 'mock', expiresAt: '2026-11-23T00:00:00.000Z' });
    expect(answer.setCookie).toMatch(/^ctm_operator=[\w-]{43}; .*HttpOnly/);
    expect(answer.setCookie).toContain('SameSite=Strict');
    expect(answer.setCookie).not.toContain('Secure');
    expect(JSON.stringify(answer.body)).not.toContain(OPERATOR_KEY);
  });

  it('has a cookie for https alone where the public URL is https', async () => {
    const https = await startTestServer({ clock, env: { PUBLIC_URL: 'https://billing.example.com' } });
    try {
      const response = await fetch(`${https.url}/admin/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: 'https://billing.example.com' },
        body: JSON.stringify({ key: OPERATOR_KEY }),
      });
      expect(response.headers.get('set-cookie')).toContain('; Secure');
    } finally {
      await https.stop();
    }
  });

  it('asks the API with the cookie, with the rights of the key', async () => {
    const cookie = await signedIn((await operatorKey('READ')).secret);
    expect((await ask(TENANTS, { cookie })).body.data.tenants.edges).not.toEqual([]);
    const rejected = await ask('mutation { createTenant(input: { name: "x" }) { tenant { id } } }', {
      cookie,
    });
    expect(rejected.status).toBe(403);
  });

  it('is signed out at once, on every instance, and may sign out twice', async () => {
    const other = await startTestServer({ clock, uri: server.uri });
    try {
      const cookie = await signedIn();
      const atOther = (cookie: string) =>
        fetch(`${other.url}/admin/session`, { headers: { cookie } }).then(({ status }) => status);
      expect(await atOther(cookie)).toBe(200);
      const out = await send('DELETE', '/admin/session', { cookie });
      expect(out.status).toBe(204);
      expect(out.setCookie).toMatch(/^ctm_operator=; .*Expires=Thu, 01 Jan 1970/);
      expect(await atOther(cookie)).toBe(401);
      expect((await ask(TENANTS, { cookie })).status).toBe(401);
      expect((await send('DELETE', '/admin/session', { cookie })).status).toBe(204);
    } finally {
      await other.stop();
    }
  });

  it('is signed out after twelve hours', async () => {
    const cookie = await signedIn();
    clock.advance(12 * HOUR_MS - 1);
    expect((await send('GET', '/admin/session', { cookie })).status).toBe(200);
    clock.advance(1);
    const answer = await ask(TENANTS, { cookie });
    expect(answer.status).toBe(401);
    expect(answer.body.errors[0].message).toBe('The session has ended; sign in again');
  });

  it('is signed out when the key is revoked', async () => {
    const key = await operatorKey('SUPPORT');
    const cookie = await signedIn(key.secret);
    expect((await ask(TENANTS, { cookie })).status).toBe(200);
    await server.gql(`mutation { revokeOperatorKey(id: "${key.id}") { id } }`);
    expect((await ask(TENANTS, { cookie })).status).toBe(401);
  });

  it('is signed out when ADMIN_API_KEY is replaced, but not while it is being rotated', async () => {
    const cookie = await signedIn();
    const NEXT = 'the-next-operator-key-of-the-tests-0123456789';
    const statusWith = async (ADMIN_API_KEY: string) => {
      const next = await startTestServer({ clock, uri: server.uri, env: { ADMIN_API_KEY } });
      const { status } = await fetch(`${next.url}/admin/session`, { headers: { cookie } });
      await next.stop();
      return status;
    };
    expect(await statusWith(`${NEXT},${OPERATOR_KEY}`)).toBe(200);
    expect(await statusWith(NEXT)).toBe(401);
  });

  it('does not sign in with a wrong key, a tenant’s key, or nonsense', async () => {
    const wrong = await signIn(`${OPERATOR_KEY}x`);
    expect([wrong.status, codeOf(wrong), wrong.cookie]).toEqual([401, 'UNAUTHENTICATED', null]);
    const tenants = await signIn(tenant.key);
    expect([tenants.status, codeOf(tenants), tenants.cookie]).toEqual([403, 'FORBIDDEN', null]);
    for (const body of [
      {},
      { key: '' },
      { key: 7 },
      { key: 'x'.repeat(1001) },
      { key: OPERATOR_KEY, also: 1 },
      [],
    ]) {
      const answer = await send('POST', '/admin/session', { body });
      expect([answer.status, codeOf(answer)], JSON.stringify(body)).toEqual([400, 'BAD_USER_INPUT']);
    }
  });

  it('keeps no more than 100 sessions of one key: the oldest end', async () => {
    const { secret, id } = await operatorKey('READ');
    const first = await signedIn(secret);
    const { sessions } = server.app.models;
    const doc = await sessions.findOne({ keyId: id }).lean();
    await sessions.insertMany(
      Array.from({ length: 99 }, (_, i) => ({
        ...doc,
        _id: `one-more-${i}`,
        createdAt: new Date(clock.now() + 1),
      })),
    );
    clock.advance(2);
    await signedIn(secret);
    expect((await ask(TENANTS, { cookie: first })).status).toBe(401);
    expect(await sessions.countDocuments({ keyId: id })).toBe(100);
  });

  it('cannot guess: wrong keys of one address are limited, and a right one still signs in', async () => {
    const limited = await startTestServer({ clock });
    try {
      const attempt = (key: string) =>
        fetch(`${limited.url}/admin/session`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ key }),
        });
      for (let i = 0; i < 40; i++) expect((await attempt(`guess-${i}`)).status).toBe(401);
      const answer = await attempt('guess-41');
      expect(answer.status).toBe(429);
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
      expect((await attempt(OPERATOR_KEY)).status).toBe(200);
    } finally {
      await limited.stop();
    }
  });
});

describe('a cookie', () => {
  it('counts for requests of this server’s own pages alone', async () => {
    const cookie = await signedIn();
    const { host } = new URL(server.url);
    const others = ['https://evil.example', 'null', `${server.url}.evil.example`, 'http://127.0.0.1:1'];
    for (const origin of [...others, `ftp://${host}`, `http://evil@${host}`, `${server.url}/`])
      expect((await ask(TENANTS, { cookie, origin })).status, origin).toBe(401);
    expect((await ask(TENANTS, { cookie, origin: null })).status).toBe(401);
    const sameOrigin = { 'sec-fetch-site': 'same-origin' };
    expect((await ask(TENANTS, { cookie, origin: null, headers: sameOrigin })).status).toBe(200);
    const otherSite = { 'sec-fetch-site': 'cross-site' };
    expect((await ask(TENANTS, { cookie, origin: null, headers: otherSite })).status).toBe(401);
  });

  it('of an origin that CORS allows does not count either', async () => {
    const open = await startTestServer({ clock, env: { CONTINUUM_CORS_ORIGINS: 'https://app.example' } });
    try {
      const { headers } = await fetch(`${open.url}/admin/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ key: OPERATOR_KEY }),
      });
      const cookie = headers.get('set-cookie')?.split(';', 1)[0] as string;
      const answer = await fetch(`${open.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', cookie, origin: 'https://app.example' },
        body: JSON.stringify({ query: TENANTS }),
      });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
    } finally {
      await open.stop();
    }
  });

  it('is not a key: its text in a header identifies nobody', async () => {
    const token = (await signedIn()).split('=')[1] as string;
    expect((await server.gql(TENANTS, { key: token })).status).toBe(401);
  });

  it('gives way to a key in the headers', async () => {
    const cookie = await signedIn();
    const answer = await ask('{ tenant { id } }', { cookie, headers: { 'x-api-key': tenant.key } });
    expect(answer.body.data.tenant.id).toBe(tenant.id);
  });

  it('does not let another site sign a person in or out', async () => {
    const cookie = await signedIn();
    const origin = 'https://evil.example';
    expect((await signIn(OPERATOR_KEY, { origin })).status).toBe(403);
    expect((await send('DELETE', '/admin/session', { cookie, origin })).status).toBe(403);
    expect((await send('GET', '/admin/session', { cookie })).status).toBe(200);
  });

  it('is stored nowhere, and neither is the key', async () => {
    const cookie = await signedIn();
    const stored = JSON.stringify(await server.app.models.sessions.find().lean());
    expect(stored).not.toContain(cookie.split('=')[1]);
    expect(stored).not.toContain(OPERATOR_KEY);
  });
});

it('where the public URL is https, a page that came over http does not count, whatever its host', async () => {
  const https = await startTestServer({ clock, env: { PUBLIC_URL: 'https://billing.example.com/' } });
  try {
    const { headers } = await fetch(`${https.url}/admin/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key: OPERATOR_KEY }),
    });
    const cookie = headers.get('set-cookie')?.split(';', 1)[0] as string;
    const statusFrom = async (origin: string) =>
      (
        await fetch(`${https.url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', cookie, origin },
          body: JSON.stringify({ query: TENANTS }),
        })
      ).status;
    expect(await statusFrom('https://billing.example.com')).toBe(200);
    expect(await statusFrom('http://billing.example.com')).toBe(401);
    expect(await statusFrom(https.url)).toBe(401);
  } finally {
    await https.stop();
  }
});

describe('a link to a tenant’s page', () => {
  const OWNER = { kind: 'operator', role: OperatorRole.OWNER, keyId: null, expiresAt: null } as const;
  const linkFor = (tenantId: string) =>
    server.app.services.sessions.createLink(
      { tenantId, returnUrl: 'https://app.example/settings', locale: 'de' },
      OWNER,
      authorOf(OWNER, null),
    );
  const exchange = (link: string) => send('POST', '/billing/session', { body: { link } });

  it('is exchanged for a session that reads and pays for this tenant, and does nothing else', async () => {
    const { token } = await linkFor(tenant.id);
    const answer = await exchange(token);
    expect(answer.body).toMatchObject({ returnUrl: 'https://app.example/settings', locale: 'de' });
    expect(answer.setCookie).toMatch(/^ctm_billing=.*HttpOnly.*SameSite=Strict/);
    const { cookie } = answer;
    expect((await ask('{ tenant { id } }', { cookie })).body.data.tenant.id).toBe(tenant.id);
    const another = await server.createTenant();
    expect((await ask(`{ tenant(id: "${another.id}") { id } }`, { cookie })).status).toBe(403);
    expect((await ask('{ apiKeys { id } }', { cookie })).status).toBe(403);
    expect((await ask(TENANTS, { cookie })).status).toBe(403);
  });

  it('works once, even if two browsers open it at the same moment', async () => {
    const { token } = await linkFor(tenant.id);
    const answers = await Promise.all([exchange(token), exchange(token), exchange(token)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
    const again = await exchange(token);
    expect(again.body.error).toMatchObject({ code: 'UNAUTHENTICATED', reason: 'USED' });
  });

  it('expires after 30 minutes, and nonsense is no link', async () => {
    const { token } = await linkFor(tenant.id);
    clock.advance(HOUR_MS / 2);
    expect((await exchange(token)).body.error.reason).toBe('EXPIRED');
    for (const link of ['x', 'x'.repeat(43), token.slice(1)])
      expect((await exchange(link)).body.error.reason).toBe('UNKNOWN');
    const session = await signedIn();
    expect((await exchange(session.split('=')[1] as string)).body.error.reason).toBe('UNKNOWN');
  });

  it('opens nothing once the tenant is erased, nor does a session go on', async () => {
    const gone = await server.createTenant();
    const [first, second] = [await linkFor(gone.id), await linkFor(gone.id)];
    const { cookie } = await exchange(first.token);
    await server.gql(`mutation { eraseTenant(tenantId: "${gone.id}") { status } }`);
    expect((await ask('{ tenant { id } }', { cookie })).status).toBe(401);
    expect((await exchange(second.token)).status).toBe(401);
  });

  it('made with ADMIN_API_KEY ends with it, and so does the session that it began', async () => {
    const [first, second] = [await linkFor(tenant.id), await linkFor(tenant.id)];
    const { cookie } = await exchange(first.token);
    const ADMIN_API_KEY = 'the-next-operator-key-of-the-tests-0123456789';
    const next = await startTestServer({ clock, uri: server.uri, env: { ADMIN_API_KEY } });
    try {
      const session = await fetch(`${next.url}/billing/session`, { headers: { cookie: cookie as string } });
      expect(session.status).toBe(401);
      const exchanged = await fetch(`${next.url}/billing/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ link: second.token }),
      });
      expect(exchanged.status).toBe(401);
      expect((await ask('{ tenant { id } }', { cookie })).status).toBe(200);
    } finally {
      await next.stop();
    }
  });

  it('made with a JWT does not outlive it', async () => {
    const expiresAt = new Date(clock.now() + 600_000);
    const scopes = new Set(['READ', 'BILLING']);
    const jwt = {
      kind: 'tenant',
      tenantId: tenant.id,
      credential: 'jwt',
      keyId: tenant.id,
      scopes,
      expiresAt,
    } as const;
    const link = await server.app.services.sessions.createLink(
      { tenantId: tenant.id, returnUrl: null, locale: null },
      jwt,
      authorOf(jwt, null),
    );
    expect(link.expiresAt).toEqual(expiresAt);
    const { cookie, body } = await exchange(link.token);
    expect(body.expiresAt).toBe(expiresAt.toISOString());
    clock.advance(600_000);
    expect((await ask('{ tenant { id } }', { cookie })).status).toBe(401);
  });

  it('is not a cookie, and the cookie of one page is none of the other', async () => {
    const opened = (await exchange((await linkFor(tenant.id)).token)).cookie as string;
    const swapped = opened.replace('ctm_billing', 'ctm_operator');
    expect((await send('GET', '/admin/session', { cookie: swapped })).status).toBe(401);
    expect((await ask('{ tenant { id } }', { cookie: swapped })).status).toBe(401);

    const { token } = await linkFor(tenant.id);
    expect((await ask('{ tenant { id } }', { cookie: `ctm_billing=${token}` })).status).toBe(401);
  });
});

it('a browser with both sessions says which page asks', async () => {
  const operator = await signedIn();
  const OWNER = { kind: 'operator', role: OperatorRole.OWNER, keyId: null, expiresAt: null } as const;
  const { token } = await server.app.services.sessions.createLink(
    { tenantId: tenant.id, returnUrl: null, locale: null },
    OWNER,
    authorOf(OWNER, null),
  );
  const billing = (await send('POST', '/billing/session', { body: { link: token } })).cookie;
  const cookie = `${operator}; ${billing}`;
  const whoAsks = async (page: string) =>
    (await ask(TENANTS, { cookie, headers: { 'x-session': page } })).status;
  expect(await whoAsks('operator')).toBe(200);
  expect(await whoAsks('billing')).toBe(403);
});
