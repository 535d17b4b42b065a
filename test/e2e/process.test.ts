import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDataDirectory } from '../support/dataDirectory.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';

let dataDir: string;
let running: ServerProcess | null = null;

beforeAll(async () => {
  await buildServer();
  dataDir = await makeDataDirectory('continuum-process-');
});
afterAll(async () => {
  await running?.end('SIGTERM').catch(() => undefined);
  await rm(dataDir, { recursive: true, force: true });
});

const start = async () => {
  running = await spawnServer({ DATA_DIR: dataDir });
  return running;
};
const end = async (signal: NodeJS.Signals) => {
  const code = await running?.end(signal);
  running = null;
  return code;
};
const keyIn = (output: string, whose: string) =>
  new RegExp(`${whose}'s key\\s+(ctm_test_\\S+)`).exec(output)?.[1] ?? '';

it('a server that is killed with -9 and started again knows all that it had acknowledged', async () => {
  const first = await start();
  const key = keyIn(first.output(), 'demo tenant');
  const operator = keyIn(first.output(), 'operator');
  expect(key).not.toBe('');
  expect(
    (await first.gql('{ tenants { edges { node { name } } } }', operator)).body.data.tenants.edges,
  ).toHaveLength(1);
  const stored = await first.gql('mutation { storeMemory(input: { content: "kept" }) { id } }', key);
  const memoryId = stored.body.data.storeMemory.id;

  expect(await end('SIGKILL')).toBe('SIGKILL');
  const second = await start();
  expect(second.output()).not.toContain('ctm_test_');
  const reading = await second.gql(`{ memory(id: "${memoryId}") { content } }`, key);
  expect(reading.body.data.memory.content).toBe('kept');
  expect(reading.headers.get('x-ratelimit-remaining-day')).toBe('98');

  const checkout = await second.gql(
    'mutation { createCheckoutSession(input: { tier: PRO, successUrl: "http://localhost/ok", cancelUrl: "http://localhost/no" }) { localUrl } }',
    key,
  );
  const { localUrl } = checkout.body.data.createCheckoutSession;
  expect((await fetch(`${localUrl}/complete`, { method: 'POST', redirect: 'manual' })).status).toBe(303);
  expect((await second.gql('{ memories { edges { cursor } } }', key)).headers.get('x-tier')).toBe('pro');

  expect(await end('SIGKILL')).toBe('SIGKILL');
  const third = await start();
  const { body, headers } = await third.gql('{ memories { edges { cursor } } }', key);
  expect(body.data.memories.edges).toHaveLength(1);
  expect(headers.get('x-tier')).toBe('pro');
  expect(headers.get('x-ratelimit-remaining-day')).toBe(String(10_000 - 4));
}, 60_000);

it('a server that is asked to stop ends with 0, MongoDB with it, and leaves no secret in what it logged', async () => {
  const server = running ?? (await start());
  const { mongodPid } = JSON.parse(await readFile(join(dataDir, 'mongod.json'), 'utf8')) as {
    mongodPid: number;
  };
  expect(isRunning(mongodPid)).toBe(true);
  expect(await end('SIGINT')).toBe(0);
  await expect(fetch(`${server.url}/health/live`)).rejects.toThrow();
  expect(isRunning(mongodPid)).toBe(false);
  expect(server.output()).not.toMatch(/ctm_test_|whsec_/);
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
