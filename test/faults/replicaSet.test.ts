import { appendFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type mongoose from 'mongoose';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createModels } from '../../src/models/models.js';
import { createIdempotencyKeys, type RequestLease } from '../../src/services/idempotency/idempotencyKeys.js';
import { createUsageDays } from '../../src/services/limits/ledger/usageDays.js';
import {
  createLoadedTenants,
  createMeteredLoad,
  FAULTS_OPERATOR,
  farAway,
  type LoadedTenant,
  type MeteredLoad,
} from '../support/meteredLoad.js';
import { createRandom, seedOfRun } from '../support/random.js';
import { type ReplicaSet, startReplicaSet } from '../support/replicaSet.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';
import { soon } from '../support/soon.js';
import { systemClock } from '../support/systemClock.js';

/** Failures of each kind. A failure takes about five seconds, so CI has fewer of these than of others. */
const ROUNDS = Math.ceil(Number(process.env.ROUNDS ?? 1) / 5);
const CLIENTS = 24;
const TENANTS = 24;
/** The election, what the driver needs to find its primary, and the rest for a busy machine. */
const READY_MS = 20_000;

const random = createRandom(seedOfRun());
const seed = `SEED=${random.seed}`;
let set: ReplicaSet;
let connection: mongoose.Connection;
let load: MeteredLoad;
let servers: ServerProcess[] = [];

beforeAll(async () => {
  console.log(`replica set tests: ${seed}, ROUNDS=${ROUNDS} of each kind`);
  [set] = await Promise.all([startReplicaSet(), buildServer()]);
  connection = await set.connect();
  const env = {
    MONGODB_URI: set.uri,
    HOST: '127.0.0.1',
    STRIPE_MOCK_MODE: 'true',
    ADMIN_API_KEY: FAULTS_OPERATOR,
    LOG_LEVEL: 'error',
  };
  servers = await Promise.all([spawnServer(env), spawnServer(env)]);
  const limits = Array.from({ length: TENANTS }, (_, i) => {
    const own = { ...farAway, keyed: i % 4 > 1 };
    if (i % 6 === 0) return { ...own, callLimit: random.between(1, 600) };
    if (i % 6 === 3) return { ...own, memoryLimit: random.between(1, 300) };
    return own;
  });
  const tenants = await createLoadedTenants(servers[0] as ServerProcess, limits);
  load = createMeteredLoad(tenants, createRandom(random.seed + 1));
}, 120_000);
afterAll(async () => {
  for (const server of servers) await server.end('SIGKILL').catch(() => undefined);
  await set?.remove();
  const { FAULTS_LOG } = process.env;
  if (FAULTS_LOG) await appendFile(FAULTS_LOG, servers.map((server) => server.output()).join('\n'));
});

async function ready(server: ServerProcess): Promise<void> {
  for (const untilMs = Date.now() + READY_MS; Date.now() < untilMs; await sleep(50)) {
    const answer = await fetch(`${server.url}/health/ready`).catch(() => null);
    if (answer?.status === 200) return;
  }
  throw new Error(`${seed}: the server did not get ready by itself within ${READY_MS} ms`);
}

const answeredCalls = () => load.tenants.reduce((sum, { calls }) => sum + calls, 0);

it('an answer that no majority has yet is not given to a repeated request', async () => {
  const models = createModels(connection);
  const clock = systemClock;
  const log = pino({ level: 'silent' });
  const keys = createIdempotencyKeys({ models, clock, log, usageDays: createUsageDays({ models }) });
  const [{ id: tenantId }] = load.tenants as [LoadedTenant];
  const request = { tenantId, field: 'storeMemory', key: 'k', argument: 'input.idempotencyKey', content: 1 };
  const lease = (await keys.acquire(request)) as RequestLease;
  const thaw = await set.freezeSecondaries();
  try {
    const completing = keys.complete(lease, { id: 'mem_1' }).catch(() => undefined);
    await soon(async () => expect((await models.idempotencyKeys.findById(lease.id))?.answer).not.toBeNull());
    expect(await keys.answerOf(lease.id)).toBeNull();
    const repeated = keys.acquire(request);
    expect(await Promise.race([repeated, sleep(300, 'waits')])).toBe('waits');
    await thaw();
    await completing;
    expect(await repeated).toMatchObject({ kind: 'ANSWERED', answer: { id: 'mem_1' } });
  } finally {
    await thaw();
    await set.whole();
  }
}, 60_000);

const FAILURES = [
  {
    name: 'steps down',
    fail: async () => {
      await set.stepDown();
      return async () => undefined;
    },
  },
  { name: 'is killed', fail: () => set.killPrimary() },
  { name: 'is frozen', fail: () => set.freezePrimary() },
];

it.each(FAILURES)(
  `the primary of three $name under two servers: no limit is passed, nothing acknowledged is lost (${seed})`,
  async ({ name, fail }) => {
    for (let round = 1; round <= ROUNDS; round++) {
      const context = `${seed}, the primary ${name}, round ${round}`;
      const running = load.run(servers, CLIENTS);
      await sleep(random.between(100, 1_500));
      const repair = await fail();
      await Promise.all(servers.map(ready));
      const before = answeredCalls();
      await vi.waitFor(
        () => expect(answeredCalls(), `${context}: served by the other members`).toBeGreaterThan(before),
        { timeout: READY_MS, interval: 50 },
      );
      // While the servers are busy, the old primary returns: what only it had is rolled back.
      await repair();
      await sleep(500);
      await running.stop();
      await set.whole();
      await load.check(connection, context);
      await load.askAgain(servers);
      await load.check(connection, `${context}, asked again`);
    }
  },
  ROUNDS * 60_000,
);
