import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { scrub } from '../../src/common/scrub.js';
import { generateKey } from '../../src/services/accounts/keySecret.js';
import { collectLog } from '../support/log.js';
import { connectRaw } from '../support/rawClient.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const ORIGIN = 'https://app.example';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const { log, lines } = collectLog();
let server: TestServer;
let tenant: TestTenant;
beforeAll(async () => {
  server = await startTestServer({ log, env: { CONTINUUM_CORS_ORIGINS: ORIGIN } });
  tenant = await server.createTenant();
});
afterAll(() => server.stop());
afterEach(() => vi.restoreAllMocks());

// biome-ignore lint/suspicious/noExplicitAny: log lines are what the tests look into
const logged = (msg: string): any[] =>
  lines.map((line) => JSON.parse(line)).filter((line) => line.msg === msg);

/** The access line of the request with the id. */
const accessLine = (id: string) => logged('request.answered').filter(({ requestId }) => requestId === id);

const idOf = async (path: string, init: RequestInit = {}) =>
  (await fetch(`${server.url}${path}`, init)).headers.get('x-request-id');
const sending = (id: string): RequestInit => ({ headers: { 'x-request-id': id } });

describe('request ids', () => {
  it.each(['a', 'Order-7.retry_2', 'x'.repeat(128)])('%s is taken over', async (id) => {
    expect(await idOf('/upgrade', sending(id))).toBe(id);
  });

  it.each(['', ' ', 'a b', 'x'.repeat(129), 'a,b', '{"a":1}', 'é'])('%j gets a new id', async (id) => {
    expect(await idOf('/upgrade', sending(id))).toMatch(UUID);
  });

  it('two requests without an id get two', async () => {
    expect(await idOf('/upgrade')).not.toBe(await idOf('/upgrade'));
  });

  it.each<[string, RequestInit]>([
    ['/health/live', {}],
    ['/none', {}],
    ['/%zz', {}],
    ['/graphql', { method: 'POST', body: '{}' }],
    ['/graphql', { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } }],
    ['/graphql', { method: 'OPTIONS' }],
    ['/v1/billing/subscription', {}],
  ])('%s %j answers with it', async (path, init) => {
    const headers = new Headers(init.headers);
    headers.set('origin', ORIGIN);
    headers.set('x-request-id', 'given');
    expect(await idOf(path, { ...init, headers })).toBe('given');
  });

  it('a page in a browser may read it', async () => {
    const { headers } = await fetch(`${server.url}/upgrade`, { headers: { origin: ORIGIN } });
    expect(headers.get('access-control-expose-headers')?.toLowerCase().split(', ')).toContain('x-request-id');
  });

  it("an unexpected error is logged once, with the request's id, tenant and operation", async () => {
    vi.spyOn(server.app.services.memories, 'find').mockRejectedValue(new Error('a defect'));
    const { errors, headers } = await server.gql('query Overview { memory(id: "mem_1") { id } }', {
      key: tenant.key,
      headers: { 'x-request-id': 'defect-1' },
    });
    expect(errors).toMatchObject([{ message: 'Internal server error' }]);
    expect(headers.get('x-request-id')).toBe('defect-1');
    expect(logged('operation.failed')).toMatchObject([
      { requestId: 'defect-1', tenantId: tenant.id, operation: 'Overview', err: { message: 'a defect' } },
    ]);
  });
});

describe('the access log', () => {
  const FIELDS = ['level', 'time', 'pid', 'hostname', 'msg'];
  const withoutCommon = (line: object) =>
    Object.fromEntries(Object.entries(line).filter(([name]) => !FIELDS.includes(name)));

  it('has one line for an operation, with what it cost and who asked', async () => {
    const query = 'query Look { memory(id: "mem_1") { id } again: memory(id: "mem_2") { id } }';
    await server.gql(query, { key: tenant.key, headers: { 'x-request-id': 'metered' } });
    expect(accessLine('metered').map(withoutCommon)).toEqual([
      {
        method: 'POST',
        route: '/graphql',
        requestId: 'metered',
        tenantId: tenant.id,
        keyId: tenant.keyId,
        operation: 'Look',
        operationType: 'query',
        cost: 2,
        status: 200,
        ms: expect.any(Number),
      },
    ]);
  });

  it('says why an operation was rejected, and names it only if its document does', async () => {
    const headers = { 'x-request-id': 'rejected' };
    await server.gql('{ memory(id: "mem_1") { id } }', { key: null, headers });
    const [line] = accessLine('rejected');
    expect(line).toMatchObject({ status: 401, code: 'UNAUTHENTICATED', operationType: 'query' });
    expect(line).not.toHaveProperty('operation');
    await server.gql(`query ${'n'.repeat(5_000)} { tiers { name } }`, {
      headers: { 'x-request-id': 'long' },
    });
    expect(accessLine('long')[0].operation).toHaveLength(100);
  });

  it('names the route, not the path, and the tenant of a REST request', async () => {
    const headers = { 'x-request-id': 'rest', 'x-api-key': tenant.key };
    await fetch(`${server.url}/v1/billing/usage?period=day`, { headers });
    expect(accessLine('rest')).toMatchObject([
      { route: '/v1/billing/usage', status: 200, tenantId: tenant.id, keyId: tenant.keyId },
    ]);
    expect(accessLine('rest')[0]).not.toHaveProperty('url');
    await fetch(`${server.url}/v1/billing/usage?secret=hunter2`, {
      headers: { ...headers, 'x-request-id': 'wrong' },
    });
    expect(accessLine('wrong')).toMatchObject([{ route: '/v1/billing/usage', status: 400 }]);
    await fetch(`${server.url}/mock/checkout/hunter2`, { headers: { 'x-request-id': 'page' } });
    expect(accessLine('page')).toMatchObject([{ route: '/mock/checkout/:sessionId', status: 404 }]);
    await fetch(`${server.url}/hunter2`, { headers: { 'x-request-id': 'none' } });
    expect(accessLine('none')).toMatchObject([{ method: 'GET', status: 404 }]);
    await fetch(`${server.url}/%zz-hunter2`, { headers: { 'x-request-id': 'undecodable' } });
    expect(accessLine('undecodable')).toMatchObject([{ status: 400, code: 'BAD_USER_INPUT' }]);
    expect(lines.join()).not.toContain('hunter2');
  });

  it('has no line for a health probe, and one for invalid HTTP, with the id of its response', async () => {
    expect(await idOf('/health/ready', sending('probe'))).toBe('probe');
    expect(accessLine('probe')).toEqual([]);
    const client = await connectRaw(server.url);
    client.write('nonsense\r\n\r\n');
    const id = /x-request-id: (\S+)/.exec(await client.ended())?.[1];
    expect(logged('request.malformed')).toContainEqual(
      expect.objectContaining({ requestId: id, status: 400 }),
    );
  });

  it('with a sample of 0 it has only requests that failed through the server', async () => {
    const { log, lines } = collectLog();
    const quiet = await startTestServer({ log, uri: server.uri, env: { ACCESS_LOG_SAMPLE: '0' } });
    try {
      await quiet.gql('{ tiers { name } }');
      await quiet.gql('{ none }');
      vi.spyOn(quiet.app.services.memories, 'find').mockRejectedValue(new Error('a defect'));
      await quiet.gql('query Failing { memory(id: "mem_1") { id } }', { key: tenant.key });
      const answered = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request.answered');
      expect(answered).toMatchObject([
        { operation: 'Failing', status: 500, code: 'INTERNAL_SERVER_ERROR', tenantId: tenant.id },
      ]);
    } finally {
      await quiet.stop();
    }
  });
});

describe('redaction', () => {
  it('removes fields and headers that hold secrets', () => {
    const { log, lines } = collectLog();
    const secret = 'hunter2';
    log.info({ secret, apiKey: secret, key: { secret, token: secret } }, 'fields');
    log.info({ headers: { 'x-api-key': secret }, req: { headers: { authorization: secret } } }, 'headers');
    expect(lines).toHaveLength(2);
    expect(lines.join()).not.toContain(secret);
  });

  it("removes secrets from an error's texts, and leaves out its other properties", () => {
    const { log, lines } = collectLog();
    const { key } = generateKey('test');
    const texts = [
      key,
      'sk_live_51Hq8example00secret',
      'whsec_dGhlIHNlY3JldA==',
      'mongodb://user:hunter2@db.example/continuum',
      'Bearer hunter2',
      'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
      'someone@example.com',
    ];
    const cause = new Error(`dup key: { email: "${texts.join(' ')}" }`);
    const err = Object.assign(new Error(texts.join(' '), { cause }), { code: 11000, document: { texts } });
    log.error({ err }, 'failed');
    const [line = ''] = lines;
    expect(line).not.toMatch(/hunter2|51Hq8|dGhlIHNl|eyJ|someone/);
    expect(line).not.toContain(key.slice(12));
    expect(JSON.parse(line).err).toMatchObject({ type: 'Error', code: 11000, cause: { type: 'Error' } });
    expect(JSON.parse(line).err).not.toHaveProperty('document');
  });

  it('takes no longer for a text that looks like an address throughout', () => {
    const startedAt = performance.now();
    scrub('a'.repeat(1_000_000));
    scrub('a@'.repeat(500_000));
    scrub('eyJ-'.repeat(250_000));
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});
