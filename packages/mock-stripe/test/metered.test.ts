import type Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DAY_S, type Harness, itemOf, openHarness, subscribe } from './support/harness.js';

const EVENT_NAME = 'calls';
const HOUR_S = 3_600;

let harness: Harness;
let meter: Stripe.Billing.Meter;
let price: Stripe.Price;

beforeAll(async () => {
  harness = await openHarness();
  meter = await harness.stripe.billing.meters.create({
    display_name: 'Calls',
    event_name: EVENT_NAME,
    default_aggregation: { formula: 'sum' },
  });
  price = await harness.stripe.prices.create(termsOf());
});
afterAll(() => harness?.close());

const termsOf = (changes: object = {}) =>
  ({
    currency: 'usd',
    product_data: { name: 'Calls' },
    unit_amount_decimal: '0.05',
    recurring: { interval: 'month', usage_type: 'metered', meter: meter.id },
    ...changes,
  }) as unknown as Stripe.PriceCreateParams;

let identifiers = 0;
async function use(customer: string, value: number, agoS = 0): Promise<string> {
  const identifier = `event-${++identifiers}`;
  await harness.stripe.billing.meterEvents.create({
    event_name: EVENT_NAME,
    identifier,
    timestamp: Math.floor(Date.now() / 1000) - agoS,
    payload: { stripe_customer_id: customer, value: String(value) },
  });
  return identifier;
}

/** With a licensed and a metered item, and a minute old. */
async function subscriber() {
  const line_items = [{ price: 'price_pro', quantity: 1 }, { price: price.id }];
  const subscription = await subscribe(harness, { line_items });
  await harness.mock.advanceClock(60);
  return { id: subscription.id, customer: subscription.customer as string };
}
const meteredItemOf = async (id: string) => {
  const { items } = await harness.stripe.subscriptions.retrieve(id);
  return items.data.find((item) => item.price.id === price.id) as Stripe.SubscriptionItem;
};
const latestOf = async (subscription: string) =>
  (await harness.stripe.invoices.list({ subscription, limit: 1 })).data[0] as Stripe.Invoice;
const meteredLinesOf = ({ lines }: Stripe.Invoice) =>
  lines.data.filter(({ pricing }) => pricing?.price_details?.price === price.id);
async function toPeriodEnd(id: string, moreS = 0): Promise<void> {
  const { current_period_end: endS } = itemOf(await harness.stripe.subscriptions.retrieve(id));
  await harness.mock.advanceClock(endS - Math.floor((await harness.mock.now()).getTime() / 1000) + moreS);
}

describe('a metered price', () => {
  it('has a meter and a price of a unit with decimals', () => {
    expect(price).toMatchObject({
      unit_amount: null,
      recurring: { usage_type: 'metered', meter: meter.id },
      type: 'recurring',
    });
    expect(String(price.unit_amount_decimal)).toBe('0.05');
  });

  it.each<[string, () => object, string]>([
    [
      'without a meter',
      () => ({ recurring: { interval: 'month', usage_type: 'metered' } }),
      'recurring[meter]',
    ],
    [
      'with a meter that is not there',
      () => ({ recurring: { interval: 'month', usage_type: 'metered', meter: 'mtr_x' } }),
      'recurring[meter]',
    ],
    [
      'that is licensed and has one',
      () => ({ recurring: { interval: 'month', meter: meter.id } }),
      'recurring[meter]',
    ],
    ['without an amount', () => ({ unit_amount_decimal: undefined }), 'unit_amount'],
    ['of 13 decimals', () => ({ unit_amount_decimal: '0.0000000000001' }), 'unit_amount_decimal'],
  ])('%s is refused', async (_, changes, param) => {
    await expect(harness.stripe.prices.create(termsOf(changes()))).rejects.toMatchObject({
      statusCode: 400,
      param,
    });
  });

  it('has no quantity, at checkout, in a subscription and in a schedule', async () => {
    const { stripe } = harness;
    const { id } = await subscriber();
    const item = await meteredItemOf(id);
    expect(item.quantity).toBeUndefined();
    expect(item.plan).toMatchObject({ usage_type: 'metered', meter: meter.id });
    const refusal = { statusCode: 400, message: expect.stringContaining('Quantity should not be specified') };
    const line_items = [{ price: price.id, quantity: 1 }];
    await expect(subscribe(harness, { line_items })).rejects.toMatchObject(refusal);
    const items = [{ id: item.id, quantity: 2 }];
    await expect(stripe.subscriptions.update(id, { items })).rejects.toMatchObject(refusal);
    const schedule = await stripe.subscriptionSchedules.create({ from_subscription: id });
    expect(schedule.phases[0]?.items.map(({ quantity }) => quantity)).toEqual([1, undefined]);
  });

  it('is in a subscription once', async () => {
    const { id } = await subscriber();
    await expect(
      harness.stripe.subscriptions.update(id, { items: [{ price: price.id }] }),
    ).rejects.toMatchObject({ statusCode: 400, param: 'items' });
  });
});

describe('the invoice of a renewal', () => {
  it('has a line with what the meter counted in the period that ended, rounded by the line', async () => {
    const { id, customer } = await subscriber();
    await use(customer, 20);
    await use(customer, 10);
    const taken = await use(customer, 500);
    await harness.stripe.billing.meterEventAdjustments.create({
      event_name: EVENT_NAME,
      type: 'cancel',
      cancel: { identifier: taken },
    });
    await use((await subscriber()).customer, 7_000);
    const preview = await harness.stripe.invoices.createPreview({ subscription: id });
    expect(preview.lines.data.map(({ amount }) => amount)).toEqual([2_900, 2]);
    const { current_period_start: start, current_period_end: end } = await meteredItemOf(id);

    await toPeriodEnd(id, HOUR_S);
    const invoice = await latestOf(id);
    expect(invoice).toMatchObject({ status: 'paid', total: 2_902, billing_reason: 'subscription_cycle' });
    const [line] = meteredLinesOf(invoice);
    expect(line).toMatchObject({
      amount: 2,
      quantity: 30,
      description: '30 × Calls (at $0.0005 each)',
      period: { start, end },
      pricing: { type: 'price_details', price_details: { price: price.id } },
      parent: { type: 'subscription_item_details', subscription_item_details: { proration: false } },
    });
    expect(String(line?.pricing?.unit_amount_decimal)).toBe('0.05');
  });

  it('is a draft for an hour, in which late usage is added and a card is not charged', async () => {
    const { id, customer } = await subscriber();
    await toPeriodEnd(id);
    const draft = await latestOf(id);
    expect(draft).toMatchObject({ status: 'draft', number: null, attempted: false, amount_paid: 0 });
    expect(draft.automatically_finalizes_at).toBe(draft.created + HOUR_S);
    await use(customer, 1_000, 30);
    await harness.mock.advanceClock(HOUR_S);
    const final = await latestOf(id);
    expect(final).toMatchObject({ id: draft.id, status: 'paid', total: 2_950, created: draft.created });
    // What comes now belongs to the next period, or is lost as at Stripe.
    await use(customer, 5_000, 2 * HOUR_S);
    await toPeriodEnd(id, HOUR_S);
    expect(meteredLinesOf(await latestOf(id)).map(({ quantity }) => quantity)).toEqual([0]);
  });

  it('that is declined when it is final makes the subscription past due, and is tried again', async () => {
    const { stripe, mock } = harness;
    const { id, customer } = await subscriber();
    await stripe.customers.update(customer, { metadata: { mock_card: 'decline' } });
    await toPeriodEnd(id);
    expect((await stripe.subscriptions.retrieve(id)).status).toBe('active');
    await mock.advanceClock(HOUR_S);
    expect((await stripe.subscriptions.retrieve(id)).status).toBe('past_due');
    await stripe.customers.update(customer, { metadata: { mock_card: '' } });
    await mock.advanceClock(3 * DAY_S);
    expect((await stripe.subscriptions.retrieve(id)).status).toBe('active');
    expect((await latestOf(id)).status).toBe('paid');
  });

  it('takes a balance and a coupon into account when it is final', async () => {
    const { stripe } = harness;
    const { id, customer } = await subscriber();
    const { id: coupon } = await stripe.coupons.create({ percent_off: 50, duration: 'once' });
    await stripe.subscriptions.update(id, { discounts: [{ coupon }] });
    await stripe.customers.update(customer, { balance: -100 });
    await use(customer, 2_000);
    await toPeriodEnd(id, HOUR_S);
    expect(await latestOf(id)).toMatchObject({ subtotal: 3_000, total: 1_500, amount_paid: 1_400 });
    await toPeriodEnd(id, HOUR_S);
    expect(await latestOf(id)).toMatchObject({ total: 2_900, amount_paid: 2_900 });
  });

  it('of a customer that is gone when it would be final is void', async () => {
    const { id, customer } = await subscriber();
    await toPeriodEnd(id);
    await harness.stripe.customers.del(customer);
    await harness.mock.advanceClock(HOUR_S);
    expect((await latestOf(id)).status).toBe('void');
  });

  it('has nothing of a trial', async () => {
    const subscription = await subscribe(harness, {
      line_items: [{ price: 'price_pro', quantity: 1 }, { price: price.id }],
      subscription_data: { trial_period_days: 7 },
    });
    await use(subscription.customer as string, 4_000);
    await harness.mock.advanceClock(7 * DAY_S + HOUR_S);
    expect(await latestOf(subscription.id)).toMatchObject({ status: 'paid', total: 2_900 });
  });
});

describe('a metered item that goes', () => {
  it('is billed for what was used, with the next invoice, or not at all without prorations', async () => {
    const { stripe } = harness;
    for (const [behavior, amounts] of [
      ['create_prorations', [100, 2_900]],
      ['none', [2_900]],
    ] as const) {
      const { id, customer } = await subscriber();
      await use(customer, 2_000, 5);
      await harness.mock.advanceClock(60);
      const item = await meteredItemOf(id);
      await stripe.subscriptions.update(id, {
        items: [{ id: item.id, deleted: true }],
        proration_behavior: behavior,
      });
      await toPeriodEnd(id, HOUR_S);
      expect((await latestOf(id)).lines.data.map(({ amount }) => amount)).toEqual(amounts);
    }
  });

  it('bills only what is used after it came', async () => {
    const subscription = await subscribe(harness);
    const customer = subscription.customer as string;
    await use(customer, 2_000, 5);
    await harness.mock.advanceClock(60);
    await harness.stripe.subscriptions.update(subscription.id, { items: [{ price: price.id }] });
    await harness.mock.advanceClock(60);
    await use(customer, 100);
    await toPeriodEnd(subscription.id, HOUR_S);
    expect(meteredLinesOf(await latestOf(subscription.id)).map(({ quantity }) => quantity)).toEqual([100]);
  });

  it('with its subscription is billed when the period ends, or at once if asked to', async () => {
    const { stripe, mock } = harness;
    const atEnd = await subscriber();
    await stripe.subscriptions.update(atEnd.id, { cancel_at_period_end: true });
    const now = await subscriber();
    const unbilled = await subscriber();
    for (const { customer } of [atEnd, now, unbilled]) await use(customer, 400, 5);
    await stripe.subscriptions.cancel(now.id, { invoice_now: true });
    await stripe.subscriptions.cancel(unbilled.id);
    await toPeriodEnd(atEnd.id, HOUR_S);
    await mock.advanceClock(HOUR_S);
    for (const { id } of [atEnd, now]) {
      expect(await latestOf(id)).toMatchObject({ status: 'paid', total: 20 });
      expect((await stripe.subscriptions.retrieve(id)).status).toBe('canceled');
    }
    expect((await latestOf(unbilled.id)).total).toBe(2_900);
  });
});
