import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { buildServer } from '../support/serverProcess.js';

let database: TestDatabase;
beforeAll(async () => {
  [database] = await Promise.all([connectTestDatabase(), buildServer()]);
}, 120_000);
afterAll(() => database?.dropAndClose());

it('the example starts by one command, sells a tier, meters, and ends on a signal', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../examples/client/start.mjs')], {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      PORT: '0',
      MONGODB_URI: database.uri,
      HOST: '127.0.0.1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  let said = '';
  for (const output of [child.stdout, child.stderr])
    output.on('data', (chunk) => {
      said += chunk;
    });
  const soon = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 20 });
  try {
    await soon(() => expect(said).toContain('Ctrl-C'));
    const lamps = /lamps\s+(\S+)/.exec(said)?.[1];
    const post = async (route: string) => {
      const response = await fetch(`${lamps}/${route}?org=acme`, { method: 'POST' });
      return {
        status: response.status,
        headers: response.headers,
        body: (await response.json()) as Record<string, unknown>,
      };
    };
    expect(await post('render')).toMatchObject({ status: 404, body: { error: 'Sign up first' } });
    expect(await post('signup')).toMatchObject({ status: 201, body: { tier: 'Free' } });
    let rendered = 0;
    let last = await post('render');
    // A minute may end in between.
    for (; last.status === 200 && rendered < 30; last = await post('render')) rendered++;
    expect(rendered).toBeGreaterThanOrEqual(10);
    expect(last).toMatchObject({ status: 429, body: { upgrade: '/upgrade?org=acme' } });
    expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0);
    const { body } = await post('upgrade');
    await fetch(`${body.pay}/complete`, { method: 'POST', redirect: 'manual' });
    await soon(() => expect(said).toContain('acme has Pro now'));
    expect(await post('render')).toMatchObject({ status: 200 });
    expect((await post('usage')).body).toEqual({
      apiCalls: (rendered + 1) * 3,
      limit: 10_000,
      byEndpoint: [
        { endpoint: 'thumbnail', calls: (rendered + 1) * 2 },
        { endpoint: 'render', calls: rendered + 1 },
      ],
    });
  } finally {
    child.kill('SIGTERM');
  }
  expect(await exited).toEqual([0, null]);
}, 120_000);
