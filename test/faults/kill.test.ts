import { appendFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type mongoose from 'mongoose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FaultyMongod, startFaultyMongod } from '../support/faultyMongod.js';
import {
  createLoadedTenants,
  createMeteredLoad,
  FAULTS_OPERATOR,
  farAway,
  type MeteredLoad,
} from '../support/meteredLoad.js';
import { createRandom, seedOfRun } from '../support/random.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';

/** Rounds of each kind; `npm run faults` asks for more. */
const ROUNDS = Number(process.env.ROUNDS ?? 1);
const CLIENTS = 24;
const TENANTS = 24;
const READY_MS = 15_000;

const random = createRandom(seedOfRun());
const seed = `SEED=${random.seed}`;
const roundsMs = ROUNDS * 30_000;
let mongod: FaultyMongod;
let connection: mongoose.Connection;
let load: MeteredLoad;
let servers: ServerProcess[] = [];
const started: ServerProcess[] = [];
let rounds = 0;

beforeAll(async () => {
  console.log(`fault tests: ${seed}, ROUNDS=${ROUNDS} of each kind`);
  [mongod] = await Promise.all([startFaultyMongod(), buildServer()]);
  connection = await mongod.connect();
  const first = await start();
  // A third of the tenants runs into its limits, at different times; half of all send idempotency keys.
  const limits = Array.from({ length: TENANTS }, (_, i) => {
    const own = { ...farAway, keyed: i % 4 > 1 };
    if (i % 6 === 0) return { ...own, callLimit: random.between(1, 400) };
    if (i % 6 === 3) return { ...own, memoryLimit: random.between(1, 200) };
    return own;
  });
  load = createMeteredLoad(await createLoadedTenants(first, limits), createRandom(random.seed + 1));
  await load.check(connection, 'before any load');
}, 120_000);
afterAll(async () => {
  for (const server of servers) await server.end('SIGKILL').catch(() => undefined);
  await mongod?.remove();
  // For a person who looks into a failure.
  const { FAULTS_LOG } = process.env;
  if (FAULTS_LOG) await appendFile(FAULTS_LOG, started.map((server) => server.output()).join('\n'));
});

async function start(): Promise<ServerProcess> {
  const server = await spawnServer({
    MONGODB_URI: mongod.uri,
    HOST: '127.0.0.1',
    ADMIN_API_KEY: FAULTS_OPERATOR,
    LOG_LEVEL: 'error',
  });
  servers.push(server);
  started.push(server);
  return server;
}

async function kill(server: ServerProcess): Promise<void> {
  servers = servers.filter((other) => other !== server);
  await server.end('SIGKILL');
}

/** Load up to a random moment, then what fails, then no load. */
async function underLoad(fail: () => Promise<void>): Promise<string> {
  const context = `${seed}, round ${++rounds}`;
  const running = load.run([...servers], CLIENTS);
  await sleep(random.between(100, 1_500));
  await fail();
  await running.stop();
  return context;
}

/** A client that got no answer sends the same again: with its idempotency key that counts once, to the call. */
async function checkOnceAsked(context: string): Promise<void> {
  expect(await load.askAgain(servers), `${context}: answers that were lost`).toBeGreaterThan(0);
  await load.check(connection, `${context}, asked again`);
}

/** Once each kind of load has been served by the servers that run now. */
async function serves(context: string): Promise<void> {
  const before = load.tenants.reduce((sum, { calls }) => sum + calls, 0);
  const running = load.run([...servers], CLIENTS);
  await sleep(300);
  await running.stop();
  const after = load.tenants.reduce((sum, { calls }) => sum + calls, 0);
  expect(after, `${context}: nothing was served afterwards`).toBeGreaterThan(before);
}

async function ready(server: ServerProcess): Promise<void> {
  const until = Date.now() + READY_MS;
  while (Date.now() < until) {
    const answer = await fetch(`${server.url}/health/ready`).catch(() => null);
    if (answer?.status === 200) return;
    await sleep(50);
  }
  throw new Error(`${seed}: the server did not get ready by itself within ${READY_MS} ms`);
}

it(
  `kill -9 of the server, alone on its database, loses and doubles nothing (${seed})`,
  async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const [server] = servers as [ServerProcess];
      const context = await underLoad(() => kill(server));
      await start();
      await load.check(connection, context);
    }
    await checkOnceAsked(seed);
  },
  roundsMs,
);

it(
  `kill -9 of mongod loses and doubles nothing, and service returns by itself (${seed})`,
  async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const context = await underLoad(async () => {
        await mongod.kill();
        await sleep(random.between(0, 1_000));
        await mongod.restart();
      });
      await Promise.all(servers.map(ready));
      await serves(context);
      await load.check(connection, context);
    }
    await checkOnceAsked(seed);
  },
  roundsMs,
);

it(
  `kill -9 of one of two servers, and of mongod under both, loses and doubles nothing (${seed})`,
  async () => {
    for (let round = 0; round < ROUNDS; round++) {
      if (servers.length < 2) await start();
      const mongodToo = round % 3 === 2;
      const context = await underLoad(async () => {
        if (mongodToo) await mongod.kill();
        await kill(random.pick(servers));
        await sleep(random.between(0, 400));
        if (mongodToo) await mongod.restart();
      });
      await Promise.all(servers.map(ready));
      await serves(context);
      await load.check(connection, context);
    }
    await checkOnceAsked(seed);
  },
  roundsMs,
);

it(`a server that is asked to stop under load has all that it answered in the documents (${seed})`, async () => {
  const context = await underLoad(async () => {
    const ending = servers;
    servers = [];
    for (const server of ending) expect(await server.end('SIGTERM')).toBe(0);
  });
  await start();
  await load.check(connection, context);
}, 60_000);
