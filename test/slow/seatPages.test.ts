import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { advance, customerIdOf, mockOf, settled, stripeOf } from '../support/billing.js';
import { expectAccessible, testBrowser } from '../support/browser.js';
import { brandFile, openBilling, planCard } from '../support/customerPages.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { AMOUNTS, catalogueFile, pricedCatalogue, SEAT_CENTS } from '../support/teamCatalogue.js';

const DAY_S = 86_400;
const browser = testBrowser();
let server: TestServer;

beforeAll(async () => {
  const team = { overage: null, limits: { stored: { members: 1 } }, limitsPerSeat: ['members'] };
  const written = pricedCatalogue({ team }) as { tiers: { name: string; limits: object }[] };
  const tiers = written.tiers.map((tier) =>
    tier.name === 'TEAM' ? tier : { ...tier, limits: { ...tier.limits, stored: { members: 20 } } },
  );
  server = await startTestServer({
    env: {
      BRAND_FILE: brandFile(),
      CATALOG_FILE: catalogueFile({ ...written, resources: ['members'], tiers }),
    },
  });
});
afterAll(() => server?.stop());

const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: true });
const dialog = (page: Page) => page.locator('dialog[open]');
const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name }).waitFor();
const money = (cents: number) =>
  (cents / 100).toLocaleString('en-US', { style: 'currency', currency: 'USD', minimumFractionDigits: 2 });
/** The amount of a row of the dialog, in cents. */
async function amountIn(page: Page, row: string): Promise<number> {
  const text = await dialog(page).innerText();
  const [, digits = ''] = new RegExp(`${row}\\s+-?\\$([\\d,.]+)`).exec(text) ?? [];
  if (digits === '') throw new Error(`No ${row} in: ${text}`);
  return Math.round(Number(digits.replaceAll(',', '')) * 100);
}
/** Two computations a second apart. */
const near = (found: number, expected: number) => expect(Math.abs(found - expected)).toBeLessThanOrEqual(2);

/** How much of the period is left, from 0 to 1, by Stripe's clock. */
async function leftOf({ id }: TestTenant): Promise<number> {
  const customer = await customerIdOf(server, id);
  const [subscription] = (await stripeOf(server).subscriptions.list({ customer })).data;
  const item = subscription?.items.data[0];
  const nowS = Math.floor((await mockOf(server).now()).getTime() / 1000);
  const [start, end] = [item?.current_period_start ?? 0, item?.current_period_end ?? 0];
  return (end - nowS) / (end - start);
}
async function lastTotalOf({ id }: TestTenant): Promise<number> {
  const customer = await customerIdOf(server, id);
  return (await stripeOf(server).invoices.list({ customer, limit: 1 })).data[0]?.total ?? 0;
}
async function seatsOf({ key }: TestTenant) {
  const { data } = await server.gql('{ subscription { seats price { id } tier { name } } }', { key });
  return data.subscription;
}

describe('seats', () => {
  it('are chosen at the purchase, by the interval of the switch, and changed at the price shown first', async () => {
    const tenant = await server.createTenant('Crew');
    const page = await browser.newPage({ tolerate: [/400/] });
    await openBilling(page, server, tenant.id);
    const card = planCard(page, 'Team');
    await card.getByText(`${money(SEAT_CENTS).replace('.00', '')} per seat a month`).waitFor();
    await button(page, 'Yearly').click();
    await card.getByText('$120 per seat a year').waitFor();
    await button(page, 'Buy Team').click();
    const seats = page.getByRole('textbox', { name: 'Seats' });
    const pay = dialog(page).getByRole('button', { name: 'Go to the payment' });
    for (const nonsense of ['0', '-3', '1.5', 'many', '100001', '']) {
      await seats.fill(nonsense);
      await dialog(page).getByText('A whole number from 1 to 8,333.').waitFor();
      expect(await pay.isDisabled(), nonsense).toBe(true);
    }
    await seats.fill('7');
    await dialog(page)
      .getByText(`${money(7 * AMOUNTS.TEAM.year.usd)} a year`)
      .waitFor();
    await expectAccessible(page);
    await pay.click();
    await page.getByRole('button', { name: 'Pay and subscribe' }).click();
    await heading(page, 'Team plan');
    await page.getByText(/^You pay \$120 per seat a year, for 7 seats\./).waitFor();
    expect(await lastTotalOf(tenant)).toBe(7 * AMOUNTS.TEAM.year.usd);

    await settled(server);
    await advance(server, 100 * DAY_S);
    await openBilling(page, server, tenant.id);
    await button(page, 'Change seats').click();
    expect(await seats.inputValue()).toBe('7');
    const change = dialog(page).getByRole('button', { name: /^(Change seats|Pay and change)$/ });
    expect(await change.isDisabled()).toBe(true);
    await seats.fill('10');
    await dialog(page).getByText('Next invoice').waitFor();
    const left = await leftOf(tenant);
    const each = AMOUNTS.TEAM.year.usd;
    const charged = Math.round(10 * each * left) - Math.round(7 * each * left);
    near(await amountIn(page, 'You pay now'), charged);
    near(await amountIn(page, 'Next invoice'), 10 * each);
    await expectAccessible(page);
    await change.click();
    await page.getByText(/^You pay \$120 per seat a year, for 10 seats\./).waitFor();
    near(await lastTotalOf(tenant), charged);

    // Never below what is in use, which is said beside the field.
    await server.gql(
      `mutation { setStored(input: { tenantId: "${tenant.id}", resource: "members", amount: 9 }) }`,
    );
    await button(page, 'Change seats').click();
    await seats.fill('8');
    await dialog(page).getByText('What is stored needs 9 seats.').waitFor();
    // What was said of the last change covers no button of this one, however long it stays.
    const messages = page.locator('[class*=_viewport_]');
    expect((await messages.boundingBox())?.y).toBe(16);
    expect(await change.isDisabled()).toBe(true);
    await expectAccessible(page);
    await seats.fill('9');
    await dialog(page).getByText('Taken off your next invoices').waitFor();
    expect(await amountIn(page, 'You pay now')).toBe(0);
    near(await amountIn(page, 'Taken off your next invoices'), Math.round(each * (await leftOf(tenant))));
    await change.click();
    await page.getByText(/^You pay \$120 per seat a year, for 9 seats\./).waitFor();
    expect(await seatsOf(tenant)).toMatchObject({ seats: 9, price: { id: 'team_yearly_usd' } });
  }, 120_000);

  it('are not bought for fewer than what is stored needs', async () => {
    const tenant = await server.createTenant('Full');
    await server.gql(
      `mutation { setStored(input: { tenantId: "${tenant.id}", resource: "members", amount: 4 }) }`,
    );
    const page = await browser.newPage({ tolerate: [/400/] });
    await openBilling(page, server, tenant.id);
    await button(page, 'Buy Team').click();
    await page.getByRole('textbox', { name: 'Seats' }).fill('3');
    await dialog(page).getByRole('button', { name: 'Go to the payment' }).click();
    await dialog(page).getByText('At least 4 seats are needed').waitFor();
    await page.getByRole('textbox', { name: 'Seats' }).fill('4');
    await dialog(page).getByRole('button', { name: 'Go to the payment' }).click();
    await page.waitForURL(/\/mock\/checkout\//);
  });

  it('are chosen when a flat plan is changed to one that is sold by the seat', async () => {
    const tenant = await server.createTenant('Growing');
    const page = await browser.newPage();
    await openBilling(page, server, tenant.id);
    await button(page, 'Buy Pro').click();
    await page.getByRole('button', { name: 'Pay and subscribe' }).click();
    await heading(page, 'Pro plan');
    await button(page, 'Change to Team').click();
    await page.getByRole('textbox', { name: 'Seats' }).fill('5');
    await dialog(page).getByText('for 5 seats').waitFor();
    const left = await leftOf(tenant);
    const charged = Math.round(5 * SEAT_CENTS * left) - Math.round(AMOUNTS.PRO.month.usd * left);
    near(await amountIn(page, 'You pay now'), charged);
    await dialog(page).getByRole('button', { name: 'Pay and change' }).click();
    await page.getByText(/^You pay \$12 per seat a month, for 5 seats\./).waitFor();
    near(await lastTotalOf(tenant), charged);
  });
});

describe('the switch between intervals', () => {
  it('changes a plan to yearly, for a year less the rest of the month, and back at its end', async () => {
    const tenant = await server.createTenant('Patient');
    const page = await browser.newPage({ width: 390 });
    await openBilling(page, server, tenant.id);
    await button(page, 'Buy Pro').click();
    await page.getByRole('button', { name: 'Pay and subscribe' }).click();
    await heading(page, 'Pro plan');
    await page.getByText(/^You pay \$29 a month\./).waitFor();
    await settled(server);
    await advance(server, 10 * DAY_S);
    await openBilling(page, server, tenant.id);
    await button(page, 'Yearly').click();
    await planCard(page, 'Pro').getByText('$290 a year').waitFor();
    await button(page, 'Pay yearly').click();
    await dialog(page).getByText('You pay now').waitFor();
    const { month, year } = AMOUNTS.PRO;
    const charged = year.usd - Math.round(month.usd * (await leftOf(tenant)));
    near(await amountIn(page, 'You pay now'), charged);
    near(await amountIn(page, 'Next invoice'), year.usd);
    await expectAccessible(page);
    await dialog(page).getByRole('button', { name: 'Pay and change' }).click();
    await page.getByText(/^You pay \$290 a year\./).waitFor();
    near(await lastTotalOf(tenant), charged);

    await button(page, 'Monthly').click();
    await button(page, 'Pay monthly').click();
    await dialog(page).getByText('You pay now').waitFor();
    expect(await amountIn(page, 'You pay now')).toBe(0);
    near(await amountIn(page, 'Next invoice'), month.usd);
    await dialog(page).getByRole('button', { name: 'Pay monthly' }).click();
    await page.getByText(/^Pro costs \$29 a month from /).waitFor();
    expect(await seatsOf(tenant)).toMatchObject({ price: { id: 'pro_yearly_usd' } });
  }, 60_000);
});
