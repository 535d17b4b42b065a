import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beginCheckout, mockOf, press, settled, subscribe } from '../support/billing.js';
import { expectAccessible, expectNoSideways, expectProblem, testBrowser } from '../support/browser.js';
import { billingLink, brandFile, openBilling, planCard } from '../support/customerPages.js';
import { openSignIn } from '../support/dashboard.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { teamCatalogueFile } from '../support/teamCatalogue.js';

/** What the element says that has the focus. */
const focused = (page: Page) => page.evaluate<string>('document.activeElement?.textContent');

const browser = testBrowser();
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({
    env: { BRAND_FILE: brandFile(), CATALOG_FILE: teamCatalogueFile({ pro: { trialDays: 14 } }) },
  });
});
afterAll(() => server?.stop());

/** Has bought PRO, on trial. */
async function subscriber(name = 'Grace'): Promise<TestTenant> {
  const tenant = await server.createTenant(name);
  await subscribe(server, tenant.key);
  return tenant;
}

const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: true });
const dialog = (page: Page) => page.getByRole('alertdialog');
const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name }).waitFor();

async function subscriptionOf({ key }: TestTenant) {
  const { data } = await server.gql(
    '{ subscription { tier { name } status scheduledTier cancelAt cancelAtPeriodEnd } }',
    { key },
  );
  return data.subscription;
}

describe('a plan', () => {
  it('is tried, upgraded at the price shown first, downgraded later, and kept', async () => {
    const tenant = await server.createTenant('Ada');
    const page = await browser.newPage();
    await openBilling(page, server, tenant.id);
    await button(page, 'Try Pro for 14 days').click();
    await page.getByRole('button', { name: 'Decline and go back' }).click();
    await heading(page, 'Free plan');
    await button(page, 'Try Pro for 14 days').click();
    await page.getByRole('button', { name: 'Pay and subscribe' }).click();
    await heading(page, 'Pro plan');
    await page.getByText(/Your trial of Pro ends on .* Then it costs \$29 a month/).waitFor();
    // The thanks are not repeated.
    await page.reload();
    await heading(page, 'Pro plan');
    expect(await page.getByText('Thank you').count()).toBe(0);

    await button(page, 'Upgrade to Team').click();
    await dialog(page).getByText('You pay now').waitFor();
    await expectAccessible(page);
    await dialog(page)
      .getByRole('button', { name: /^(Pay and change|Upgrade to Team)$/ })
      .click();
    await heading(page, 'Team plan');
    expect(await subscriptionOf(tenant)).toMatchObject({ tier: { name: 'TEAM' } });
  });

  it('is downgraded at the end of its period, and that can be undone', async () => {
    const tenant = await server.createTenant('Grace');
    const page = await browser.newPage({ colorScheme: 'dark' });
    await openBilling(page, server, tenant.id);
    await button(page, 'Buy Team').click();
    await page.getByRole('button', { name: 'Pay and subscribe' }).click();
    await heading(page, 'Team plan');
    await button(page, 'Downgrade to Pro').click();
    await dialog(page)
      .getByText(/^You keep Team until .* Then Pro begins\.$/)
      .waitFor();
    expect(await dialog(page).innerText()).toMatch(/You pay now\s+\$0\.00/);
    await dialog(page).getByRole('button', { name: 'Downgrade to Pro' }).click();
    await page.getByText(/^Team changes to Pro on /).waitFor();
    await planCard(page, 'Pro')
      .getByText(/^From /)
      .waitFor();
    expect(await subscriptionOf(tenant)).toMatchObject({ scheduledTier: 'PRO' });
    await button(page, 'Keep Team').click();
    await dialog(page).getByRole('button', { name: 'Keep Team' }).click();
    await page.getByText(/^You pay \$99 a month/).waitFor();
    expect(await subscriptionOf(tenant)).toMatchObject({ scheduledTier: null });
  });

  it('is canceled after a warning, and resumed, by keyboard alone', async () => {
    const tenant = await subscriber();
    const page = await browser.newPage({ width: 390 });
    await openBilling(page, server, tenant.id);
    const cancel = button(page, 'Cancel Pro').first();
    await cancel.focus();
    await page.keyboard.press('Enter');
    await dialog(page).waitFor();
    await page.keyboard.press('Escape');
    await dialog(page).waitFor({ state: 'detached' });
    await expect.poll(() => focused(page)).toBe('Cancel Pro');
    await page.keyboard.press('Enter');
    await dialog(page).waitFor();
    await dialog(page).getByText('It is on trial').waitFor();
    for (let i = 0; i < 5 && (await focused(page)) !== 'Cancel Pro'; i++) await page.keyboard.press('Tab');
    await expectAccessible(page);
    await page.keyboard.press('Enter');
    await page.getByText(/^Pro ends on .* After that you are on Free/).waitFor();
    expect((await subscriptionOf(tenant)).cancelAt ?? true).toBeTruthy();
    await button(page, 'Keep Pro').focus();
    await page.keyboard.press('Enter');
    await dialog(page).getByRole('button', { name: 'Keep Pro' }).focus();
    await page.keyboard.press('Enter');
    await button(page, 'Cancel Pro').waitFor();
    expect(await subscriptionOf(tenant)).toMatchObject({ cancelAt: null, cancelAtPeriodEnd: false });
    await expectNoSideways(page);
  });

  it('is canceled with the money and the days that the server says', async () => {
    const tenant = await server.createTenant('Frugal');
    const page = await browser.newPage();
    await openBilling(page, server, tenant.id);
    await button(page, 'Buy Team').click();
    await page.getByRole('button', { name: 'Pay and subscribe' }).click();
    await heading(page, 'Team plan');
    await server.setLimits(tenant.id, { apiCallsPerDay: 10, apiCallsPerMinute: 100_000 });
    await server.gql('mutation { setOverage(input: { monthlyCapCents: 5000 }) { monthlyCapCents } }', tenant);
    const { data: used } = await server.gql(
      'mutation { consume(input: { endpoint: "jobs", cost: 25010 }) { allowed } }',
      tenant,
    );
    expect(used.consume.allowed).toBe(true);
    const { data } = await server.gql('{ previewCancellation { endsAt overageCents } }', tenant);
    const { endsAt, overageCents } = data.previewCancellation;
    expect(overageCents).toBe(250);
    const day = new Date(endsAt).toLocaleDateString('en-US', { dateStyle: 'medium', timeZone: 'UTC' });

    // Nothing can be confirmed before it is known what it does.
    await page.route('**/graphql', async (route) => {
      const { query = '' } = route.request().postDataJSON() ?? {};
      return /^query PreviewCancellation/.test(query) ? route.abort('connectionfailed') : route.continue();
    });
    await button(page, 'Cancel Team').click();
    await dialog(page).getByText('The page cannot reach us').waitFor();
    await expectProblem(page, /ERR_CONNECTION_FAILED/);
    expect(await dialog(page).getByRole('button', { name: 'Cancel Team' }).isDisabled()).toBe(true);
    await page.unroute('**/graphql');
    await dialog(page).getByRole('button', { name: 'Try again' }).click();

    await dialog(page).getByText(`You keep Team until ${day}`).waitFor();
    const text = await dialog(page).innerText();
    expect(text).toMatch(/More calls, not invoiced yet\s+\$2\.50/);
    expect(text).toMatch(/Paid back\s+\$0\.00/);
    expect(text).toMatch(new RegExp(`Last invoice\\s+${day}`));
    expect(text).toMatch(/Plan afterwards\s+Free\s/);
    await expectAccessible(page);
    await dialog(page).getByRole('button', { name: 'Cancel Team' }).click();
    await page.getByText(`Team ends on ${day}.`, { exact: false }).first().waitFor();
  });

  it('whose payment failed says until when it is kept, and leads to the payment', async () => {
    const tenant = await server.createTenant('Late');
    const happen = (event: string) => server.app.services.mock?.trigger(event, tenant.id);
    await happen('checkout.session.completed');
    const page = await browser.newPage();
    await openBilling(page, server, tenant.id);
    await heading(page, 'Pro plan');
    await happen('invoice.payment_failed');
    // Nobody reloads.
    await page.getByText('Your last payment failed').waitFor({ timeout: 45_000 });
    await page.getByText(/^You keep Pro until .*UTC\. Pay/).waitFor();
    expect(await button(page, 'Upgrade to Team').isDisabled()).toBe(true);
    await expectAccessible(page);
    await button(page, 'Pay or update the payment method').click();
    await page.waitForURL(/\/mock\/portal\//);
  }, 90_000);

  it('that is on trial without a card says how it ends, and leads to a card', async () => {
    const pro = { trialDays: 14, trialRequiresCard: false, trialEndWithoutCard: 'CANCEL' };
    const own = await startTestServer({ env: { CATALOG_FILE: teamCatalogueFile({ pro }) } });
    const tenant = await own.createTenant('Trying');
    await subscribe(own, tenant.key);
    const page = await browser.newPage();
    await openBilling(page, own, tenant.id);
    await page.getByText(/^Your trial of Pro ends on /).waitFor();
    await page.getByText(/^Without one, your plan ends on /).waitFor();
    await expectAccessible(page);
    await button(page, 'Pay or update the payment method').click();
    await page.waitForURL(/\/mock\/portal\//);
    await page.close();
    await own.stop();
  }, 90_000);

  it('whose payments are paused says until when, is not changed meanwhile, and is paid again when asked', async () => {
    const tenant = await server.createTenant('Paused');
    await press(await beginCheckout(server, tenant.key, { tier: 'TEAM' }), 'complete');
    await settled(server);
    const resumesAt = new Date(Date.now() + 45 * 86_400_000).toISOString();
    const { errors } = await server.gql(
      `mutation { pausePayments(input: { tenantId: "${tenant.id}", resumesAt: "${resumesAt}" }) { id } }`,
    );
    expect(errors).toEqual([]);
    const page = await browser.newPage();
    await openBilling(page, server, tenant.id);
    await page.getByText(/^Zebra has paused them until /).waitFor();
    expect(await button(page, 'Downgrade to Pro').isDisabled()).toBe(true);
    await expectAccessible(page);
    await button(page, 'Pay again now').click();
    await expectAccessible(page);
    await dialog(page).getByRole('button', { name: 'Pay again' }).click();
    await page.getByText('Your payments are paused').waitFor({ state: 'detached' });
    await page.getByText(/^You pay \$99 a month/).waitFor();
    expect(await button(page, 'Downgrade to Pro').isDisabled()).toBe(false);
  }, 90_000);

  it('by contract is shown, and not changed here', async () => {
    const tenant = await server.createTenant('Large');
    await server.gql(
      `mutation { createEnterpriseSubscription(input: { tenantId: "${tenant.id}", monthlyPriceCents: 500000, termMonths: 12 }) { id } }`,
    );
    await mockOf(server).delivered();
    await server.app.services.inbox.idle(10_000);
    const page = await browser.newPage();
    await openBilling(page, server, tenant.id);
    await page.getByText(/^Your plan is agreed with Zebra until /).waitFor();
    expect(await page.getByRole('button', { name: /^(Buy|Upgrade|Downgrade|Cancel)/ }).count()).toBe(0);
  });
});

describe('calls beyond the daily limit', () => {
  it('are allowed up to an amount, which is checked, changed and taken back', async () => {
    const tenant = await server.createTenant('Busy');
    const page = await browser.newPage();
    await openBilling(page, server, tenant.id);
    await button(page, 'Buy Team').click();
    await page.getByRole('button', { name: 'Pay and subscribe' }).click();
    await heading(page, 'Team plan');
    await button(page, 'Allow').click();
    const field = page.getByLabel('At most in a month (USD)');
    const submit = page.getByRole('dialog').getByRole('button', { name: 'Allow', exact: true });
    expect(await submit.isDisabled()).toBe(true);
    for (const [nonsense, advice] of [
      ['abc', 'Enter an amount such as 25 or 25.50.'],
      ['25,50', 'Write decimals after “.”, as in 25.50'],
      ['1.234', 'USD has at most 2 decimals'],
      ['99999999', 'Enter at most $1,000,000.'],
    ] as const) {
      await field.fill(nonsense);
      await page.getByRole('alert').getByText(advice).waitFor();
      expect(await submit.isDisabled(), nonsense).toBe(true);
    }
    await expectAccessible(page);
    await field.fill('25.50');
    await page.getByText('Enough for 255,000 calls a month.').waitFor();
    await submit.click();
    await page.getByText('$0.00 of at most $25.50').waitFor();
    await button(page, 'Change').click();
    await expectAccessible(page);
    await button(page, 'Allow none any more').click();
    await page.getByText(/^Not allowed: when the daily limit is reached/).waitFor();
    const { data } = await server.gql('{ overage { monthlyCapCents } }', { key: tenant.key });
    expect(data.overage.monthlyCapCents).toBeNull();
  });
});

describe('an amount', () => {
  it('is typed with the separators in which the page shows it', async () => {
    const tenant = await server.createTenant('Genau');
    const page = await browser.newPage();
    await openBilling(page, server, tenant.id, { locale: 'de-DE' });
    await button(page, 'Buy Team').click();
    await page.getByRole('button', { name: 'Pay and subscribe' }).click();
    await heading(page, 'Team plan');
    await button(page, 'Allow').click();
    const field = page.getByLabel('At most in a month (USD)');
    await field.fill('25.50');
    await page.getByText('Write decimals after “,”, as in 25,50').waitFor();
    await field.fill('1.234,50');
    await page.getByRole('dialog').getByRole('button', { name: 'Allow', exact: true }).click();
    await page.getByText(/of at most 1\.234,50/).waitFor();
    const { data } = await server.gql('{ overage { monthlyCapCents } }', tenant);
    expect(data.overage.monthlyCapCents).toBe(123_450);
    await button(page, 'Change').click();
    expect(await field.inputValue()).toBe('1234,50');
  });
});

describe('the page', () => {
  it('shows everything else while Stripe is away', async () => {
    const tenant = await subscriber();
    const page = await browser.newPage({ tolerate: [/502/] });
    await page.route('**/graphql', async (route) => {
      const { query = '' } = route.request().postDataJSON() ?? {};
      if (!/^query (Invoices|PaymentMethods)/.test(query)) return route.continue();
      const error = { message: 'Stripe is away', extensions: { code: 'PAYMENT_PROVIDER_ERROR' } };
      const contentType = 'application/graphql-response+json';
      return route.fulfill({ status: 502, contentType, body: JSON.stringify({ errors: [error] }) });
    });
    await openBilling(page, server, tenant.id);
    await page.getByRole('meter', { name: 'Today' }).waitFor();
    const failures = page.getByText('This did not work at Stripe');
    await expect.poll(() => failures.count()).toBe(2);
    await page.unroute('**/graphql');
    await page.getByRole('button', { name: 'Try again' }).first().click();
    await page.getByText('Visa that ends in 4242').waitFor();
  });

  it('shows another account when its link is opened in the same tab', async () => {
    const [first, second] = [await server.createTenant('First Inc'), await server.createTenant('Second Inc')];
    const page = await browser.newPage();
    await openBilling(page, server, first.id);
    await page.getByText('First Inc').waitFor();
    await page.goto(await billingLink(server, second.id));
    await page.getByText('Second Inc').waitFor();
    expect(await page.getByText('First Inc').count()).toBe(0);
  });

  it('says that a link has expired, and offers the account that is still open', async () => {
    const tenant = await server.createTenant('Patient');
    const page = await browser.newPage();
    await openBilling(page, server, tenant.id);
    const link = await billingLink(server, tenant.id);
    await server.app.models.sessions.updateMany({ kind: 'link' }, { expiresAt: new Date(0) });
    const other = await page.context().newPage();
    await other.goto(link);
    await other.getByText('This link has expired').waitFor();
    await expectProblem(other, /401/);
    expect(await other.locator('body').innerText()).not.toContain('Patient');
    await other.getByRole('button', { name: 'Show the account that is open' }).click();
    await other.getByText('Patient').waitFor();
  });

  it('and the operator’s sign-in have the name and the logo of the product', async () => {
    const page = await browser.newPage();
    await openSignIn(page, `${server.url}/admin`);
    await page.getByText('Zebra Billing').waitFor();
    expect(await page.title()).toBe('Sign in · Zebra Billing');
    expect(await page.locator('form img').getAttribute('src')).toContain('/brand/logo');
    await expectAccessible(page);
  });

  it('leads to the team’s own page where people upgrade', async () => {
    const UPGRADE_URL = 'https://app.zebra.example/plans';
    const own = await startTestServer({ env: { UPGRADE_URL, BRAND_FILE: brandFile() } });
    try {
      const page = await browser.newPage();
      await page.goto(`${own.url}/upgrade`);
      const choose = page.getByRole('link', { name: 'Choose Pro' });
      expect(await choose.getAttribute('href')).toBe(UPGRADE_URL);
      await expectAccessible(page);
    } finally {
      await own.stop();
    }
  });
});
