import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectAccessible, expectNoSideways, expectProblem, testBrowser } from '../support/browser.js';
import { billingLink, brandFile, openBilling, planCard, RETURN_URL } from '../support/customerPages.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { catalogueFile, storingCatalogue } from '../support/teamCatalogue.js';

const browser = testBrowser();
let server: TestServer;
let tenant: TestTenant;

beforeAll(async () => {
  const catalogue = { ...storingCatalogue({ products: 7 }), displayNames: { PRO: 'Professional <i>' } };
  server = await startTestServer({
    env: { BRAND_FILE: brandFile(), CATALOG_FILE: catalogueFile(catalogue) },
  });
  tenant = await server.createTenant('Ada <img src=x onerror=alert(1)> & Sons');
});
afterAll(() => server?.stop());

describe('the price page', () => {
  it.each([
    ['light', 1280],
    ['dark', 390],
  ] as const)('shows the catalogue in words, accessible in %s, %i px wide', async (colorScheme, width) => {
    const page = await browser.newPage({ colorScheme, width });
    await page.goto(`${server.url}/upgrade`);
    const pro = planCard(page, 'Professional <i>');
    await pro.waitFor();
    const text = await pro.innerText();
    for (const line of [
      '$29',
      'a month',
      '10,000 calls a day',
      'Products: 7',
      'Realtime sync',
      '$0.10 for 1,000 calls',
    ])
      expect(text).toContain(line);
    const whole = await page.locator('body').innerText();
    expect(whole).not.toMatch(/GraphQL|SEMANTIC_SEARCH|mutation|\b0 /);
    expect(whole).toContain('sign in to Zebra and open billing there');
    await expectAccessible(page);
    await expectNoSideways(page);
  });

  it('shows the prices without scripts', async () => {
    const html = await (await fetch(`${server.url}/upgrade`)).text();
    const [list = ''] = /<noscript>.*<\/noscript>/s.exec(html) ?? [];
    expect(list).toContain('<h2>Professional &#60;i&#62;</h2>');
    expect(list).toContain('<li>Products: 7</li>');
    expect(html).not.toContain('noindex');
  });
});

describe('the billing page', () => {
  it('opens once by its link, which leaves the address, and is reloaded without it', async () => {
    const page = await browser.newPage();
    const link = await billingLink(server, tenant.id);
    await page.goto(link);
    await page.getByRole('heading', { level: 1, name: 'Free plan' }).waitFor();
    expect(page.url()).toBe(`${server.url}/billing`);
    // Nothing of the tenant's name is markup.
    await page.getByText('Ada <img src=x onerror=alert(1)> & Sons').waitFor();
    expect(await page.getByRole('link', { name: 'Back to Zebra' }).getAttribute('href')).toBe(RETURN_URL);
    await page.reload();
    await page.getByRole('heading', { level: 1, name: 'Free plan' }).waitFor();

    const other = await browser.newPage();
    await other.goto(link);
    await other.getByText('This link was used already').waitFor();
    expect(await other.locator('body').innerText()).not.toContain('Ada');
    await expectAccessible(other);
    await expectProblem(other, /401/);
  });

  it.each([
    ['cut off', 'abc'],
    ['of any length', 'x'.repeat(50_000)],
  ])('says so of a link that is %s', async (_what, link) => {
    const page = await browser.newPage();
    await page.goto(`${server.url}/billing#link=${link}`);
    await page.getByText('This link does not work').waitFor();
    await expectProblem(page, /status of (400|401|413)/);
  });

  it('says what to do without a link', async () => {
    const page = await browser.newPage();
    await page.goto(`${server.url}/billing`);
    await page.getByText('Open billing from Zebra').waitFor();
    await expectProblem(page, /401/);
  });

  it('follows usage while it is open, and formats by the locale', async () => {
    const page = await browser.newPage();
    await openBilling(page, server, tenant.id, { locale: 'de-DE' });
    const today = page.getByRole('meter', { name: 'Today' });
    expect(await today.getAttribute('aria-valuetext')).toContain('0 calls of 100 calls');
    expect(await planCard(page, 'Enterprise').innerText()).toContain('1.000.000 calls a day');
    expect(await page.locator('html').getAttribute('lang')).toBe('en');
    await server.gql('{ memories { edges { node { id } } } }', { key: tenant.key });
    await expect.poll(() => today.getAttribute('aria-valuetext')).toContain('1 call of 100');
  });

  it('buys a plan, shows it at once, and is accessible in dark, 390 px wide', async () => {
    const page = await browser.newPage({ colorScheme: 'dark', width: 390 });
    await openBilling(page, server, tenant.id);
    await planCard(page, 'Professional <i>').getByRole('button', { name: 'Buy' }).click();
    await page
      .getByRole('button', { name: /pay|subscribe/i })
      .first()
      .click();
    await page.getByText('Thank you. You are on Professional <i> now.').waitFor();
    await page.getByRole('heading', { level: 1, name: 'Professional <i> plan' }).waitFor();
    await page.getByText('Visa that ends in 4242').waitFor();
    await expectAccessible(page);
    await expectNoSideways(page);
  });

  it('acts on no other account than the one that it shows', async () => {
    const page = await browser.newPage();
    await openBilling(page, server, tenant.id);
    const dialog = page.getByRole('alertdialog');
    const ask = () => page.getByRole('button', { name: /^Cancel / }).click();
    await ask();
    await dialog.getByText('You keep').waitFor();
    const another = await server.createTenant('Another');
    const second = await page.context().newPage();
    await openBilling(second, server, another.id);
    await dialog.getByRole('button', { name: /^Cancel / }).click();
    // The page gives way, whatever it was asked to do.
    await page.getByText('This page showed another account than you have open now').waitFor();
    await expectProblem(page, /403/);
    expect(await page.locator('body').innerText()).not.toContain('You keep');
    await page.getByRole('button', { name: 'Show the account that is open' }).click();
    await page.getByText('Another', { exact: true }).waitFor();
    const { data } = await server.gql(
      `{ subscription(tenantId: "${tenant.id}") { cancelAtPeriodEnd cancelAt } }`,
    );
    expect(data.subscription).toEqual({ cancelAtPeriodEnd: false, cancelAt: null });
  });

  it('ends with its session, and says so', async () => {
    const gone = await server.createTenant('Gone');
    const page = await browser.newPage({ tolerate: [/401/, /WebSocket/] });
    await openBilling(page, server, gone.id);
    await server.gql(`mutation { eraseTenant(tenantId: "${gone.id}") { status } }`);
    // The page may have learned it from a live update first; then there is nothing to press.
    const ended = page.getByText('Your session has ended');
    const buy = page.getByRole('button', { name: /^Buy/ });
    await Promise.any([ended.waitFor(), buy.click()]);
    await ended.waitFor();
    expect(await page.locator('body').innerText()).not.toContain('Gone');
  });
});
