import { EventEmitter, on } from 'node:events';
import { type Logger, pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConnectionConfig } from '../../src/config/config.js';
import { entryIdOf } from '../../src/services/audit/auditChain.js';
import { connectRaw, type RawClient, rawPost } from '../support/rawClient.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const MEGABYTE = 1_048_576;
const PROXY = '127.0.0.9';
const GENEROUS: ConnectionConfig = {
  max: 60,
  maxPerAddress: 20,
  requestTimeoutMs: 30_000,
  stallTimeoutMs: 30_000,
  maxUnreadBytes: 24 * MEGABYTE,
};
const HURRIED = { ...GENEROUS, requestTimeoutMs: 500, stallTimeoutMs: 1_000 };

/** What a server logs about its connections. */
interface Watched {
  log: Logger;
  /** Resolves with the next line of an event, about that address. */
  next(event: string, address?: string): Promise<{ address?: string; cut?: Record<string, number> }>;
}

function watch(): Watched {
  const lines = new EventEmitter();
  const log = pino(
    { level: 'debug' },
    {
      write(text) {
        const line = JSON.parse(text);
        if (line.msg) lines.emit(line.msg, line);
      },
    },
  );
  return {
    log,
    async next(event, address) {
      for await (const [line] of on(lines, event))
        if (address === undefined || line.address === address) return line;
      throw new Error('The log has ended');
    },
  };
}

const clients = new Set<RawClient>();
async function connect(to: TestServer, options: { reads?: boolean; from?: string } = {}): Promise<RawClient> {
  const client = await connectRaw(to.url, options);
  clients.add(client);
  return client;
}
function disconnectAll(): void {
  for (const { socket } of clients) socket.destroy();
  clients.clear();
}

const WIDE = { apiCallsPerDay: 1e6, apiCallsPerMinute: 1e6, concurrentRequests: 1_000 };
const READ = '{ memories { pageInfo { hasNextPage } } }';
const LIVE = 'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n';
const storing = (key: string, content: string) =>
  rawPost(
    '/graphql',
    { 'x-api-key': key },
    { query: `mutation { storeMemory(input: { content: "${content}" }) { id } }` },
  );
const count = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;

async function tenantWithMegabyte(server: TestServer): Promise<TestTenant & { reading: string }> {
  const tenant = await server.createTenant();
  await server.setLimits(tenant.id, WIDE, 'PRO');
  const { data } = await server.gql(
    'mutation ($content: String!) { storeMemory(input: { content: $content }) { id } }',
    { key: tenant.key, variables: { content: 'x'.repeat(1_000_000) } },
  );
  const aliases = Array.from({ length: 9 }, (_, i) => `c${i}: content`).join(' ');
  const query = `{ memory(id: "${data.storeMemory.id}") { ${aliases} } }`;
  return { ...tenant, reading: rawPost('/graphql', { 'x-api-key': tenant.key }, { query }) };
}

/** A tenant whose audit log does not fit into the buffers of a connection. */
async function tenantWithLongLog(server: TestServer): Promise<TestTenant> {
  const tenant = await server.createTenant();
  const after = JSON.stringify({ text: 'x'.repeat(20_000) });
  await server.app.models.auditEntries.insertMany(
    Array.from({ length: 400 }, (_, n) => ({
      _id: entryIdOf(tenant.id, 2 + n),
      chain: tenant.id,
      at: new Date(),
      actor: 'system:test',
      action: 'text.written',
      before: null,
      after,
      requestId: null,
      hash: '0'.repeat(64),
    })),
  );
  return tenant;
}
const exporting = (key: string, query = '') =>
  `GET /v1/audit-log${query} HTTP/1.1\r\nhost: x\r\nx-api-key: ${key}\r\n\r\n`;
/** @returns the status; the rest is not read */
async function exported(server: TestServer, key: string, query = ''): Promise<number> {
  const { status, body } = await fetch(`${server.url}/v1/audit-log${query}`, {
    headers: { 'x-api-key': key },
  });
  await body?.cancel();
  return status;
}

describe('with short timeouts', () => {
  const watched = watch();
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ config: { connections: HURRIED }, log: watched.log });
  });
  afterAll(async () => {
    disconnectAll();
    await server.stop();
  });

  it('headers and bodies that trickle in get 408, and others do not notice', async () => {
    const [headers, body, silent] = [await connect(server), await connect(server), await connect(server)];
    headers.write('POST /graphql HTTP/1.1\r\nhost: x\r\n');
    body.write(
      'POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n',
    );
    const trickle = setInterval(() => {
      headers.write('x: y\r\n');
      body.write(' ');
    }, 50);
    try {
      expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
      for (const client of [headers, body]) {
        const text = await client.ended();
        expect(text).toMatch(/^HTTP\/1\.1 408 /);
        expect(text).toMatch(/connection: close/i);
        expect(text).toContain('The request took too long to arrive');
      }
      await silent.ended();
    } finally {
      clearInterval(trickle);
    }
  });

  it('who does not read a large response is cut', async () => {
    const { reading } = await tenantWithMegabyte(server);
    // Idle connections of the other clients are cut too.
    const from = '127.0.0.3';
    const stalled = watched.next('connection.stalled', from);
    const client = await connect(server, { reads: false, from });
    client.write(reading);
    await stalled;
    client.socket.resume();
    expect((await client.ended()).length).toBeLessThan(9_000_000);
  });

  it('who does not read an export of the audit log is cut, and its place is free', async () => {
    const { key } = await tenantWithLongLog(server);
    const from = '127.0.0.5';
    const stalled = watched.next('connection.stalled', from);
    const client = await connect(server, { from });
    client.write(exporting(key));
    await client.until(/^HTTP\/1\.1 200 /);
    client.socket.pause();
    expect(await exported(server, key)).toBe(429);
    await stalled;
    await expect.poll(() => exported(server, key)).toBe(200);
  });
});

describe('with ordinary timeouts', () => {
  const watched = watch();
  let server: TestServer;
  let tenant: TestTenant & { reading: string };
  beforeAll(async () => {
    server = await startTestServer({
      config: { connections: GENEROUS },
      env: { TRUST_PROXY: PROXY },
      log: watched.log,
    });
    tenant = await tenantWithMegabyte(server);
  });
  afterAll(async () => {
    disconnectAll();
    await server.stop();
  });

  it('who leaves the most unread is cut first, however many connections it has; others can take their time', async () => {
    const patient = await connect(server, { reads: false });
    patient.write(tenant.reading);
    const greedy = await Promise.all(
      Array.from({ length: 4 }, () => connect(server, { reads: false, from: '127.0.0.2' })),
    );
    for (const client of greedy) {
      const cut = watched.next('connection.unread');
      client.write(tenant.reading);
      // The third one is more than fits beside the first two and the patient client's.
      if (greedy.indexOf(client) >= 1) expect((await cut).cut).toEqual({ '127.0.0.2': 1 });
    }
    patient.socket.resume();
    const text = await patient.until(/\}\}\}$/);
    expect(text.length).toBeGreaterThan(9_000_000);
    for (const client of greedy) client.socket.resume();
    expect((await greedy[0]?.ended())?.length).toBeLessThan(9_000_000);
    disconnectAll();
  });

  it('exports of the audit log run one at a time for each caller, and leave the operator a place', async () => {
    const tenants = [];
    for (let i = 0; i < 4; i++) tenants.push(await tenantWithLongLog(server));
    const [one, , , fourth] = tenants as [TestTenant, TestTenant, TestTenant, TestTenant];
    const begin = async (key: string, query?: string) => {
      const client = await connect(server);
      client.write(exporting(key, query));
      await client.until(/^HTTP\/1\.1 200 /);
      client.socket.pause();
      return client;
    };
    const [first] = await Promise.all(tenants.slice(0, 3).map(({ key }) => begin(key)));
    expect(await exported(server, one.key)).toBe(429);
    expect(await exported(server, fourth.key)).toBe(503);
    const query = `?tenantId=${one.id}`;
    await begin(OPERATOR_KEY, query);
    expect(await exported(server, OPERATOR_KEY, query)).toBe(429);
    first?.socket.destroy();
    await expect.poll(() => exported(server, fourth.key)).toBe(200);
    disconnectAll();
  });

  it('connections past the bound of one address and past that of all are closed, and proxies have no bound of their own', async () => {
    const isServed = async (from: string) => {
      const client = await connect(server, { from });
      client.write(LIVE);
      return client.until(/"ok"/).then(
        () => client,
        () => null,
      );
    };
    const open = async (amount: number, from: string) => {
      for (let i = 0; i < amount; i++) expect(await isServed(from)).not.toBeNull();
    };
    await open(GENEROUS.maxPerAddress, '127.0.0.3');
    expect(await isServed('127.0.0.3')).toBeNull();
    await open(1, '127.0.0.4');
    await open(GENEROUS.maxPerAddress + 1, PROXY);
    const [one] = clients;
    one?.socket.destroy();
    // The server hears of it a little later.
    while (!(await isServed('127.0.0.3')));
    // Its own place, whatever else this process has open to the server.
    const rejected = watched.next('connection.rejected');
    const filling = (async () => {
      for (let i = 0; i < GENEROUS.max; i++) await connect(server, { from: `127.0.1.${i}` });
    })();
    expect((await rejected).address).toMatch(/^127\.0\.1\./);
    await filling;
    disconnectAll();
  });

  it('ten thousand requests that are pipelined are bounded, each that ran is answered, and others are served meanwhile', async () => {
    const { id, key } = await server.createTenant();
    await server.setLimits(id, WIDE, 'PRO');
    const client = await connect(server);
    client.write(rawPost('/graphql', { 'x-api-key': key }, { query: READ }).repeat(10_000));
    let isOver = false;
    const ended = client.ended().finally(() => {
      isOver = true;
    });
    let meanwhile = 0;
    while (!isOver) {
      expect((await server.gql('{ tiers { name } }', { key: tenant.key })).status).toBe(200);
      meanwhile++;
    }
    const text = await ended;
    const { apiCalls } = (await server.gql('{ usage { apiCalls } }', { key })).data.usage;
    expect(count(text, /"hasNextPage"/g)).toBe(apiCalls);
    expect(count(text, /HTTP\/1\.1 503 /g)).toBe(1);
    expect(text).toMatch(/More than 100 requests wait for answers on this connection"[^\n]*$/);
    expect(apiCalls).toBeGreaterThanOrEqual(100);
    expect(apiCalls).toBeLessThan(1_000);
    expect(meanwhile).toBeGreaterThan(5);
  });

  it('nonsense behind a request is answered after it, and nothing behind the nonsense runs', async () => {
    const { key } = await server.createTenant();
    const client = await connect(server);
    client.write(`${storing(key, 'a')}NONSENSE\r\n\r\n${storing(key, 'b')}`);
    const text = await client.ended();
    expect(text).toMatch(/^HTTP\/1\.1 200 [\s\S]*"storeMemory":\{"id"[\s\S]*HTTP\/1\.1 400 /);
    expect(count(text, /HTTP\/1\.1 /g)).toBe(2);
    expect((await server.gql('{ storage { memories } }', { key })).data.storage.memories).toBe(1);
  });

  it('a client that has ended its side after its request still gets the response', async () => {
    const { key } = await server.createTenant();
    const client = await connect(server);
    client.socket.end(storing(key, 'a'));
    expect(await client.ended()).toMatch(/^HTTP\/1\.1 200 [\s\S]*"storeMemory":\{"id"/);
  });
});
