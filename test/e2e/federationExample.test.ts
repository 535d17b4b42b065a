import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { buildServer } from '../support/serverProcess.js';

let database: TestDatabase;
beforeAll(async () => {
  [database] = await Promise.all([connectTestDatabase(), buildServer()]);
}, 120_000);
afterAll(() => database?.dropAndClose());

it('the example starts all four by one command, answers what it prints through both gateways, and ends on a signal', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../examples/federation/start.mjs')], {
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
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  try {
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      said += chunk;
      if (said.includes('Ctrl-C')) break;
    }
    const read = (pattern: RegExp) => pattern.exec(said)?.[1] ?? `nothing like ${pattern} in: ${said}`;
    const body = read(/-d '(.+)'/);
    const headers = { 'content-type': 'application/json', 'x-api-key': read(/API key\s+(\S+)/) };
    for (const [calls, gateway] of [
      [1, 'Apollo'],
      [2, 'Hive'],
    ] as const) {
      const url = read(new RegExp(`${gateway} gateway\\s+(\\S+)`));
      const response = await fetch(url, { method: 'POST', headers, body });
      expect(await response.json()).toEqual({
        data: {
          addProduct: {
            name: 'lamp',
            // Charged by the products subgraph, at billing.
            owner: { name: 'Lamps Limited', usage: { apiCalls: calls } },
            plan: { status: 'ACTIVE', tier: { name: 'FREE' } },
            tier: { monthlyPriceCents: 2900 },
          },
        },
      });
    }
  } finally {
    child.kill('SIGTERM');
  }
  expect(await exited).toEqual([0, null]);
}, 120_000);
