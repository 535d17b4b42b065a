import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { collectLog } from '../support/log.js';
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
