import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { startExample } from '../support/exampleProcess.js';
import { buildServer } from '../support/serverProcess.js';

let database: TestDatabase;
beforeAll(async () => {
  [database] = await Promise.all([connectTestDatabase(), buildServer()]);
}, 120_000);
afterAll(() => database?.dropAndClose());

it('the example starts by one command, sells a tier, meters, and ends on a signal', async () => {
  const example = await startExample('client', database.uri);
  try {
    const lamps = example.read(/lamps\s+(\S+)/);
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
    await example.says('acme has Pro now');
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
    await example.end();
  }
  expect(await example.end()).toBe(0);
}, 120_000);
