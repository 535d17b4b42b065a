/** `continuum-billing doctor` beside a running server, and in front of set-ups that are broken in one way or another. */
import { execFile } from 'node:child_process';
import { openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { findMongod } from '@continuum-billing/embedded-mongod';
import { choosePort, listening, spawnGuarded } from '@continuum-billing/embedded-mongod/programs';
import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientOf, type Harness, openHarness } from '../../packages/mock-stripe/test/support/harness.js';
import { CACHE_DIR } from '../../src/embeddedMongodb.js';
import { setUp } from '../contract/course.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { makeDataDirectory } from '../support/dataDirectory.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { buildServer, spawnServer } from '../support/serverProcess.js';
import { openStripeBridge } from '../support/stripeBridge.js';

interface Report {
  ok: boolean;
  counts: Record<'ok' | 'warning' | 'error' | 'skipped', number>;
  checks: { name: string; status: string; found: string; fix: string | null }[];
}

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** They must be in no output. */
const SECRETS = {
  STRIPE_SECRET_KEY: 'sk_test_secretOfTheDoctor',
  STRIPE_WEBHOOK_SECRET: 'whsec_secretOfTheDoctor',
  ADMIN_API_KEY: 'admin-key-that-is-secret-0123456789',
  GATEWAY_SECRET: 'gateway-key-that-is-secret-0123456789',
};
const PENDING_TAX = {
  object: 'tax.settings',
  status: 'pending',
  status_details: { pending: { missing_fields: ['head_office'] } },
};
const REDIS_PASSWORD = 'redisPasswordThatIsSecret';

let harness: Harness;
let stripe: Stripe;
let bridge: Awaited<ReturnType<typeof openStripeBridge>>;
let database: TestDatabase;
let server: TestServer;
/** Whether Stripe says that its tax is not set up. */
let taxIsPending = false;
/** Of the healthy server. */
let env: Record<string, string>;

async function run(environment: Record<string, string>, ...args: string[]): Promise<Ran> {
  const ran = await promisify(execFile)(process.execPath, ['dist/src/cli/main.js', 'doctor', ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...environment },
  }).then(
    (done) => ({ ...done, code: 0 }),
    (error) => error as Ran,
  );
  for (const secret of [...Object.values(SECRETS), REDIS_PASSWORD])
    expect(`${ran.stdout}${ran.stderr}`).not.toContain(secret);
  return ran;
}

async function examine(environment: Record<string, string>): Promise<Report & { code: number }> {
  const { code, stdout } = await run(environment, '--json');
  const report: Report = JSON.parse(stdout);
  for (const check of report.checks) {
    expect(Object.keys(check)).toEqual(['name', 'status', 'found', 'fix']);
    expect(check.fix === null).toBe(check.status === 'ok' || check.status === 'skipped');
  }
  expect(report.ok).toBe(code === 0);
  expect(report.counts.error > 0).toBe(code === 1);
  return { ...report, code };
}

const statusesOf = ({ checks }: Report) =>
  Object.fromEntries(checks.map(({ name, status }) => [name, status]));
const checkOf = ({ checks }: Report, name: string) => checks.find((one) => one.name === name);

beforeAll(async () => {
  await buildServer();
  harness = await openHarness({ prices: [], webhookUrl: () => undefined });
  stripe = clientOf(harness.mock);
  bridge = await openStripeBridge((url, init) =>
    taxIsPending && String(url).endsWith('/v1/tax/settings')
      ? Promise.resolve(Response.json(PENDING_TAX))
      : harness.mock.fetch(url, init),
  );
  database = await connectTestDatabase();
  const port = await choosePort(undefined, () => undefined);
  const PUBLIC_URL = `http://127.0.0.1:${port}`;
  const printed = await setUp(bridge.url, { PUBLIC_URL });
  env = {
    ...printed,
    ...SECRETS,
    MONGODB_URI: database.uri,
    PORT: String(port),
    PUBLIC_URL,
    STRIPE_API_BASE: bridge.url,
  };
  server = await startTestServer({ uri: database.uri, env });
}, 150_000);
afterAll(async () => {
  await server?.stop();
  await bridge?.close();
  await harness?.close();
  await database?.dropAndClose();
});

describe('continuum-billing doctor', () => {
  it('finds nothing wrong with a server in live mode', async () => {
    const report = await examine(env);
    expect(report.checks.filter(({ status }) => status === 'error' || status === 'warning')).toEqual([]);
    expect(report.code).toBe(0);
    expect(report.checks.map(({ name, status }) => `${status} ${name}`)).toEqual([
      'ok configuration',
      'ok mongodb.connection',
      'ok mongodb.version',
      'ok mongodb.replicaSet',
      'ok mongodb.write',
      'ok mongodb.indexes',
      'ok mongodb.clock',
      'ok mongodb.identity',
      'ok mongodb.catalogue',
      'ok mongodb.instances',
      'ok stripe.key',
      'ok stripe.mode',
      'ok stripe.account',
      'ok stripe.price.PRO',
      'ok stripe.overagePrice.PRO',
      'ok stripe.price.ENTERPRISE',
      'ok stripe.meters',
      'ok stripe.webhook',
      'ok stripe.portal',
      'skipped stripe.tax',
      'skipped redis.connection',
      'skipped jwt.keys',
      'ok publicUrl.reachable',
    ]);
    expect(checkOf(report, 'mongodb.instances')?.found).toContain('1 running');
  }, 60_000);

  it('names each thing that is wrong at Stripe, and goes on', async () => {
    const wrong = await stripe.prices.create({
      product: 'continuum_pro',
      currency: 'eur',
      unit_amount: 1_900,
      recurring: { interval: 'year' },
    });
    const url = 'http://127.0.0.1:9';
    await stripe.webhookEndpoints.create({
      url: `${url}/v1/billing/webhook`,
      enabled_events: ['customer.subscription.updated'],
      api_version: Stripe.API_VERSION,
    });
    const report = await examine({
      ...env,
      STRIPE_PRICE_PRO: wrong.id,
      STRIPE_PRICE_PRO_OVERAGE: env.STRIPE_PRICE_ENTERPRISE as string,
      STRIPE_PRICE_ENTERPRISE: 'price_of_nobody',
      STRIPE_PORTAL_CONFIGURATION: 'bpc_of_nobody',
      PUBLIC_URL: url,
    });
    expect(report.code).toBe(1);
    expect(checkOf(report, 'stripe.price.PRO')?.found).toMatch(
      /currency is eur.*amount is 1900, and the catalogue says 2900.*paid each year, and not each month/,
    );
    expect(checkOf(report, 'stripe.overagePrice.PRO')?.found).toContain('bills the meter none');
    expect(checkOf(report, 'stripe.price.ENTERPRISE')?.found).toContain('price_of_nobody');
    expect(checkOf(report, 'stripe.portal')?.found).toContain('does not exist');
    expect(checkOf(report, 'stripe.webhook')?.found).toContain('lacks the events');
    expect(checkOf(report, 'publicUrl.reachable')?.found).toContain('ECONNREFUSED');
    expect(statusesOf(report)).toMatchObject({ 'stripe.meters': 'ok', 'mongodb.indexes': 'ok' });
  }, 60_000);

  it('says whether Stripe Tax is set up, where it is to compute taxes', async () => {
    const taxed = { ...env, STRIPE_AUTOMATIC_TAX: 'true' };
    expect(checkOf(await examine(taxed), 'stripe.tax')).toMatchObject({ status: 'ok' });
    taxIsPending = true;
    const report = await examine(taxed);
    taxIsPending = false;
    expect(checkOf(report, 'stripe.tax')).toMatchObject({
      status: 'error',
      found: expect.stringContaining('head_office'),
    });
  }, 60_000);

  it('names a missing index, a dead Redis, another server at the URL and every error of the configuration', async () => {
    const subscriptions = database.connection.collection('billing_subscriptions');
    await subscriptions.dropIndex('stripeSubscriptionId_1');
    const report = await examine({
      ...env,
      REDIS_URL: `redis://:${REDIS_PASSWORD}@127.0.0.1:9`,
      PUBLIC_URL: bridge.url,
      GRACE_DAYS: 'many',
      LOG_LEVEL: 'loud',
    });
    await subscriptions.createIndex({ stripeSubscriptionId: 1 }, { unique: true });
    expect(report.code).toBe(1);
    expect(checkOf(report, 'configuration')?.found).toMatch(/LOG_LEVEL[\s\S]*GRACE_DAYS/);
    expect(checkOf(report, 'mongodb.indexes')?.found).toBe(
      'billing_subscriptions {"stripeSubscriptionId":1}: missing or different',
    );
    expect(checkOf(report, 'redis.connection')).toMatchObject({ status: 'error' });
    expect(checkOf(report, 'publicUrl.reachable')).toMatchObject({ status: 'error' });
    expect(checkOf(report, 'stripe.webhook')?.found).toContain('Stripe has no webhook endpoint for');
    expect(statusesOf(report)).toMatchObject({ 'stripe.price.PRO': 'ok', 'mongodb.write': 'ok' });
  }, 60_000);

  it('names the mode that does not fit the database, and leaves Stripe out in mock mode', async () => {
    const mock = { ...env, STRIPE_SECRET_KEY: '', STRIPE_MOCK_MODE: 'true' };
    const report = await examine(mock);
    expect(checkOf(report, 'mongodb.identity')?.found).toContain('belongs to live mode');
    expect(checkOf(report, 'stripe.mode')).toMatchObject({ status: 'skipped' });
    expect(report.checks.filter(({ name }) => name.startsWith('stripe.'))).toHaveLength(1);
    // The server itself says the same, and ends.
    await expect(spawnServer({ ...mock, PORT: '0' })).rejects.toThrow(
      /ended with 1:[\s\S]*The server could not start: The database belongs to live mode/,
    );
  }, 60_000);

  it('names a standalone MongoDB, and a Stripe key that is not accepted', async () => {
    const dataDir = await makeDataDirectory('continuum-doctor-');
    const silent = () => undefined;
    const binary = await findMongod({ cacheDir: CACHE_DIR, log: silent });
    const port = await choosePort(undefined, silent);
    const args = ['--dbpath', dataDir, '--port', String(port), '--bind_ip', '127.0.0.1'];
    const mongod = await spawnGuarded([binary, ...args], openSync('/dev/null', 'w'));
    await listening(port, AbortSignal.timeout(30_000));
    const report = await examine({
      ...env,
      MONGODB_URI: `mongodb://127.0.0.1:${port}/continuum`,
      STRIPE_SECRET_KEY: 'sk_live_not_of_the_mock',
    });
    mongod.end();
    await mongod.exited;
    await rm(dataDir, { recursive: true, force: true });
    expect(checkOf(report, 'mongodb.replicaSet')).toMatchObject({
      status: 'error',
      found: expect.stringContaining('standalone'),
      fix: expect.stringContaining('--replSet'),
    });
    expect(checkOf(report, 'publicUrl.reachable')?.found).toContain('on another database');
    expect(checkOf(report, 'stripe.key')).toMatchObject({ status: 'error' });
    expect(checkOf(report, 'stripe.price.PRO')).toMatchObject({ status: 'skipped' });
  }, 60_000);

  it('starts no MongoDB of its own, prints text, and explains itself', async () => {
    const dataDir = await makeDataDirectory('continuum-doctor-');
    const [text, help, wrong] = await Promise.all([
      run({ DATA_DIR: dataDir }),
      run({}, '--help'),
      run({}, '--what'),
    ]);
    await rm(dataDir, { recursive: true, force: true });
    expect(text.stdout).toMatch(/^ok +configuration +valid, for mock mode$/m);
    expect(text.stdout).toMatch(/^skipped +mongodb\.connection +no server runs/m);
    expect(text.stdout).toMatch(/\n1 ok, 0 warnings, 0 errors, \d+ skipped\n$/);
    expect(text.code).toBe(0);
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('continuum-billing doctor') });
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('--what') });
  }, 60_000);
});
