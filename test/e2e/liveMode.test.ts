import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Harness, openHarness, PRICES } from '../../packages/mock-stripe/test/support/harness.js';
import { connectTestDatabase } from '../support/database.js';
import { buildServer, spawnServer } from '../support/serverProcess.js';
import { openStripeBridge } from '../support/stripeBridge.js';

const OPERATOR_KEY = 'operator-key-of-the-live-mode-tests-01';
let stripe: Harness;
let bridge: Awaited<ReturnType<typeof openStripeBridge>>;
let directory: string;

beforeAll(async () => {
  await buildServer();
  directory = await mkdtemp(join(tmpdir(), 'modules-'));
  stripe = await openHarness({ webhookUrl: () => undefined });
  bridge = await openStripeBridge(stripe.mock.fetch);
}, 150_000);
afterAll(async () => {
  await bridge?.close();
  await stripe?.close();
  if (directory) await rm(directory, { recursive: true });
});

/** @returns what a server loads that starts, begins a checkout, and stops */
async function modulesOf(mode: string, env: Record<string, string>): Promise<string[]> {
  // V8 reports every script that ran, with its URL.
  const coverage = join(directory, mode);
  const database = await connectTestDatabase();
  const server = await spawnServer({
    MONGODB_URI: database.uri,
    HOST: '127.0.0.1',
    ADMIN_API_KEY: OPERATOR_KEY,
    LOG_LEVEL: 'warn',
    NODE_V8_COVERAGE: coverage,
    ...env,
  });
  const created = await server.gql(
    `mutation { createTenant(input: { name: "${mode}" }) { apiKey { secret } } }`,
    OPERATOR_KEY,
  );
  const checkout = await server.gql(
    `mutation { createCheckoutSession(input: { tier: PRO, successUrl: "https://a.example/s", cancelUrl: "https://a.example/c" }) { url } }`,
    created.body.data.createTenant.apiKey.secret,
  );
  expect(checkout.body.data.createCheckoutSession.url).toMatch(/cs_mock_/);
  expect(await server.end('SIGTERM')).toBe(0);
  await database.dropAndClose();
  const reports = await Promise.all(
    (await readdir(coverage)).map(async (file) => JSON.parse(await readFile(join(coverage, file), 'utf8'))),
  );
  return reports.flatMap(({ result }: { result: { url: string }[] }) => result.map(({ url }) => url));
}

const ofTheMock = (urls: string[]) =>
  urls.filter((url) => /\/mock-stripe\/|\/services\/mockMode\//.test(url));

it('never loads the mock of Stripe', async () => {
  const live = await modulesOf('live', {
    STRIPE_SECRET_KEY: 'sk_test_live_mode',
    STRIPE_WEBHOOK_SECRET: 'whsec_1',
    STRIPE_API_BASE: bridge.url,
    ...Object.fromEntries(PRICES.map(({ metadata: { tier }, id }) => [`STRIPE_PRICE_${tier}`, id])),
  });
  expect(live.filter((url) => /\/dist\/src\/.*\.js$/.test(url)).length).toBeGreaterThan(100);
  expect(ofTheMock(live)).toEqual([]);
}, 60_000);

it('differs from mock mode in what is loaded', async () => {
  const mock = await modulesOf('mock', { STRIPE_MOCK_MODE: 'true' });
  expect(ofTheMock(mock).length).toBeGreaterThan(50);
}, 60_000);
