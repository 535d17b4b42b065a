import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    env: { CONTINUUM_CORS_ORIGINS: 'https://app.example', GATEWAY_SECRET: 's'.repeat(32) },
  });
});
afterAll(() => server.stop());

interface RawAnswer {
  status: number;
  headers: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
  body: any;
}

/** Sends bytes that no HTTP client would send. */
async function send(text: string): Promise<RawAnswer> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  // The server may close before all is sent.
  socket.on('error', () => undefined);
  socket.write(text);
  await once(socket, 'close');
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  return { status, headers: head.toLowerCase(), body: body === '' ? null : JSON.parse(body) };
}

const request = (line: string, ...headers: string[]) =>
  `${[line, 'Host: localhost', 'Connection: close', ...headers].join('\r\n')}\r\n\r\n`;
const GRAPHQL = 'POST /graphql HTTP/1.1';
const JSON_TYPE = 'Content-Type: application/json';
const withBody = (line: string, body: string, ...headers: string[]) =>
  `${request(line, `Content-Length: ${Buffer.byteLength(body)}`, ...headers)}${body}`;

const REST = { error: { code: expect.any(String), message: expect.any(String) } };
const OF_GRAPHQL = { errors: [{ message: expect.any(String), extensions: { code: expect.any(String) } }] };

describe("whatever is the caller's mistake is a 4xx with the body of every other error", () => {
  it.each<[string, string, number, object]>([
    ['a URL that cannot be decoded', request('GET /%zz HTTP/1.1'), 400, REST],
    ['one with half of a character', request('GET /upgrade%c3 HTTP/1.1'), 400, REST],
    ['one under /graphql', request('GET /graphql/%zz HTTP/1.1'), 400, OF_GRAPHQL],
    ['an id that is too long', request(`GET /mock/checkout/${'x'.repeat(5_000)} HTTP/1.1`), 414, REST],
    ['a path that is not there', request('GET /none HTTP/1.1'), 404, REST],
    ['a path like that of GraphQL', request('POST /graphql-none HTTP/1.1'), 404, REST],
    ['a method that a path does not have', request('PUT /graphql HTTP/1.1'), 405, OF_GRAPHQL],
    ['one that a REST route does not have', request('GET /v1/billing/report-usage HTTP/1.1'), 405, REST],
    ['one that a path with an id does not have', request('PUT /mock/checkout/cs_1 HTTP/1.1'), 405, REST],
    ['TRACE', request('TRACE / HTTP/1.1'), 404, REST],
    ['PROPFIND', request('PROPFIND / HTTP/1.1'), 404, REST],
    ['a method that is none', request('NONSENSE / HTTP/1.1'), 400, REST],
    ['no HTTP at all', '\u0016\u0003\u0001 hello\r\n\r\n', 400, REST],
    ['a header without a colon', request('GET /upgrade HTTP/1.1', 'nonsense'), 400, REST],
    ['a length that is no number', request(GRAPHQL, JSON_TYPE, 'Content-Length: many'), 400, REST],
    ['two hosts', request('GET /upgrade HTTP/1.1', 'Host: other'), 400, REST],
    ['CONNECT', request('CONNECT other:80 HTTP/1.1'), 405, REST],
    [
      'a transfer coding that is not there',
      `${request(GRAPHQL, JSON_TYPE, 'Transfer-Encoding: gzip, chunked')}0\r\n\r\n`,
      400,
      OF_GRAPHQL,
    ],
    ['two lengths', request(GRAPHQL, JSON_TYPE, 'Content-Length: 1', 'Content-Length: 2'), 400, REST],
    ['a chunk that is none', `${request(GRAPHQL, JSON_TYPE, 'Transfer-Encoding: chunked')}zz\r\n`, 400, REST],
    ['headers that are too large', request('GET /upgrade HTTP/1.1', `X: ${'x'.repeat(20_000)}`), 431, REST],
    ['a URL that is too long', request(`GET /${'x'.repeat(20_000)} HTTP/1.1`), 431, REST],
    ['no Host', 'GET /upgrade HTTP/1.1\r\nConnection: close\r\n\r\n', 400, REST],
    ['no Host for GraphQL', 'GET /graphql?query={tiers{name}} HTTP/1.0\r\n\r\n', 400, OF_GRAPHQL],
    ['a Host that is none', `${GRAPHQL}\r\nHost: a b\r\nConnection: close\r\n\r\n`, 400, OF_GRAPHQL],
    ['an expectation', withBody(GRAPHQL, '{}', JSON_TYPE, 'Expect: a miracle'), 417, REST],
    ['GraphQL that is no JSON', withBody(GRAPHQL, '{"query"', JSON_TYPE), 400, OF_GRAPHQL],
    ['GraphQL of nothing', request(GRAPHQL, JSON_TYPE), 400, OF_GRAPHQL],
    ['GraphQL that is no object', withBody(GRAPHQL, '"x"', JSON_TYPE), 400, OF_GRAPHQL],
    [
      'GraphQL that would change the prototype',
      withBody(GRAPHQL, '{"__proto__":{}}', JSON_TYPE),
      400,
      OF_GRAPHQL,
    ],
    [
      'GraphQL of an unknown type',
      withBody(GRAPHQL, '{}', 'Content-Type: application/x-none'),
      415,
      OF_GRAPHQL,
    ],
    ['GraphQL of a type that is none', withBody(GRAPHQL, '{}', 'Content-Type: ;;;'), 415, OF_GRAPHQL],
    ['GraphQL as text', withBody(GRAPHQL, '{}', 'Content-Type: text/plain'), 415, OF_GRAPHQL],
    ['GraphQL in a batch', withBody(GRAPHQL, '[{"query":"{__typename}"}]', JSON_TYPE), 400, OF_GRAPHQL],
    [
      'a GraphQL query that is not there',
      request('GET /graphql HTTP/1.1', 'Apollo-Require-Preflight: 1'),
      400,
      OF_GRAPHQL,
    ],
    [
      'a GraphQL mutation by GET',
      request('GET /graphql?query=mutation{resumeSubscription{id}} HTTP/1.1', 'Apollo-Require-Preflight: 1'),
      405,
      OF_GRAPHQL,
    ],
    ['a subgraph without its secret', withBody('POST /subgraph HTTP/1.1', '{', JSON_TYPE), 401, OF_GRAPHQL],
    ['REST that is no JSON', withBody('POST /v1/billing/webhook HTTP/1.1', '{', JSON_TYPE), 400, REST],
    ['REST without a key', withBody('POST /v1/billing/report-usage HTTP/1.1', '{', JSON_TYPE), 401, REST],
  ])('%s', async (_, text, status, body) => {
    const answer = await send(text);
    expect(answer).toMatchObject({ status, body });
    expect(answer.headers).toContain('content-type: application/json; charset=utf-8');
    expect(answer.headers).toContain("content-security-policy: default-src 'none'");
    expect(answer.headers).toMatch(/\r\nx-request-id: [0-9a-f-]{36}(\r\n|$)/);
    expect(JSON.stringify(answer.body).length).toBeLessThan(1_000);
  });

  it('a body that is too large is answered also when all of it is sent before the answer is read', async () => {
    for (const length of [2_000_000, 20_000_000]) {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1').pause();
      const sent = new Promise((resolve, reject) => {
        socket.on('error', reject);
        socket.write(withBody(GRAPHQL, 'x'.repeat(length), JSON_TYPE), resolve);
      });
      await sent;
      let answer = '';
      for await (const chunk of socket) answer += chunk;
      expect(answer).toMatch(/^HTTP\/1\.1 413 /);
      expect(answer).toContain('PAYLOAD_TOO_LARGE');
    }
  });

  it('a method that a path does not have is answered with those that it has', async () => {
    const graphql = await fetch(`${server.url}/graphql?x=1`, { method: 'DELETE' });
    expect([graphql.status, graphql.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST']);
    expect(await graphql.json()).toMatchObject({ errors: [{ extensions: { code: 'METHOD_NOT_ALLOWED' } }] });
    const rest = await fetch(`${server.url}/v1/billing/report-usage`);
    expect([rest.status, rest.headers.get('allow')]).toEqual([405, 'POST']);
  });

  it('HEAD and OPTIONS are answered without a body, and a health probe may come by HTTP/1.0', async () => {
    const status = async (path: string, init: RequestInit) =>
      (await fetch(`${server.url}${path}`, init)).status;
    expect(await status('/upgrade', { method: 'HEAD' })).toBe(200);
    expect(await status('/none', { method: 'HEAD' })).toBe(404);
    expect(await status('/graphql', { method: 'OPTIONS' })).toBe(204);
    expect((await send('GET /health/live HTTP/1.0\r\n\r\n')).status).toBe(200);
  });
});
