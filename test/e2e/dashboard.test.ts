import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectAccessible, expectNoSideways, expectProblem, testBrowser } from '../support/browser.js';
import { headingOf, openSignIn, settled, signIn } from '../support/dashboard.js';
import { OPERATOR_KEY, startTestServer, type TestServer } from '../support/server.js';

/** What the menu leads to. */
const PAGES = [
  'Overview',
  'Tenants',
  'Webhooks',
  'Usage reports',
  'Reconcile',
  'Catalogue',
  'Operators',
  'Audit log',
  'Mock mode',
];

const browser = testBrowser();
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  await server.createTenant('Acme <b>Sons</b>');
});
afterAll(() => server?.stop());

describe('the dashboard', () => {
  it('says what is wrong with a key, and opens with the right one', async () => {
    const page = await browser.newPage();
    await openSignIn(page, `${server.url}/admin`);
    await expectAccessible(page);
    const field = page.getByLabel('Operator key');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Enter an operator key').waitFor();
    for (const [wrong, problem] of [
      ['not-a-key', /status of 401/],
      ['k'.repeat(20_000), /status of 413/],
    ] as const) {
      await field.fill(wrong);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByText('This key is not known').waitFor();
      await expectProblem(page, problem);
      expect(await field.inputValue()).toBe('');
    }

    await field.fill(OPERATOR_KEY);
    await field.press('Enter');
    await page.getByRole('navigation', { name: 'Pages' }).waitFor();
    expect(await page.evaluate('Object.values({ ...localStorage, ...sessionStorage }).join()')).not.toContain(
      OPERATOR_KEY,
    );
    expect(await page.evaluate('document.cookie')).toBe('');
  });

  it('opens each page of its menu, and signs out', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url);
    const menu = page.getByRole('navigation', { name: 'Pages' }).getByRole('link');
    expect(await menu.allInnerTexts()).toEqual(PAGES);
    for (const name of PAGES) {
      await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name }).click();
      await page.getByRole('heading', { level: 1, name }).waitFor();
      await settled(page);
      expect(await page.title()).toMatch(new RegExp(`^${name} · `));
      expect(await page.getByRole('main').getByRole('alert').allInnerTexts()).toEqual([]);
    }
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Operator key').waitFor();
    await openSignIn(page, `${server.url}/admin/tenants`);
  });

  it('is no answer to a request for a file, which there is none of', async () => {
    const accept = { headers: { accept: '*/*' } };
    for (const path of ['/admin/assets/nope.js', '/assets/nope.js']) {
      const response = await fetch(`${server.url}${path}`, accept);
      expect([response.status, response.headers.get('content-type')], path).toEqual([
        404,
        'application/json; charset=utf-8',
      ]);
    }
    expect((await fetch(`${server.url}/admin/tenants`, accept)).status).toBe(200);
  });

  it('begins a dialog at its first field', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/operators');
    await page.getByRole('button', { name: 'Create key' }).click();
    const name = page.getByRole('dialog').getByLabel('Name');
    await name.waitFor();
    await expect.poll(() => name.evaluate((field) => field === field.ownerDocument.activeElement)).toBe(true);
    await page.keyboard.type('robot');
    expect(await name.inputValue()).toBe('robot');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  it('says that a page could not be loaded, and loads it when the server is back', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url);
    await page.route('**/assets/catalogue-*', (route) => route.abort());
    await page.getByRole('link', { name: 'Catalogue' }).click();
    await page.getByRole('heading', { level: 1, name: 'This page could not be loaded' }).waitFor();
    await expectProblem(page, /ERR_FAILED/);
    await page.unroute('**/assets/catalogue-*');
    await page.getByRole('button', { name: 'Reload' }).click();
    await page.getByRole('heading', { level: 1, name: 'Catalogue' }).waitFor();
  });

  it.each([
    ['light', 1280],
    ['dark', 390],
  ] as const)('is accessible in %s, %i px wide', async (colorScheme, width) => {
    const page = await browser.newPage({ colorScheme, width });
    await signIn(page, server.url);
    for (const path of ['', '/tenants', '/mock']) {
      await page.goto(`${server.url}/admin${path}`);
      await headingOf(page);
      await settled(page);
      await expectAccessible(page);
      await expectNoSideways(page);
    }
  });

  it('shows a purchase in mock mode, from the checkout to what changed for the tenant', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/mock');
    await page.getByRole('button', { name: 'Create a demo tenant' }).click();
    await page.getByRole('button', { name: /^Pay the checkout of Demo/ }).click();
    const followed = page
      .locator('section')
      .filter({ has: page.getByRole('heading', { level: 3, name: /^Paid/ }) });
    await followed.getByText('checkout.session.completed').waitFor();
    await followed.getByText('PRO', { exact: true }).waitFor();
    await page.getByRole('button', { name: /^To the renewal/ }).waitFor();
  });
});

describe('a session', () => {
  it('is of no use to another origin, and to a request that does not say where it comes from', async () => {
    const signedIn = await fetch(`${server.url}/admin/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: server.url },
      body: JSON.stringify({ key: OPERATOR_KEY }),
    });
    const cookie = signedIn.headers.get('set-cookie')?.split(';', 1)[0] ?? '';
    expect(signedIn.headers.get('set-cookie')).toMatch(/HttpOnly.*SameSite=Strict/i);
    const ask = async (headers: Record<string, string>) =>
      (
        await fetch(`${server.url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', cookie, ...headers },
          body: JSON.stringify({ query: '{ tenants { edges { node { id } } } }' }),
        })
      ).status;
    const clock = async (headers: Record<string, string>) =>
      (
        await fetch(`${server.url}/mock/clock`, {
          method: 'POST',
          headers: { cookie, ...headers },
          body: '{"advanceSeconds": 1}',
        })
      ).status;
    for (const request of [ask, clock]) {
      expect(await request({ origin: server.url })).toBe(200);
      expect(await request({ origin: 'https://evil.example' })).toBe(401);
      expect(await request({ origin: server.url.replace('127.0.0.1', 'localhost') })).toBe(401);
      expect(await request({})).toBe(401);
    }
  });
});
