import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  expectAccessible,
  expectNoSideways,
  expectProblem,
  type PageOptions,
  testBrowser,
} from '../support/browser.js';
import { headingOf, openSignIn, settled, signIn } from '../support/dashboard.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startReceiver } from '../support/receivers.js';
import { LOOPBACK_WEBHOOKS, OPERATOR_KEY, startTestServer, type TestServer } from '../support/server.js';

const LONG_MS = 300_000;
const PAGES = [
  '/admin',
  '/admin/tenants',
  '/admin/webhooks',
  '/admin/usage-reports',
  '/admin/reconcile',
  '/admin/catalogue',
  '/admin/operators',
  '/admin/audit-log',
  '/admin/mock',
  '/admin/nowhere',
];
const TENANT_TABS = ['overview', 'usage', 'billing', 'limits', 'keys', 'events', 'audit', 'settings'];
const MARKUP = '<img src=x onerror="document.title=`ran`"> & <script>document.title="ran"</script>';
/** What the browser logs of a server that is away. */
const AWAY = [/ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|WebSocket|status of 503/];

const browser = testBrowser();
let server: TestServer;
/** By name. */
let tenants: Record<string, string>;

beforeAll(async () => {
  server = await startTestServer({ env: LOOPBACK_WEBHOOKS });
  const script = '../../scripts/demo/fill.mjs';
  const { fillWithDemoData } = await import(script);
  await fillWithDemoData({ url: server.url, key: OPERATOR_KEY });
  await server.createTenant(MARKUP);
  const { data } = await server.gql('{ tenants(first: 100) { edges { node { id name } } } }');
  tenants = Object.fromEntries(data.tenants.edges.map(({ node }: Edge) => [node.name, node.id]));
}, LONG_MS);
afterAll(() => server?.stop());

interface Edge {
  node: { id: string; name: string };
}

async function signedIn(path: string, options?: PageOptions, key?: string): Promise<Page> {
  const page = await browser.newPage(options);
  await signIn(page, server.url, path, key);
  return page;
}

async function operatorKey(role: string): Promise<{ id: string; secret: string }> {
  const { data } = await server.gql(
    `mutation { createOperatorKey(input: { name: "of a test", role: ${role} }) { secret operatorKey { id } } }`,
  );
  return { secret: data.createOperatorKey.secret, id: data.createOperatorKey.operatorKey.id };
}

const button = (within: Page | Locator, name: string | RegExp): Locator =>
  within.getByRole('button', { name, exact: typeof name === 'string' });

/** All pages of a tenant, and all others. */
const allPaths = () => [
  ...PAGES,
  ...TENANT_TABS.map((tab) => `/admin/tenants/${tenants['Cobalt Robotics']}?tab=${tab}`),
  `/admin/tenants/${tenants['Dovetail Works']}`,
  `/admin/tenants/${tenants['Saltmarsh Surveys']}`,
];

describe('every page', () => {
  it.each([
    ['light', 1280],
    ['light', 390],
    ['dark', 1280],
    ['dark', 390],
  ] as const)(
    'is accessible, and not wider than its window, in %s, %i px',
    async (colorScheme, width) => {
      const page = await signedIn('/admin', { colorScheme, width });
      for (const path of allPaths()) {
        await page.goto(server.url + path);
        await headingOf(page);
        await settled(page);
        await expectAccessible(page);
        await expectNoSideways(page);
      }
    },
    LONG_MS,
  );

  it(
    'shows a tenant’s name as text, whatever is in it',
    async () => {
      const page = await signedIn('/admin/tenants');
      const id = tenants[MARKUP];
      for (const path of ['/admin/tenants', `/admin/tenants/${id}`, `/admin/mock?tenant=${id}`, '/admin']) {
        await page.goto(server.url + path);
        await headingOf(page);
        await settled(page);
        expect(await page.title()).not.toBe('ran');
        expect(await page.locator('main img[src="x"], main script').count()).toBe(0);
      }
      await page.goto(`${server.url}/admin/tenants/${id}`);
      await page.getByRole('heading', { level: 1, name: MARKUP }).waitFor();
    },
    LONG_MS,
  );

  it(
    'shows a READ operator nothing that changes something',
    async () => {
      const { secret } = await operatorKey('READ');
      const page = await signedIn('/admin', {}, secret);
      const changing =
        /^(create|add|rotate|revoke|suspend|reinstate|erase|export|change|cancel|resume|repair|replay|resend|send|start|delete|disable|enable|trigger|pay|decline|override|edit|set|move|custom|actions)\b/i;
      for (const path of allPaths()) {
        await page.goto(server.url + path);
        await headingOf(page);
        await settled(page);
        const names = await page.getByRole('main').getByRole('button').allInnerTexts();
        expect(
          names.filter((name) => changing.test(name.trim())),
          path,
        ).toEqual([]);
      }
    },
    LONG_MS,
  );
});

describe('the keyboard', () => {
  /** Presses Tab until the element has the focus. */
  async function tabTo(page: Page, target: Locator): Promise<void> {
    for (let presses = 0; presses < 80; presses += 1) {
      await page.keyboard.press('Tab');
      if (await target.evaluate((element) => element.ownerDocument.activeElement === element)) return;
    }
    throw new Error(`80 tabs do not lead to ${target}`);
  }

  it('signs in, finds a page, and does something there', async () => {
    const page = await browser.newPage();
    await openSignIn(page, `${server.url}/admin`);
    // The field has the focus already.
    await page.keyboard.type(OPERATOR_KEY);
    await page.keyboard.press('Enter');
    await page.locator('#content h1').waitFor();
    await tabTo(page, page.getByRole('navigation').getByRole('link', { name: 'Mock mode' }));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Mock mode' }).waitFor();
    const demo = button(page, 'Create a demo tenant and start a checkout');
    await demo.waitFor();
    await tabTo(page, demo);
    await page.keyboard.press('Enter');
    const pay = button(page, /^Pay the checkout of Demo tenant/);
    await pay.waitFor();
    await tabTo(page, pay);
    await page.keyboard.press('Space');
    await page.getByRole('heading', { name: /^Paid/ }).waitFor();
  });

  it('can skip the menu', async () => {
    const page = await signedIn('/admin/tenants');
    await page.reload();
    await headingOf(page);
    await tabTo(page, page.getByRole('link', { name: 'Skip to content' }));
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('content');
  });
});

describe('mock mode', () => {
  const followed = (page: Page, action: string | RegExp) =>
    page.locator('section section').filter({ has: page.getByRole('heading', { level: 3, name: action }) });

  it(
    'shows a whole purchase in four clicks, down to what other systems receive',
    async () => {
      const receiver = await startReceiver();
      await server.gql(
        'mutation ($url: String!) { createWebhookEndpoint(input: { url: $url }) { secret } }',
        {
          variables: { url: `http://127.0.0.1:${receiver.port}/events` },
        },
      );
      try {
        const page = await signedIn('/admin');
        await page.getByRole('navigation').getByRole('link', { name: 'Mock mode' }).click();
        await button(page, 'Create a demo tenant and start a checkout').click();
        await button(page, /^Pay the checkout of Demo/).click();
        const paid = followed(page, /^Paid Continuum PRO for Demo tenant/);
        await paid.getByText('checkout.session.completed').waitFor();
        await paid.getByText('No subscription').waitFor();
        await paid.getByText('PRO', { exact: true }).waitFor();
        await paid.getByText('tier.changed').waitFor();
        await expectAccessible(page);
        await button(page, /^To the renewal/).click();
        const renewed = followed(page, /^Moved the clock to the renewal/);
        await renewed.getByText('customer.subscription.updated').first().waitFor({ timeout: 60_000 });
        // What was bought is still shown, although the mock forgets events after thirty days.
        await paid.getByText('checkout.session.completed').waitFor();
      } finally {
        receiver.close();
      }
    },
    LONG_MS,
  );

  it('declines a checkout, which stays open, and pays one that leads to another site', async () => {
    const { id } = await server.createTenant('Undecided');
    await server.gql(
      `mutation ($id: ID) { createCheckoutSession(tenantId: $id, input: {
        tier: PRO, successUrl: "https://app.example.com/ok", cancelUrl: "https://app.example.com/no" }) { id } }`,
      { variables: { id } },
    );
    const page = await signedIn(`/admin/mock?tenant=${id}`);
    await button(page, 'Decline the checkout of Undecided').click();
    await followed(page, 'Declined the checkout of Undecided').waitFor();
    // Where the checkout leads to is another site: this page stays.
    await button(page, 'Pay the checkout of Undecided').click();
    await followed(page, 'Paid Continuum PRO for Undecided').getByText('PRO', { exact: true }).waitFor();
    expect(page.url()).toContain(server.url);
  });

  it('finds a tenant and an event by typing', async () => {
    const page = await signedIn('/admin/mock');
    await page.getByRole('combobox', { name: 'Tenant to follow', exact: true }).fill('Birch');
    await page.getByRole('option', { name: /Birchline Studio/ }).click();
    await page.getByRole('combobox', { name: 'Event', exact: true }).fill('paused');
    await page.getByRole('option', { name: /customer\.subscription\.paused/ }).click();
    await button(page, 'Trigger').click();
    const paused = followed(page, 'Triggered customer.subscription.paused for Birchline Studio');
    await paused.getByText('Paused').waitFor();
    expect(page.url()).toContain(`tenant=${tenants['Birchline Studio']}`);
  });

  it('moves the clock as far as asked, and says what is wrong with nonsense', async () => {
    const page = await signedIn(`/admin/mock?tenant=${tenants['Yarrow Farm']}`);
    await button(page, 'Custom…').click();
    const dialog = page.getByRole('dialog');
    expect(await button(dialog, 'Move').isDisabled()).toBe(true);
    for (const nonsense of ['-3', '1.5', 'soon', '401']) {
      await dialog.getByLabel('How far').fill(nonsense);
      await dialog.getByText('Enter a whole number from 1 to 400.').waitFor();
      expect(await button(dialog, 'Move').isDisabled()).toBe(true);
      expect(await dialog.getByText('It did not work').count()).toBe(0);
    }
    await dialog.getByLabel('How far').fill('2');
    await button(dialog, 'Move').click();
    await dialog.waitFor({ state: 'hidden' });
    await followed(page, 'Moved the clock by 2 days').waitFor();
  });

  it('shows webhooks that get lost, and a Stripe that is away', async () => {
    const id = tenants['Moss Street Bakery'];
    const page = await signedIn(`/admin/mock?tenant=${id}`);
    await page.getByLabel('Webhooks', { exact: true }).selectOption('LOST');
    await page.getByText('Webhooks get lost').waitFor();
    await page.getByRole('combobox', { name: 'Event', exact: true }).fill('customer.updated');
    await page.getByRole('option', { name: /^customer\.updated/ }).click();
    await button(page, 'Trigger').click();
    await page.getByText('Lost on the way').first().waitFor();
    await page.getByLabel('Webhooks', { exact: true }).selectOption('NORMAL');
    await page.getByText('Webhooks get lost').waitFor({ state: 'hidden' });

    await page.getByLabel('Stripe', { exact: true }).selectOption('UNREACHABLE');
    await page.getByText('Stripe does not work as usual').waitFor();
    await button(page, 'Trigger').click();
    await page.getByText('Stripe did not do it').first().waitFor();
    await expectProblem(page, /status of 502/);
    await page.getByLabel('Stripe', { exact: true }).selectOption('NORMAL');
    await page.getByText('Stripe does not work as usual').waitFor({ state: 'hidden' });
  });
});

describe('two operators', () => {
  it('see what the other has done, and one whose key is revoked is asked to sign in', async () => {
    const { id, secret } = await operatorKey('SUPPORT');
    const owner = await signedIn(`/admin/tenants/${tenants['Quill & Co']}`);
    const support = await signedIn(`/admin/tenants/${tenants['Quill & Co']}`, {}, secret);
    await server.gql('mutation ($id: ID) { suspendTenant(tenantId: $id, reason: "a test") { id } }', {
      variables: { id: tenants['Quill & Co'] },
    });
    for (const page of [owner, support]) {
      await page.reload();
      await page.getByText('Suspended').first().waitFor();
    }
    await server.gql('mutation ($id: ID!) { revokeOperatorKey(id: $id) { id } }', { variables: { id } });
    // The page may find out by itself, while the link is clicked.
    const signIn = support.getByLabel('Operator key');
    const link = support.getByRole('navigation').getByRole('link', { name: 'Mock mode' });
    await Promise.race([link.click().catch(() => undefined), signIn.waitFor()]);
    await signIn.waitFor();
    await expectProblem(support, /status of 401/);
    await owner.getByRole('navigation').getByRole('link', { name: 'Mock mode' }).click();
    await owner.getByRole('heading', { level: 1, name: 'Mock mode' }).waitFor();
  });
});

describe('when something is away', () => {
  it(
    'an open page says so, keeps what it shows, and works again after a restart of the server',
    async () => {
      const first = await startTestServer();
      const { port } = new URL(first.url);
      const { id } = await first.createTenant('Before the restart');
      const page = await browser.newPage({ tolerate: AWAY });
      await signIn(page, first.url, `/admin/mock?tenant=${id}`);
      await page.getByText('Before the restart').or(page.getByText('Open its page')).first().waitFor();
      await first.app.stop();
      await page.getByText('The server cannot be reached').first().waitFor();
      expect(await page.getByRole('combobox', { name: 'Tenant to follow', exact: true }).inputValue()).toBe(
        'Before the restart',
      );

      const second = await startTestServer({ uri: first.uri, env: { PORT: port } });
      try {
        await page.getByText('The server cannot be reached').first().waitFor({ state: 'hidden' });
        await button(page, 'Create a demo tenant and start a checkout').click();
        await button(page, /^Pay the checkout of Demo/).waitFor();
      } finally {
        await second.stop();
      }
    },
    LONG_MS,
  );

  it(
    'a session that has ended asks to sign in, and comes back to the same page',
    async () => {
      const clock = createFakeClock(new Date().toISOString());
      const own = await startTestServer({ clock });
      try {
        await own.createTenant('Acme');
        const page = await browser.newPage();
        await signIn(page, own.url, '/admin/tenants');
        clock.advance(13 * 3_600_000);
        await page.getByRole('navigation').getByRole('link', { name: 'Mock mode' }).click();
        await page.getByText('Your session has ended').waitFor();
        await expectProblem(page, /status of 401/);
        await page.getByLabel('Operator key').fill(OPERATOR_KEY);
        await button(page, 'Sign in').click();
        await page.getByRole('heading', { level: 1, name: 'Mock mode' }).waitFor();
        // It reads on, and may not find the server gone.
        await page.context().close();
      } finally {
        await own.stop();
      }
    },
    LONG_MS,
  );
});
