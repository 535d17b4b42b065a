import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectAccessible, expectNoSideways, testBrowser } from '../support/browser.js';
import { type PartsSite, startPartsSite } from '../support/partsSite.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { catalogueFile, pricedCatalogue } from '../support/teamCatalogue.js';

const browser = testBrowser();
const catalogue = pricedCatalogue() as { tiers: object[] };
const tiers = [...catalogue.tiers, { name: 'PARTNER', extends: 'PRO', hidden: true }];
let server: TestServer;
let site: PartsSite;

beforeAll(async () => {
  site = await startPartsSite();
  server = await startTestServer({
    env: { CATALOG_FILE: catalogueFile({ ...catalogue, tiers }), CONTINUUM_CORS_ORIGINS: site.url },
  });
  site.connect(server);
}, 120_000);
afterAll(async () => {
  await server?.stop();
  site?.close();
});

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
const card = (page: Page, name: string) => page.getByRole('article', { name, exact: true });

describe('a pricing table', () => {
  it('shows prices to anyone, in each interval and currency, and leads to where people sign up', async () => {
    const page = await browser.newPage({ width: 390, colorScheme: 'dark' });
    await page.goto(site.page(null));
    await card(page, 'Pro').getByText('$29').waitFor();
    expect(await page.getByRole('link', { name: 'Choose Pro' }).getAttribute('href')).toBe(
      '/signup?plan=PRO',
    );
    await button(page, 'Yearly').click();
    await card(page, 'Pro').getByText('$290').waitFor();
    await button(page, 'EUR').click();
    await card(page, 'Pro').getByText('€270').waitFor();
    await card(page, 'Team').getByText('per seat a year').waitFor();
    await expectAccessible(page);
    await expectNoSideways(page);
    expect(site.tokens()).toBe(0);
  });
});

describe('a team that handles it itself', () => {
  it('gets the tier and its price, from visitors and from tenants', async () => {
    const page = await browser.newPage();
    await page.goto(site.page(null, { handle: 'choice' }));
    await button(page, 'Choose Pro').click();
    await expect.poll(() => page.title()).toBe('PRO 2900 MONTH');
    await page.goto(site.page(await server.createTenant('Chooses'), { handle: 'choice' }));
    await button(page, 'Yearly').click();
    await button(page, 'Buy Pro').click();
    await expect.poll(() => page.title()).toBe('PRO 29000 YEAR');
    expect(await page.getByRole('alertdialog').count()).toBe(0);
  });

  it('gets the page of the checkout, and stays on its own', async () => {
    const page = await browser.newPage();
    await page.goto(site.page(await server.createTenant('Embeds'), { handle: 'checkout' }));
    await button(page, 'Buy Pro').click();
    await expect.poll(() => page.title()).toMatch(/^PRO http.*\/mock\/checkout\//);
    expect(page.url()).toContain(site.url);
    await button(page, 'Buy Pro').waitFor();
  });
});

describe('a tenant', () => {
  it('buys, sees its usage move, and cancels', async () => {
    const tenant = await server.createTenant('Ada');
    const page = await browser.newPage();
    await page.goto(site.page(tenant));
    await page.getByRole('heading', { name: 'Free plan' }).waitFor();
    await page.getByText('0 calls of 100 calls').waitFor();
    await button(page, 'Buy Pro').click();
    await page.getByRole('button', { name: 'Pay and subscribe' }).click();
    await page.getByRole('heading', { name: 'Pro plan' }).waitFor();
    await page.getByText(/^You pay \$29 a month\./).waitFor();
    await server.gql('mutation { consume(input: { endpoint: "lamp", cost: 7 }) { allowed } }', tenant);
    await page.getByText('7 calls of 10,000 calls').waitFor();
    await expectAccessible(page);
    await button(page, 'Cancel Pro').first().click();
    const dialog = page.getByRole('alertdialog');
    await dialog.getByText('Plan afterwards').waitFor();
    await expectAccessible(page);
    await dialog.getByRole('button', { name: 'Cancel Pro' }).click();
    await page.getByText(/^Pro ends on .* After that you are on Free/).waitFor();
  });

  it('chooses seats and an interval in its currency', async () => {
    const page = await browser.newPage({ width: 390 });
    await page.goto(site.page(await server.createTenant('Crew')));
    await button(page, 'Yearly').click();
    await button(page, 'EUR').click();
    await button(page, 'Buy Team').click();
    const dialog = page.getByRole('alertdialog');
    await dialog.getByLabel('Seats').fill('3');
    await dialog.getByText('€330.00 a year').waitFor();
    await expectAccessible(page);
    await expectNoSideways(page);
    await dialog.getByRole('button', { name: 'Go to the payment' }).click();
    await page.getByRole('button', { name: 'Pay and subscribe' }).click();
    await page.getByText(/^You pay €110 per seat a year, for 3 seats\./).waitFor();
  });

  it('reads everything in its own language', async () => {
    const page = await browser.newPage();
    await page.goto(site.page(await server.createTenant('Übersetzt'), { locale: 'de' }));
    await page.getByRole('heading', { name: 'Tarif Free' }).waitFor();
    await page.getByRole('meter', { name: 'Heute' }).getByText('100 Aufrufe').waitFor();
    await card(page, 'Pro').getByText('29 $').waitFor();
    await card(page, 'Pro').getByText('im Monat').waitFor();
  });
});

describe('a tier that is hidden', () => {
  it('is shown to those who have it, and to nobody else', async () => {
    const page = await browser.newPage();
    await page.goto(site.page(null));
    await card(page, 'Pro').waitFor();
    expect(await card(page, 'Partner').count()).toBe(0);
    const partner = await server.createTenant('Partner');
    await server.setLimits(partner.id, {}, 'PARTNER');
    await page.goto(site.page(partner));
    await page.getByRole('heading', { name: 'Partner plan' }).waitFor();
    await card(page, 'Partner').getByText('Your plan').waitFor();
    await card(page, 'Pro').waitFor();
  });
});

describe('the parts', () => {
  it('say when limits reset in the time zone that they are given', async () => {
    const page = await browser.newPage();
    const tenant = await server.createTenant('Tokyo');
    await page.goto(site.page(tenant, { timeZone: 'Asia/Tokyo' }));
    await page.getByText(/^Resets .*, 09:00 GMT\+9$/).waitFor();
    await page.goto(site.page(tenant));
    await page.getByText(/^Resets .*, 00:00 UTC$/).waitFor();
  });

  it('read everything at intervals where live updates are not wanted', async () => {
    const page = await browser.newPage();
    const followed: string[] = [];
    page.on('request', (request) => {
      if (/event-stream/.test(request.headers().accept ?? '')) followed.push(request.url());
    });
    page.on('websocket', (socket) => followed.push(socket.url()));
    await page.clock.install();
    const tenant = await server.createTenant('Calm');
    await page.goto(site.page(tenant, { live: 'false' }));
    await page.getByText('0 calls of 100 calls').waitFor();
    await server.gql('mutation { consume(input: { endpoint: "lamp", cost: 7 }) { allowed } }', tenant);
    await page.clock.fastForward('00:20');
    await page.getByText('7 calls of 100 calls').waitFor();
    expect(followed).toEqual([]);
  });

  it('say what failed and try again', async () => {
    const page = await browser.newPage({ tolerate: [/ERR_CONNECTION/] });
    await page.route('**/graphql', (route) => route.abort('connectionfailed'));
    await page.goto(site.page(await server.createTenant('Patient')));
    const failures = page.getByText('The page cannot reach us');
    await expect.poll(() => failures.count(), { timeout: 15_000 }).toBe(6);
    await expectAccessible(page);
    await page.unroute('**/graphql');
    await page.getByRole('button', { name: 'Try again' }).first().click();
    await page.getByRole('heading', { name: 'Free plan' }).waitFor();
  });

  it('fetch another token when theirs is rejected', async () => {
    const page = await browser.newPage({ tolerate: [/401/] });
    const expired = { token: 'not.a-token', expiresAt: new Date(Date.now() + 900_000) };
    await page.route('**/token?*', (route) => route.fulfill({ json: expired }), { times: 1 });
    await page.goto(site.page(await server.createTenant('Renewed')));
    await page.getByRole('heading', { name: 'Free plan' }).waitFor();
  });

  it('keep their place while they are loading', async () => {
    const page = await browser.newPage();
    await page.addInitScript(`globalThis.shift = 0;
      new PerformanceObserver((list) => { for (const { value } of list.getEntries()) shift += value; })
        .observe({ type: 'layout-shift', buffered: true });`);
    await page.route('**/graphql', async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      await route.continue();
    });
    await page.goto(site.page(await server.createTenant('Still')));
    await button(page, 'Buy Pro').waitFor();
    // Browsers call up to 0.1 good.
    expect(await page.evaluate('shift')).toBeLessThan(0.1);
  });
});
