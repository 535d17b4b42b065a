import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { startExample } from '../support/exampleProcess.js';
import { buildServer } from '../support/serverProcess.js';

let database: TestDatabase;
beforeAll(async () => {
  [database] = await Promise.all([connectTestDatabase(), buildServer()]);
}, 120_000);
afterAll(() => database?.dropAndClose());

it('an Express API meters its own users, sells a feature, and ends on a signal', async () => {
  const example = await startExample('express', database.uri);
  try {
    const api = example.read(/api\s+(\S+)/);
    const ask = async (method: string, route: string, key = 'acme-key') => {
      const response = await fetch(`${api}/${route}`, { method, headers: { 'x-api-key': key } });
      const body = (await response.json()) as Record<string, unknown>;
      return { status: response.status, headers: response.headers, body };
    };
    expect((await ask('GET', 'lamps', 'nobody')).status).toBe(401);
    expect(await ask('GET', 'lamps')).toMatchObject({ status: 404, body: { error: { code: 'NOT_FOUND' } } });
    expect(await ask('POST', 'signup')).toMatchObject({ status: 201, body: { tier: 'free' } });
    expect(await ask('GET', 'shared')).toMatchObject({
      status: 403,
      body: { error: { code: 'FEATURE_NOT_AVAILABLE', feature: 'federation', tier: 'free' } },
    });
    expect((await ask('POST', 'render')).body.images).toBeGreaterThan(0);
    let last = await ask('GET', 'lamps');
    expect(last).toMatchObject({ status: 200, body: { tier: 'FREE' } });
    // A minute may end in between.
    for (let i = 0; last.status === 200 && i < 30; i++) last = await ask('GET', 'lamps');
    expect(last).toMatchObject({ status: 429, body: { error: { code: 'RATE_LIMITED', window: 'minute' } } });
    expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0);
    const { body } = await ask('POST', 'upgrade');
    await fetch(`${body.pay}/complete`, { method: 'POST', redirect: 'manual' });
    await expect.poll(async () => (await ask('GET', 'shared')).status, { timeout: 30_000 }).toBe(200);
  } finally {
    await example.end();
  }
  expect(await example.end()).toBe(0);
}, 120_000);
