/** A Stripe key that lacks one permission: the error tells the operator which one to add. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Harness, openHarness, PRICES } from '../../packages/mock-stripe/test/support/harness.js';
import { describeFailure } from '../../src/services/billing/stripe/stripeErrors.js';
import { setUp } from '../contract/course.js';
import { askCheckout } from '../support/billing.js';
import { collectLog } from '../support/log.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { openStripeBridge } from '../support/stripeBridge.js';
import { thinOf } from '../support/stripeSide.js';

const KEY = 'rk_test_restricted';
const { log, lines } = collectLog();
let harness: Harness;
let bridge: Awaited<ReturnType<typeof openStripeBridge>>;
let server: TestServer;
/** Method and path. */
let denied: RegExp | null = null;

/** As Stripe says it. */
const denial = (method: string) =>
  Response.json(
    {
      error: {
        type: 'invalid_request_error',
        message: `The provided key '${KEY.slice(0, 8)}${'*'.repeat(90)}icted' does not have the required permissions for this endpoint on account 'acct_1'. Having the 'rak_x_${method === 'GET' ? 'read' : 'write'}' permission would allow this request to continue.`,
      },
    },
    { status: 403, headers: { 'request-id': 'req_denied' } },
  );

beforeAll(async () => {
  harness = await openHarness({ webhookUrl: () => undefined });
  bridge = await openStripeBridge(async (input, init) => {
    const { method, url } = new Request(input, init);
    return denied?.test(`${method} ${new URL(url).pathname}`)
      ? denial(method)
      : harness.mock.fetch(input, init);
  });
  server = await startTestServer({
    log,
    env: {
      STRIPE_SECRET_KEY: KEY,
      STRIPE_WEBHOOK_SECRET: 'whsec_1',
      STRIPE_API_BASE: bridge.url,
      ...Object.fromEntries(PRICES.map(({ metadata: { tier }, id }) => [`STRIPE_PRICE_${tier}`, id])),
    },
  });
}, 60_000);
afterAll(async () => {
  await server?.stop();
  await bridge?.close();
  await harness?.close();
});
beforeEach(() => {
  denied = null;
  lines.length = 0;
});

describe('a request that Stripe denies to the key', () => {
  it.each([
    ['POST /v1/customers', 'Customers: write (customer_write)'],
    ['POST /v1/checkout/sessions', 'Checkout sessions: write (checkout_session_write)'],
  ])('%s is named with the permission, in the response and in the log', async (endpoint, permission) => {
    denied = new RegExp(`^${endpoint}$`);
    const { key } = await server.createTenant();
    const { errors } = await askCheckout(server, key);
    expect(errors[0]?.extensions).toMatchObject({ code: 'PAYMENT_PROVIDER_ERROR', endpoint, permission });
    expect(errors[0]?.message).toContain(`${endpoint}; the operator must add the permission ${permission}`);
    const logged = JSON.parse(lines.find((line) => line.includes('stripe.rejected')) ?? '{}');
    expect(logged).toMatchObject({ endpoint, statusCode: 403, stripeRequestId: 'req_denied' });
    expect(logged.reason).toContain(`${endpoint} needs the permission ${permission}`);
    expect(lines.join('')).not.toContain(KEY);
    denied = null;
    expect((await askCheckout(server, key)).errors).toEqual([]);
  });

  it.each([
    ['GET /v1/subscriptions', 'Subscriptions: read (subscription_read)'],
    ['GET /v1/customers', 'Customers: read (customer_read)'],
    ['GET /v1/events', 'Events: read (event_read)'],
  ])('%s ends a comparison with Stripe, which says so', async (endpoint, permission) => {
    denied = new RegExp(`^${endpoint}$`);
    const failure = await server.app.services.reconcile
      .run({ dryRun: false })
      .catch((error: unknown) => error);
    expect(describeFailure(failure)).toContain(`${endpoint} needs the permission ${permission}`);
    denied = null;
    expect((await server.app.services.reconcile.run({ dryRun: false })).stopReason).toBeFalsy();
  });

  it('is what a webhook event waits for', async () => {
    denied = /^GET \/v1\/charges\/ch_1$/;
    const id = `evt_${randomUUID()}`;
    const { inbox } = server.app.services;
    await inbox.receive(thinOf(id, 'v1.charge.refunded', { id: 'ch_1', type: 'charge' }));
    await inbox.idle(5_000);
    const { events } = await inbox.page({ first: 1 });
    expect(events[0]).toMatchObject({ _id: id, state: 'PENDING' });
    expect(events[0]?.lastError).toContain(
      'GET /v1/charges/:id needs the permission Charges and refunds: read (charge_read)',
    );
    expect(lines.find((line) => line.includes('webhook.retry'))).toContain('charge_read');
  });

  it('ends stripe:setup, which says so', async () => {
    denied = /^POST \/v1\/webhook_endpoints$/;
    const failure = await setUp(bridge.url, { PUBLIC_URL: 'https://billing.example' }).catch(
      (error: unknown) => error,
    );
    expect(describeFailure(failure)).toContain(
      'POST /v1/webhook_endpoints needs the permission Webhook endpoints: write (webhook_write)',
    );
  });
});
