import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { createRedis, type Redis } from '../../src/services/infrastructure/redis.js';
import { createMongoCallWindows } from '../../src/services/limits/fieldLimits/callWindows.js';
import { createFieldLimits, type FieldLimits } from '../../src/services/limits/fieldLimits/fieldLimits.js';
import { createRedisCallWindows } from '../../src/services/limits/fieldLimits/redisCallWindows.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { collectLog } from '../support/log.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { startTestServer } from '../support/server.js';
import { soon } from '../support/soon.js';
import { systemClock } from '../support/systemClock.js';

interface Instance extends FieldLimits {
  redis: Redis;
  logged: string[];
}

const LIMIT = { field: 'Query.narrow', max: 7, window: '1m' };

let server: TestRedis;
let database: TestDatabase;
let models: Models;
let running: Instance[];
let tenant: string;

beforeAll(async () => {
  server = await startRedis();
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
});
beforeEach(() => {
  running = [];
  tenant = randomUUID();
});
afterEach(() => Promise.all(running.map(({ redis }) => redis.stop())));
afterAll(async () => {
  await server.kill();
  await database.dropAndClose();
});

/** A Redis that lives is not taken for a dead one, however busy the cores are. */
async function start(commandTimeoutMs = 10_000): Promise<Instance> {
  const { log, logged } = collectLog();
  const redis = createRedis({ url: server.url, log, commandTimeoutMs });
  const fallback = createMongoCallWindows({ models, clock: systemClock });
  const limits = createFieldLimits({ windows: createRedisCallWindows({ redis, fallback }) });
  const instance = { ...limits, redis, logged };
  running.push(instance);
  await redis.start();
  return instance;
}

const startMany = (count: number) => Promise.all(Array.from({ length: count }, () => start()));

/** As many at once as `times`, on each instance in turn. @returns how many were let through */
async function takeMany(instances: Instance[], times: number, limit = LIMIT): Promise<number> {
  const outcomes = await Promise.all(
    Array.from({ length: times }, (_, i) => instances[i % instances.length]?.take(tenant, limit)),
  );
  return outcomes.filter((refusal) => refusal === null).length;
}

const stored = async () =>
  (await models.fieldWindows.findById(`${tenant}:Query.narrow`).lean())?.calls.length;

const isLogged = (instance: Instance, words: string) =>
  soon(() => expect(instance.logged.join('\n')).toContain(words));

describe('a field limit kept in Redis', () => {
  it('lets exactly max of many concurrent calls through, on four instances', async () => {
    const instances = await startMany(4);
    expect(await takeMany(instances, 120)).toBe(7);
    expect(await takeMany(instances, 9, { ...LIMIT, field: 'Query.other' })).toBe(7);
    expect(await stored()).toBeUndefined();
    const refusal = await instances[0]?.take(tenant, LIMIT);
    const inMs = (refusal?.resetsAt?.getTime() ?? 0) - Date.now();
    expect(inMs).toBeGreaterThan(50_000);
    expect(inMs).toBeLessThanOrEqual(60_000);
  });

  it('slides: room comes back when the oldest call leaves the window, rejected calls use none', async () => {
    const [one] = (await startMany(1)) as [Instance];
    const limit = { field: 'Query.sliding', max: 2, window: '1500ms' };
    expect(await takeMany([one], 2, limit)).toBe(2);
    const refused = await one.take(tenant, limit);
    await sleep((refused?.resetsAt?.getTime() ?? 0) - Date.now() + 5);
    expect(await one.take(tenant, limit)).toBeNull();
  });

  it('keeps no more than max calls, and nothing when the window is over', async () => {
    const [one] = (await startMany(1)) as [Instance];
    await takeMany([one], 50, { field: 'Query.small', max: 3, window: '1500ms' });
    expect(await server.ask(`LLEN continuum:window:${tenant}:Query.small`)).toBe(':3');
    await sleep(1_550);
    expect(await server.ask(`EXISTS continuum:window:${tenant}:Query.small`)).toBe(':0');
  });
});

describe('when Redis is away', () => {
  it('killed: MongoDB keeps the limit, exact across instances, and each instance says so once', async () => {
    const instances = await startMany(4);
    await server.kill();
    expect(await takeMany(instances, 120)).toBe(7);
    expect(await stored()).toBe(7);
    for (const { logged } of instances) expect(logged).toEqual(['redis.unavailable']);

    await server.start();
    for (const instance of instances) await isLogged(instance, 'redis.available');
    expect(await takeMany(instances, 120)).toBe(7);
    for (const { logged } of instances) expect(logged).toHaveLength(2);
  });

  it('hanging: calls under way go to MongoDB within the time limit, later ones at once', async () => {
    const one = await start(250);
    server.pause();
    try {
      // One after the other they would take 7.5 s.
      const startedAt = Date.now();
      expect(await takeMany([one], 30)).toBe(7);
      expect(Date.now() - startedAt).toBeLessThan(3_000);
      // Each of them would wait for 250 ms again.
      const againAt = Date.now();
      for (let i = 0; i < 20; i++) expect(await one.take(tenant, LIMIT)).not.toBeNull();
      expect(Date.now() - againAt).toBeLessThan(3_000);
    } finally {
      server.resume();
    }
    await isLogged(one, 'redis.available');
  });
});

it('a server with REDIS_URL keeps the limits of its fields there', async () => {
  const one = await startTestServer({ env: { REDIS_URL: server.url } });
  try {
    const { id, key } = await one.createTenant();
    const { errors } = await one.gql('mutation { createApiKey(input: { name: "k" }) { secret } }', { key });
    expect(errors).toEqual([]);
    expect(await server.ask(`LLEN continuum:window:${id}:Mutation.createApiKey`)).toBe(':1');
  } finally {
    await one.stop();
  }
});
