import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { startExample } from '../support/exampleProcess.js';
import { buildServer } from '../support/serverProcess.js';

let database: TestDatabase;
beforeAll(async () => {
  [database] = await Promise.all([connectTestDatabase(), buildServer()]);
}, 120_000);
afterAll(() => database?.dropAndClose());

const LAMPS = '{ lamps(ids: [1, 2]) { id } }';

async function exercise(name: string, readTier: string, before: (ask: Ask) => Promise<void>): Promise<void> {
  const example = await startExample(name, database.uri);
  try {
    const identity = example.read(/identity\s+(\S+)/);
    const signIn = async (org: string) => {
      const response = await fetch(`${identity}/sign-in?user=ann&org=${org}`, { method: 'POST' });
      return ((await response.json()) as { token: string }).token;
    };
    const url = example.read(/lamps\s+(\S+)/);
    const [acme, other] = await Promise.all([signIn(`${name}-acme`), signIn(`${name}-other`)]);
    const ask: Ask = async (query, token = acme) => {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify({ query }),
      });
      return { status: response.status, ...((await response.json()) as object) };
    };
    await before(ask);
    await before((query) => ask(query, other));
    expect(await ask(readTier)).toMatchObject({ status: 200, data: { lamps: [{ id: '1' }] } });
    // 2 of 10 calls are used; a minute may end in between.
    let answers = 0;
    let last = await ask(LAMPS);
    for (; last.status === 200 && answers < 10; last = await ask(LAMPS)) answers++;
    expect(last).toMatchObject({
      status: 429,
      errors: [{ extensions: { code: 'RATE_LIMITED', tier: 'FREE' } }],
    });
    // Each organisation has its own limits, a feature needs a tier, and nobody gets nothing.
    expect(await ask(LAMPS, other)).toMatchObject({ status: 200 });
    expect(await ask('{ forecast }', other)).toMatchObject({
      status: 403,
      errors: [{ extensions: { code: 'FEATURE_NOT_AVAILABLE' } }],
    });
    expect(await ask(LAMPS, '')).toMatchObject({ status: 401 });
    expect(await ask(LAMPS, `${other.slice(0, -4)}AAAA`)).toMatchObject({ status: 401 });
  } finally {
    await example.end();
  }
  expect(await example.end()).toBe(0);
}

type Ask = (query: string, token?: string) => Promise<{ status: number; data?: unknown; errors?: unknown }>;

it('the Apollo example signs organisations up, and limits each by its own tier', async () => {
  await exercise('apollo', '{ lamps(ids: [1]) { id } account { tier } }', async (ask) => {
    expect(await ask('mutation { signUp { tier } }')).toMatchObject({ data: { signUp: { tier: 'FREE' } } });
    expect(await ask('{ account { tier } }')).toMatchObject({ data: { account: { tier: 'FREE' } } });
  });
}, 120_000);

it('the Yoga example limits a code-first schema by the tokens that billing verifies', async () => {
  await exercise('yoga', '{ lamps(ids: [1]) { id } tier }', async () => {});
}, 120_000);
