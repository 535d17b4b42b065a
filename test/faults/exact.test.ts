import { setTimeout as sleep } from 'node:timers/promises';
import type mongoose from 'mongoose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FaultyMongod, startFaultyMongod } from '../support/faultyMongod.js';
import {
  createLoadedTenants,
  createMeteredLoad,
  FAULTS_OPERATOR,
  farAway,
  type LoadedTenant,
} from '../support/meteredLoad.js';
import { createRandom, seedOfRun } from '../support/random.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';

const LIMITS = [1, 2, 7, 100, 1_000, 10_000];
const CLIENTS_PER_TENANT = 6;
const MAX_COST = 60;

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

const start = () =>
  spawnServer({
    MONGODB_URI: mongod.uri,
    HOST: '127.0.0.1',
    ADMIN_API_KEY: FAULTS_OPERATOR,
    LOG_LEVEL: 'error',
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

it.each([2, 4])(
  `%i servers spend limits from 1 to 10,000 to the call, while one of them is killed (${seed})`,
  async (count) => {
    servers = await Promise.all(Array.from({ length: count }, start));
    const limits = LIMITS.map((callLimit) => ({ ...farAway, callLimit }));
    const tenants = await createLoadedTenants(servers[0] as ServerProcess, limits);
    const load = createMeteredLoad(tenants, createRandom(random.seed + 1));
    // Every server has verified every key.
    await load.settle(servers);

    const clients = tenants.flatMap((tenant) =>
      Array.from({ length: CLIENTS_PER_TENANT }, () => client(tenant)),
    );
    await sleep(random.between(200, 800));
    const victim = random.pick(servers);
    servers = servers.filter((server) => server !== victim);
    await victim.end('SIGKILL');
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

    await load.check(servers, connection, `${seed}, ${count} servers`);
    for (const { id, callLimit, calls, unknownCalls } of tenants) {
      const day = await connection
        .collection<{ _id: string; calls: number }>('usage_days')
        .findOne({ _id: { $gt: `${id}:`, $lt: `${id};` } });
      expect(day?.calls, `${seed}, limit ${callLimit}: calls stored`).toBe(callLimit);
      expect(calls, `${seed}, limit ${callLimit}: calls answered`).toBeLessThanOrEqual(callLimit);
      expect(calls + unknownCalls, `${seed}, limit ${callLimit}`).toBeGreaterThanOrEqual(callLimit);
    }
    await Promise.all(servers.map((server) => server.end('SIGTERM')));
    servers = [];
  },
  90_000,
);
