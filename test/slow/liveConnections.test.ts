import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { App } from '../../src/app.js';
import { createFakeClock } from '../support/fakeClock.js';
import { connectSse, connectWs, type LiveTestClient } from '../support/liveClient.js';
import { collectLog } from '../support/log.js';
import { scrape } from '../support/scrape.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

/** What takes a moment, on a machine that is busy with other tests. */
const USAGE = 'subscription { usageChanged(current: true) { apiCalls } }';
const MINUTE_MS = 60_000;

const clock = createFakeClock(Date.now());
const { log, lines } = collectLog();
let server: TestServer;
/** Another instance on the same database. */
let other: TestServer;
/** Whose client says nothing. */
let silent: Promise<[number, Buffer]>;
/** After how many milliseconds the server ends a connection whose client ignores close frames. */
let deaf: Promise<number>;
const open: LiveTestClient[] = [];

const keep = <C extends LiveTestClient>(client: C): C => {
  open.push(client);
  return client;
};
const ws = (...args: Parameters<typeof connectWs>) => keep(connectWs(...args));
const sse = (url: string, key: string) => keep(connectSse(url, { 'x-api-key': key }));

/** A WebSocket without a client of graphql-ws. */
function rawWs(url = server.url, headers: Record<string, string> = {}): WebSocket {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers });
  socket.on('error', () => undefined);
  return socket;
}

async function initialized(key: string, url = server.url): Promise<WebSocket> {
  const socket = rawWs(url);
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: { apiKey: key } }));
  await once(socket, 'message');
  return socket;
}

async function ignoreCloseFrames(): Promise<number> {
  const startedAt = performance.now();
  const { port } = new URL(server.url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  const headers = ['host: a', 'connection: upgrade', 'upgrade: websocket', 'sec-websocket-version: 13'];
  const ofProtocol = [
    'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-protocol: graphql-transport-ws',
  ];
  socket.write(['GET /graphql HTTP/1.1', ...headers, ...ofProtocol, '', ''].join('\r\n'));
  await once(socket, 'close');
  return performance.now() - startedAt;
}

const closeOf = async (socket: WebSocket) => {
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  return { code, reason: String(reason) };
};

async function expectOk(query: string, key = OPERATOR_KEY, on = server) {
  const { data, errors } = await on.gql(query, { key });
  expect(errors).toEqual([]);
  return data;
}

const subscribe = (socket: WebSocket, id: string, query = USAGE, variables = {}) =>
  socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query, variables } }));

/** @param since the number of lines that the log had before */
function expectNoServerErrors(since: number): void {
  const levels = lines.slice(since).map((line) => JSON.parse(line).level);
  expect(levels.filter((level) => level === 'error' || level >= 50)).toEqual([]);
}

const connectionsOf = ({ app }: { app: App }) => app.services.realtime.connections();

/** Two streams of a credential that are open, on each of two instances. */
async function openStreams(credential: string) {
  const clients = [
    ws(server.url, { apiKey: credential }),
    ws(other.url, { authorization: `Bearer ${credential}` }),
    sse(server.url, credential),
    sse(other.url, credential),
  ];
  const streams = clients.map((client) => client.subscribe(USAGE));
  for (const stream of streams) await stream.next();
  return streams;
}

/** @returns how long it took in milliseconds */
async function expectEnded(streams: Awaited<ReturnType<typeof openStreams>>): Promise<number> {
  const startedAt = performance.now();
  for (const stream of streams) {
    const end = await stream.end();
    if (end === 'complete')
      expect(stream.messages.at(-1).errors[0].extensions).toEqual({
        code: 'UNAUTHENTICATED',
        http: { status: 401 },
      });
    else expect(end).toMatchObject({ code: 4401, reason: expect.stringContaining('UNAUTHENTICATED') });
  }
  return performance.now() - startedAt;
}

beforeAll(async () => {
  const config = {
    live: {
      connections: 400,
      connectionsPerAddress: 300,
      connectionsPerTenant: 6,
      streams: 80,
      streamsPerTenant: 60,
    },
  };
  server = await startTestServer({ clock, config, log });
  other = await startTestServer({ clock, uri: server.uri });
  silent = once(rawWs(), 'close') as never;
  deaf = ignoreCloseFrames();
});
afterAll(async () => {
  await other.stop();
  await server.stop();
});
afterEach(async () => {
  for (const client of open.splice(0)) client.dispose();
  // The silent one may still be there.
  for (const one of [server, other])
    await expect.poll(() => connectionsOf(one).websocket).toBeLessThanOrEqual(1);
});

describe('the credential of a connection', () => {
  it('ends all its streams within a second after it was revoked, on every instance', async () => {
    const tenant = await server.createTenant();
    const { createApiKey } = await expectOk(
      'mutation { createApiKey(input: { name: "other", scopes: [READ, KEYS] }) { secret apiKey { id } } }',
      tenant.key,
    );
    const { createTenantToken } = await expectOk(
      'mutation { createTenantToken(input: { scopes: [READ], ttlSeconds: 600 }) { token } }',
      createApiKey.secret,
    );
    const kept = ws(server.url, { apiKey: tenant.key }).subscribe(USAGE);
    await kept.next();
    const streams = [
      ...(await openStreams(createApiKey.secret)),
      ...(await openStreams(createTenantToken.token)).slice(1),
    ];
    await expectOk(`mutation { revokeApiKey(id: "${createApiKey.apiKey.id}") { id } }`, tenant.key, other);
    expect(await expectEnded(streams.slice(0, 4))).toBeLessThan(1_000);
    await expectEnded(streams.slice(4));
    expect(kept.ended).toBeNull();
  });

  it('ends them when it expires', async () => {
    const tenant = await server.createTenant();
    const expiresAt = new Date(clock.now() + MINUTE_MS).toISOString();
    const { createApiKey } = await expectOk(
      `mutation { createApiKey(input: { name: "short", scopes: [READ], expiresAt: "${expiresAt}" }) { secret } }`,
      tenant.key,
    );
    const streams = await openStreams(createApiKey.secret);
    clock.advance(MINUTE_MS - 1_000);
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (const stream of streams) expect(stream.ended).toBeNull();
    clock.advance(1_000);
    expect(await expectEnded(streams)).toBeLessThan(1_000);
  });

  it('ends them when its tenant is erased, and those of an operator that watch the tenant', async () => {
    const tenant = await server.createTenant();
    const streams = await openStreams(tenant.key);
    const watching = ws(other.url, { apiKey: OPERATOR_KEY }).subscribe(
      `subscription { usageChanged(tenantId: "${tenant.id}", current: true) { apiCalls } }`,
    );
    await watching.next();
    await expectOk(`mutation { eraseTenant(tenantId: "${tenant.id}") { status } }`);
    expect(await expectEnded(streams)).toBeLessThan(1_000);
    expect((await watching.end())[0].extensions.code).toBe('NOT_FOUND');
  });

  it('may be the session of one of this server’s pages, and ends with it; not of another site’s', async () => {
    const signIn = await fetch(`${server.url}/admin/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: server.url },
      body: JSON.stringify({ key: OPERATOR_KEY }),
    });
    const cookie = signIn.headers.get('set-cookie')?.split(';', 1)[0] as string;
    const tenant = await server.createTenant();
    const query = `subscription { usageChanged(tenantId: "${tenant.id}", current: true) { apiCalls } }`;
    const from = (origin: string) =>
      ws(server.url, { session: 'operator' }, { headers: { cookie, origin } }).subscribe(query);
    const stream = from(server.url);
    await stream.next();
    expect(await from('https://evil.example').end()).toMatchObject({ code: 4401 });
    // A page of another site that has a key may use it.
    const withKey = ws(server.url, { apiKey: tenant.key }, { headers: { origin: 'https://app.example' } });
    expect((await withKey.subscribe(USAGE).next()).data.usageChanged.apiCalls).toBe(0);
    await fetch(`${server.url}/admin/session`, { method: 'DELETE', headers: { cookie, origin: server.url } });
    expect(await stream.end()).toMatchObject({ code: 4401 });
  });
});

describe('bounds', () => {
  it('of connections and streams of a tenant: those past them are rejected, the others stay', async () => {
    const tenant = await server.createTenant();
    const sockets = await Promise.all(Array.from({ length: 5 }, () => initialized(tenant.key)));
    const client = ws(server.url, { apiKey: tenant.key });
    const first = client.subscribe(USAGE);
    await first.next();
    expect(await ws(server.url, { apiKey: tenant.key }).subscribe(USAGE).end()).toMatchObject({
      code: 4429,
      reason: expect.stringContaining('RATE_LIMITED'),
    });
    const overSse = sse(server.url, tenant.key).subscribe(USAGE);
    expect((await overSse.next()).errors[0].extensions).toMatchObject({ code: 'RATE_LIMITED', limit: 6 });
    const streams = Array.from({ length: 50 }, () => client.subscribe(USAGE));
    await expect.poll(() => streams.filter(({ ended }) => ended).length).toBe(1);
    const [rejected] = streams.filter(({ ended }) => ended);
    expect(rejected?.ended[0].extensions).toMatchObject({ code: 'RATE_LIMITED', limit: 50 });
    for (const socket of sockets) socket.terminate();
    // What is over makes room.
    client.dispose();
    await expect.poll(() => connectionsOf(server).websocket).toBeLessThan(5);
    expect((await ws(server.url, { apiKey: tenant.key }).subscribe(USAGE).next()).data).toBeDefined();
  });

  it('of connections that have not said who they are: the oldest gives way, and clients with a key get in', async () => {
    const tenant = await server.createTenant();
    const closed: number[] = [];
    const sockets = Array.from({ length: 210 }, () => {
      const socket = rawWs();
      socket.on('close', (code) => closed.push(code));
      return socket;
    });
    await expect.poll(() => closed.length).toBeGreaterThanOrEqual(10);
    expect(new Set(closed)).toEqual(new Set([4408]));
    expect(connectionsOf(server).websocket).toBeLessThanOrEqual(200);
    const stream = ws(server.url, { apiKey: tenant.key }).subscribe(USAGE);
    await stream.next();
    const later = Array.from({ length: 210 }, () => rawWs());
    await expect.poll(() => closed.length).toBe(210);
    // Clients that have authenticated stay.
    expect(stream.ended).toBeNull();
    for (const socket of [...sockets, ...later]) socket.terminate();
    await expect.poll(() => connectionsOf(server).websocket).toBeLessThanOrEqual(2);
  });

  it('do not count clients with a key as unknown while they all connect at once', async () => {
    const tenant = await server.createTenant();
    const { callers } = other.app.services;
    const { describe: check } = callers;
    // All of them wait for the check of their key together. Of the streams 50 at a time do, and the others wait a second at most.
    const slow = vi.spyOn(callers, 'describe').mockImplementation(async (...args) => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      return check(...args);
    });
    const sockets = await Promise.all(Array.from({ length: 120 }, () => initialized(tenant.key, other.url)));
    const streams = Array.from({ length: 120 }, () => sse(other.url, tenant.key).subscribe(USAGE));
    await expect
      .poll(() => streams.filter(({ messages }) => messages[0]?.data?.usageChanged).length)
      .toBe(120);
    slow.mockRestore();
    for (const socket of sockets) socket.terminate();
  });

  it('of documents and variables in memory: a stream with a long one counts several times', async () => {
    const tenant = await server.createTenant();
    const long = (characters: number) => ({ unused: 'x'.repeat(characters) });
    const client = ws(server.url, { apiKey: tenant.key });
    const first = client.subscribe(USAGE, long(20_000));
    await first.next();
    const [{ message, extensions }] = await client.subscribe(USAGE, long(20_000)).end();
    expect(extensions).toMatchObject({ code: 'RATE_LIMITED', limit: 60 });
    expect(message).toContain('500 characters');
    // An event stream may be of a request with a megabyte.
    const events = sse(server.url, tenant.key).subscribe(USAGE, long(500_000));
    expect((await events.next()).errors[0].extensions).toMatchObject({ code: 'RATE_LIMITED', limit: 60 });
    first.stop();
    await expect.poll(() => server.app.services.realtime.streams().usage).toBe(0);
    await client.subscribe(USAGE, long(20_000)).next();
  });

  it('of the operations of a connection that wait for answers, by their length too', async () => {
    const tenant = await server.createTenant();
    const socket = await initialized(tenant.key);
    const { callers } = server.app.services;
    const { identify } = callers;
    const slow = vi.spyOn(callers, 'identify').mockImplementation(async (...args) => {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      return identify(...args);
    });
    const codes: string[] = [];
    socket.on('message', (data) => {
      const { type, payload } = JSON.parse(String(data));
      codes.push(type === 'error' ? payload[0].extensions.code : type);
    });
    try {
      const pad = 'x'.repeat(60_000);
      for (let i = 0; i < 6; i++) subscribe(socket, `x${i}`, '{ tiers { name } }', { pad });
      const answered = Array(4).fill(['next', 'complete']).flat();
      await expect.poll(() => codes).toHaveLength(10);
      expect(codes.slice(0, 2)).toEqual(['SERVICE_UNAVAILABLE', 'SERVICE_UNAVAILABLE']);
      expect(codes.slice(2).sort()).toEqual(answered.sort());
      subscribe(socket, 'later', '{ tiers { name } }', { pad });
      await expect.poll(() => codes.slice(10)).toEqual(['next', 'complete']);
    } finally {
      slow.mockRestore();
      socket.terminate();
    }
  });

  it('end a connection whose client does not answer the close frame', async () => {
    expect(await deaf).toBeLessThan(12_000);
  });

  it('a connection that says nothing is closed, and so is one that says nonsense', async () => {
    const tenant = await server.createTenant();
    const [code] = await silent;
    expect(code).toBe(4408);
    const nonsense = rawWs();
    await once(nonsense, 'open');
    nonsense.send('not JSON');
    expect(await closeOf(nonsense)).toMatchObject({ code: 4400 });
    const early = rawWs();
    await once(early, 'open');
    early.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: USAGE } }));
    expect(await closeOf(early)).toMatchObject({ code: 4401 });
    const large = await initialized(tenant.key);
    large.send('x'.repeat(70_000));
    expect(await closeOf(large)).toMatchObject({ code: 1009 });
    const inPieces = await initialized(tenant.key);
    for (let i = 0; i < 100; i++) inPieces.send('x', { fin: false });
    expect(await closeOf(inPieces)).toMatchObject({ code: 1008 });
    const before = lines.length;
    const ofServer = await initialized(tenant.key);
    ofServer.send(JSON.stringify({ id: '1', type: 'next', payload: {} }));
    expect(await closeOf(ofServer)).toMatchObject({ code: 4400 });
    expectNoServerErrors(before);
  });

  it('other upgrades are served without, or rejected', async () => {
    const get = async (path: string, headers: Record<string, string>) => {
      const sent = request(server.url + path, { headers: { connection: 'upgrade', ...headers } }).end();
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      let text = '';
      for await (const chunk of response) text += chunk;
      return { status: response.statusCode, text, id: response.headers['x-request-id'] };
    };
    const websocket = {
      upgrade: 'websocket',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
    };
    expect(await get('/health/live', websocket)).toMatchObject({ status: 200 });
    expect(await get('/nowhere', websocket)).toMatchObject({ status: 404 });
    const { status, text, id } = await get('/graphql', { ...websocket, 'x-request-id': 'mine' });
    expect([status, id]).toEqual([400, 'mine']);
    expect(JSON.parse(text).errors[0].extensions.code).toBe('BAD_USER_INPUT');
    expect(text).toContain('graphql-transport-ws');
  });
});

describe('operations of a connection', () => {
  it('an id is not used again before its operation has ended, and no stream outlives the connection', async () => {
    const tenant = await server.createTenant();
    const socket = await initialized(tenant.key);
    const closed = closeOf(socket);
    const { callers } = server.app.services;
    const { identify } = callers;
    // The first one is still starting when the others arrive.
    const slow = vi.spyOn(callers, 'identify').mockImplementation(async (...args) => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      return identify(...args);
    });
    for (let i = 0; i < 10; i++) {
      subscribe(socket, `x${i}`);
      socket.send(JSON.stringify({ id: `x${i}`, type: 'complete' }));
      subscribe(socket, `x${i}`);
    }
    expect(await closed).toEqual({ code: 4409, reason: 'Subscriber for x0 already exists' });
    await expect.poll(() => slow.mock.results.length).toBe(1);
    await slow.mock.results[0]?.value;
    slow.mockRestore();
    await expect.poll(() => server.app.services.realtime.streams().usage).toBe(0);
    const again = await initialized(tenant.key);
    for (let i = 0; i < 3; i++) {
      subscribe(again, 'x');
      const [message] = await once(again, 'message');
      expect(JSON.parse(String(message))).toMatchObject({ id: 'x', type: 'next' });
      again.send(JSON.stringify({ id: 'x', type: 'complete' }));
      await expect.poll(() => server.app.services.realtime.streams().usage).toBe(0);
    }
    again.terminate();
  });

  it('a query that is sent after a subscription runs when that listens, however long it takes', async () => {
    const tenant = await server.createTenant();
    const { feed } = server.app.services.realtime;
    const { listen } = feed;
    let isListening = false;
    const slow = vi.spyOn(feed, 'listen').mockImplementation(async (...args) => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      const mailbox = await listen(...args);
      isListening = true;
      return mailbox as never;
    });
    try {
      const client = ws(server.url, { apiKey: tenant.key });
      const earlier = client.subscribe('{ tiers { name } }');
      const stream = client.subscribe('subscription { alertRaised { id } }');
      const later = client.subscribe('{ tenant { id } }');
      await earlier.next();
      expect([isListening, later.messages]).toEqual([false, []]);
      await later.next();
      expect(isListening).toBe(true);
      stream.stop();
    } finally {
      slow.mockRestore();
    }
  });

  it('a subscription may cost far less than a query, because each of its messages costs as much', async () => {
    const tenant = await server.createTenant();
    const fields = Array.from({ length: 100 }, (_, i) => `a${i}: byEndpoint(first: 501) { calls endpoint }`);
    const query = `subscription { usageChanged { ${fields.join(' ')} } }`;
    const [{ message, extensions }] = await ws(server.url, { apiKey: tenant.key }).subscribe(query).end();
    expect(extensions).toMatchObject({ code: 'OPERATION_TOO_EXPENSIVE', limit: 10_000 });
    expect(message).toContain('Each message costs');
    const small = `subscription { usageChanged(current: true) { ${fields.slice(0, 4).join(' ')} } }`;
    expect(await ws(server.url, { apiKey: tenant.key }).subscribe(small).next()).toHaveProperty('data');
  });

  it('a stream whose message is too large ends with that error', async () => {
    const tenant = await server.createTenant();
    await server.setLimits(tenant.id, null, 'ENTERPRISE');
    const client = ws(server.url, { apiKey: tenant.key });
    const large = client.subscribe(
      'subscription { memoryChanged { memory { a: content b: content c: content } } }',
    );
    const small = client.subscribe('subscription { memoryChanged { kind } }');
    await expect.poll(() => server.app.services.realtime.streams().memory).toBe(2);
    const content = 'x'.repeat(900_000);
    await server.gql('mutation ($content: String!) { storeMemory(input: { content: $content }) { id } }', {
      key: tenant.key,
      variables: { content },
    });
    expect((await large.end())[0].extensions).toMatchObject({ code: 'RESPONSE_TOO_LARGE' });
    expect(await small.next()).toEqual({ data: { memoryChanged: { kind: 'STORED' } } });
    expect(server.app.services.realtime.streams().memory).toBe(1);
  });

  it('a field that depends on a variable is a mistake of the client, without a key too', async () => {
    const query =
      'subscription ($a: Boolean!) { ...F } fragment F on Realtime { usageChanged @include(if: $a) { apiCalls } }';
    const nothing = 'subscription { usageChanged @skip(if: true) { apiCalls } }';
    const variables = { a: true };
    const before = lines.length;
    const { status, errors } = await server.gql(query, { key: null, variables });
    expect([status, errors[0]?.extensions?.code]).toEqual([400, 'GRAPHQL_VALIDATION_FAILED']);
    const tenant = await server.createTenant();
    const overWs = await ws(server.url, { apiKey: tenant.key }).subscribe(query, variables).end();
    const overSse = await sse(server.url, tenant.key).subscribe(query, variables).next();
    for (const [error] of [overWs, overSse.errors])
      expect(error.extensions).toEqual({ code: 'GRAPHQL_VALIDATION_FAILED', http: { status: 400 } });
    const empty = await ws(server.url, { apiKey: tenant.key }).subscribe(nothing).end();
    expect(empty[0].extensions).toMatchObject({ code: 'BAD_USER_INPUT' });
    expectNoServerErrors(before);
  });

  it('what is nested too deeply is a mistake of the client, or not looked at', async () => {
    const tenant = await server.createTenant();
    const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`;
    const before = lines.length;
    const socket = await initialized(tenant.key);
    const answered = async (text: string) => {
      const message = once(socket, 'message');
      socket.send(text);
      return JSON.parse(String((await message)[0]));
    };
    expect(await answered(`{"type":"ping","payload":{"a":${deep}}}`)).toEqual({ type: 'pong' });
    const payload = `{"query":"${USAGE}","variables":{"a":${deep}}}`;
    const rejected = await answered(`{"id":"1","type":"subscribe","payload":${payload}}`);
    expect(rejected.payload[0].extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'variables' });
    expectNoServerErrors(before);
    socket.terminate();
  });

  it('a large message is handled in its turn, and those of the same client after it in their order', async () => {
    const tenant = await server.createTenant();
    const socket = await initialized(tenant.key);
    const done = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        const { id, type } = JSON.parse(String(data));
        if (id === 'last' && type === 'complete') resolve();
      });
    });
    for (let i = 0; i < 20; i++) {
      subscribe(socket, `x${i}`, USAGE, { pad: 'x'.repeat(i % 2 === 0 ? 8_000 : 0) });
      socket.send(JSON.stringify({ id: `x${i}`, type: 'complete' }));
    }
    subscribe(socket, 'last', '{ tiers { name } }');
    await done;
    // Had one been completed before it was begun, it would go on.
    await expect.poll(() => server.app.services.realtime.streams().usage).toBe(0);
    socket.terminate();
  });
});

describe('a client that does not read', () => {
  let tenant: TestTenant;

  beforeAll(async () => {
    tenant = await server.createTenant();
    await server.setLimits(tenant.id, null, 'ENTERPRISE');
  });

  const dropped = async () => {
    const scraped = await scrape(`${server.url}/metrics`);
    return scraped.value('continuum_live_ended_total', { reason: 'slow_reader' });
  };

  /** Stores more than fits into the buffers of a connection, and then more than may wait. */
  async function storeALot(): Promise<void> {
    const { memories } = server.app.models;
    const createdAt = new Date(clock.now());
    const docs = (count: number, size: number) =>
      Array.from({ length: count }, (_, i) => ({
        _id: `${tenant.id}:mem_${createdAt.getTime()}_${size}_${String(i).padStart(5, '0')}`,
        tenantId: tenant.id,
        content: 'x'.repeat(size),
        embedding: null,
        metadata: null,
        bytes: size,
        sharedAt: null,
        createdAt,
      }));
    await memories.collection.insertMany(docs(14, 1_000_000) as never);
    await memories.collection.insertMany(docs(2_010, 1) as never);
  }

  it('is dropped with a reason, over a WebSocket and over an event stream', async () => {
    const before = await dropped();
    const socket = await initialized(tenant.key);
    const query = 'subscription { memoryChanged { id memory { content } } }';
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
    const events = request(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', 'x-api-key': tenant.key },
    });
    events.on('error', () => undefined);
    events.end(JSON.stringify({ query }));
    const [response] = (await once(events, 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    await expect.poll(() => server.app.services.realtime.streams().memory).toBe(2);
    socket.pause();
    (response.socket as Socket).pause();
    const closed = closeOf(socket);
    await storeALot();
    await expect.poll(dropped).toBe(before + 2);
    socket.resume();
    (response.socket as Socket).resume();
    expect(await closed).toMatchObject({ code: expect.toBeOneOf([4490, 1006]) });
    expect(server.app.services.realtime.streams().memory).toBe(0);
  });
});

it('each connection and operation has a line in the log, with who, what and how it ended', async () => {
  const tenant = await server.createTenant();
  const client = ws(server.url, { apiKey: tenant.key }, { headers: { 'x-request-id': 'live-1' } });
  const stream = client.subscribe('subscription Mine { usageChanged(current: true) { apiCalls } }');
  await stream.next();
  client.dispose();
  const lineOf = (message: string) =>
    lines
      .map((line) => JSON.parse(line))
      .find(({ msg, requestId }) => msg === message && requestId.startsWith('live-1'));
  await expect.poll(() => lineOf('live.ended')).toBeDefined();
  expect(lineOf('request.answered')).toMatchObject({ requestId: 'live-1', route: '/graphql', status: 101 });
  expect(lineOf('operation.answered')).toMatchObject({
    requestId: 'live-1.1',
    operation: 'Mine',
    operationType: 'subscription',
    tenantId: tenant.id,
    keyId: tenant.keyId,
    cost: 0,
  });
  expect(lineOf('live.ended')).toMatchObject({
    requestId: 'live-1',
    transport: 'websocket',
    tenantId: tenant.id,
    keyId: tenant.keyId,
    reason: 'client',
    messages: 1,
  });
});

it('a server that stops sends its clients to another one, where they read again', async () => {
  await silent;
  const tenant = await server.createTenant();
  const stopping = await startTestServer({ clock, uri: server.uri });
  const urls = [stopping.url, server.url];
  const client = keep(
    connectWs(
      stopping.url,
      { apiKey: tenant.key },
      {
        retryAttempts: 3,
        retryWait: async () => undefined,
        url: () => `${urls.shift()?.replace('http', 'ws')}/graphql`,
      },
    ),
  );
  const stream = client.subscribe(USAGE);
  await stream.next();
  const events = sse(stopping.url, tenant.key).subscribe(USAGE);
  await events.next();
  await expectOk('mutation { storeMemory(input: { content: "a" }) { id } }', tenant.key, other);
  await stopping.stop();
  expect(client.closes[0]).toMatchObject({ code: 1012 });
  // The stream was not completed, so its client tries again.
  expect((await events.end()).name).toBe('NetworkError');
  await expect.poll(() => stream.messages.at(-1).data.usageChanged.apiCalls).toBe(1);
  expect(connectionsOf(server).websocket).toBe(1);
  client.dispose();
  await expect.poll(() => connectionsOf(server).websocket).toBe(0);
}, 60_000);
