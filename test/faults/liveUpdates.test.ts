import { setTimeout as sleep } from 'node:timers/promises';
import { choosePort } from '@continuum-billing/embedded-mongod/programs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FaultyMongod, startFaultyMongod } from '../support/faultyMongod.js';
import {
  askOverHttp,
  followOverSse,
  followOverWs,
  type LiveFollower,
  readMemories,
} from '../support/liveFollower.js';
import { FAULTS_OPERATOR } from '../support/meteredLoad.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';

const PLENTY = 100_000_000;
const OUTAGE_MS = 3_000;

let mongod: FaultyMongod;
const servers: ServerProcess[] = [];
const ports: number[] = [];
let tenant: { id: string; key: string };
let followers: LiveFollower[] = [];

const start = (port: number) =>
  spawnServer({
    MONGODB_URI: mongod.uri,
    HOST: '127.0.0.1',
    PORT: String(port),
    ADMIN_API_KEY: FAULTS_OPERATOR,
    LOG_LEVEL: 'error',
  });

async function createTenant() {
  const [server] = servers as [ServerProcess];
  const created = await server.gql(
    'mutation { createTenant(input: { name: "live" }) { tenant { id } apiKey { secret } } }',
    FAULTS_OPERATOR,
  );
  const { tenant: made, apiKey } = created.body.data.createTenant;
  const set = await server.gql(
    `mutation { setTenantLimits(input: { tenantId: "${made.id}", tier: ENTERPRISE, limits: {
      apiCallsPerDay: ${PLENTY}, apiCallsPerMinute: ${PLENTY}, concurrentRequests: 100000,
      maxMemories: ${PLENTY}, maxEmbeddings: ${PLENTY}, maxStorageBytes: ${PLENTY}
    } }) { id } }`,
    FAULTS_OPERATOR,
  );
  expect(set.body.errors).toBeUndefined();
  return { id: made.id, key: apiKey.secret };
}

/** Stores memories on all servers, one after the other, until `stop`. */
function storeAll() {
  /** The ids that were answered, by server. */
  const stored: string[][] = servers.map(() => []);
  let isOver = false;
  const running = servers.map(async (_, i) => {
    while (!isOver) {
      // The server may be another process by now.
      const ask = askOverHttp((servers[i] as ServerProcess).url, tenant.key);
      const data = await ask('mutation { storeMemory(input: { content: "x" }) { id } }', {});
      if (data?.storeMemory) stored[i]?.push(data.storeMemory.id);
      await sleep(20);
    }
  });
  return {
    /** Waits until each server has stored some more. */
    async someMore() {
      const counts = stored.map(({ length }) => length + 5);
      await expect.poll(() => stored.every(({ length }, i) => length >= (counts[i] as number))).toBe(true);
    },
    /** @returns the ids that were answered */
    async stop() {
      isOver = true;
      await Promise.all(running);
      return stored.flat();
    },
  };
}

/** While memories are stored all the time, every follower has what there is in the end, whatever happened meanwhile. */
async function expectFollowed(whatHappens: () => Promise<void>): Promise<void> {
  const storing = storeAll();
  await storing.someMore();
  await whatHappens();
  await storing.someMore();
  const answered = await storing.stop();
  const ask = askOverHttp((servers[0] as ServerProcess).url, tenant.key);
  const ids = await readMemories(ask);
  expect(new Set(ids)).toEqual(new Set([...(ids ?? []), ...answered]));
  const missing = () =>
    followers.map(({ name, memories }) => [name, ids?.filter((id) => !memories.has(id)).length]);
  await expect.poll(missing).toEqual(followers.map(({ name }) => [name, 0]));
  // Read each time, because followers that read again use calls for that.
  const behind = async () => {
    const { usage } = await ask('{ usage { apiCalls } }', {});
    return followers.map(({ name, calls }) => [name, usage.apiCalls - (calls ?? 0)]);
  };
  await expect.poll(behind).toEqual(followers.map(({ name }) => [name, 0]));
  expect(followers.flatMap(({ ended }) => ended)).toEqual([]);
}

const expectConnectedAgain = (which: LiveFollower[]) =>
  expect.poll(() => which.filter(({ connects }) => connects > 1).length).toBe(which.length);

const to = (server: ServerProcess) => followers.filter(({ name }) => name.endsWith(server.url));
const overWs = () => followers.filter(({ name }) => name.startsWith('WebSocket'));

beforeAll(async () => {
  [mongod] = await Promise.all([startFaultyMongod(), buildServer()]);
  for (let i = 0; i < 2; i++) {
    ports.push(await choosePort(undefined, () => undefined));
    servers.push(await start(ports[i] as number));
  }
}, 120_000);
afterAll(async () => {
  for (const server of servers) await server.end('SIGKILL').catch(() => undefined);
  await mongod?.remove();
});
beforeEach(async () => {
  tenant = await createTenant();
  followers = servers.flatMap(({ url }) => [followOverWs(url, tenant.key), followOverSse(url, tenant.key)]);
  await expect.poll(() => followers.filter(({ calls }) => calls !== null).length).toBe(4);
});
afterEach(() => {
  for (const follower of followers) follower.dispose();
});

describe.each([
  { name: 'killed', begin: () => mongod.kill(), end: () => mongod.restart() },
  { name: 'frozen', begin: async () => mongod.freeze(), end: async () => mongod.thaw() },
])('MongoDB is $name', ({ begin, end }) => {
  it('under live clients: they learn it, connect again, and miss nothing', async () => {
    await expectFollowed(async () => {
      await begin();
      await sleep(OUTAGE_MS);
      const codes = new Set(overWs().flatMap(({ closes }) => closes));
      await end();
      // The reason, or that the stream goes on.
      expect([...codes].filter((code) => code !== 1013)).toEqual([]);
    });
  }, 90_000);
});

describe.each(['SIGTERM', 'SIGKILL'] as const)('a server that is restarted after %s', (signal) => {
  it('has its clients back, and they miss nothing that happened meanwhile on the other one', async () => {
    const [, kept] = servers as [ServerProcess, ServerProcess];
    await expectFollowed(async () => {
      const restarted = to(servers[0] as ServerProcess);
      await servers[0]?.end(signal);
      servers[0] = await start(ports[0] as number);
      await expectConnectedAgain(restarted);
      const [first] = restarted.flatMap(({ closes }) => closes);
      expect(first).toBe(signal === 'SIGTERM' ? 1012 : 1006);
      // Clients of the other instance have noticed nothing.
      expect(to(kept).map(({ connects }) => connects)).toEqual([1, 1]);
    });
  }, 90_000);
});

it('instances that are restarted one after the other have their clients back, which miss nothing', async () => {
  await expectFollowed(async () => {
    for (const [i, port] of ports.entries()) {
      await servers[i]?.end('SIGTERM');
      servers[i] = await start(port);
    }
    await expectConnectedAgain(followers);
  });
}, 120_000);

it('clients that arrive while MongoDB is away get a reason after which they connect again', async () => {
  const [server] = servers as [ServerProcess];
  await mongod.kill();
  await sleep(2_000);
  const before = overWs().map(({ closes }) => closes.length);
  await sleep(500);
  for (const [i, { closes }] of overWs().entries()) {
    expect(closes.length).toBeGreaterThan(before[i] as number);
    expect(closes.at(-1)).toBe(1013);
  }
  const events = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      'x-api-key': tenant.key,
    },
    body: JSON.stringify({ query: 'subscription { usageChanged(current: true) { apiCalls } }' }),
  });
  expect(events.status).toBe(503);
  expect(Number(events.headers.get('retry-after'))).toBeGreaterThan(0);
  await events.body?.cancel();
  await mongod.restart();
  await expectFollowed(() => expectConnectedAgain(followers));
}, 90_000);
