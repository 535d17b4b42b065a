import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { mockOf, stripeOf, settled as stripeSettled, subscribe, subscriptionOf } from '../support/billing.js';
import { expectAccessible, expectNoSideways, expectProblem, testBrowser } from '../support/browser.js';
import { settled, signIn } from '../support/dashboard.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

/** Nothing of it may ever run. */
const NAME = 'Acme <img src=x onerror="document.title=1"> & Sons';
const TABS = ['Overview', 'Usage', 'Billing', 'Limits', 'Keys', 'Events', 'Audit log', 'Settings'];

/** The names of the tables that are wider than their cards. */
const CUT_TABLES = `[...document.querySelectorAll('main table')]
  .filter(({ parentElement: { scrollWidth, clientWidth } }) => scrollWidth > clientWidth)
  .map((table) => table.getAttribute('aria-label') ?? table.innerText.slice(0, 80))`;

vi.setConfig({ testTimeout: 120_000 });

const browser = testBrowser();
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server?.stop());
afterEach(() => mockOf(server).clearFailures());

async function subscribed(name = NAME): Promise<TestTenant & { subscriptionId: string }> {
  const tenant = await server.createTenant(name);
  await subscribe(server, tenant.key);
  await stripeSettled(server);
  const { stripeSubscriptionId } = await subscriptionOf(server, tenant.key);
  return { ...tenant, subscriptionId: stripeSubscriptionId };
}

async function open(
  tenantId: string,
  {
    query = '',
    key,
    ...options
  }: { query?: string; key?: string; width?: number; colorScheme?: 'light' | 'dark' } = {},
): Promise<Page> {
  const page = await browser.newPage(options);
  await signIn(page, server.url, `/admin/tenants/${tenantId}${query}`, key);
  await settled(page);
  return page;
}

async function operatorKey(role: string): Promise<string> {
  const { data } = await server.gql(
    `mutation { createOperatorKey(input: { name: "${role}", role: ${role} }) { secret } }`,
  );
  return data.createOperatorKey.secret;
}

const card = (page: Page, name: string) => page.getByRole('region', { name, exact: true });
/** Notes in the corner are dialogs too, but not modal ones. */
const dialog = (page: Page) => page.locator('[role=alertdialog], [role=dialog]:not([aria-modal=false])');
const press = (page: Page, name: string) => dialog(page).getByRole('button', { name, exact: true }).click();
const choose = async (page: Page, name: string) => {
  await page.getByRole('button', { name: 'Actions', exact: true }).click();
  await page.getByRole('menuitem', { name }).click();
  await dialog(page).waitFor();
};
const closed = (page: Page) => dialog(page).waitFor({ state: 'detached' });

describe('the page of a tenant', () => {
  it.each([
    ['light', 1280],
    ['dark', 390],
  ] as const)('is accessible in each section, in %s, %i px wide', async (colorScheme, width) => {
    const { id } = await subscribed();
    const page = await open(id, { colorScheme, width });
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(NAME);
    for (const name of TABS) {
      const tab = page.getByRole('tab', { name });
      await tab.click();
      await settled(page);
      expect(await page.getByRole('main').getByRole('alert').allInnerTexts(), name).toEqual([]);
      await expectAccessible(page);
      await expectNoSideways(page);
      // Narrow tables scroll by themselves; on a wide page what each row offers is in sight.
      if (width === 1280) expect(await page.evaluate(CUT_TABLES), name).toEqual([]);
    }
    expect(page.url()).toContain('tab=settings');
    await page.reload();
    await card(page, 'Erase').waitFor();
    expect(await page.title()).toContain(NAME);
  });

  it('says why it has its tier, and repairs what Stripe says otherwise', async () => {
    const { id, subscriptionId } = await subscribed();
    const page = await open(id);
    await card(page, 'Why it is PRO').getByText('The tenant has PRO by its subscription').waitFor();
    const stripe = card(page, 'At Stripe');
    await stripe.getByRole('button', { name: 'Compare with Stripe' }).click();
    await stripe.getByText('Here and at Stripe are the same').waitFor();
    expect(await stripe.getByRole('button', { name: 'Repair' }).count()).toBe(0);

    mockOf(server).disturbWebhooks({ seed: 1, dropped: 1 });
    await stripeOf(server).subscriptions.update(subscriptionId, { cancel_at_period_end: true });
    await stripeSettled(server);
    mockOf(server).disturbWebhooks(null);
    await stripe.getByRole('button', { name: 'Compare with Stripe' }).click();
    await stripe.getByText('Stripe says something else').waitFor();
    await stripe.getByRole('row', { name: /Cancels at period end no yes differs/ }).waitFor();
    await stripe.getByRole('button', { name: 'Repair…' }).click();
    await press(page, 'Repair');
    await stripe.getByText('Repaired: it is as Stripe has it now').waitFor();
    await page.getByText('Ends soon').waitFor();

    mockOf(server).failNext({ kind: 'connection', method: 'GET', path: '/v1/subscriptions', times: 9 });
    await stripe.getByRole('button', { name: 'Compare with Stripe' }).click();
    await stripe.getByRole('alert').getByText('Stripe did not do it').waitFor();
    await expectProblem(page, /status of 502/);
    mockOf(server).clearFailures();
    await stripe.getByRole('button', { name: 'Try again' }).click();
    await stripe.getByText('Here and at Stripe are the same').waitFor();
  });

  it('follows usage, and what another operator changes, without being asked', async () => {
    const { id, key } = await subscribed();
    const page = await open(id);
    const usage = card(page, 'Usage now');
    await usage.getByText('0 calls of 10,000 calls').waitFor();
    const { errors } = await server.gql(
      'mutation { consume(input: { endpoint: "x", cost: 7 }) { allowed } }',
      {
        key,
      },
    );
    expect(errors).toEqual([]);
    await usage.getByText('7 calls of 10,000 calls').waitFor();
    await server.setLimits(id, { apiCallsPerDay: 20 }, 'ENTERPRISE');
    await card(page, 'Why it is ENTERPRISE').waitFor();
  });

  it('changes tiers, cancels and resumes, with the money first', async () => {
    const { id } = await subscribed();
    const page = await open(id, { query: '?tab=billing' });
    await choose(page, 'Change tier…');
    await dialog(page).getByLabel('New tier').selectOption('FREE');
    await dialog(page).getByText('It happens at the end of the period').waitFor();
    await expectAccessible(page);
    await press(page, 'Change to FREE');
    await closed(page);
    await card(page, 'Subscription').getByText('It ends soon').waitFor();
    await choose(page, 'Resume subscription…');
    await press(page, 'Resume subscription');
    await closed(page);
    await card(page, 'Subscription').getByText('It ends soon').waitFor({ state: 'detached' });

    await choose(page, 'Cancel subscription…');
    await dialog(page).getByLabel('When').selectOption('now');
    await dialog(page).getByText('no: the tenant has to buy again').waitFor();
    await press(page, 'Cancel subscription');
    await closed(page);
    await page.getByText('The subscription has ended').waitFor();
    await card(page, 'Subscription').getByRole('button', { name: 'Create a checkout link…' }).click();
    await press(page, 'Create link');
    await dialog(page).getByText('/mock/checkout/').waitFor();
  });

  it('pauses payments until a date, shows it everywhere, and resumes them', async () => {
    const { id, key } = await subscribed();
    const page = await open(id, { query: '?tab=billing' });
    await choose(page, 'Pause payments…');
    const date = dialog(page).getByLabel('Payments resume');
    const pause = dialog(page).getByRole('button', { name: 'Pause payments' });
    await date.fill('2020-01-01 00:00');
    await dialog(page).getByText('It must be in the future').waitFor();
    expect(await pause.isDisabled()).toBe(true);
    const resumesAt = new Date(Date.now() + 45 * 86_400_000).toISOString().slice(0, 16).replace('T', ' ');
    await date.fill(resumesAt);
    await expectAccessible(page);
    await pause.click();
    await closed(page);
    await page.getByText('Its payments are paused').waitFor();
    await page.getByText(/its invoices are voided, and no calls past the quota are sold/).waitFor();
    await card(page, 'Subscription')
      .getByText(/^paused until/)
      .waitFor();
    expect(await page.getByText('Change tier…').count()).toBe(0);
    await expectAccessible(page);
    const { data } = await server.gql('{ subscription { paymentPause { resumesAt invoices } } }', { key });
    expect(data.subscription.paymentPause).toEqual({
      resumesAt: new Date(`${resumesAt.replace(' ', 'T')}:00Z`).toISOString(),
      invoices: 'VOID',
    });
    await choose(page, 'Resume payments…');
    await press(page, 'Resume payments');
    await closed(page);
    await page.getByText('Its payments are paused').waitFor({ state: 'detached' });
  });

  it('caps overage at an amount that is read in one way', async () => {
    const { id, key } = await subscribed();
    const page = await open(id, { query: '?tab=billing' });
    await choose(page, 'Set overage cap…');
    const cap = dialog(page).getByLabel('The most that overage may cost in a UTC month (USD)');
    const set = dialog(page).getByRole('button', { name: 'Set cap' });
    await cap.fill('49,90');
    await dialog(page).getByText('Write decimals after “.”, as in 25.50').waitFor();
    expect(await set.isDisabled()).toBe(true);
    await cap.fill('1,249.90');
    await dialog(page).getByText('$1,249.90 pays for').waitFor();
    await expectAccessible(page);
    await set.click();
    await closed(page);
    const { data } = await server.gql('{ overage { monthlyCapCents } }', { key });
    expect(data.overage.monthlyCapCents).toBe(124_990);
  });

  it('begins a contract after its terms were reviewed, and then offers nothing that the API rejects', async () => {
    const { id, key } = await server.createTenant('Initech');
    const page = await open(id, { query: '?tab=billing' });
    await choose(page, 'Begin a contract…');
    const field = (name: string) => dialog(page).getByLabel(name);
    const review = dialog(page).getByRole('button', { name: 'Review' });
    expect(await review.isDisabled()).toBe(true);
    for (const [name, nonsense, advice, good] of [
      ['Price a month (USD)', '1500,00', 'Write decimals after “.”', '1,500.00'],
      ['Term (months)', '1.5', 'A whole number from 1 to 120', '24'],
      ['An invoice is due after (days)', '91', 'A whole number from 1 to 90', '14'],
      ['Calls a UTC day', '-1', 'A whole number, at least 0', '5,000,000'],
    ] as const) {
      await field(name).fill(nonsense);
      await dialog(page).getByRole('alert').getByText(advice).waitFor();
      expect(await review.isDisabled(), name).toBe(true);
      await field(name).fill(good);
      expect(await dialog(page).getByRole('alert').count()).toBe(0);
    }
    await expectAccessible(page);
    await field('Payment').selectOption('card');
    await review.click();
    await dialog(page).getByText('Stripe charges $1,500.00 now').waitFor();
    await press(page, 'Begin contract');
    await dialog(page).getByRole('alert').getByText('the tenant has no card on file').waitFor();
    await expectProblem(page, /status of 400/);

    await press(page, 'Back');
    expect(await field('Price a month (USD)').inputValue()).toBe('1,500.00');
    await field('Payment').selectOption('invoice');
    await review.click();
    await dialog(page).getByText('Stripe makes the first invoice now').waitFor();
    expect(await dialog(page).innerText()).toMatch(
      /\$1,500\.00 a month\s+Term\s+24 months\s+Payment\s+By invoice, due in 14 days\s+Calls a UTC day\s+5,000,000 calls/,
    );
    await expectAccessible(page);
    await press(page, 'Begin contract');
    await closed(page);
    const subscription = card(page, 'Subscription');
    await subscription.getByText('it is changed and ended at Stripe').waitFor();
    expect(await subscription.getByRole('button', { name: /…$/ }).count()).toBe(0);
    await page.getByRole('button', { name: 'Actions', exact: true }).click();
    const actions = (await page.getByRole('menuitem').allInnerTexts()).join();
    expect(actions).toContain('Set overage cap…');
    expect(actions).not.toMatch(/contract|Cancel|Change tier|Resume/);
    const { data } = await server.gql(
      '{ subscription { isContract tier { name limits { apiCallsPerDay } } } invoices { edges { node { totalCents } } } }',
      { key },
    );
    expect(data).toMatchObject({
      subscription: { isContract: true, tier: { name: 'ENTERPRISE', limits: { apiCallsPerDay: 5_000_000 } } },
      invoices: { edges: [{ node: { totalCents: 150_000 } }] },
    });
  });

  it('turns what a tenant bought into a contract, and says what that does', async () => {
    const { id, key } = await subscribed('Bought');
    const page = await open(id);
    await choose(page, 'Begin a contract…');
    await dialog(page).getByLabel('Price a month (USD)').fill('900');
    await press(page, 'Review');
    await dialog(page).getByText('The subscription to PRO becomes this contract').waitFor();
    await press(page, 'Begin contract');
    await closed(page);
    await card(page, 'Why it is ENTERPRISE').waitFor();
    const { data } = await server.gql('{ subscription { isContract cancelAt } }', { key });
    expect(data.subscription).toEqual({ isContract: true, cancelAt: expect.any(String) });
    expect(await page.getByText('Ends soon').count()).toBe(0);
  });

  it('makes, rotates and revokes keys, whose secrets are shown once', async () => {
    const { id } = await server.createTenant();
    const page = await open(id, { query: '?tab=keys' });
    const works = async (secret: string) =>
      (await server.gql('{ tenant { id } }', { key: secret })).status === 200;
    const secretOf = async () => {
      await dialog(page).getByText('Copy the key now').waitFor();
      const secret = await dialog(page).locator('code').first().innerText();
      await press(page, 'I have copied it');
      await closed(page);
      expect(await page.content()).not.toContain(secret);
      return secret;
    };
    await page.getByRole('button', { name: 'Create key' }).click();
    await dialog(page).getByLabel('Name').fill('ci');
    await press(page, 'Create key');
    const first = await secretOf();
    expect(await works(first)).toBe(true);

    await page.getByRole('button', { name: 'Actions for the key ci' }).click();
    await page.getByRole('menuitem', { name: 'Rotate…' }).click();
    await dialog(page).getByLabel('How long the old key still works').selectOption('0');
    await press(page, 'Rotate key');
    const second = await secretOf();
    expect([await works(first), await works(second)]).toEqual([false, true]);

    await page.getByRole('button', { name: 'Actions for the key ci' }).click();
    await page.getByRole('menuitem', { name: 'Revoke…' }).click();
    await press(page, 'Revoke key');
    await closed(page);
    expect(await works(second)).toBe(false);
  });

  it('overrides one limit and leaves what another operator set meanwhile', async () => {
    const { id } = await server.createTenant();
    const page = await open(id, { query: '?tab=limits' });
    await choose(page, 'Override limits…');
    await dialog(page).getByLabel('Calls a UTC day').fill('12x');
    await dialog(page).getByText('A whole number, at least 0').waitFor();
    expect(await dialog(page).getByRole('button', { name: 'Save override' }).isDisabled()).toBe(true);
    await dialog(page).getByLabel('Calls a UTC day').fill('1,234');
    await dialog(page).getByLabel('Reason').fill('trial of the archive');
    await server.setLimits(id, { concurrentRequests: 77 });
    await press(page, 'Save override');
    await closed(page);
    await page.getByRole('row', { name: /Calls a UTC day 1,234 calls/ }).waitFor();
    await page.getByRole('row', { name: /Concurrent requests 77 requests/ }).waitFor();
    await card(page, 'Override').getByText('trial of the archive').waitFor();

    await choose(page, 'Override limits…');
    await dialog(page).getByLabel('Calls a UTC day').fill('');
    await press(page, 'Save override');
    await closed(page);
    await page.getByRole('row', { name: /Calls a UTC day 100 calls/ }).waitFor();
    await page.getByRole('row', { name: /Concurrent requests 77 requests/ }).waitFor();
    await page.getByRole('tab', { name: 'Audit log' }).click();
    await page
      .getByRole('row', { name: /limits\.overridden|limits/ })
      .first()
      .waitFor();
  });

  it('narrows its audit log to days and actions, which are in the address', async () => {
    const { id } = await subscribed();
    const page = await open(id, { query: '?tab=audit' });
    const rows = page.getByRole('table', { name: 'Audit log' }).locator('tbody tr');
    const created = rows.filter({ hasText: 'subscription.created' });
    await created.waitFor();
    const all = await rows.count();
    const dayIn = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
    await page.getByLabel('To (UTC)').fill(dayIn(-1));
    await page.getByText('No entry matches').waitFor();
    await page.getByLabel('From (UTC)').fill(dayIn(0));
    await page.getByText('The first day is after the last one.').waitFor();
    await expectAccessible(page);
    // The last day is included.
    await page.getByLabel('To (UTC)').fill(dayIn(0));
    await expect.poll(() => rows.count()).toBe(all);
    await page.getByLabel('Action').fill('subscription.created');
    await expect.poll(() => rows.count()).toBe(1);
    expect(new URL(page.url()).search).toBe(
      `?tab=audit&to=${dayIn(0)}&from=${dayIn(0)}&action=subscription.created`,
    );
    await page.reload();
    await created.waitFor();
    expect(await page.getByLabel('From (UTC)').inputValue()).toBe(dayIn(0));
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download JSONL' }).click(),
    ]);
    const lines = (await readFile((await file.path()) as string, 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).action)).toEqual(['subscription.created']);
  });

  it('suspends, reinstates and erases by keyboard alone', async () => {
    const { id } = await server.createTenant('Acme');
    const page = await open(id, { query: '?tab=settings' });
    const { keyboard } = page;
    await page.getByRole('button', { name: 'Suspend…' }).focus();
    await keyboard.press('Enter');
    await dialog(page).waitFor();
    await dialog(page).getByLabel('Reason').focus();
    await keyboard.type('leaked key');
    await keyboard.press('Tab');
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    await page.getByText('This tenant is suspended').waitFor();
    await page.getByRole('button', { name: 'Reinstate…' }).focus();
    await keyboard.press('Enter');
    await dialog(page).waitFor();
    await keyboard.press('Escape');
    await closed(page);
    await page.getByText('This tenant is suspended').waitFor();

    await page.getByRole('button', { name: 'Erase…' }).focus();
    await keyboard.press('Enter');
    const erase = dialog(page).getByRole('button', { name: 'Erase for good' });
    await erase.waitFor();
    expect(await erase.isDisabled()).toBe(true);
    await dialog(page).getByLabel('Type Acme to confirm').focus();
    await keyboard.type('Acme');
    await keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Erased tenant' }).waitFor();
    await card(page, 'Erasure').waitFor();
    await settled(page);
    await expectAccessible(page);
    expect(await page.getByRole('button', { name: 'Actions', exact: true }).count()).toBe(0);
  });

  it('shows each role what it may do', async () => {
    const { id } = await subscribed();
    const reader = await open(id, { key: await operatorKey('READ'), query: '?tab=events' });
    await reader.getByRole('row', { name: /checkout\.session\.completed/ }).waitFor();
    for (const name of ['Overview', 'Billing', 'Keys', 'Limits', 'Settings', 'Events']) {
      await reader.getByRole('tab', { name }).click();
      await settled(reader);
      const actions = await reader
        .getByRole('tabpanel')
        .getByRole('button', { name: /…$|^Create key/ })
        .count();
      expect(actions, name).toBe(0);
    }
    expect(await reader.getByRole('button', { name: 'Actions', exact: true }).count()).toBe(0);

    const support = await open(id, { key: await operatorKey('SUPPORT'), query: '?tab=events' });
    await support.getByRole('button', { name: /Replay checkout\.session\.completed/ }).click();
    await press(support, 'Replay');
    await closed(support);
    await support.getByText(/^The event (was applied|changes nothing)$/).waitFor();

    const provision = await open(id, { key: await operatorKey('PROVISION') });
    await provision.getByRole('button', { name: 'Create a key for this tenant' }).click();
    await dialog(provision).getByLabel('Name').fill('signup');
    await press(provision, 'Create key');
    await dialog(provision).getByText('Copy the key now').waitFor();
  });

  it('says so if there is no such tenant', async () => {
    const page = await open('ten_none');
    await page.getByText('No tenant has this id').waitFor();
    await expectProblem(page, /status of 4\d\d/);
    await expectAccessible(page);
  });
});
