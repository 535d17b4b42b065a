import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import {
  createLoadedTenants,
  createMeteredLoad,
  FAULTS_OPERATOR,
  farAway,
  type LoadedTenant,
} from '../support/meteredLoad.js';
import { createRandom, seedOfRun } from '../support/random.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';

const run = promisify(execFile);
const TENANTS = 8;
const CLIENTS = 12;

const random = createRandom(seedOfRun());
let source: TestDatabase;
let target: TestDatabase;
let directory: string;
const servers: ServerProcess[] = [];

beforeAll(async () => {
  [source, target, directory] = await Promise.all([
    connectTestDatabase(),
    connectTestDatabase(),
    mkdtemp(join(tmpdir(), 'continuum-backups-')),
    buildServer(),
  ]);
}, 120_000);
afterAll(async () => {
  for (const server of servers) await server.end('SIGKILL').catch(() => undefined);
  await Promise.all([source?.dropAndClose(), target?.dropAndClose()]);
  await rm(directory, { recursive: true, force: true });
});

async function start(uri: string): Promise<ServerProcess> {
  const server = await spawnServer({
    MONGODB_URI: uri,
    HOST: '127.0.0.1',
    ADMIN_API_KEY: FAULTS_OPERATOR,
    LOG_LEVEL: 'error',
  });
  servers.push(server);
  return server;
}

const cli = (uri: string, ...args: string[]) =>
  run(process.execPath, ['dist/src/cli/main.js', ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, MONGODB_URI: uri },
  });

async function buyPro(server: ServerProcess, { key }: LoadedTenant): Promise<void> {
  const { body } = await server.gql(
    `mutation { createCheckoutSession(input: { tier: PRO, successUrl: "https://a.example/", cancelUrl: "https://a.example/" }) { localUrl } }`,
    key,
  );
  await fetch(`${body.data.createCheckoutSession.localUrl}/complete`, { method: 'POST', redirect: 'manual' });
  for (let tries = 0; tries < 100; tries++) {
    if ((await tierOf(server, key)) === 'PRO') return;
    await sleep(100);
  }
  throw new Error('the tenant did not become PRO');
}

async function tierOf(server: ServerProcess, key: string): Promise<string> {
  const { body } = await server.gql('{ subscription { tier { name } status stripeSubscriptionId } }', key);
  return body.data.subscription.tier.name;
}

it('a backup under load, restored into an empty database, has all figures as they were at its moment', async () => {
  const server = await start(source.uri);
  const tenants = await createLoadedTenants(server, Array(TENANTS).fill(farAway));
  await buyPro(server, tenants[0] as LoadedTenant);
  const load = createMeteredLoad(tenants, createRandom(random.seed + 1));
  const running = load.run([server], CLIENTS);
  await sleep(1_000);
  const before = structuredClone(tenants);
  const { stdout: printed, stderr } = await cli(source.uri, 'backup', directory);
  await running.stop();
  expect(stderr).toMatch(/documents of \d+ collections, as they were at 20/);
  const path = printed.trim();

  expect((await cli(target.uri, 'restore', path, '--check')).stdout).toContain('The backup is complete');
  expect((await cli(target.uri, 'restore', path)).stdout).toContain('Restored');
  // What was answered before it began is in it, and nothing that was answered after it ended.
  for (const [i, { calls, memories }] of before.entries()) {
    const tenant = tenants[i] as LoadedTenant;
    tenant.unknownCalls += tenant.calls - calls;
    tenant.unknownMemories += tenant.memories - memories;
    Object.assign(tenant, { calls, memories });
  }
  await load.check(target.connection, `SEED=${random.seed}, restored`);

  const restored = await start(target.uri);
  const [paying] = tenants as [LoadedTenant];
  expect(await tierOf(restored, paying.key)).toBe('PRO');
  const answer = await restored.gql(
    'mutation { storeMemory(input: { content: "after" }) { id } }',
    paying.key,
  );
  expect(answer.body.errors).toBeUndefined();
  await expect(cli(target.uri, 'restore', path, '--replace')).rejects.toThrow('Stop it first');
  expect(await restored.end('SIGTERM'), restored.output()).toBe(0);
  expect((await cli(target.uri, 'audit', 'verify')).stdout).toContain('problems: 0');
  await expect(cli(target.uri, 'restore', path)).rejects.toThrow('is not empty');
}, 120_000);
