import type Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DAY_S, type Harness, openHarness, PRICES } from './support/harness.js';

const MONTH = { unitAmount: '1200', currencyAmounts: { eur: '1100' } };
const YEAR = { unitAmount: '12000', currencyAmounts: { eur: '11000' }, interval: 'year' as const };
const SEAT = { productId: 'prod_team', productName: 'Team', currency: 'usd' };
const EVENT_NAME = 'calls';

let harness: Harness;

beforeAll(async () => {
  harness = await openHarness({
    prices: [
      ...PRICES,
      { ...SEAT, ...MONTH, id: 'price_month' },
      { ...SEAT, ...YEAR, id: 'price_year' },
      { ...SEAT, id: 'price_quarter', unitAmount: '3300', intervalCount: 3 },
      {
        ...SEAT,
        id: 'price_calls',
        unitAmount: '0.5',
        meterEventName: EVENT_NAME,
        currencyAmounts: { eur: '0.4' },
      },
    ],
  });
});
afterAll(() => harness?.close());

interface Wanted {
  items: Stripe.SubscriptionCreateParams.Item[];
  currency?: string;
}

/** Bought at a page, with a card that pays. */
async function buy({ items, currency }: Wanted): Promise<Stripe.Subscription> {
  const { stripe, mock } = harness;
  const customer = await stripe.customers.create({});
  const session = await stripe.checkout.sessions.create({
    mode: 'subscription',
    customer: customer.id,
    line_items: items as Stripe.Checkout.SessionCreateParams.LineItem[],
    success_url: 'http://localhost/',
    ...(currency && { currency }),
  });
  await mock.checkout.complete(session.id);
  return (await stripe.subscriptions.list({ customer: customer.id })).data[0] as Stripe.Subscription;
}

const again = ({ id }: Stripe.Subscription) => harness.stripe.subscriptions.retrieve(id);
const itemAt = ({ items }: Stripe.Subscription, price: string): Stripe.SubscriptionItem =>
  items.data.find((item) => item.price.id === price) as Stripe.SubscriptionItem;
const invoicesOf = async ({ id: subscription }: Stripe.Subscription) =>
  (await harness.stripe.invoices.list({ subscription, limit: 100 })).data.toReversed();
const iso = (seconds: number) => new Date(seconds * 1000).toISOString();

async function moveTo(atS: number): Promise<void> {
  const { now } = await harness.mock.state();
  await harness.mock.advanceClock(atS - Math.floor(now.getTime() / 1000));
}

/** Whole months after a moment, the last day for one that a month does not have. */
function monthsAfter(startS: number, months: number): number {
  const start = new Date(startS * 1000);
  const last = new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + months + 1, 0)).getUTCDate();
  return (
    Date.UTC(
      start.getUTCFullYear(),
      start.getUTCMonth() + months,
      Math.min(start.getUTCDate(), last),
      start.getUTCHours(),
      start.getUTCMinutes(),
      start.getUTCSeconds(),
    ) / 1000
  );
}

describe('a price in several currencies', () => {
  it('is charged in that of the checkout, which is the customer’s from then on', async () => {
    const { stripe } = harness;
    const bought = await buy({ items: [{ price: 'price_month', quantity: 3 }], currency: 'eur' });
    expect(bought.currency).toBe('eur');
    expect(bought.items.data[0]?.price).toMatchObject({ currency: 'usd', unit_amount: 1_200 });
    expect(bought.items.data[0]?.price).not.toHaveProperty('currency_options');
    const [first] = await invoicesOf(bought);
    expect(first).toMatchObject({ currency: 'eur', total: 3 * 1_100 });
    const customer = bought.customer as string;
    const other = stripe.subscriptions.create({ customer, items: [{ price: 'price_pro' }] });
    await expect(other).rejects.toThrow('only supports `usd`');
    const wrong = buy({ items: [{ price: 'price_month' }], currency: 'gbp' });
    await expect(wrong).rejects.toThrow('expected currency: `gbp`');
  });
});

describe('a yearly price with a monthly meter', () => {
  it('is one subscription: the meter is billed each month, the price once a year', async () => {
    const bought = await buy({ items: [{ price: 'price_year', quantity: 2 }, { price: 'price_calls' }] });
    const startS = bought.start_date;
    const yearly = itemAt(bought, 'price_year');
    const metered = itemAt(bought, 'price_calls');
    expect(iso(yearly.current_period_end)).toBe(iso(monthsAfter(startS, 12)));
    expect(iso(metered.current_period_end)).toBe(iso(monthsAfter(startS, 1)));

    await moveTo(metered.current_period_end - 60);
    await harness.stripe.billing.meterEvents.create({
      event_name: EVENT_NAME,
      timestamp: Math.floor(Date.now() / 1000),
      payload: { stripe_customer_id: bought.customer as string, value: '1001' },
    });
    await moveTo(metered.current_period_end + 3_700);
    const [, second] = await invoicesOf(bought);
    expect(second).toMatchObject({ total: 501, status: 'paid' });
    const now = await again(bought);
    expect(itemAt(now, 'price_year')).toMatchObject({ current_period_end: yearly.current_period_end });
    expect(iso(itemAt(now, 'price_calls').current_period_end)).toBe(iso(monthsAfter(startS, 2)));

    await moveTo(yearly.current_period_end + 3_700);
    const all = await invoicesOf(bought);
    expect(all.map(({ total }) => total)).toEqual([24_000, 501, ...Array(10).fill(0), 24_000]);
    expect(iso(itemAt(await again(bought), 'price_year').current_period_end)).toBe(
      iso(monthsAfter(startS, 24)),
    );
  });
});

describe('an anniversary', () => {
  /** @returns the ends of the periods that a subscription of the 31st goes through */
  async function endsOf(steps: (startS: number) => number[]): Promise<{ ends: string[]; startS: number }> {
    const { now } = await harness.mock.state();
    // The next 31 January, at a time of day that nothing else has.
    const year = now.getUTCFullYear() + 1;
    await moveTo(Date.UTC(year, 0, 31, 13, 14, 15) / 1000);
    const bought = await buy({ items: [{ price: 'price_month', quantity: 1 }] });
    const startS = bought.start_date;
    for (const atS of steps(startS)) await moveTo(atS);
    const invoices = await invoicesOf(bought);
    return { ends: invoices.map(({ lines }) => iso(lines.data[0]?.period.end ?? 0)), startS };
  }

  it('of the 31st is the last day of shorter months and the 31st again, by months and fourteen at once', async () => {
    const fourteen = Array.from({ length: 14 }, (_, i) => i + 1);
    const slow = await endsOf((startS) => fourteen.map((months) => monthsAfter(startS, months) + 60));
    const fast = await endsOf((startS) => [monthsAfter(startS, 14) + 60]);
    for (const { ends, startS } of [slow, fast]) {
      expect(iso(startS)).toMatch(/-01-31T13:14:\d\d/);
      expect(ends).toEqual([...fourteen, 15].map((months) => iso(monthsAfter(startS, months))));
      expect(ends.slice(0, 3).map((end) => end.slice(8, 10))).toEqual([
        expect.stringMatching(/28|29/),
        '31',
        '30',
      ]);
    }
  }, 90_000);
});

describe('a change', () => {
  /** @returns what is left of an item's period, from 0 to 1, at the mock's present second */
  async function leftOf({ current_period_start: startS, current_period_end: endS }: Stripe.SubscriptionItem) {
    const nowS = Math.floor((await harness.mock.state()).now.getTime() / 1000);
    return (endS - nowS) / (endS - startS);
  }

  it('of seats costs their price for the rest of the period, and gives it back', async () => {
    const { stripe, mock } = harness;
    const bought = await buy({ items: [{ price: 'price_month', quantity: 2 }] });
    await mock.advanceClock(10 * DAY_S);
    const item = itemAt(bought, 'price_month');
    const preview = await stripe.invoices.createPreview({
      subscription: bought.id,
      subscription_details: { items: [{ id: item.id, quantity: 5 }], proration_behavior: 'always_invoice' },
    });
    const left = await leftOf(item);
    const expected = Math.round(5 * 1_200 * left) - Math.round(2 * 1_200 * left);
    expect(Math.abs(preview.total - expected)).toBeLessThanOrEqual(1);
    await stripe.subscriptions.update(bought.id, {
      items: [{ id: item.id, quantity: 5 }],
      proration_behavior: 'always_invoice',
    });
    const [, second] = await invoicesOf(bought);
    expect(Math.abs((second?.total ?? 0) - preview.total)).toBeLessThanOrEqual(1);
  });

  it('to a yearly price begins a year now, less the rest of the month', async () => {
    const { stripe, mock } = harness;
    const bought = await buy({ items: [{ price: 'price_month', quantity: 2 }, { price: 'price_calls' }] });
    await mock.advanceClock(10 * DAY_S);
    const item = itemAt(bought, 'price_month');
    const left = await leftOf(item);
    const change = {
      items: [{ id: item.id, price: 'price_year', quantity: 2 }],
      proration_behavior: 'always_invoice' as const,
    };
    const preview = await stripe.invoices.createPreview({
      subscription: bought.id,
      subscription_details: { ...change, billing_cycle_anchor: { type: 'now' } },
    });
    expect(Math.abs(preview.total - (24_000 - Math.round(2_400 * left)))).toBeLessThanOrEqual(1);
    const changed = await stripe.subscriptions.update(bought.id, {
      ...change,
      billing_cycle_anchor: { type: 'now' },
    });
    const [, second] = await invoicesOf(bought);
    expect(Math.abs((second?.total ?? 0) - preview.total)).toBeLessThanOrEqual(1);
    const yearly = itemAt(changed, 'price_year');
    expect(iso(yearly.current_period_end)).toBe(iso(monthsAfter(yearly.current_period_start, 12)));
    expect(iso(itemAt(changed, 'price_calls').current_period_end)).toBe(
      iso(monthsAfter(yearly.current_period_start, 1)),
    );
  });
});

describe('the portal', () => {
  it('offers the prices that are sold in the currency of the subscription, at what they cost in it', async () => {
    const { stripe, mock } = harness;
    const { customer } = await buy({ items: [{ price: 'price_month', quantity: 1 }], currency: 'eur' });
    const { id } = await stripe.billingPortal.sessions.create({ customer: String(customer) });
    const view = await mock.portal.find(id);
    expect(view?.plans.map(({ price }) => [price.id, price.currency, price.unit_amount])).toEqual([
      ['price_year', 'eur', 11_000],
    ]);
  });
});
