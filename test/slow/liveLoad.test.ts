import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { connectSse, connectWs } from '../support/liveClient.js';
import { OPERATOR_KEY } from '../support/server.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';

const ENDPOINTS = 400;
const ALIASES = 11;
/** A tenant's usage is sent at most once a second; the rest is for a test machine with other work. */
const MAX_DELAY_MS = 1_000 + 1_500;
const MAX_CALL_MS = 1_000;
const LOAD_MS = 12_000;

let database: TestDatabase;
let server: ServerProcess;
let noisy: { id: string; key: string };
let quiet: { id: string; key: string };

async function createTenant() {
  const created = await server.gql(
    'mutation { createTenant(input: { name: "live" }) { tenant { id } apiKey { secret } } }',
    OPERATOR_KEY,
  );
  const { tenant, apiKey } = created.body.data.createTenant;
  await server.gql(
    `mutation { setTenantLimits(input: { tenantId: "${tenant.id}", tier: ENTERPRISE }) { id } }`,
    OPERATOR_KEY,
  );
  return { id: tenant.id, key: apiKey.secret };
}

const consume = (endpoint: string) => `consume(input: { endpoint: "${endpoint}", cost: 1 }) { allowed }`;
const call = async (key: string) => {
  const { body } = await server.gql(`mutation { ${consume('endpoint0')} }`, key);
  expect(body).toEqual({ data: { consume: { allowed: true } } });
};

/** A subscription of nearly 10,000 units a message. No two of them share their messages. */
function largeSubscription(name: string): string {
  const fields = Array.from(
    { length: ALIASES },
    (_, i) => `${name}_${i}: byEndpoint(first: ${ENDPOINTS}) { endpoint calls }`,
  );
  return `subscription { usageChanged { ${fields.join(' ')} } }`;
}

/** A connection of the noisy tenant with many streams, whose messages are only counted. */
async function openNoisy(name: string, streams: number) {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const seen = { messages: 0, errors: [] as string[], close: null as string | null };
  socket.on('close', (code, reason) => {
    seen.close = `${code} ${reason}`;
  });
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: { apiKey: noisy.key } }));
  await once(socket, 'message');
  socket.on('message', (data: Buffer) => {
    if (data.length > 1_000) seen.messages++;
    else seen.errors.push(String(data));
  });
  for (let i = 0; i < streams; i++) {
    const payload = { query: largeSubscription(`${name}${i}`) };
    socket.send(JSON.stringify({ id: `${i}`, type: 'subscribe', payload }));
  }
  return { seen, close: () => socket.terminate() };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

beforeAll(async () => {
  [database] = await Promise.all([connectTestDatabase(), buildServer()]);
  server = await spawnServer({
    MONGODB_URI: database.uri,
    HOST: '127.0.0.1',
    ADMIN_API_KEY: OPERATOR_KEY,
    LOG_LEVEL: 'warn',
  });
  [noisy, quiet] = [await createTenant(), await createTenant()];
  for (let i = 0; i < ENDPOINTS; i += 50) {
    const fields = Array.from({ length: 50 }, (_, k) => `a${k}: ${consume(`endpoint${i + k}`)}`);
    const { body } = await server.gql(`mutation { ${fields.join(' ')} }`, noisy.key);
    expect(body.errors).toBeUndefined();
  }
});
afterAll(async () => {
  await server?.end('SIGKILL').catch(() => undefined);
  await database.dropAndClose();
});

it('a message above 10,000 units is rejected over both transports, with the units and what to do', async () => {
  const query = largeSubscription('a').replaceAll(`first: ${ENDPOINTS}`, 'first: 501');
  const ws = connectWs(server.url, { apiKey: noisy.key });
  const sse = connectSse(server.url, { 'x-api-key': noisy.key });
  const [overWs] = await ws.subscribe(query).end();
  const overSse = (await sse.subscribe(query).next()).errors[0];
  for (const { message, extensions } of [overWs, overSse]) {
    expect(extensions).toMatchObject({
      code: 'OPERATION_TOO_EXPENSIVE',
      limit: 10_000,
      cost: expect.any(Number),
      http: { status: 400 },
    });
    expect(message).toContain('query it when a message says that it changed');
  }
  ws.dispose();
  sse.dispose();
});

it('large messages of a tenant that has hundreds of streams are bounded, and others get theirs in time', async () => {
  const client = connectWs(server.url, { apiKey: quiet.key });
  const stream = client.subscribe('subscription { usageChanged(current: true) { apiCalls } }');
  await stream.next();
  const connections = await Promise.all(Array.from({ length: 12 }, (_, i) => openNoisy(`c${i}_`, 25)));
  const openedAt = performance.now();
  await sleep(1_000);
  let isOver = false;
  const changing = (async () => {
    while (!isOver) {
      await call(noisy.key);
      await sleep(200);
    }
  })();
  const calls: number[] = [];
  const delays: number[] = [];
  for (let count = 1; performance.now() - openedAt < LOAD_MS; count++) {
    calls.push(await timed(() => call(quiet.key)));
    delays.push(
      await timed(() => expect.poll(() => stream.messages.at(-1).data.usageChanged.apiCalls).toBe(count)),
    );
  }
  isOver = true;
  await changing;
  expect(Math.max(...delays), 'until a change of the quiet tenant is shown').toBeLessThan(MAX_DELAY_MS);
  expect(Math.max(...calls), 'a call of the quiet tenant').toBeLessThan(MAX_CALL_MS);
  expect(stream.ended).toBeNull();
  // The noisy one gets messages as well, later.
  expect(connections.reduce((sum, { seen }) => sum + seen.messages, 0)).toBeGreaterThan(20);
  for (const { seen } of connections) expect(seen).toMatchObject({ errors: [], close: null });
  for (const { close } of connections) close();
  client.dispose();
}, 120_000);
