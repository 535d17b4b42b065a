import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { startExample } from '../support/exampleProcess.js';
import { buildServer } from '../support/serverProcess.js';

let database: TestDatabase;
beforeAll(async () => {
  [database] = await Promise.all([connectTestDatabase(), buildServer()]);
}, 120_000);
afterAll(() => database?.dropAndClose());

it('the example starts all four by one command, answers what it prints through both gateways, and ends on a signal', async () => {
  const example = await startExample('federation', database.uri);
  try {
    const body = example.read(/-d '(.+)'/);
    const headers = { 'content-type': 'application/json', 'x-api-key': example.read(/API key\s+(\S+)/) };
    for (const [calls, gateway] of [
      [1, 'Apollo'],
      [2, 'Hive'],
    ] as const) {
      const url = example.read(new RegExp(`${gateway} gateway\\s+(\\S+)`));
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
    await example.end();
  }
  expect(await example.end()).toBe(0);
}, 120_000);
