import type Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKOUT, DAY_S, type Harness, itemOf, openHarness, PRICES } from './support/harness.js';

const AMOUNTS = { usd: 2_999, jpy: 2_980, kwd: 8_990 } as const;
type Currency = keyof typeof AMOUNTS;
const CURRENCIES = Object.keys(AMOUNTS) as Currency[];
const [FIELD] = [{ name: 'VAT ID', value: 'IE6388047V' }];
const MEMO = { description: 'Thank you', footer: 'Paid within 30 days', custom_fields: [FIELD] };

let harness: Harness;

beforeAll(async () => {
  const { usd, ...currencyAmounts } = Object.fromEntries(
    Object.entries(AMOUNTS).map(([code, amount]) => [code, String(amount)]),
  ) as Record<Currency, string>;
  const seat = { id: 'price_seat', productName: 'Seat', unitAmount: usd, currency: 'usd', currencyAmounts };
  harness = await openHarness({ taxPercent: '8.875', prices: [...PRICES, seat] });
});
afterAll(() => harness?.close());

it('says that automatic tax is set up', async () => {
  expect(await harness.stripe.tax.settings.retrieve()).toMatchObject({ status: 'active' });
});

/** 8.875 % of whole units, half up; below nothing as above. */
const taxOn = (amount: number): number =>
  Math.sign(amount) * Math.floor((Math.abs(amount) * 8_875 * 2 + 100_000) / 200_000);
const taxes = ({ total_taxes: all }: Stripe.Invoice) => (all ?? []).map(({ amount }) => amount);
const invoicesOf = async ({ id: subscription }: Stripe.Subscription) =>
  (await harness.stripe.invoices.list({ subscription })).data.toReversed();

interface Wanted {
  currency?: string;
  quantity?: number;
  more?: object;
  address?: Stripe.AddressParam;
  taxId?: string;
}

/** Bought by a customer that has no address, and enters one. */
async function buy({ currency = 'usd', quantity = 1, more, address, taxId }: Wanted) {
  const { stripe, mock } = harness;
  const customer = await stripe.customers.create({});
  const { customer_email: _, ...rest } = CHECKOUT;
  const session = await stripe.checkout.sessions.create({
    ...rest,
    customer: customer.id,
    currency,
    line_items: [{ price: 'price_seat', quantity }],
    automatic_tax: { enabled: true },
    tax_id_collection: { enabled: true },
    customer_update: { address: 'auto', name: 'auto' },
    subscription_data: { invoice_settings: MEMO },
    ...more,
  } as Stripe.Checkout.SessionCreateParams);
  await mock.checkout.complete(session.id, null, { address: address as never, name: 'Ada Ltd', taxId });
  const paid = await stripe.checkout.sessions.retrieve(session.id);
  const subscription = await stripe.subscriptions.retrieve(paid.subscription as string);
  return { session, paid, subscription, customer: customer.id };
}

describe('a checkout with automatic tax', () => {
  it.each(CURRENCIES)('charges the tax in %s for the address that is entered', async (currency) => {
    const { session, paid, subscription, customer } = await buy({
      currency,
      quantity: 3,
      address: { country: 'DE' },
      taxId: 'DE123456789',
    });
    const subtotal = 3 * AMOUNTS[currency];
    const tax = taxOn(subtotal);
    expect(session).toMatchObject({
      automatic_tax: { enabled: true, status: 'requires_location_inputs' },
      amount_total: subtotal,
      tax_id_collection: { enabled: true, required: 'never' },
    });
    expect(paid).toMatchObject({
      automatic_tax: { enabled: true, status: 'complete' },
      amount_subtotal: subtotal,
      amount_total: subtotal + tax,
      total_details: { amount_tax: tax },
      customer_details: {
        address: { country: 'DE', postal_code: null },
        name: 'Ada Ltd',
        tax_ids: [{ type: 'eu_vat', value: 'DE123456789' }],
      },
    });
    const [invoice] = await invoicesOf(subscription);
    expect(invoice).toMatchObject({
      subtotal,
      total: subtotal + tax,
      total_excluding_tax: subtotal,
      total_taxes: [{ amount: tax, taxable_amount: subtotal, tax_behavior: 'exclusive' }],
      automatic_tax: { enabled: true, status: 'complete' },
      customer_address: { country: 'DE' },
      customer_tax_ids: [{ type: 'eu_vat', value: 'DE123456789' }],
      ...MEMO,
    });
    expect(invoice?.lines.data[0]?.taxes?.[0]?.amount).toBe(tax);
    const due = currency === 'kwd' ? Math.round((subtotal + tax) / 10) * 10 : subtotal + tax;
    expect(invoice).toMatchObject({
      amount_due: due,
      amount_paid: due,
      ending_balance: subtotal + tax - due,
    });
    const saved = await harness.stripe.customers.retrieve(customer);
    expect(saved).toMatchObject({ address: { country: 'DE' }, name: 'Ada Ltd' });
    expect((await harness.stripe.customers.listTaxIds(customer)).data).toMatchObject([{ type: 'eu_vat' }]);
  });

  it('knows the tax before, where the customer has an address', async () => {
    const { stripe } = harness;
    const { customer } = await buy({ address: { country: 'US', postal_code: '94105' } });
    const again = await stripe.checkout.sessions.create({
      mode: 'subscription',
      customer,
      line_items: [{ price: 'price_seat', quantity: 2 }],
      automatic_tax: { enabled: true },
      success_url: 'http://localhost/',
    });
    const tax = taxOn(2 * AMOUNTS.usd);
    expect(again).toMatchObject({
      automatic_tax: { status: 'complete' },
      amount_total: 2 * AMOUNTS.usd + tax,
      total_details: { amount_tax: tax },
    });
  });

  it('is rejected where Stripe may not keep what it needs', async () => {
    const { stripe } = harness;
    const { id: customer } = await stripe.customers.create({ address: { country: 'US' } });
    const start = (more: object) =>
      stripe.checkout.sessions.create({
        mode: 'subscription',
        line_items: [{ price: 'price_seat', quantity: 1 }],
        success_url: 'http://localhost/',
        ...more,
      });
    await expect(start({ customer, automatic_tax: { enabled: true } })).rejects.toMatchObject({
      code: 'customer_tax_location_invalid',
      message: expect.stringContaining("set either `customer_update[address]` to 'auto'"),
    });
    await expect(start({ customer, tax_id_collection: { enabled: true } })).rejects.toThrow(
      'please set `customer_update[name]` to `auto`',
    );
    await expect(start({ customer_update: { address: 'auto' } })).rejects.toThrow(
      'only be used with `customer`',
    );
    const unlocated = buy({ address: { country: 'US' } });
    await expect(unlocated).rejects.toThrow('postal code is missing');
  });
});

describe('automatic tax', () => {
  it.each(CURRENCIES)('in %s is that of a change, as it was shown, and of each renewal', async (currency) => {
    const { stripe, mock } = harness;
    const { subscription } = await buy({ currency, quantity: 2 });
    await mock.advanceClock(10 * DAY_S);
    const item = itemOf(subscription);
    const change = { items: [{ id: item.id, quantity: 5 }], proration_behavior: 'always_invoice' as const };
    const preview = await stripe.invoices.createPreview({
      subscription: subscription.id,
      subscription_details: change,
      automatic_tax: { enabled: true },
    });
    const recurring = await stripe.invoices.createPreview({
      subscription: subscription.id,
      subscription_details: { ...change, proration_behavior: 'none' },
      preview_mode: 'recurring',
    });
    const lines = preview.lines.data.map(({ amount }) => amount);
    expect(preview.subtotal).toBe(lines.reduce((sum, amount) => sum + amount));
    expect(taxes(preview)).toEqual([lines.reduce((sum, amount) => sum + taxOn(amount), 0)]);
    expect(preview.total).toBe(preview.subtotal + (taxes(preview)[0] as number));
    const all = 5 * AMOUNTS[currency];
    expect(recurring).toMatchObject({ subtotal: all, total: all + taxOn(all) });

    await stripe.subscriptions.update(subscription.id, change);
    await mock.advanceClock(
      item.current_period_end - Math.floor((await mock.now()).getTime() / 1000) + 3_700,
    );
    const [first, second, third] = await invoicesOf(subscription);
    // The clock may have moved on by a second.
    expect(Math.abs((second?.total ?? 0) - preview.total)).toBeLessThanOrEqual(2);
    expect(third).toMatchObject({ subtotal: all, total: all + taxOn(all), ...MEMO });
    const invoices = [first, second, third] as Stripe.Invoice[];
    const charged = invoices.reduce((sum, { amount_due: due }) => sum + due, 0);
    const total = invoices.reduce((sum, one) => sum + one.total, 0);
    expect(charged + (third?.ending_balance ?? 0)).toBe(total);
    const step = currency === 'kwd' ? 10 : 1;
    expect(invoices.map(({ amount_due: due }) => due % step)).toEqual([0, 0, 0]);
  });

  it('is computed after discounts', async () => {
    const coupon = await harness.stripe.coupons.create({ percent_off: 25, duration: 'once' });
    const { subscription } = await buy({ more: { discounts: [{ coupon: coupon.id }] } });
    const [invoice] = await invoicesOf(subscription);
    const reduced = AMOUNTS.usd - Math.round(AMOUNTS.usd / 4);
    expect(invoice).toMatchObject({ subtotal: AMOUNTS.usd, total: reduced + taxOn(reduced) });
  });

  it('is inside of a price that includes it', async () => {
    const { stripe } = harness;
    const customer = await stripe.customers.create({ address: { country: 'JP' }, tax_exempt: 'none' });
    const product = (await stripe.products.create({ name: 'Contract' })).id;
    const create = (unit_amount: number, currency: string, to = customer.id) =>
      stripe.subscriptions.create({
        customer: to,
        items: [
          {
            price_data: {
              currency,
              product,
              unit_amount,
              recurring: { interval: 'month' },
              tax_behavior: 'inclusive',
            },
          },
        ],
        collection_method: 'send_invoice',
        days_until_due: 30,
        automatic_tax: { enabled: true },
      });
    const [invoice] = await invoicesOf(await create(110_000, 'jpy'));
    const tax = Math.round((110_000 * 8.875) / 108.875);
    expect(invoice).toMatchObject({ total: 110_000, total_excluding_tax: 110_000 - tax });
    expect(taxes(invoice as Stripe.Invoice)).toEqual([tax]);
    const exempt = await stripe.customers.create({ address: { country: 'JP' }, tax_exempt: 'reverse' });
    const [untaxed] = await invoicesOf(await create(110_000, 'jpy', exempt.id));
    expect(untaxed?.total_taxes).toMatchObject([{ amount: 0, taxability_reason: 'reverse_charge' }]);
    const { id } = await stripe.customers.create({});
    await expect(create(100, 'usd', id)).rejects.toMatchObject({ code: 'customer_tax_location_invalid' });
  });

  it('is switched off by the first invoice of a customer whose address is lost', async () => {
    const { stripe, mock } = harness;
    const { subscription, customer } = await buy({});
    await stripe.customers.update(customer, { address: '' });
    await mock.advanceClock(32 * DAY_S);
    const [, second] = await invoicesOf(subscription);
    expect(second).toMatchObject({
      total: AMOUNTS.usd,
      automatic_tax: { enabled: false, disabled_reason: 'finalization_requires_location_inputs' },
    });
    expect(await stripe.subscriptions.retrieve(subscription.id)).toMatchObject({
      automatic_tax: { enabled: false, disabled_reason: 'requires_location_inputs' },
    });
  });
});

describe('a tax behavior', () => {
  it('is set once', async () => {
    const { stripe } = harness;
    const { id } = await stripe.prices.create({
      currency: 'usd',
      unit_amount: 100,
      product_data: { name: 'One' },
      currency_options: { eur: { unit_amount: 90 } },
    });
    const expand = ['currency_options'];
    const behavior = { tax_behavior: 'exclusive' as const };
    const set = await stripe.prices.update(id, { ...behavior, currency_options: { eur: behavior }, expand });
    expect(set).toMatchObject({ ...behavior, currency_options: { eur: { ...behavior, unit_amount: 90 } } });
    await expect(stripe.prices.update(id, { tax_behavior: 'inclusive' })).rejects.toThrow("can't change");
  });
});
