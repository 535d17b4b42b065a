import { getIntrospectionQuery } from 'graphql';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.js';
import { welcome } from '../../src/welcome.js';
import { startTestServer, type TestServer } from '../support/server.js';

const SECRET = 'gateway-secret-of-the-tests-0123456789';
const PRODUCTION = { NODE_ENV: 'production', STRIPE_MOCK_MODE: 'true', GATEWAY_SECRET: SECRET };
const OPENED = { INTROSPECTION: 'true', OPENAPI_DOCS: 'true', APOLLO_SANDBOX: 'true' };

let closed: TestServer;
let opened: TestServer;
beforeAll(async () => {
  closed = await startTestServer({ env: { ...PRODUCTION, PUBLIC_URL: 'https://billing.example' } });
  opened = await startTestServer({ uri: closed.uri, env: { ...PRODUCTION, ...OPENED } });
});
afterAll(async () => {
  await opened.stop();
  await closed.stop();
});

const page = (on: TestServer, path: string) =>
  fetch(`${on.url}${path}`, { headers: { accept: 'text/html' } });

describe('in production a client learns nothing of the schema that it does not know', () => {
  it.each([
    ['introspection', getIntrospectionQuery(), undefined],
    ['introspection of one type', '{ __type(name: "Query") { fields { name } } }', undefined],
    ['a field', '{ tierz { name } }', undefined],
    ['a field of a type', '{ tiers { nam } }', undefined],
    ['a type', '{ tiers { ... on Tie { name } } }', undefined],
    ['an argument', '{ tier(nam: PRO) { name } }', undefined],
    ['a literal of an enum', '{ tier(name: PRRO) { name } }', undefined],
    ['a field of a literal input', '{ searchMemories(input: {qery: "x"}) { score } }', undefined],
    ['a directive', '{ tiers @skp(if: true) { name } }', undefined],
    ['a variable of an enum', 'query ($t: TierName!) { tier(name: $t) { name } }', { t: 'PRRO' }],
    [
      'a field of a variable',
      'query ($i: SearchMemoriesInput!) { searchMemories(input: $i) { score } }',
      { i: { query: 'x', qery: 'x' } },
    ],
    [
      'a type of a variable',
      'query ($i: SearchMemoryInput!) { searchMemories(input: $i) { score } }',
      { i: {} },
    ],
  ])('%s', async (_, query, variables) => {
    const ask = { key: null, ...(variables && { variables }) };
    const answer = await closed.gql(query, ask);
    expect([400, 401]).toContain(answer.status);
    expect(answer.data ?? null).toBeNull();
    expect(answer.errors[0]?.message).not.toBe('');
    expect(JSON.stringify(answer)).not.toContain('Did you mean');
  });

  it('but __typename and the operations themselves work', async () => {
    expect((await closed.gql('{ __typename tiers { __typename name } }', { key: null })).status).toBe(200);
  });

  it('a gateway with the secret reads the SDL of the subgraph, and nobody else does', async () => {
    const ask = async (headers: Record<string, string>) =>
      fetch(`${closed.url}/subgraph`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: '{"query":"{ _service { sdl } }"}',
      });
    const { data } = (await (await ask({ 'x-gateway-secret': SECRET })).json()) as {
      data: { _service: { sdl: string } };
    };
    expect(data._service.sdl).toContain('type BillingTier');
    expect((await ask({})).status).toBe(401);
  });

  it.each(['/docs', '/docs/json', '/docs/static/index.html'])('%s is not there', async (path) => {
    expect((await page(closed, path)).status).toBe(404);
  });

  it('Sandbox is not there', async () => {
    expect((await page(closed, '/graphql')).headers.get('content-type')).not.toContain('html');
  });

  it('all of it is there when it is enabled', async () => {
    expect((await opened.gql(getIntrospectionQuery(), { key: null })).status).toBe(200);
    expect((await opened.gql('{ tierz { name } }', { key: null })).errors[0]?.message).toContain(
      'Did you mean',
    );
    expect((await page(opened, '/docs')).status).toBe(200);
    expect(await (await page(opened, '/graphql')).text()).toContain('sandbox');
  });
});

describe('security headers', () => {
  const policyOf = (response: Response) => response.headers.get('content-security-policy') ?? '';

  it.each(['/graphql', '/docs', '/docs/json', '/upgrade', '/health/live', '/none', '/mock/checkout/none'])(
    'are on %s',
    async (path) => {
      const response = await page(opened, path);
      expect(policyOf(response)).toContain("default-src 'none'");
      expect(policyOf(response)).toContain("frame-ancestors 'none'");
      expect(policyOf(response)).toContain("base-uri 'none'");
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': expect.stringMatching(/^(no-referrer|same-origin)$/),
      });
      expect(response.headers.get('x-powered-by')).toBeNull();
    },
  );

  it('are on answers of GraphQL, good and bad', async () => {
    for (const query of ['{ tiers { name } }', '{ none }', '{']) {
      const { headers } = await closed.gql(query, { key: null });
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it('make browsers insist on https only where the public URL is https', async () => {
    expect((await page(closed, '/upgrade')).headers.get('strict-transport-security')).toContain('max-age=');
    expect((await page(opened, '/upgrade')).headers.get('strict-transport-security')).toBeNull();
  });

  it('let Swagger UI load all that its page names, and no script of others', async () => {
    const html = await (await page(opened, '/docs')).text();
    const policy = policyOf(await page(opened, '/docs'));
    expect(policy).toContain("script-src 'self';");
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>/);
    for (const [, source = ''] of html.matchAll(/(?:src|href)="([^"]+)"/g))
      expect(new URL(source, `${opened.url}/docs/`).origin).toBe(opened.url);
  });

  it("let Apollo's page load its script and its frame", async () => {
    const response = await page(opened, '/graphql');
    const html = await response.text();
    const script = /<script[^>]+src="(https:\/\/embeddable-sandbox[^"]+)"/.exec(html)?.[1] ?? '';
    expect(policyOf(response)).toContain(new URL(script).origin);
    expect(policyOf(response)).toContain('frame-src https://sandbox.embed.apollographql.com');
    expect(policyOf(response)).toContain("connect-src 'self'");
  });
});

describe('mock mode where others reach the server', () => {
  it('says so in the log and in the start text; on loopback it does not', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) });
    // As HOST=0.0.0.0 would set it, but listening on this machine alone.
    const asked = readConfig({ HOST: '0.0.0.0', STRIPE_MOCK_MODE: 'true', MONGODB_URI: closed.uri });
    expect(asked.mockIsPublic).toBe(true);
    const open = await startTestServer({ uri: closed.uri, log, config: { mockIsPublic: true } });
    try {
      expect(lines.map((line) => JSON.parse(line).msg)).toContain('mock.public');
      expect(await welcome(open.app, asked)).toContain('MOCK MODE, OPEN TO OTHERS');
      expect(await welcome(open.app, { ...asked, mockIsPublic: false })).not.toContain('OPEN TO OTHERS');
      expect(await (await page(open, '/mock/checkout/none')).text()).toContain('Mock, no money moves');
    } finally {
      await open.stop();
    }
  });
});
