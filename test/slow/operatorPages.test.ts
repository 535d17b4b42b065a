import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mockOf, stripeOf, settled as stripeSettled, subscribe, subscriptionOf } from '../support/billing.js';
import { expectAccessible, expectNoSideways, expectProblem, testBrowser } from '../support/browser.js';
import { settled, signIn } from '../support/dashboard.js';
import { LOOPBACK_WEBHOOKS, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

/** Webhooks, usage reports, reconcile, catalogue, operators and audit log, in a real browser. */

const MARKUP = '<img src=x onerror="document.title=1">';
/** For all pages, each with a check of its accessibility, on a busy machine. */
const PAGES_MS = 120_000;

const browser = testBrowser();
let server: TestServer;
let tenant: TestTenant;
let keys: Record<'SUPPORT' | 'READ', string>;

beforeAll(async () => {
  server = await startTestServer({ env: LOOPBACK_WEBHOOKS });
  const made = await server.gql(`mutation {
    endpoint: createWebhookEndpoint(input: { url: "http://127.0.0.1:1025/hooks/s3cret" }) { endpoint { id } }
    support: createOperatorKey(input: { name: "Grace", role: SUPPORT }) { secret }
    read: createOperatorKey(input: { name: "Reports", role: READ }) { secret }
  }`);
  keys = { SUPPORT: made.data.support.secret, READ: made.data.read.secret };
  tenant = await server.createTenant(MARKUP);
  await subscribe(server, tenant.key);
  await stripeSettled(server);
  await server.gql('mutation { reportUsage(input: { quantity: 5, idempotencyKey: "once" }) { id } }', {
    key: tenant.key,
  });
  await server.app.services.outgoingWebhooks.run();
});
afterAll(() => server?.stop());

const open = async (page: Page, path: string) => {
  await page.goto(`${server.url}/admin${path}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await settled(page);
};
/** Notes in the corner are dialogs too, but not modal ones. */
const dialog = (page: Page) => page.locator('[role=dialog]:not([aria-modal=false])');
const asked = (page: Page) => page.getByRole('alertdialog');
const toasted = (page: Page, text: string) => page.getByText(text).first().waitFor();

describe('webhooks', () => {
  it('are filtered in the URL, show their payload as text, and are replayed', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/webhooks');
    await page.getByLabel('Type').fill('customer.subscription.created');
    await page.waitForURL(/type=customer\.subscription\.created/);
    await settled(page);
    const rows = page.getByRole('table', { name: 'Events from Stripe' }).locator('tbody tr');
    await expect.poll(() => rows.count()).toBe(1);
    await rows.getByRole('link', { name: 'customer.subscription.created' }).click();
    await dialog(page).getByText('"object": "event"').waitFor();
    await dialog(page).getByRole('link', { name: tenant.id }).waitFor();
    await expectAccessible(page);
    await dialog(page).getByRole('button', { name: 'Replay' }).click();
    await expectAccessible(page);
    // Longer than any page would wait without looking.
    mockOf(server).failNext({ kind: 'slow', delayMs: 3_000, method: 'GET', path: '/v1/' });
    await asked(page).getByRole('button', { name: 'Replay' }).click();
    await dialog(page).getByRole('button', { name: 'Replaying' }).waitFor();
    await dialog(page).getByText('Pending', { exact: true }).waitFor();
    await expectAccessible(page);
    await toasted(page, 'The event was applied');
    await dialog(page).getByText('Applied', { exact: true }).first().waitFor();
    await dialog(page).getByRole('button', { name: 'Replay', exact: true }).waitFor();

    mockOf(server).failNext({ kind: 'connection', method: 'GET', path: '/v1/', times: 9 });
    await dialog(page).getByRole('button', { name: 'Replay', exact: true }).click();
    await asked(page).getByRole('button', { name: 'Replay' }).click();
    await toasted(page, 'The event was not applied');
    await dialog(page).getByText('The last attempt failed').waitFor();
    mockOf(server).clearFailures();
    await page.reload();
    await dialog(page).getByText('"object": "event"').waitFor();
    await page.keyboard.press('Escape');
    await page.waitForURL((url) => !url.search.includes('event='));
    expect(await page.getByLabel('Type').inputValue()).toBe('customer.subscription.created');
  });

  it('of our own: an endpoint is added with a secret shown once, and deleted; a delivery is sent again', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/webhooks?tab=out');
    await page.getByRole('button', { name: 'Add endpoint' }).click();
    await dialog(page).getByLabel('URL').fill('ftp://nowhere.example');
    await dialog(page).getByRole('button', { name: 'Add' }).click();
    await dialog(page).getByText('must be an absolute http or https URL').waitFor();
    await expectProblem(page, /400/);
    await dialog(page).getByLabel('URL').fill('http://127.0.0.1:1026/other');
    await dialog(page).getByRole('checkbox', { name: 'All events' }).uncheck();
    await dialog(page).getByRole('checkbox', { name: 'tier.changed' }).check();
    await expectAccessible(page);
    await dialog(page).getByRole('button', { name: 'Add' }).click();
    await dialog(page)
      .getByText(/^whsec_/)
      .waitFor();
    await dialog(page).getByRole('button', { name: 'Done' }).click();
    const endpoints = page.getByRole('table', { name: 'Endpoints' });
    await endpoints.getByText('1 type').waitFor();
    expect(await page.content()).not.toContain('whsec_');
    await page.getByRole('button', { name: 'Actions for http://127.0.0.1:1026/other' }).click();
    await page.getByRole('menuitem', { name: 'Delete' }).click();
    await asked(page).getByRole('button', { name: 'Delete' }).click();
    await toasted(page, 'The endpoint is deleted');
    await expect.poll(() => endpoints.locator('tbody tr').count()).toBe(1);

    await page
      .getByRole('table', { name: 'Deliveries' })
      .getByRole('link', { name: 'tier.changed' })
      .first()
      .click();
    await dialog(page).getByText('"type": "tier.changed"').waitFor();
    await dialog(page).getByRole('button', { name: 'Send again' }).click();
    await asked(page).getByRole('button', { name: 'Send again' }).click();
    await toasted(page, 'The delivery failed');
    await dialog(page).getByText('The last attempt failed').waitFor();
    await dialog(page).getByRole('button', { name: 'Send again' }).waitFor();
  });
});

describe('the overview', () => {
  it('says when it was read, is not read while the tab is hidden, and at once when it is seen again', async () => {
    const page = await browser.newPage();
    await page.clock.install();
    let reads = 0;
    page.on('request', (request) => {
      if (request.postDataJSON()?.operationName === 'Overview') reads++;
    });
    await signIn(page, server.url, '/admin');
    await settled(page);
    const asOf = () => page.getByText(/^All tenants, as of .*\d\d:\d\d:\d\d UTC$/).innerText();
    const first = await asOf();
    const seen = reads;
    expect(seen).toBeGreaterThan(0);
    const show = (hidden: boolean) =>
      page.evaluate(
        `Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true });
         document.dispatchEvent(new Event('visibilitychange'));`,
      );
    await show(true);
    for (let minute = 0; minute < 5; minute++) await page.clock.runFor(60_000);
    expect(reads).toBe(seen);
    await show(false);
    await expect.poll(() => reads).toBe(seen + 1);
    await expect.poll(asOf).not.toBe(first);
    await page.clock.runFor(16_000);
    await expect.poll(() => reads).toBe(seen + 2);
  });
});

describe('a reconcile', () => {
  it('is started, shows how far it is, and what it repaired', async () => {
    const { stripeSubscriptionId } = await subscriptionOf(server, tenant.key);
    mockOf(server).disturbWebhooks({ seed: 1, dropped: 1 });
    await stripeOf(server).subscriptions.update(stripeSubscriptionId, { cancel_at_period_end: true });
    await stripeSettled(server);
    mockOf(server).disturbWebhooks(null);
    mockOf(server).failNext({ kind: 'slow', delayMs: 1500, method: 'GET', path: '/v1/events' });
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/reconcile', keys.SUPPORT);
    await page.getByRole('button', { name: 'Start reconcile' }).click();
    await asked(page).getByRole('button', { name: 'Start' }).click();
    await page.getByRole('progressbar').waitFor();
    await expectAccessible(page);
    await page.getByText('Finished').waitFor();
    await page.getByRole('progressbar').waitFor({ state: 'detached' });
    await page.getByRole('table', { name: 'Reconcile runs' }).locator('tbody a').first().click();
    await dialog(page).getByText('cancelAtPeriodEnd false, Stripe has true').waitFor();
    await expectAccessible(page);
  });
});

describe('a reconcile while Stripe is away', () => {
  it('is shown as interrupted, with what Stripe’s client says', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/reconcile');
    const away = { kind: 'connection', method: 'GET', path: '/v1/events', times: 20 } as const;
    mockOf(server).failNext(away);
    await page.getByRole('button', { name: 'Start reconcile' }).click();
    await asked(page).getByRole('checkbox', { name: 'Only look' }).check();
    await asked(page).getByRole('button', { name: 'Start' }).click();
    const runs = page.getByRole('table', { name: 'Reconcile runs' });
    await runs.getByText('Interrupted, only looked').waitFor();
    mockOf(server).clearFailures();
    await runs.locator('tbody a').first().click();
    await dialog(page).getByText('It was interrupted').waitFor();
  });
});

describe('the keyboard alone', () => {
  it('opens a row, stays inside of what is open, and comes back to the row', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/webhooks');
    await settled(page);
    const row = page.getByRole('table', { name: 'Events from Stripe' }).locator('tbody a').first();
    const name = await row.innerText();
    await row.focus();
    await page.keyboard.press('Enter');
    await dialog(page).getByText('"object": "event"').waitFor();
    const inside = 'document.activeElement?.closest("[role=dialog]") !== null';
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press('Tab');
      // At the ends, the dialog gets the focus back a moment later.
      await expect.poll(() => page.evaluate(inside)).toBe(true);
    }
    await page.keyboard.press('Escape');
    await dialog(page).waitFor({ state: 'detached' });
    await expect.poll(() => page.evaluate('document.activeElement?.textContent')).toBe(name);
  });
});

describe('operators', () => {
  it('create, rotate and revoke keys, whose secrets are shown once', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/operators');
    await page.getByRole('button', { name: 'Create key' }).click();
    await dialog(page).getByLabel('Name').fill(MARKUP);
    await dialog(page).getByRole('button', { name: 'Create' }).click();
    const secret = dialog(page).getByText(/^ctm_/);
    await secret.waitFor();
    const first = await secret.innerText();
    await dialog(page).getByRole('button', { name: 'Done' }).click();
    const actions = page.getByRole('button', { name: `Actions for ${MARKUP}` });
    await actions.click();
    await page.getByRole('menuitem', { name: 'Rotate' }).click();
    await dialog(page).getByRole('button', { name: 'Rotate' }).click();
    await secret.waitFor();
    const second = await secret.innerText();
    expect(second).not.toBe(first);
    await dialog(page).getByRole('button', { name: 'Done' }).click();
    await expect.poll(() => actions.count()).toBe(2);
    for (let left = 2; left > 0; left--) {
      await actions.first().click();
      await page.getByRole('menuitem', { name: 'Revoke' }).click();
      await asked(page).getByRole('button', { name: 'Revoke' }).click();
      await expect.poll(() => actions.count()).toBe(left - 1);
    }
    expect((await server.gql('{ tenants { edges { cursor } } }', { key: second })).status).toBe(401);
    expect(await page.title()).toMatch(/^Operators/);
  });
});

describe('the audit log', () => {
  it('is filtered by tenant, shows what changed, and is downloaded with its filters', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/audit-log');
    await page.getByLabel('Tenant').fill(tenant.id);
    await page.getByText('subscription.created').first().waitFor();
    await page.getByLabel('Action').fill('tenant.created');
    await page.waitForURL(/action=tenant/);
    const table = page.getByRole('table', { name: 'Audit log' });
    await expect.poll(() => table.locator('tbody tr').count()).toBe(1);
    await table.getByText(MARKUP).waitFor();
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download JSONL' }).click(),
    ]);
    const lines = (await readFile((await file.path()) as string, 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).action)).toEqual(['tenant.created']);
    expect(await page.title()).toMatch(/^Audit log/);
  });
});

describe('a role', () => {
  it('sees only the actions that it may do, and no secret of a receiver', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/webhooks?tab=out', keys.READ);
    await page.getByText('http://127.0.0.1:1025/…').first().waitFor();
    expect(await page.content()).not.toContain('s3cret');
    const buttons = async (path: string) => {
      await open(page, path);
      return page.getByRole('main').getByRole('button').allInnerTexts();
    };
    expect((await buttons('/webhooks?tab=out')).join()).not.toMatch(/Add endpoint|Actions/);
    expect((await buttons('/reconcile')).join()).not.toContain('Start');
    await open(page, '/operators');
    await page.getByText('Only an OWNER sees the keys').waitFor();
  });
});

describe('when something is wrong', () => {
  it('an id that does not exist, nonsense in the URL and an ended session are explained', async () => {
    // The browser's console names each answer of the kind that this test provokes.
    const page = await browser.newPage({ tolerate: [/status of 404/] });
    await signIn(page, server.url, '/admin/usage-reports?status=NONSENSE');
    await page.getByText('once', { exact: true }).waitFor();
    await page.goto(`${server.url}/admin/webhooks?event=evt_none`);
    await dialog(page).getByText('Webhook event evt_none does not exist').waitFor();
    await open(page, '/usage-reports?tenant=ten_none');
    await page
      .getByRole('main')
      .getByText(/does not exist/)
      .first()
      .waitFor();
    await server.app.models.connection.collection('sessions').deleteMany({});
    await page.reload();
    await page.getByLabel('Operator key').waitFor();
    await expectProblem(page, /401/);
  });
});

describe.each([
  ['light', 1280],
  ['dark', 390],
] as const)('in %s, %i px wide', (colorScheme, width) => {
  it(
    'each page is accessible and not wider than the window',
    async () => {
      const page = await browser.newPage({ colorScheme, width });
      await signIn(page, server.url, '/admin/catalogue');
      for (const path of [
        '/catalogue',
        '/webhooks',
        '/webhooks?tab=out',
        '/usage-reports',
        '/reconcile',
        '/operators',
        `/audit-log?tenant=${tenant.id}`,
      ]) {
        await open(page, path);
        await expectAccessible(page);
        await expectNoSideways(page);
      }
    },
    PAGES_MS,
  );
});
