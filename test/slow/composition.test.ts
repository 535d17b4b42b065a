import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { COMPOSITION_OPERATOR, type Composition, startComposition } from '../support/composition.js';
import { buildServer, type ServerProcess } from '../support/serverProcess.js';

// The topology of deploy/compose.yaml without Docker: two servers, a replica set of one member, and Redis.

const CLIENTS = 8;
const DAY_LIMIT = 60;

let composition: Composition;
let servers: ServerProcess[] = [];

beforeAll(async () => {
  [composition] = await Promise.all([
    startComposition({ STRIPE_MOCK_MODE: 'true', SAMPLE_DOMAIN: 'true' }),
    buildServer(),
  ]);
  servers = await Promise.all([composition.startServer(), composition.startServer()]);
}, 120_000);
afterAll(() => composition?.stop());

async function createTenant(limits: string): Promise<{ id: string; key: string }> {
  const [server] = servers as [ServerProcess];
  const { body } = await server.gql(
    'mutation { createTenant(input: { name: "Acme" }) { tenant { id } apiKey { secret } } }',
    COMPOSITION_OPERATOR,
  );
  const { tenant, apiKey } = body.data.createTenant;
  const set = await server.gql(
    `mutation { setTenantLimits(input: { tenantId: "${tenant.id}", limits: { ${limits} } }) { id } }`,
    COMPOSITION_OPERATOR,
  );
  expect(set.body.errors).toBeUndefined();
  return { id: tenant.id, key: apiKey.secret };
}

const consume = (server: ServerProcess, key: string) =>
  server.gql('mutation { consume(input: { endpoint: "jobs" }) { allowed } }', key);

const isReady = async (server: ServerProcess) =>
  (await fetch(`${server.url}/health/ready`).catch(() => null))?.status === 200;

it('both servers are healthy, and what is bought at one is there at the other', async () => {
  const [one, other] = servers as [ServerProcess, ServerProcess];
  expect(await Promise.all(servers.map(isReady))).toEqual([true, true]);
  const { key } = await createTenant('apiCallsPerDay: 1000');
  const urls = 'successUrl: "https://shop.example/", cancelUrl: "https://shop.example/"';
  const { body } = await one.gql(
    `mutation { createCheckoutSession(input: { tier: PRO, ${urls} }) { localUrl } }`,
    key,
  );
  const { pathname } = new URL(body.data.createCheckoutSession.localUrl);
  const paid = await fetch(`${one.url}${pathname}/complete`, { method: 'POST', redirect: 'manual' });
  expect(paid.status).toBe(303);
  await vi.waitFor(
    async () => {
      const answer = await other.gql('{ subscription { tier { name } status } }', key);
      expect(answer.body.data.subscription).toEqual({ tier: { name: 'PRO' }, status: 'ACTIVE' });
    },
    { timeout: 20_000, interval: 100 },
  );
}, 60_000);

it('both together allow a tenant exactly its calls', async () => {
  const { key } = await createTenant(`apiCallsPerDay: ${DAY_LIMIT}, apiCallsPerMinute: 1000`);
  const answers = await Promise.all(
    Array.from({ length: DAY_LIMIT + 20 }, (_, i) => consume(servers[i % 2] as ServerProcess, key)),
  );
  expect(answers.filter(({ body }) => body.data.consume.allowed)).toHaveLength(DAY_LIMIT);
});

it('both count concurrent requests in the one Redis', async () => {
  const limits = 'concurrentRequests: 2, apiCallsPerDay: 1000, apiCallsPerMinute: 1000';
  const { id, key } = await createTenant(limits);
  const slots = `continuum:slots:${id}`;
  const untilMs = Date.now() + 60_000;
  await composition.redis.ask(`ZADD ${slots} ${untilMs} one ${untilMs} two`);
  const read = '{ memories { pageInfo { hasNextPage } } }';
  for (const server of servers) {
    const { status, body } = await server.gql(read, key);
    expect(status).toBe(429);
    expect(body.errors[0].extensions).toMatchObject({ limit: 2, window: 'concurrent' });
  }
  await composition.redis.ask(`DEL ${slots}`);
  for (const server of servers) expect((await server.gql(read, key)).status).toBe(200);
});

/** Sends to the servers that said they were ready a moment ago, as a load balancer does. */
async function loadThroughBalancer(key: string, isOver: () => boolean): Promise<string[]> {
  let rotation: ServerProcess[] = [...servers];
  const failures: string[] = [];
  const checks = (async () => {
    while (!isOver()) {
      const states = await Promise.all(
        servers.map(async (server) => ({ server, ready: await isReady(server) })),
      );
      rotation = states.filter(({ ready }) => ready).map(({ server }) => server);
      await sleep(100);
    }
  })();
  const client = async () => {
    for (let n = 0; !isOver(); n++) {
      const server = rotation[n % rotation.length];
      const answer = server && (await consume(server, key).catch((error: Error) => error));
      if (!answer || 'message' in answer) failures.push(answer?.message ?? 'no server is ready');
      else if (!answer.body.data?.consume?.allowed)
        failures.push(`${answer.status} ${JSON.stringify(answer.body)}`);
    }
  };
  await Promise.all([checks, ...Array.from({ length: CLIENTS }, client)]);
  return failures;
}

it('a rolling restart of both rejects no request', async () => {
  const plenty = 'apiCallsPerDay: 1000000, apiCallsPerMinute: 1000000, concurrentRequests: 100';
  const { key } = await createTenant(plenty);
  let isOver = false;
  const load = loadThroughBalancer(key, () => isOver);
  for (const old of [...servers]) {
    servers.push(await composition.startServer());
    await sleep(300);
    expect(await old.end('SIGTERM')).toBe(0);
    servers = servers.filter((server) => server !== old);
  }
  isOver = true;
  expect(await load).toEqual([]);
}, 120_000);
