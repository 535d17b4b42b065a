import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  beginCheckout,
  customerIdOf,
  press as pay,
  stripeOf,
  settled as stripeSettled,
} from '../support/billing.js';
import { expectAccessible, testBrowser } from '../support/browser.js';
import { settled, signIn } from '../support/dashboard.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { AMOUNTS, catalogueFile, pricedCatalogue, SEAT_CENTS } from '../support/teamCatalogue.js';

vi.setConfig({ testTimeout: 120_000 });

const browser = testBrowser();
let server: TestServer;

beforeAll(async () => {
  const written = pricedCatalogue() as { tiers: object[] };
  // Sold by the year alone.
  const yearly = { name: 'CLUB', extends: 'PRO', prices: [{ interval: 'year', amounts: { usd: 50_000 } }] };
  const tiers = [...written.tiers.slice(0, 3), yearly, ...written.tiers.slice(3)];
  server = await startTestServer({ env: { CATALOG_FILE: catalogueFile({ ...written, tiers }) } });
});
afterAll(() => server?.stop());

async function open(tenantId: string, options: { width?: number } = {}): Promise<Page> {
  const page = await browser.newPage(options);
  await signIn(page, server.url, `/admin/tenants/${tenantId}?tab=billing`);
  await settled(page);
  return page;
}
const dialog = (page: Page) => page.locator('[role=alertdialog], [role=dialog]:not([aria-modal=false])');
const field = (page: Page, name: string) => dialog(page).getByLabel(name, { exact: true });
const press = (page: Page, name: string) => dialog(page).getByRole('button', { name, exact: true }).click();
const closed = (page: Page) => dialog(page).waitFor({ state: 'detached' });
const optionsOf = (page: Page, name: string) => field(page, name).locator('option').allInnerTexts();
async function choose(page: Page, action: string): Promise<void> {
  await page.getByRole('button', { name: 'Actions', exact: true }).click();
  await page.getByRole('menuitem', { name: action }).click();
  await dialog(page).waitFor();
}

async function buyer(input: object): Promise<TestTenant> {
  const tenant = await server.createTenant();
  await pay(await beginCheckout(server, tenant.key, input), 'complete');
  await stripeSettled(server);
  return tenant;
}
async function invoicesOf({ id }: TestTenant) {
  const customer = await customerIdOf(server, id);
  return (await stripeOf(server).invoices.list({ customer })).data;
}
async function subscriptionOf({ key }: TestTenant) {
  const { data } = await server.gql(
    '{ subscription { seats price { id currency unitAmount interval } tier { name } scheduledPrice { id } } }',
    { key },
  );
  return data.subscription;
}

describe('an operator', () => {
  it('makes a checkout link at any price of a tier, for seats in another currency, too', async () => {
    const tenant = await server.createTenant('Buyer');
    const page = await open(tenant.id);
    await choose(page, 'Create a checkout link…');
    expect(await optionsOf(page, 'Tier')).toEqual([
      'PRO: $29 a month, or $290 a year',
      'TEAM: $12 per seat a month, or $33 per seat every 3 months, or $120 per seat a year',
      'CLUB: $500 a year',
    ]);
    await field(page, 'Tier').selectOption('TEAM');
    await field(page, 'Price').selectOption('€110 per seat a year');
    await field(page, 'Seats').fill('0');
    await dialog(page)
      .getByText(/^A whole number from 1 to/)
      .waitFor();
    expect(await dialog(page).getByRole('button', { name: 'Create link' }).isDisabled()).toBe(true);
    await field(page, 'Seats').fill('6');
    await expectAccessible(page);
    await press(page, 'Create link');
    await dialog(page).getByText('/mock/checkout/').waitFor();
    const link = await dialog(page)
      .getByRole('link', { name: /Open it/ })
      .getAttribute('href');
    expect((await fetch(`${link}/complete`, { method: 'POST', redirect: 'manual' })).status).toBe(303);
    await stripeSettled(server);
    expect(await subscriptionOf(tenant)).toMatchObject({ seats: 6, price: { id: 'team_yearly_eur' } });
    const [invoice] = await invoicesOf(tenant);
    expect(invoice).toMatchObject({ currency: 'eur', total: 6 * AMOUNTS.TEAM.year.eur });
  });

  it('changes interval, seats and tier, with the money first', async () => {
    const tenant = await buyer({ tier: 'TEAM', seats: 3 });
    const page = await open(tenant.id, { width: 390 });
    await choose(page, 'Change tier…');
    await dialog(page).getByText('pays for TEAM, $12 per seat a month, for 3 seats').waitFor();
    expect(await optionsOf(page, 'New tier')).toContain('CLUB: $500 a year');
    await field(page, 'New tier').selectOption('TEAM');
    expect(await field(page, 'Price').inputValue()).toBe('team_monthly_usd');
    expect(await field(page, 'Seats').inputValue()).toBe('3');
    await field(page, 'Price').selectOption('team_yearly_usd');
    await field(page, 'Seats').fill('5');
    // Nothing of the month is used up yet.
    const charged = 5 * AMOUNTS.TEAM.year.usd - 3 * SEAT_CENTS;
    await dialog(page)
      .getByText(`$${(charged / 100).toFixed(2)}`)
      .first()
      .waitFor();
    await expectAccessible(page);
    await press(page, 'Change to TEAM');
    await closed(page);
    await page.getByText('has TEAM, $120 per seat a year, for 5 seats.').waitFor();
    expect(await subscriptionOf(tenant)).toMatchObject({ seats: 5, price: { id: 'team_yearly_usd' } });
    expect((await invoicesOf(tenant))[0]?.total).toBe(charged);

    await choose(page, 'Change tier…');
    await field(page, 'New tier').selectOption('PRO');
    await field(page, 'Price').selectOption('$29 a month');
    await dialog(page).getByText('It happens at the end of the period').waitFor();
    await press(page, 'Change to PRO');
    await closed(page);
    await page.getByRole('region', { name: 'Subscription' }).getByText('PRO, $29 a month, from').waitFor();
    expect(await subscriptionOf(tenant)).toMatchObject({ scheduledPrice: { id: 'pro_monthly_usd' } });
  });

  it('begins a contract by the year, for seats, in another currency', async () => {
    const tenant = await server.createTenant('Initech');
    const page = await open(tenant.id);
    await choose(page, 'Begin a contract…');
    await field(page, 'Paid').selectOption('Yearly');
    await field(page, 'Currency').fill('e');
    await dialog(page).getByText('A code such as USD').waitFor();
    await field(page, 'Currency').fill('EUR');
    await field(page, 'Seats').fill('12');
    await field(page, 'Price per seat a year (EUR)').fill('500');
    await field(page, 'Term (months)').fill('18');
    await dialog(page).getByText('Whole years: 12, 24, 36').waitFor();
    expect(await dialog(page).getByRole('button', { name: 'Review' }).isDisabled()).toBe(true);
    await field(page, 'Term (months)').fill('24');
    await expectAccessible(page);
    await press(page, 'Review');
    expect(await dialog(page).innerText()).toMatch(
      /€500\.00 per seat a year\s+Seats\s+12, together €6,000\.00 a year\s+Term\s+24 months/,
    );
    await press(page, 'Begin contract');
    await closed(page);
    expect(await subscriptionOf(tenant)).toMatchObject({
      seats: 12,
      price: { currency: 'eur', unitAmount: 50_000, interval: 'YEAR' },
    });
    expect((await invoicesOf(tenant))[0]).toMatchObject({ currency: 'eur', total: 12 * 50_000 });
  });
});
