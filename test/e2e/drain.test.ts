import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import Stripe from 'stripe';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { collectLog } from '../support/log.js';
import { connectRaw, type RawClient, rawPost } from '../support/rawClient.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const SECRET = 'whsec_of_the_tests';
const DRAIN_MS = 1_000;
/** Of what a tenant does to pay. */
const MAX_PAYING = 5;

/** A Stripe that takes requests and answers none, except for the one that the start waits for. */
const stripe = createServer((request, response) => {
  if (request.url === '/v1/account') response.writeHead(404).end();
});
const collected = collectLog();
let server: TestServer;
let tenant: TestTenant;
const stuck: RawClient[] = [];
let stopped: Promise<void> | null = null;

function endStripe(): void {
  stripe.closeAllConnections();
  stripe.close();
}

const CHECKOUT =
  'mutation { createCheckoutSession(input: { tier: PRO, successUrl: "https://a.example/ok", cancelUrl: "https://a.example/no" }) { id } }';

beforeAll(async () => {
  stripe.listen(0, '127.0.0.1');
  await once(stripe, 'listening');
  server = await startTestServer({
    env: {
      STRIPE_SECRET_KEY: 'sk_test_of_nobody',
      STRIPE_WEBHOOK_SECRET: SECRET,
      STRIPE_PRICE_PRO: 'price_pro',
      STRIPE_API_BASE: `http://127.0.0.1:${(stripe.address() as AddressInfo).port}`,
    },
    config: { shutdown: { noticeMs: 500, drainMs: DRAIN_MS } },
    log: collected.log,
  });
  tenant = await server.createTenant();
  for (let i = 0; i < MAX_PAYING; i++) stuck.push(await connectRaw(server.url));
  const asked = once(stripe, 'request');
  for (const client of stuck)
    client.write(rawPost('/graphql', { 'x-api-key': tenant.key }, { query: CHECKOUT }));
  await asked;
});
afterAll(async () => {
  endStripe();
  await (stopped ?? server.stop());
});

let events = 0;
async function deliver(): Promise<{ id: string; status: number; headers: Headers }> {
  const id = `evt_of_the_drain_${++events}`;
  const payload = JSON.stringify({
    id,
    type: 'customer.updated',
    livemode: false,
    data: { object: { id: `cus_${events}` } },
  });
  const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET });
  const response = await fetch(`${server.url}/v1/billing/webhook`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'stripe-signature': signature },
    body: payload,
  });
  await response.text();
  return { id, status: response.status, headers: response.headers };
}

it('a client that hangs up while its request runs cannot run more at once', async () => {
  stuck.shift()?.socket.destroy();
  stuck.shift()?.socket.destroy();
  const { status, errors } = await server.gql(CHECKOUT, { key: tenant.key });
  expect([status, errors[0]?.extensions.window]).toEqual([429, 'concurrent']);
});

it('a stop stores each webhook that it acknowledges, answers the others with 503, and cuts what is stuck', async () => {
  const idle = await connectRaw(server.url);
  idle.write('GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n');
  await idle.until(/"ok"/);
  const startedMs = performance.now();
  stopped = server.stop();
  idle.write('GET /upgrade HTTP/1.1\r\nhost: x\r\n\r\n');
  expect(await idle.ended()).toMatch(/HTTP\/1\.1 200 OK[\s\S]*HTTP\/1\.1 200 OK[\s\S]*connection: close/i);

  const answers = [await deliver()];
  while (answers.at(-1)?.status !== 503) {
    await sleep(50);
    answers.push(await deliver());
  }
  const rejected = answers.pop();
  expect(rejected?.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(answers.length).toBeGreaterThan(0);
  for (const { status, headers } of [...answers]) {
    expect(status).toBe(200);
    expect(headers.get('connection')).toBe('close');
  }
  const stored = await server.app.models.webhookEvents.find({}, { _id: 1 }).lean();
  expect(stored.map(({ _id }) => _id).sort()).toEqual(answers.map(({ id }) => id).sort());

  const texts = await Promise.all(stuck.map((client) => client.ended()));
  // One of them may have waited for its turn at Stripe, and waits no longer than that.
  expect(texts.filter((text) => text !== '' && !/^HTTP\/1\.1 503 /.test(text))).toEqual([]);
  expect(texts).toContain('');
  const tookMs = performance.now() - startedMs;
  expect(tookMs).toBeGreaterThan(500 + DRAIN_MS);
  expect(collected.logged).toContain('server.drain_cut');
  // Its workers wait for what they have begun.
  endStripe();
  await stopped;
});
