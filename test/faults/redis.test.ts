import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import {
  createLoadedTenants,
  createMeteredLoad,
  FAULTS_OPERATOR,
  farAway,
  type MeteredLoad,
} from '../support/meteredLoad.js';
import { createRandom, seedOfRun } from '../support/random.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';

/** Failures of each kind. */
const ROUNDS = Math.ceil(Number(process.env.ROUNDS ?? 1) / 5);
const CLIENTS = 16;
const TENANTS = 12;

const random = createRandom(seedOfRun());
const seed = `SEED=${random.seed}`;
let database: TestDatabase;
let redis: TestRedis;
let servers: ServerProcess[] = [];
let load: MeteredLoad;

beforeAll(async () => {
  [database, redis] = await Promise.all([connectTestDatabase(), startRedis(), buildServer()]);
  const env = {
    MONGODB_URI: database.uri,
    REDIS_URL: redis.url,
    HOST: '127.0.0.1',
    STRIPE_MOCK_MODE: 'true',
    ADMIN_API_KEY: FAULTS_OPERATOR,
    LOG_LEVEL: 'warn',
  };
  servers = await Promise.all([spawnServer(env), spawnServer(env)]);
  const limits = Array.from({ length: TENANTS }, (_, i) => ({
    ...farAway,
    ...(i % 3 === 0 && { callLimit: random.between(50, 2_000) }),
  }));
  load = createMeteredLoad(await createLoadedTenants(servers[0] as ServerProcess, limits), random);
}, 120_000);
afterAll(async () => {
  for (const server of servers) await server.end('SIGKILL').catch(() => undefined);
  await redis?.kill();
  await database?.dropAndClose();
});

const FAILURES = [
  { name: 'is killed', fail: () => redis.kill(), repair: () => redis.start() },
  { name: 'hangs', fail: async () => redis.pause(), repair: async () => redis.resume() },
];

it.each(FAILURES)(
  `Redis $name under two servers: every call is answered, and no limit is passed (${seed})`,
  async ({ name, fail, repair }) => {
    for (let round = 1; round <= ROUNDS; round++) {
      const context = `${seed}, Redis ${name}, round ${round}`;
      let slowestMs = 0;
      const running = load.run(servers, CLIENTS, (tookMs) => {
        slowestMs = Math.max(slowestMs, tookMs);
      });
      await sleep(random.between(100, 800));
      await fail();
      await sleep(1_500);
      await repair();
      await sleep(1_000);
      await running.stop();
      // A decision waits for Redis for 250 ms; the rest is the machine's.
      expect(slowestMs, context).toBeLessThan(10_000);
      for (const { unknownCalls } of load.tenants) expect(unknownCalls, `${context}: unanswered`).toBe(0);
      await load.check(database.connection, context);
      for (const server of servers) {
        await expect.poll(server.output, { message: context }).toContain('redis.unavailable');
      }
    }
  },
  ROUNDS * 60_000,
);
