import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { callsIn, storedDays } from '../support/ledger.js';
import { connectRaw, rawPost } from '../support/rawClient.js';
import { OPERATOR_KEY } from '../support/server.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';

const GATEWAY_SECRET = 'gateway-secret-of-the-shutdown-tests';
const CLIENTS = 16;

let database: TestDatabase;
let tenant: { id: string; key: string };
let server: ServerProcess;

beforeAll(async () => {
  database = await connectTestDatabase();
  await buildServer();
  const first = await start();
  tenant = await createTenant(first);
  await first.end('SIGTERM');
});
beforeEach(async () => {
  await Promise.all(
    ['memories', 'usage_days', 'ledgers'].map((name) => database.connection.collection(name).deleteMany({})),
  );
});
afterAll(async () => {
  await server?.end('SIGKILL').catch(() => undefined);
  await database.dropAndClose();
});

async function start(env: Record<string, string> = {}): Promise<ServerProcess> {
  server = await spawnServer({
    MONGODB_URI: database.uri,
    HOST: '127.0.0.1',
    ADMIN_API_KEY: OPERATOR_KEY,
    GATEWAY_SECRET,
    LOG_LEVEL: 'warn',
    ...env,
  });
  return server;
}

async function createTenant(of: ServerProcess): Promise<{ id: string; key: string }> {
  const created = await of.gql(
    'mutation { createTenant(input: { name: "Busy" }) { tenant { id } apiKey { secret } } }',
    OPERATOR_KEY,
  );
  const { tenant: made, apiKey } = created.body.data.createTenant;
  const limits =
    'apiCallsPerDay: 1000000, apiCallsPerMinute: 1000000, concurrentRequests: 1000, maxMemories: 1000000';
  await of.gql(
    `mutation { setTenantLimits(input: { tenantId: "${made.id}", tier: PRO, limits: { ${limits} } }) { id } }`,
    OPERATOR_KEY,
  );
  return { id: made.id, key: apiKey.secret };
}

/** What became of one call: its memory's id, `rejected` for a whole 503, `cut` for a connection without an answer. */
type Fate = { content: string; outcome: 'stored' | 'rejected' | 'cut'; closes: boolean };

const storing = (content: string) => ({
  query: `mutation { storeMemory(input: { content: "${content}" }) { id } }`,
});

function call(agent: Agent, path: string, content: string): Promise<Fate> {
  return new Promise((resolve, reject) => {
    const cut = () => resolve({ content, outcome: 'cut', closes: true });
    const sent = request(new URL(path, server.url), {
      method: 'POST',
      agent,
      headers: {
        'content-type': 'application/json',
        'x-api-key': tenant.key,
        'x-gateway-secret': GATEWAY_SECRET,
      },
    });
    sent.on('error', cut);
    sent.on('response', (response: IncomingMessage) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', cut);
      response.on('end', () => {
        const { statusCode, headers } = response;
        const closes = headers.connection === 'close';
        const body = JSON.parse(text);
        if (statusCode === 200 && body.data?.storeMemory?.id)
          return resolve({ content, outcome: 'stored', closes });
        const { code } = body.errors[0].extensions;
        if (statusCode === 503 && code === 'SERVICE_UNAVAILABLE' && headers['retry-after'])
          return resolve({ content, outcome: 'rejected', closes });
        reject(new Error(`${statusCode}: ${text}`));
      });
    });
    sent.end(JSON.stringify(storing(content)));
  });
}

/** Each on connections that stay open, until `isOver`. */
async function load(isOver: () => boolean): Promise<Fate[]> {
  const fates: Fate[] = [];
  const client = async (_: unknown, i: number) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = 0; !isOver(); n++)
      fates.push(await call(agent, i % 2 ? '/subgraph' : '/graphql', `${i}-${n}`));
    agent.destroy();
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return fates;
}

async function storedContents(): Promise<string[]> {
  const docs = await database.connection.collection('memories').find().toArray();
  return docs.map(({ content }) => String(content)).sort();
}

const chargedCalls = async (): Promise<number> => callsIn(await storedDays(database.connection));

it.each(['0', '1'])(
  'a server that is stopped under load, with %s s of notice, has answered all that it stored and charged, and nothing else',
  async (notice) => {
    await start({ SHUTDOWN_NOTICE_SECONDS: notice });
    let isOver = false;
    const loading = load(() => isOver);
    while ((await storedContents()).length < 200) await sleep(20);
    expect(await server.end('SIGTERM')).toBe(0);
    isOver = true;
    const fates = await loading;
    const stored = fates.filter(({ outcome }) => outcome === 'stored').map(({ content }) => content);
    expect(await storedContents()).toEqual(stored.sort());
    expect(await chargedCalls()).toBe(stored.length);
    expect(fates.filter(({ outcome, closes }) => outcome === 'rejected' && !closes)).toEqual([]);
    // Whoever was served during the notice was told to go elsewhere.
    expect(fates.some(({ outcome, closes }) => outcome === 'stored' && closes)).toBe(true);
  },
);

it('requests that are pipelined while the server stops are run if they are answered, and only then', async () => {
  await start({ SHUTDOWN_NOTICE_SECONDS: '1' });
  const headers = { 'x-api-key': tenant.key };
  const client = await connectRaw(server.url);
  client.write(rawPost('/graphql', headers, storing('before')));
  await client.until(/storeMemory/);
  const ended = server.end('SIGTERM');
  const probe = async () => (await fetch(`${server.url}/health/ready`)).status;
  while ((await probe()) !== 503) await sleep(10);
  // In parts, so that some arrive after an answer that closes the connection.
  const other = await connectRaw(server.url);
  for (let i = 0; i < 50 && !other.socket.destroyed; i++) {
    other.write(rawPost('/graphql', headers, storing(`p${i}`)));
    if (i % 5 === 0) await sleep(1);
  }
  const text = await other.ended();
  await client.ended();
  expect(await ended).toBe(0);
  const answered = text.match(/"storeMemory":\{"id"/g)?.length ?? 0;
  const stored = await storedContents();
  expect(stored.filter((content) => content.startsWith('p'))).toHaveLength(answered);
  expect(answered).toBeGreaterThan(0);
  expect(text).toMatch(/connection: close/i);
  expect(await chargedCalls()).toBe(answered + 1);
});

it('a request whose body was still arriving when the server stopped is rejected before it runs', async () => {
  await start({ SHUTDOWN_NOTICE_SECONDS: '0' });
  const bytes = rawPost('/graphql', { 'x-api-key': tenant.key }, storing('late'));
  const client = await connectRaw(server.url);
  client.write(bytes.slice(0, -10));
  // Only what was received of the first part lets the second one be its end.
  while ((await server.gql('{ tiers { name } }', tenant.key)).status !== 200) await sleep(10);
  const ended = server.end('SIGTERM');
  const probe = async () => fetch(`${server.url}/upgrade`).then(({ status }) => status);
  while ((await probe()) !== 503) await sleep(5);
  client.write(bytes.slice(-10));
  const text = await client.ended();
  expect(text).toMatch(/^HTTP\/1\.1 503 /);
  expect(text).toMatch(/retry-after: \d/i);
  expect(text).toMatch(/connection: close/i);
  expect(text).toContain('"code":"SERVICE_UNAVAILABLE"');
  expect(text).toContain('"errors":[');
  expect(await ended).toBe(0);
  expect(await storedContents()).toEqual([]);
  expect(await chargedCalls()).toBe(0);
});

it('while a request still runs, new ones are rejected in the shape of their path, and probes are answered', async () => {
  await start({ SHUTDOWN_NOTICE_SECONDS: '0' });
  // Its body never ends: it holds the server back for a while.
  const slow = await connectRaw(server.url);
  slow.write(rawPost('/graphql', {}, storing('never')).slice(0, -10));
  await server.gql('{ tiers { name } }', tenant.key);
  const ended = server.end('SIGTERM');
  // A second signal changes nothing.
  process.kill(server.pid, 'SIGTERM');
  process.kill(server.pid, 'SIGINT');
  const ready = () => fetch(`${server.url}/health/ready`);
  while ((await ready()).status !== 503) await sleep(5);
  expect(await (await ready()).json()).toMatchObject({ reason: 'the server is stopping' });
  const answers = await Promise.all(
    ['/upgrade', '/v1/billing/subscription', '/graphql?query={tiers{name}}', '/health/live'].map((path) =>
      fetch(server.url + path),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 200]);
  expect(answers.map(({ headers }) => headers.get('connection'))).toEqual(new Array(4).fill('close'));
  const bodies = await Promise.all(answers.map((answer) => answer.json()));
  expect(bodies[1]).toMatchObject({ error: { code: 'SERVICE_UNAVAILABLE' } });
  expect(bodies[2]).toMatchObject({ errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE' } }] });
  expect(await ended).toBe(0);
});
