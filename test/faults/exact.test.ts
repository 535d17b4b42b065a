import { setTimeout as sleep } from 'node:timers/promises';
import type mongoose from 'mongoose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FaultyMongod, startFaultyMongod } from '../support/faultyMongod.js';
import { storedDays } from '../support/ledger.js';
import {
  createLoadedTenants,
  createMeteredLoad,
  FAULTS_OPERATOR,
  farAway,
  type LoadedTenant,
} from '../support/meteredLoad.js';
import { createRandom, seedOfRun } from '../support/random.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';
import { soon } from '../support/soon.js';

const LIMITS = [1, 2, 7, 100, 1_000, 10_000];
const CLIENTS_PER_TENANT = 6;
const MAX_COST = 60;
const MINUTE_MS = 60_000;
/** Until then four servers have started, and have had their limits changed under load. */
const FIRST_EDGE_MS = 20_000;

const random = createRandom(seedOfRun());
const seed = `SEED=${random.seed}`;
let mongod: FaultyMongod;
let connection: mongoose.Connection;
let servers: ServerProcess[] = [];

beforeAll(async () => {
  console.log(`exactness tests: ${seed}`);
  [mongod] = await Promise.all([startFaultyMongod(), buildServer()]);
  connection = await mongod.connect();
}, 120_000);
afterAll(async () => {
  for (const server of servers) await server.end('SIGKILL').catch(() => undefined);
  await mongod?.remove();
});

const start = (env: Record<string, string> = {}) =>
  spawnServer({
    MONGODB_URI: mongod.uri,
    HOST: '127.0.0.1',
    ADMIN_API_KEY: FAULTS_OPERATOR,
    LOG_LEVEL: 'error',
    ...env,
  });

/** One operation that costs as many calls as it has aliases. @returns whether it was refused */
async function spend(server: ServerProcess, tenant: LoadedTenant, cost: number): Promise<boolean> {
  const aliases = Array.from({ length: cost }, (_, i) => `a${i}: memory(id: "mem_none") { id }`);
  const answer = await server.gql(`{ ${aliases.join(' ')} }`, tenant.key, 15_000).catch(() => null);
  if (answer?.status === 200) tenant.calls += cost;
  else if (answer?.status === 429) return true;
  else tenant.unknownCalls += cost;
  return false;
}

/** Until only a few calls may be left: operations that are too dear are refused. */
async function client(tenant: LoadedTenant): Promise<void> {
  for (let refusals = 0; refusals < 5; ) {
    const [server] = servers.length > 0 ? [random.pick(servers)] : [];
    if (!server) return;
    const cost = random.between(1, Math.min(MAX_COST, tenant.callLimit + 3));
    if (await spend(server, tenant, cost)) refusals++;
  }
}

it.each([
  { count: 1, killed: 'none' },
  { count: 2, killed: 'one' },
  { count: 4, killed: 'one' },
])(
  `$count servers spend limits from 1 to 10,000 to the call, while $killed of them is killed (${seed})`,
  async ({ count, killed }) => {
    servers = await Promise.all(Array.from({ length: count }, () => start()));
    const limits = LIMITS.map((callLimit) => ({ ...farAway, callLimit }));
    const tenants = await createLoadedTenants(servers[0] as ServerProcess, limits);
    const load = createMeteredLoad(tenants, createRandom(random.seed + 1));
    // Every server has verified every key.
    await Promise.all(
      tenants.flatMap(({ key }) => servers.map((server) => server.gql('{ usage { apiCalls } }', key))),
    );
    const clients = tenants.flatMap((tenant) =>
      Array.from({ length: CLIENTS_PER_TENANT }, () => client(tenant)),
    );
    await sleep(random.between(200, 800));
    if (killed === 'one') {
      const victim = random.pick(servers);
      servers = servers.filter((server) => server !== victim);
      await victim.end('SIGKILL');
    }
    await Promise.all(clients);
    // The rest, call by call, through all that are left.
    await Promise.all(
      tenants.map(async (tenant) => {
        for (let i = 0; ; i++) {
          const server = servers[i % servers.length] as ServerProcess;
          if (await spend(server, tenant, 1)) return;
        }
      }),
    );

    await load.check(connection, `${seed}, ${count} servers`);
    for (const { id, callLimit, calls, unknownCalls } of tenants) {
      const [day] = await storedDays(connection, id);
      expect(day?.calls, `${seed}, limit ${callLimit}: calls stored`).toBe(callLimit);
      expect(calls, `${seed}, limit ${callLimit}: calls answered`).toBeLessThanOrEqual(callLimit);
      expect(calls + unknownCalls, `${seed}, limit ${callLimit}`).toBeGreaterThanOrEqual(callLimit);
    }
    await Promise.all(servers.map((server) => server.end('SIGTERM')));
    servers = [];
  },
  90_000,
);

interface Consumed {
  allowed: boolean;
  /** Of the window that refused, or that has less left. */
  resetsAt: string;
}

async function consume(server: ServerProcess, { key }: LoadedTenant): Promise<Consumed> {
  const { body } = await server.gql(
    'mutation { consume(input: { endpoint: "jobs" }) { allowed resetsAt } }',
    key,
    15_000,
  );
  return body.data.consume;
}

const setLimits = (tenant: LoadedTenant, limits: string) =>
  (servers[0] as ServerProcess).gql(
    `mutation { setTenantLimits(input: { tenantId: "${tenant.id}", limits: { ${limits} } }) { id } }`,
    FAULTS_OPERATOR,
  );

describe('four servers', () => {
  /** What the database's clock says to the servers, less what ours says: a minute ends when they have worked a while. */
  let aheadMs: number;
  const servedNow = () => Date.now() + aheadMs;

  beforeAll(async () => {
    aheadMs = MINUTE_MS - ((Date.now() + FIRST_EDGE_MS) % MINUTE_MS);
    const env = {
      NODE_OPTIONS: `--import=${new URL('../support/databaseAhead.mjs', import.meta.url)}`,
      DATABASE_AHEAD_MS: `${aheadMs}`,
    };
    servers = await Promise.all(Array.from({ length: 4 }, () => start(env)));
  }, 60_000);
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.end('SIGTERM')));
    servers = [];
  });

  it('follow limits that rise and fall under load: what was raised is spent to the call', async () => {
    const limits = { ...farAway, callLimit: 50 };
    const tenants = await createLoadedTenants(servers[0] as ServerProcess, [limits, limits]);
    const [rising, falling] = tenants as [LoadedTenant, LoadedTenant];
    const allowed = new Map<LoadedTenant, number>(tenants.map((tenant) => [tenant, 0]));
    let ended = false;
    const client = async (tenant: LoadedTenant) => {
      while (!ended) {
        if ((await consume(random.pick(servers), tenant)).allowed)
          allowed.set(tenant, (allowed.get(tenant) ?? 0) + 1);
      }
    };
    const clients = tenants.flatMap((tenant) => Array.from({ length: 6 }, () => client(tenant)));
    const all = (tenant: LoadedTenant, calls: number) =>
      soon(() => expect(allowed.get(tenant), seed).toBe(calls));

    await Promise.all([all(rising, 50), all(falling, 50)]);
    await setLimits(rising, 'apiCallsPerDay: 333');
    await setLimits(falling, 'apiCallsPerDay: 7');
    await all(rising, 333);
    await setLimits(falling, 'apiCallsPerDay: 60');
    await all(falling, 60);
    await sleep(500);
    ended = true;
    await Promise.all(clients);
    expect([...allowed.values()], seed).toEqual([333, 60]);
  }, 60_000);

  it("agree on when a minute ends, and spend each minute's limit to the call", async () => {
    const perMinute = [1, 7, 100, 400];
    const tenants = await createLoadedTenants(servers[0] as ServerProcess, Array(4).fill(farAway));
    for (const [i, tenant] of tenants.entries())
      await setLimits(tenant, `apiCallsPerMinute: ${perMinute[i]}`);
    const msToEdge = MINUTE_MS - (servedNow() % MINUTE_MS);
    await sleep(Math.max(0, msToEdge - 2_000));
    const until = Date.now() + Math.min(msToEdge, 2_000) + 5_000;
    await Promise.all(
      tenants.map(async (tenant, i) => {
        const limit = perMinute[i] as number;
        const minutes = new Map<string, { allowed: number; refused: number }>();
        const client = async () => {
          while (Date.now() < until) {
            const { allowed, resetsAt } = await consume(random.pick(servers), tenant);
            const minute = minutes.get(resetsAt) ?? { allowed: 0, refused: 0 };
            minutes.set(resetsAt, minute);
            minute[allowed ? 'allowed' : 'refused']++;
          }
        };
        await Promise.all(Array.from({ length: 6 }, client));
        expect(minutes.size, `${seed}, ${limit} a minute: minutes`).toBe(2);
        for (const [minute, { allowed, refused }] of minutes) {
          // Where one was refused, the limit was used up; a busy machine may not get there.
          if (refused > 0) expect(allowed, `${seed}, until ${minute}`).toBe(limit);
          else expect(allowed, `${seed}, until ${minute}`).toBeLessThanOrEqual(limit);
        }
      }),
    );
  }, 120_000);
});
