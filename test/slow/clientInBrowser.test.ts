import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchChromium } from '../support/chromium.js';
import { bundleClient } from '../support/clientBundle.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer } from '../support/server.js';

const clock = createFakeClock('2026-11-28T12:00:58Z');
/** A team's own site, which hands a token to its page. */
const site = createServer();
let token: unknown;
let billing: TestServer;
let browser: Browser;
let siteUrl: string;

beforeAll(async () => {
  const { code } = await bundleClient();
  site.on('request', ({ url }, response) => {
    if (url === '/token') response.end(JSON.stringify(token));
    else response.setHeader('content-type', 'text/html').end(`<!doctype html><script>${code}</script>`);
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  siteUrl = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  [billing, browser] = await Promise.all([
    startTestServer({ clock, env: { CONTINUUM_CORS_ORIGINS: siteUrl } }),
    launchChromium(),
  ]);
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await billing?.stop();
  site.close();
});

it('a page of another origin reads with a token, waits for a limit, sees errors by code, and listens', async () => {
  const tenant = await billing.createTenant();
  await billing.setLimits(tenant.id, { apiCallsPerMinute: 1 });
  const made = await billing.gql(
    'mutation ($id: ID!) { createTenantToken(input: { tenantId: $id, scopes: [READ] }) { token expiresAt } }',
    { variables: { id: tenant.id } },
  );
  token = made.data.createTenantToken;
  const page = await browser.newPage();
  await page.goto(siteUrl);
  // The page's limit resets while it waits.
  page.on('response', (response) => {
    if (response.status() === 429) clock.advance(2_000);
  });
  const outcome = await page.evaluate(
    `(async (url) => {
      const { createBillingClient } = globalThis.billing ?? billing;
      const client = createBillingClient({ url, token: async () => (await fetch('/token')).json() });
      const metered = '{ memories(first: 1) { pageInfo { hasNextPage } } }';
      await client.request(metered);
      const startedAt = performance.now();
      await client.request(metered);
      const waitedMs = performance.now() - startedAt;
      const error = await client.changeTier({ tier: 'PRO' }).catch((error) => error);
      for await (const { apiCalls } of client.live.usageChanged())
        return { waitedMs, apiCalls, code: error.code, hasRequestId: Boolean(error.requestId) };
    })(${JSON.stringify(billing.url)})`,
  );
  expect(outcome).toEqual({
    waitedMs: expect.any(Number),
    apiCalls: 2,
    code: 'FORBIDDEN',
    hasRequestId: true,
  });
  // The header is readable: without it the client would have waited for a quarter of a second.
  expect((outcome as { waitedMs: number }).waitedMs).toBeGreaterThanOrEqual(1_900);
});
