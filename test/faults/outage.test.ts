import { appendFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type mongoose from 'mongoose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectAway, untilReady } from '../support/databaseAway.js';
import { type FaultyMongod, startFaultyMongod } from '../support/faultyMongod.js';
import { callsIn, storedDays } from '../support/ledger.js';
import {
  createLoadedTenants,
  createMeteredLoad,
  FAULTS_OPERATOR,
  farAway,
  type MeteredLoad,
} from '../support/meteredLoad.js';
import { createRandom, seedOfRun } from '../support/random.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';
import { soon } from '../support/soon.js';

/** The promise is two seconds; the rest is for a test machine with other work. */
const ANSWER_MS = 2_000 + 1_500;
const RETURN_MS = 5_000;
const OUTAGE_MS = 3_000;

const random = createRandom(seedOfRun());
const seed = `SEED=${random.seed}`;
let mongod: FaultyMongod;
let connection: mongoose.Connection;
let load: MeteredLoad;
const servers: ServerProcess[] = [];

const start = async () => {
  const server = await spawnServer({
    MONGODB_URI: mongod.uri,
    HOST: '127.0.0.1',
    ADMIN_API_KEY: FAULTS_OPERATOR,
    LOG_LEVEL: 'error',
  });
  servers.push(server);
  return server;
};

beforeAll(async () => {
  console.log(`outage tests: ${seed}`);
  [mongod] = await Promise.all([startFaultyMongod(), buildServer()]);
  connection = await mongod.connect();
  const tenants = await createLoadedTenants(await start(), Array(8).fill(farAway));
  load = createMeteredLoad(tenants, createRandom(random.seed + 1));
  await load.check(connection, 'before any load');
}, 120_000);
afterAll(async () => {
  for (const server of servers) await server.end('SIGKILL').catch(() => undefined);
  await mongod?.remove();
  const { FAULTS_LOG } = process.env;
  if (FAULTS_LOG) await appendFile(FAULTS_LOG, servers.map((server) => server.output()).join('\n'));
});

const OUTAGES = [
  {
    name: 'killed',
    begin: () => mongod.kill(),
    end: () => mongod.restart(),
  },
  {
    name: 'frozen',
    begin: async () => mongod.freeze(),
    end: async () => mongod.thaw(),
  },
];

/** Every call that was answered is stored, and of the others none: all that failed were returned. */
async function expectExact(): Promise<void> {
  const told = Object.fromEntries(load.tenants.map(({ id, calls }) => [id, calls]));
  await soon(async () => {
    const stored = await Promise.all(load.tenants.map(async ({ id }) => [id, await callsOf(id)]));
    expect(Object.fromEntries(stored), `${seed}: calls stored, and calls answered`).toEqual(told);
  });
}

const callsOf = async (tenantId: string): Promise<number> => callsIn(await storedDays(connection, tenantId));

async function outage({ begin, end }: (typeof OUTAGES)[0], context: string): Promise<void> {
  const key = load.tenants[0]?.key as string;
  // A server that does not know the key yet fails before it decides.
  for (const server of servers)
    expect(
      (await server.gql('{ usage { apiCalls } entitlements { name } }', key)).body.errors,
    ).toBeUndefined();
  const waits: number[] = [];
  const running = load.run(servers, 24, (tookMs) => waits.push(tookMs));
  await sleep(500);
  waits.length = 0;
  const began = performance.now();
  await begin();
  await Promise.all(
    servers.map(async (server) => {
      await untilReady(server, 503, ANSWER_MS);
      await expectAway(server, key, ANSWER_MS);
    }),
  );
  await sleep(Math.max(0, OUTAGE_MS - (performance.now() - began)));
  expect(waits.length, `${context}: answers`).toBeGreaterThan(24);
  expect(Math.max(...waits), `${context}: the longest wait for an answer`).toBeLessThan(ANSWER_MS);
  await end();
  for (const server of servers) await untilReady(server, 200, RETURN_MS);
  await running.stop();
  const before = load.tenants.reduce((sum, { calls }) => sum + calls, 0);
  const again = load.run(servers, 24);
  await sleep(500);
  await again.stop();
  expect(load.tenants.reduce((sum, { calls }) => sum + calls, 0)).toBeGreaterThan(before);
  await load.check(connection, context);
}

describe.each(OUTAGES)('MongoDB is $name', (kind) => {
  it(`one server answers 503 in time, serves again by itself, and returns all calls that failed (${seed})`, async () => {
    await outage(kind, `${seed}, ${kind.name}, one server`);
    await expectExact();
  }, 60_000);
});

describe.each(OUTAGES)('MongoDB is $name under two servers', (kind) => {
  it(`both answer 503 in time and serve again by themselves; nothing is lost or doubled (${seed})`, async () => {
    if (servers.length === 1) await start();
    await outage(kind, `${seed}, ${kind.name}, two servers`);
  }, 60_000);
});
