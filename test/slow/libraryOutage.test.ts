import { setTimeout as sleep } from 'node:timers/promises';
import { type RemoteLimitsOptions, remoteLimits } from '@continuum-billing/limits';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { OPERATOR_KEY } from '../support/server.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';
import { catalogueFile, storingCatalogue } from '../support/teamCatalogue.js';
import { startPlain, type TeamServer, teamSchema } from '../support/teamServer.js';

/** A billing server that is killed under the load of a team's server, which asks it. */
const LIMIT = 600;
const WORKERS = 16;
const DEADLINE_MS = 60_000;

const catalogue = catalogueFile(storingCatalogue({ lamps: 5 }));
let database: TestDatabase;
let billing: ServerProcess;

beforeAll(async () => {
  [database] = await Promise.all([connectTestDatabase(), buildServer()]);
  billing = await startBilling();
}, 120_000);
afterAll(async () => {
  await billing?.end('SIGKILL');
  await database?.dropAndClose();
});

const startBilling = (port = '0') =>
  spawnServer({
    PORT: port,
    HOST: '127.0.0.1',
    MONGODB_URI: database.uri,
    ADMIN_API_KEY: OPERATOR_KEY,
    CATALOG_FILE: catalogue,
    LOG_LEVEL: 'error',
  });

async function operate(query: string) {
  const { body } = await billing.gql(query, OPERATOR_KEY);
  expect(body.errors).toBeUndefined();
  return body.data;
}

async function createServiceKey(): Promise<{ secret: string; apiKey: { id: string } }> {
  const { createApiKey } = await operate(
    'mutation { createApiKey(input: { name: "lamps", scopes: [ENFORCE] }) { secret apiKey { id } } }',
  );
  return createApiKey;
}

async function createTenantKey(apiCallsPerDay: number): Promise<string> {
  const { createTenant } = await operate(
    'mutation { createTenant(input: { name: "A tenant" }) { tenant { id } apiKey { secret } } }',
  );
  const limits = `{ apiCallsPerDay: ${apiCallsPerDay}, apiCallsPerMinute: 1000000, concurrentRequests: 1000 }`;
  await operate(
    `mutation { setTenantLimits(input: { tenantId: "${createTenant.tenant.id}", limits: ${limits} }) { id } }`,
  );
  return createTenant.apiKey.secret;
}

async function callsOf(key: string): Promise<number> {
  const { body } = await billing.gql('{ usage { apiCalls } }', key);
  return body.data.usage.apiCalls;
}

/** Asks without a pause until the limit refuses. @returns how many answers there were of each kind */
async function untilLimited(team: TeamServer, key: string, counts: Map<string, number>): Promise<void> {
  const until = Date.now() + DEADLINE_MS;
  await Promise.all(
    Array.from({ length: WORKERS }, async () => {
      while (Date.now() < until && !counts.has('RATE_LIMITED')) {
        const { errors } = await team.ask('{ lamp }', key);
        const kind = errors[0]?.extensions.code ?? 'served';
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
        await sleep(5);
      }
    }),
  );
}

/** Kills the server in the midst of the load, and starts it again. */
async function runThroughCrash(whenAway: RemoteLimitsOptions['whenAway']) {
  const { secret: serviceKey } = await createServiceKey();
  const key = await createTenantKey(LIMIT);
  const told: Error[] = [];
  const onAway = (error: Error) => void told.push(error);
  const limits = await remoteLimits({ url: billing.url, serviceKey, whenAway, onAway });
  const team = await startPlain(teamSchema(limits));
  const counts = new Map<string, number>();
  const served = () => counts.get('served') ?? 0;
  const load = untilLimited(team, key, counts);
  await expect.poll(served).toBeGreaterThan(LIMIT / 10);
  await billing.end('SIGKILL');
  const atCrash = served();
  await expect.poll(() => told.length).toBeGreaterThan(0);
  billing = await startBilling(new URL(billing.url).port);
  await load;
  await limits.close();
  return { counts, served: served(), atCrash, calls: await callsOf(key) };
}

it('with "refuse" no call is served too many, none that was served is lost, and service returns by itself', async () => {
  const { counts, served, atCrash, calls } = await runThroughCrash('refuse');
  expect([...counts.keys()].sort()).toEqual(['RATE_LIMITED', 'SERVICE_UNAVAILABLE', 'served']);
  expect(served).toBeGreaterThan(atCrash);
  expect(calls).toBe(LIMIT);
  // What was under way in the crash may be counted, and was not served.
  expect(served).toBeLessThanOrEqual(LIMIT);
  expect(served).toBeGreaterThanOrEqual(LIMIT - WORKERS);
}, 120_000);

it('with "allow" everything is served meanwhile, and limits hold again by themselves', async () => {
  const { counts, calls } = await runThroughCrash('allow');
  expect([...counts.keys()].sort()).toEqual(['RATE_LIMITED', 'served']);
  expect(calls).toBe(LIMIT);
}, 120_000);

it.each([
  ['refuse', 'SERVICE_UNAVAILABLE'],
  ['allow', undefined],
] as const)(
  'a service key that is revoked while running is told, and answered as an absence: %s',
  async (whenAway, code) => {
    const service = await createServiceKey();
    const key = await createTenantKey(LIMIT);
    const told: Error[] = [];
    const onAway = (error: Error) => void told.push(error);
    const limits = await remoteLimits({ url: billing.url, serviceKey: service.secret, whenAway, onAway });
    const team = await startPlain(teamSchema(limits));
    expect((await team.ask('{ lamp }', key)).errors).toEqual([]);
    await operate(`mutation { revokeApiKey(id: "${service.apiKey.id}") { id } }`);
    await expect
      .poll(async () => {
        const { errors } = await team.ask('{ lamp }', key);
        return told.length > 0 && errors[0]?.extensions.code;
      })
      .toBe(code);
    expect(told[0]?.message).toMatch(/^The billing server answered 401: /);
    await limits.close();
  },
);
