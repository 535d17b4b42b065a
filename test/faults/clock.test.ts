import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { storedDays } from '../support/ledger.js';
import {
  createLoadedTenants,
  createMeteredLoad,
  FAULTS_OPERATOR,
  farAway,
  type MeteredLoad,
} from '../support/meteredLoad.js';
import { createRandom, seedOfRun } from '../support/random.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';

const CLIENTS = 16;
const TENANTS = 12;
const HOUR_MS = 3_600_000;
/** What the preloaded clock is set to, in this order. */
const STEPS = [
  { step: 'an hour ahead', offsetMs: HOUR_MS },
  { step: 'an hour behind', offsetMs: -HOUR_MS },
  { step: 'a day ahead', offsetMs: 25 * HOUR_MS },
  { step: 'right again', offsetMs: 0 },
];
const STEP_MS = 1_500;
const PRELOADED = pathToFileURL('test/support/steppedClock.mjs').href;

const random = createRandom(seedOfRun());
const seed = `SEED=${random.seed}`;
let database: TestDatabase;
let servers: ServerProcess[] = [];
let load: MeteredLoad;

beforeAll(async () => {
  [database] = await Promise.all([connectTestDatabase(), buildServer()]);
  const env = {
    MONGODB_URI: database.uri,
    HOST: '127.0.0.1',
    STRIPE_MOCK_MODE: 'true',
    ADMIN_API_KEY: FAULTS_OPERATOR,
    LOG_LEVEL: 'error',
  };
  servers = await Promise.all([
    spawnServer({ ...env, NODE_OPTIONS: `--import=${PRELOADED}` }),
    spawnServer(env),
  ]);
  const limits = Array.from({ length: TENANTS }, (_, i) => ({
    ...farAway,
    keyed: i % 4 === 0,
    ...(i % 3 === 0 && { callLimit: random.between(50, 500) }),
  }));
  load = createMeteredLoad(await createLoadedTenants(servers[1] as ServerProcess, limits), random);
}, 120_000);
afterAll(async () => {
  for (const server of servers) await server.end('SIGKILL').catch(() => undefined);
  await database?.dropAndClose();
});

const answeredCalls = () => load.tenants.reduce((sum, { calls }) => sum + calls, 0);

it(`a server whose clock is set counts in the database's days with the others, and passes no limit (${seed})`, async () => {
  const [stepped] = servers as [ServerProcess];
  const startedDay = new Date().toISOString().slice(0, 10);
  const running = load.run(servers, CLIENTS);
  for (const { step, offsetMs } of STEPS) {
    await sleep(STEP_MS);
    const timesSet = () =>
      [...stepped.output().matchAll(/clock set to (\S+)\n/g)].map(([, time]) => time as string);
    const before = timesSet().length;
    process.kill(stepped.pid, 'SIGUSR2');
    await expect.poll(() => timesSet().length).toBe(before + 1);
    const setTo = Date.parse(timesSet().at(-1) as string);
    expect(Math.abs(setTo - Date.now() - offsetMs), step).toBeLessThan(HOUR_MS / 4);
    const answered = answeredCalls();
    await expect.poll(answeredCalls, { message: `${seed}: ${step}` }).toBeGreaterThan(answered);
    expect((await fetch(`${stepped.url}/health/ready`)).status, `${seed}: ${step}`).toBe(200);
  }
  await sleep(STEP_MS);
  await running.stop();
  await load.askAgain(servers);
  await load.check(database.connection, `${seed}, after the steps`);
  const days = new Set<string>();
  for (const { id } of load.tenants)
    for (const { _id } of await storedDays(database.connection, id))
      days.add(String(_id).split(':').at(-1) as string);
  const today = new Date().toISOString().slice(0, 10);
  expect([...days].filter((day) => day !== startedDay && day !== today)).toEqual([]);
}, 120_000);
