import type Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  advance,
  beginCheckout,
  customerIdOf,
  mockOf,
  press,
  type StartedCheckout,
  settled,
  stripeOf,
} from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { catalogueFile, pricedCatalogue } from '../support/teamCatalogue.js';

const DAY_S = 86_400;
const SEAT = { usd: 1_299, jpy: 1_980, kwd: 3_990 } as const;
const PRO = { usd: 2_999, jpy: 4_480, kwd: 8_990 } as const;
type Currency = keyof typeof SEAT;
const CURRENCIES = Object.keys(SEAT) as Currency[];
const FIELDS = [
  { name: 'VAT ID', value: 'IE6388047V' },
  { name: 'Seat', value: 'Dublin' },
];
const MEMO = { description: 'Thank you.\nSee you.', footer: 'Zebra Ltd', custom_fields: FIELDS };
let server: TestServer;

beforeAll(async () => {
  const overage = null;
  const pro = { overage, prices: [{ interval: 'month', amounts: PRO }] };
  const year = Object.fromEntries(Object.entries(SEAT).map(([code, amount]) => [code, amount * 10]));
  const prices = [
    { interval: 'month', perSeat: true, amounts: SEAT },
    { interval: 'year', perSeat: true, amounts: year },
  ];
  const written = pricedCatalogue({ pro, team: { overage, prices } }) as { tiers: object[] };
  const tiers = written.tiers.map((tier) => ({ ...tier, overage }));
  server = await startTestServer({
    clock: createFakeClock('2026-11-01T09:30:00Z'),
    env: {
      CATALOG_FILE: catalogueFile({ ...written, tiers }),
      STRIPE_AUTOMATIC_TAX: 'true',
      STRIPE_TAX_ID_COLLECTION: 'true',
      STRIPE_BILLING_ADDRESS_COLLECTION: 'required',
      STRIPE_INVOICE_DESCRIPTION: 'Thank you.\\nSee you.',
      STRIPE_INVOICE_FOOTER: 'Zebra Ltd',
      STRIPE_INVOICE_CUSTOM_FIELDS: JSON.stringify(FIELDS),
      STRIPE_MOCK_TAX_PERCENT: '8.1',
    },
  });
});
afterAll(() => server?.stop());

/** 8.1 % of whole units, half up; below nothing as above. */
const taxOn = (amount: number): number =>
  Math.sign(amount) * Math.floor((Math.abs(amount) * 81 * 2 + 1_000) / 2_000);
/** What can be charged: of thousandths, ten at a time. */
const chargeOf = (total: number, currency: Currency): number =>
  currency === 'kwd' ? Math.round(total / 10) * 10 : total;
const withTax = (amount: number): number => amount + taxOn(amount);

const pay = (checkout: StartedCheckout, entered: Record<string, string> = {}) =>
  fetch(`${checkout.localUrl}/complete`, {
    method: 'POST',
    body: new URLSearchParams(entered),
    redirect: 'manual',
  });

async function buyer(input: object): Promise<TestTenant> {
  const tenant = await server.createTenant();
  await pay(await beginCheckout(server, tenant.key, input), { country: 'ie' });
  await settled(server);
  return tenant;
}
async function invoicesOf({ id }: TestTenant): Promise<Stripe.Invoice[]> {
  const customer = await customerIdOf(server, id);
  return (await stripeOf(server).invoices.list({ customer })).data.toReversed();
}
async function subscriptionOf({ id }: TestTenant): Promise<Stripe.Subscription> {
  const customer = await customerIdOf(server, id);
  return (await stripeOf(server).subscriptions.list({ customer })).data[0] as Stripe.Subscription;
}
const asked = async (operation: string, { key }: TestTenant) => {
  const { data, errors } = await server.gql(operation, { key });
  expect(errors).toEqual([]);
  return data;
};
const PREVIEW = 'currency amountDueNowCents taxCents prorationCents nextInvoiceCents';
/** A second may pass between what is shown and what is done. */
const near = (found: number, expected: number, by = 2) =>
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(by);

describe('a checkout', () => {
  it('asks for the address and the tax id, and its invoice says what the configuration says', async () => {
    const tenant = await server.createTenant();
    const checkout = await beginCheckout(server, tenant.key);
    const page = await (await fetch(checkout.localUrl)).text();
    expect(page).toContain('added when the address is known');
    const entered = { country: 'de', name: 'Ada GmbH', tax_id: 'de 123456789' };
    expect((await pay(checkout, entered)).status).toBe(303);
    await settled(server);
    const customer = await stripeOf(server).customers.retrieve(await customerIdOf(server, tenant.id));
    expect(customer).toMatchObject({
      name: 'Ada GmbH',
      address: { country: 'DE' },
      invoice_settings: { footer: MEMO.footer, custom_fields: FIELDS },
    });
    const [invoice] = await invoicesOf(tenant);
    expect(invoice).toMatchObject({
      total: withTax(PRO.usd),
      customer_tax_ids: [{ type: 'eu_vat', value: 'DE123456789' }],
      ...MEMO,
    });
    const { invoices } = await asked('{ invoices { edges { node { totalCents taxCents } } } }', tenant);
    expect(invoices.edges).toEqual([{ node: { totalCents: withTax(PRO.usd), taxCents: taxOn(PRO.usd) } }]);
  });
});

/** What the invoices so far could not charge in the currency: it is on the customer's balance. */
async function balanceOf(tenant: TestTenant): Promise<number> {
  const invoices = await invoicesOf(tenant);
  return invoices.reduce((sum, { total, amount_due: due }) => sum + total - due, 0);
}
/** How much of the period is left, from 0 to 1, and in seconds. */
async function leftOf(tenant: TestTenant): Promise<{ left: number; seconds: number }> {
  const { items } = await subscriptionOf(tenant);
  const { current_period_start: startS, current_period_end: endS } = items.data[0] as Stripe.SubscriptionItem;
  const nowS = Math.floor((await mockOf(server).now()).getTime() / 1000);
  return { left: (endS - nowS) / (endS - startS), seconds: endS - nowS };
}

/** As a person reads it. */
const TEXT: Record<Currency, (amount: number) => string> = {
  usd: (amount) => `$${(amount / 100).toFixed(2)}`,
  jpy: (amount) => `¥${amount.toLocaleString('en-US')}`,
  kwd: (amount) => `KWD ${(amount / 1_000).toFixed(3)}`,
};

describe('the page of a checkout', () => {
  it.each(CURRENCIES)(
    'shows price, tax and total in %s to a customer whose address is known',
    async (currency) => {
      const tenant = await server.createTenant();
      await beginCheckout(server, tenant.key, { tier: 'TEAM', seats: 2, currency });
      const customer = await customerIdOf(server, tenant.id);
      await stripeOf(server).customers.update(customer, { address: { country: 'JP' } });
      const checkout = await beginCheckout(server, tenant.key, { tier: 'TEAM', seats: 3, currency });
      const page = (await (await fetch(checkout.localUrl)).text()).replaceAll('\u00a0', ' ');
      const text = TEXT[currency];
      const subtotal = 3 * SEAT[currency];
      expect(page).toContain(`<p class="amount">${text(withTax(subtotal))}</p>`);
      expect(page).toContain(`<dt>Tax</dt><dd>${text(taxOn(subtotal))}</dd>`);
      expect(page).toContain(`<dd>${text(SEAT[currency])} / month</dd>`);
    },
  );
});

describe.each(CURRENCIES)('a subscription in %s', (currency) => {
  const step = currency === 'kwd' ? 10 : 2;
  let tenant: TestTenant;
  const preview = async (field: string) => (await asked(`{ told: ${field} { ${PREVIEW} } }`, tenant)).told;

  it('is taxed with each change of seats, as it was shown', async () => {
    tenant = await buyer({ tier: 'TEAM', seats: 2, currency });
    await advance(server, 10 * DAY_S);
    const told = await preview('previewSeats(seats: 5)');
    const { left } = await leftOf(tenant);
    const [back, owed] = [-Math.round(2 * SEAT[currency] * left), Math.round(5 * SEAT[currency] * left)];
    const total = withTax(back) + withTax(owed);
    near(told.prorationCents, back + owed);
    near(told.taxCents, taxOn(back) + taxOn(owed));
    near(told.amountDueNowCents, chargeOf(total + (await balanceOf(tenant)), currency), step);
    expect(told).toMatchObject({ currency, nextInvoiceCents: withTax(5 * SEAT[currency]) });
    await asked('mutation { setSeats(seats: 5) { seats } }', tenant);
    const [, second] = await invoicesOf(tenant);
    near(second?.total ?? 0, total);
  });

  it('keeps its tax and its memo in the phases of a schedule', async () => {
    const balance = await balanceOf(tenant);
    const renewal = chargeOf(withTax(PRO[currency]) + balance, currency);
    const told = await preview('previewTierChange(tier: PRO)');
    expect(told).toMatchObject({ amountDueNowCents: 0, taxCents: 0, nextInvoiceCents: renewal });
    await asked('mutation { changeTier(input: { tier: PRO }) { scheduledTier } }', tenant);
    await settled(server);
    await advance(server, (await leftOf(tenant)).seconds + 3_700);
    const [, , third] = await invoicesOf(tenant);
    expect(third).toMatchObject({ total: withTax(PRO[currency]), amount_due: renewal, ...MEMO });
    expect(await subscriptionOf(tenant)).toMatchObject({
      automatic_tax: { enabled: true },
      invoice_settings: MEMO,
    });
  });

  it('goes over to a year with the tax of the year, less that of the rest of the month', async () => {
    const toYear = 'tier: TEAM, interval: YEAR, seats: 4';
    const told = await preview(`previewTierChange(${toYear})`);
    const year = 4 * 10 * SEAT[currency];
    const credit = -Math.round(PRO[currency] * (await leftOf(tenant)).left);
    near(told.prorationCents, year + credit);
    near(told.taxCents, taxOn(year) + taxOn(credit));
    expect(told.nextInvoiceCents).toBe(withTax(year));
    await asked(`mutation { changeTier(input: { ${toYear} }) { status } }`, tenant);
    await settled(server);
    near((await invoicesOf(tenant)).at(-1)?.total ?? 0, withTax(year) + withTax(credit));
  });
});

describe('a contract', () => {
  const begin = ({ id }: TestTenant, terms: string) =>
    server.gql(
      `mutation { createEnterpriseSubscription(input: { tenantId: "${id}", termMonths: 12, ${terms} }) { status } }`,
    );

  it.each(CURRENCIES)('in %s is taxed, and its invoices say what others say', async (currency) => {
    const tenant = await server.createTenant();
    const terms = `unitAmount: 500050, seats: 2, currency: "${currency}"`;
    const { errors } = await begin(tenant, terms);
    expect(errors[0]).toMatchObject({
      message: expect.stringContaining('has no address from which Stripe can compute tax'),
      extensions: { code: 'BAD_USER_INPUT', argument: 'input.tenantId', http: { status: 400 } },
    });
    expect((await asked('{ subscription { tier { name } } }', tenant)).subscription.tier.name).toBe('FREE');
    const customer = await customerIdOf(server, tenant.id);
    await stripeOf(server).customers.update(customer, { address: { country: 'IE' } });
    expect((await begin(tenant, terms)).errors).toEqual([]);
    await settled(server);
    const [invoice] = await invoicesOf(tenant);
    expect(invoice).toMatchObject({ currency, total: withTax(2 * 500_050), status: 'open', ...MEMO });
    expect(await subscriptionOf(tenant)).toMatchObject({ automatic_tax: { enabled: true } });
  });

  it('is of an amount that Stripe can charge in the currency', async () => {
    const tenant = await server.createTenant();
    const { errors } = await begin(tenant, 'unitAmount: 500055, currency: "KWD"');
    expect(errors[0]).toMatchObject({
      message: expect.stringMatching(/must be a multiple of 10.* of KWD than KWD\s0\.010/),
      extensions: { code: 'BAD_USER_INPUT', argument: 'input.unitAmount' },
    });
    const { errors: others } = await begin(tenant, 'monthlyPriceCents: 150, currency: "isk"');
    expect(others[0]?.extensions.argument).toBe('input.monthlyPriceCents');
    expect((await begin(tenant, 'unitAmount: 1, currency: "huf"')).errors[0]?.extensions.argument).toBe(
      'input.tenantId',
    );
  });

  it('taxes a subscription that began without tax', async () => {
    const tenant = await server.createTenant();
    await press(await beginCheckout(server, tenant.key, { tier: 'TEAM' }), 'complete');
    await settled(server);
    const { id } = await subscriptionOf(tenant);
    await stripeOf(server).subscriptions.update(id, { automatic_tax: { enabled: false } });
    await settled(server);
    const { previewSeats } = await asked(`{ previewSeats(seats: 2) { ${PREVIEW} } }`, tenant);
    expect(previewSeats).toMatchObject({ taxCents: 0, nextInvoiceCents: 2 * SEAT.usd });
    await asked('mutation { setSeats(seats: 2) { seats } }', tenant);
    expect((await invoicesOf(tenant)).at(-1)?.total_taxes).toEqual([]);
    expect((await begin(tenant, 'unitAmount: 100000, daysUntilDue: null')).errors).toEqual([]);
    expect(await subscriptionOf(tenant)).toMatchObject({ automatic_tax: { enabled: true } });
  });
});
