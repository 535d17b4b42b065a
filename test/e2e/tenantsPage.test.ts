import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testBrowser } from '../support/browser.js';
import { settled, signIn } from '../support/dashboard.js';
import { startTestServer, type TestServer } from '../support/server.js';

/** One more than a page of the list. */
const TENANTS = 51;

const browser = testBrowser();
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  await server.createTenant('=HYPERLINK("https://evil.example") <img src=x onerror=alert(1)>');
  await Promise.all(
    Array.from({ length: TENANTS - 2 }, (_, index) => server.createTenant(`Tenant ${index}`)),
  );
  await server.createTenant('Zephyr');
});
afterAll(() => server?.stop());

describe('the list of tenants', () => {
  it('goes on page by page, finds, filters and keeps both in the URL', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/tenants?sort=OLDEST');
    const rows = page.getByRole('table').getByRole('row');
    await settled(page);
    expect(await rows.count()).toBe(1 + 50);
    await page.getByRole('button', { name: 'Load more' }).click();
    await page.getByText('51 tenants shown, that is all').waitFor();
    expect(await rows.count()).toBe(1 + TENANTS);

    await page.getByLabel('Search tenants').fill('zeph');
    await page.getByText('1 tenant shown, that is all').waitFor();
    expect(page.url()).toContain('search=zeph');
    await page.getByLabel('Tier').selectOption('PRO');
    await page.getByText('No tenant matches').waitFor();
    await page.reload();
    await page.getByText('No tenant matches').waitFor();
    await page.getByRole('button', { name: 'Clear filters' }).click();
    await page.getByText('50 tenants shown').waitFor();
    expect(page.url()).not.toMatch(/search|tier/);
  });

  it('shows all for a tier in the URL that the catalogue does not have', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/tenants?tier=NOPE&search=zeph');
    await page.getByText('1 tenant shown, that is all').waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    await page.getByRole('button', { name: 'Clear filters' }).click();
    await page.getByText('50 tenants shown').waitFor();
    expect(page.url()).not.toContain('NOPE');
  });

  it('a name is never markup, and no formula in the CSV file', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/tenants?sort=OLDEST');
    await page.getByRole('link', { name: /<img src=x onerror/ }).waitFor();
    expect(await page.locator('main img').count()).toBe(0);
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download CSV' }).click();
    const csv = await readFile(await (await download).path(), 'utf8');
    expect(csv).toContain('"\'=HYPERLINK(""https://evil.example"") <img');
    expect(csv.split('\r\n')[0]).toMatch(/^\uFEFFName,Id,Your own id,E-mail,Tier,/);
  });

  it('a new tenant’s key is shown once, and works', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, '/admin/tenants');
    await page.getByRole('button', { name: 'Create tenant' }).click();
    const form = page.getByRole('dialog', { name: 'Create a tenant' });
    await form.getByLabel('Name').fill('New & shiny');
    await form.getByLabel('E-mail').fill('nonsense@');
    await form.getByLabel('E-mail').press('Enter');
    await form.getByLabel('E-mail').fill('shiny@example.com');
    await form.getByRole('button', { name: 'Create tenant' }).click();
    const shown = page.getByRole('dialog', { name: 'New & shiny was created' });
    const secret = await shown.locator('code').innerText();
    const { data } = await server.gql('{ tenant { name email } }', { key: secret });
    expect(data.tenant).toEqual({ name: 'New & shiny', email: 'shiny@example.com' });
    await shown.getByRole('button', { name: 'Open the tenant' }).click();
    await page.getByRole('heading', { level: 1, name: 'New & shiny' }).waitFor();
    expect(await page.content()).not.toContain(secret);
  });
});

describe('the overview', () => {
  it('shows its figures, and every chart has its table', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url);
    await page.getByText('Monthly recurring revenue').first().waitFor();
    await settled(page);
    for (const chart of ['Calls by hour', 'Monthly recurring revenue']) {
      const card = page.getByRole('region', { name: chart, exact: true });
      await card.getByRole('button', { name: 'Table' }).click();
      expect(await card.getByRole('row').count()).toBeGreaterThan(1);
    }
    await page.getByRole('region', { name: 'Tiers' }).getByRole('link', { name: 'Free' }).click();
    await page.getByRole('heading', { level: 1, name: 'Tenants' }).waitFor();
    expect(page.url()).toContain('tier=FREE');
  });
});
