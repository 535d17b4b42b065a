import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findMongod, userCacheDir } from '@continuum-billing/embedded-mongod';
import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildServer } from '../../../test/support/serverProcess.js';
import { DAY_S, type Endpoint, openEndpoint, PRICES, SECRET } from './support/harness.js';

const BIN = 'packages/mock-stripe/dist/bin.js';
let directory: string;
let endpoint: Endpoint;
let child: ChildProcess;
let url: URL;
let output = '';

beforeAll(async () => {
  await buildServer();
  directory = await mkdtemp(join(tmpdir(), 'mock-stripe-test-'));
  const prices = join(directory, 'prices.json');
  await writeFile(prices, JSON.stringify(PRICES));
  endpoint = await openEndpoint();
  const options = [
    '--port',
    '0',
    '--prices',
    prices,
    '--webhook-url',
    endpoint.url,
    '--webhook-secret',
    SECRET,
  ];
  // The mongod of the test run is put on the path, so that none is downloaded.
  const mongod = await findMongod({ cacheDir: userCacheDir('continuum-billing'), log: () => undefined });
  const env = { ...process.env, PATH: `${dirname(mongod)}${delimiter}${process.env.PATH}` };
  child = spawn(process.execPath, [BIN, ...options], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  url = await new Promise<URL>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk;
      const [, address] = /listens on (http:\S+)\n/.exec(output) ?? [];
      if (address) resolve(new URL(address));
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('exit', (code) => reject(new Error(`It ended with ${code}:\n${output}`)));
  });
}, 200_000);
afterAll(async () => {
  child?.kill('SIGKILL');
  await endpoint?.close();
  if (directory) await rm(directory, { recursive: true });
});

const stripe = () =>
  new Stripe('sk_test_any', { host: url.hostname, port: url.port, protocol: 'http', telemetry: false });
async function post(path: string, body: object) {
  const response = await fetch(new URL(path, url), { method: 'POST', body: JSON.stringify(body) });
  // biome-ignore lint/suspicious/noExplicitAny: each test reads other fields of the answer
  return { status: response.status, json: (await response.json()) as any };
}

describe('mock-stripe on a port of its own', () => {
  it('sells a subscription to the real SDK, posts signed webhooks, and renews it when the clock is moved', async () => {
    const session = await stripe().checkout.sessions.create({
      mode: 'subscription',
      line_items: [{ price: 'price_pro', quantity: 1 }],
      success_url: 'https://shop.example/done?session={CHECKOUT_SESSION_ID}',
    });
    expect(session.url).toBe(`${url.origin}/mock/checkout/${session.id}`);
    const page = await fetch(session.url ?? '');
    expect(page.headers.get('content-security-policy')).toContain("form-action 'self' https://shop.example;");
    expect(await page.text()).toContain('$29.00');

    const paid = await fetch(`${session.url}/complete`, { method: 'POST', redirect: 'manual' });
    expect([paid.status, paid.headers.get('location')]).toEqual([
      303,
      `https://shop.example/done?session=${session.id}`,
    ]);
    const completed = await endpoint.event(({ type }) => type === 'checkout.session.completed');
    const { subscription } = completed.data.object as Stripe.Checkout.Session;
    expect((await stripe().subscriptions.retrieve(String(subscription))).status).toBe('active');

    const moved = await post('/mock/clock', { advanceSeconds: 32 * DAY_S });
    expect(moved.json).toEqual({ now: expect.any(String), advancedSeconds: 32 * DAY_S });
    const renewal = await endpoint.event(
      ({ type, data }) =>
        type === 'invoice.payment_succeeded' &&
        (data.object as Stripe.Invoice).billing_reason === 'subscription_cycle',
    );
    expect((renewal.data.object as Stripe.Invoice).amount_paid).toBe(2_900);
    expect(endpoint.forged).toEqual([]);
  });

  it('makes events happen: to a customer of its own, with the first price', async () => {
    const { json } = await post('/mock/trigger', { event: 'invoice.payment_failed' });
    const { customer, ...rest } = json;
    expect(rest).toEqual({ event: 'invoice.payment_failed' });
    const failed = await endpoint.event(({ type }) => type === 'invoice.payment_failed');
    expect((failed.data.object as Stripe.Invoice).customer).toBe(customer);
  });

  it.each([
    ['/mock/trigger', { event: 'invoice.eaten' }, 400, 'It must be one of checkout.session.completed'],
    ['/mock/trigger', { event: 'customer.updated', customer: 'cus_none' }, 404, 'No such customer'],
    ['/mock/clock', { advanceSeconds: 0 }, 400, 'advanceSeconds'],
    ['/mock/clock', [], 400, 'expected object'],
    ['/mock/nothing', {}, 401, 'API key'],
  ])('POST %s %j is answered with %i', async (path, body, status, text) => {
    const response = await post(path, body);
    expect(response.status).toBe(status);
    expect(response.json.error.message).toContain(text);
  });

  it('stops with its MongoDB when it is asked to', async () => {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
});

describe('the command line', () => {
  const run = (args: string[]) =>
    promisify(execFile)(process.execPath, [BIN, ...args]).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error) => error as { code: number; stdout: string; stderr: string },
    );

  it('shows its options', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const option of ['port', 'host', 'mongodb-uri', 'webhook-url', 'webhook-secret', 'prices', 'help'])
      expect(stdout).toContain(`--${option}`);
  });

  it.each([
    [['--prot', '1'], "Unknown option '--prot'"],
    [['--port', '70000'], '--port must be a whole number from 0 to 65535, not 70000'],
    [['--webhook-url', 'ftp://x'], '--webhook-url must be an http or https URL, not ftp://x'],
    [['--prices', 'nowhere.json'], '--prices nowhere.json: ENOENT'],
    [['--prices', 'package.json'], '--prices package.json: ✖ Invalid input: expected array'],
  ])('rejects %j', async (args, problem) => {
    const { code, stderr } = await run(args);
    expect(code).toBe(1);
    expect(stderr).toContain(problem);
  });
});
