import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createRedis, type Redis } from '../../src/services/infrastructure/redis.js';
import {
  createRedisConcurrency,
  type RedisConcurrency,
} from '../../src/services/limits/concurrency/redisConcurrency.js';
import { collectLog } from '../support/log.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { soon } from '../support/soon.js';

interface Instance extends RedisConcurrency {
  redis: Redis;
  logged: string[];
  /** Ends without giving anything back. */
  die(): void;
}

interface StartOptions {
  leaseMs?: number;
  commandTimeoutMs?: number;
}

const SHORT_LEASE_MS = 1_500;
/** A Redis that lives is not taken for a dead one, however busy the cores are. */
const PATIENT_MS = 10_000;
const HASTY_MS = 250;
/** A command's 250 ms, and what busy cores add: far less than one wait after the other. */
const DECISION_MS = 2_000;

let server: TestRedis;
let running: Instance[];
let tenant: string;

beforeAll(async () => {
  server = await startRedis();
});
beforeEach(() => {
  running = [];
  tenant = randomUUID();
});
afterEach(async () => {
  for (const instance of running) {
    instance.stop();
    await instance.redis.stop();
  }
});
afterAll(() => server.kill());

async function start({ leaseMs, commandTimeoutMs = PATIENT_MS }: StartOptions): Promise<Instance> {
  const { log, logged } = collectLog();
  const connection = createRedis({ url: server.url, log, commandTimeoutMs });
  let dead = false;
  const redis: Redis = {
    ...connection,
    run: (...command) => (dead ? new Promise(() => {}) : connection.run(...command)),
  };
  const concurrency = createRedisConcurrency({ redis, ...(leaseMs && { leaseMs }) });
  const die = () => {
    dead = true;
  };
  const instance = { ...concurrency, redis: connection, logged, die };
  running.push(instance);
  await connection.start();
  return instance;
}

const startMany = (count: number, options: StartOptions = {}) =>
  Promise.all(Array.from({ length: count }, () => start(options)));

type End = () => void;

/** As many at once as `times`, on each instance in turn. @returns what ends those that were let through */
async function beginMany(instances: Instance[], times: number, limit: number): Promise<End[]> {
  const outcomes = await Promise.all(
    Array.from({ length: times }, (_, i) => instances[i % instances.length]?.begin(tenant, limit)),
  );
  return outcomes.filter((end): end is End => end !== null);
}

const isLogged = (instance: Instance, words: string) =>
  soon(() => expect(instance.logged.join('\n')).toContain(words));

describe('concurrent requests on four instances with one Redis', () => {
  it.each([1, 7, 100])('are let through to exactly %d, no matter who asks', async (limit) => {
    const instances = await startMany(4);
    expect(await beginMany(instances, limit * 4 + 40, limit)).toHaveLength(limit);
    expect(await beginMany(instances, 8, limit)).toEqual([]);
  });

  it('never exceed the limit while they come and go, and leave nothing behind', async () => {
    const instances = await startMany(4);
    let underWay = 0;
    let most = 0;
    let served = 0;
    async function client(i: number): Promise<void> {
      for (let turn = 0; turn < 40; turn++) {
        const end = await instances[(i + turn) % 4]?.begin(tenant, 5);
        if (!end) continue;
        most = Math.max(most, ++underWay);
        served++;
        await sleep(Math.random() * 3);
        underWay--;
        end();
        end();
      }
    }
    await Promise.all(Array.from({ length: 24 }, (_, i) => client(i)));
    expect(most).toBe(5);
    expect(served).toBeGreaterThan(50);
    await soon(async () => expect(await server.ask(`ZCARD continuum:slots:${tenant}`)).toBe(':0'));
    expect(await beginMany(instances, 20, 5)).toHaveLength(5);
  });

  it('of one tenant leave those of another alone', async () => {
    const [one] = await startMany(1);
    await beginMany([one as Instance], 5, 5);
    expect(await one?.begin(randomUUID(), 5)).not.toBeNull();
  });
});

describe('the slots of an instance', () => {
  it('that dies return when their leases end, those of a living one do not', async () => {
    const [dying, living] = (await startMany(2, { leaseMs: SHORT_LEASE_MS })) as [Instance, Instance];
    expect(await beginMany([dying], 3, 5)).toHaveLength(3);
    expect(await beginMany([living], 5, 5)).toHaveLength(2);
    dying.die();
    const diedAt = Date.now();
    await soon(async () => expect(await living.begin(tenant, 5)).not.toBeNull());
    expect(Date.now() - diedAt).toBeLessThan(SHORT_LEASE_MS + 1_500);
    await sleep(SHORT_LEASE_MS * 2);
    expect(await beginMany([living], 9, 5)).toHaveLength(2);
  });

  it('return within 30 s by default', async () => {
    const [dying] = (await startMany(1)) as [Instance];
    await dying.begin(tenant, 1);
    dying.die();
    const left = Number((await server.ask(`PTTL continuum:slots:${tenant}`)).slice(1));
    expect(left).toBeGreaterThan(20_000);
    expect(left).toBeLessThan(30_000);
  });
});

describe('when Redis is killed', () => {
  afterEach(() => server.start());

  it('each instance lets its own limit through, at once, and says so once', async () => {
    const [one, two] = (await startMany(2)) as [Instance, Instance];
    const before = await beginMany([one], 2, 5);
    await server.kill();
    for (const instance of [one, two]) await isLogged(instance, 'redis.unavailable');
    const startedAt = Date.now();
    expect(await beginMany([one], 20, 5)).toHaveLength(3);
    expect(await beginMany([two], 20, 5)).toHaveLength(5);
    expect(Date.now() - startedAt).toBeLessThan(DECISION_MS);
    before[0]?.();
    expect(await beginMany([one], 20, 5)).toHaveLength(1);
    await sleep(1_200);
    expect(one.logged).toEqual(['redis.unavailable']);
  });

  it('in the middle of decisions, none fails, hangs or exceeds what each instance may', async () => {
    const instances = await startMany(2);
    const begun = beginMany(instances, 400, 50);
    await server.kill();
    const ends = await begun;
    expect(ends.length).toBeGreaterThanOrEqual(50);
    expect(ends.length).toBeLessThanOrEqual(100);
  });
});

describe('when Redis is back', () => {
  it('when empty, it learns what is under way before anything else: the limit is exact again', async () => {
    const [one, two] = (await startMany(2)) as [Instance, Instance];
    const ends = await beginMany([one], 3, 5);
    await server.kill();
    await isLogged(one, 'redis.unavailable');
    ends.push(...(await beginMany([one], 1, 5)));
    ends.shift()?.();
    await server.start();
    for (const instance of [one, two]) await isLogged(instance, 'redis.available');
    expect(await beginMany([two], 9, 5)).toHaveLength(2);
    expect(await beginMany([one], 9, 5)).toEqual([]);
    expect(one.logged).toHaveLength(2);
  });

  it('after it hung, nothing that ended meanwhile takes room', async () => {
    const [one, two] = (await startMany(2, { commandTimeoutMs: HASTY_MS })) as [Instance, Instance];
    const before = await beginMany([one], 2, 5);
    server.pause();
    const startedAt = Date.now();
    const during = await beginMany([one], 20, 5);
    expect(Date.now() - startedAt).toBeLessThan(DECISION_MS);
    expect(during).toHaveLength(3);
    const againAt = Date.now();
    during.push(...(await beginMany([two], 20, 5)));
    expect(Date.now() - againAt).toBeLessThan(DECISION_MS);
    expect(during).toHaveLength(8);
    for (const end of [...before, ...during]) end();
    // Longer than an attempt to connect to it takes.
    await sleep(1_500);
    server.resume();
    for (const instance of [one, two]) await isLogged(instance, 'redis.available');
    expect(await beginMany([one, two], 20, 5)).toHaveLength(5);
    for (const { logged } of [one, two]) {
      expect(logged).toEqual(['redis.unavailable', 'redis.available']);
    }
  });
});

it('a Redis that answers but takes no writes counts as away', async () => {
  await server.ask('REPLICAOF 127.0.0.1 9');
  try {
    const [one] = (await startMany(1)) as [Instance];
    expect(one.logged).toEqual(['redis.unavailable']);
    expect(await beginMany([one], 9, 5)).toHaveLength(5);
  } finally {
    await server.ask('REPLICAOF NO ONE');
  }
});

describe('two servers on one MongoDB and one Redis', () => {
  const READ = '{ memories { pageInfo { hasNextPage } } }';
  let servers: TestServer[];

  afterEach(async () => {
    for (const one of servers.reverse()) await one.stop();
  });

  it('count the requests of a tenant together', async () => {
    const env = { REDIS_URL: server.url };
    const first = await startTestServer({ env });
    servers = [first];
    const second = await startTestServer({ env, uri: first.uri });
    servers.push(second);
    const { id, key } = await first.createTenant();
    await first.setLimits(id, { apiCallsPerDay: 1_000, apiCallsPerMinute: 1_000, concurrentRequests: 2 });
    const held = await Promise.all([1, 2].map(() => first.app.services.concurrency.begin(id, 2)));
    const refused = await second.gql(READ, { key });
    expect(refused.status).toBe(429);
    expect(refused.errors[0]?.extensions).toMatchObject({ limit: 2, window: 'concurrent' });
    held[0]?.();
    expect((await second.gql(READ, { key })).status).toBe(200);
    expect((await first.gql(READ, { key })).status).toBe(200);
  });

  it('start and serve while Redis is away', async () => {
    const { log, lines } = collectLog();
    const one = await startTestServer({ env: { REDIS_URL: 'redis://127.0.0.1:9' }, log });
    servers = [one];
    const { id, key } = await one.createTenant();
    await one.setLimits(id, { apiCallsPerDay: 1_000, apiCallsPerMinute: 1_000, concurrentRequests: 1 });
    expect((await one.gql(READ, { key })).status).toBe(200);
    await one.app.services.concurrency.begin(id, 1);
    expect((await one.gql(READ, { key })).status).toBe(429);
    const logged = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg.startsWith('redis.'));
    expect(logged).toMatchObject([
      { msg: 'redis.unavailable', reason: expect.stringMatching(/^connect ECONNREFUSED/) },
    ]);
  });
});
