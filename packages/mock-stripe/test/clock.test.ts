import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CHECKOUT, DAY_S, type Harness, itemOf, openHarness, subscribe } from './support/harness.js';

/** Stands still, so that dates in the tests are exact; signatures are dated by it, too. */
const START_MS = Date.UTC(2027, 0, 31, 12);
let harness: Harness;
const at = (iso: string) => Date.parse(iso) / 1000;
const goTo = async (iso: string) => {
  const { mock } = harness;
  return mock.advanceClock(at(iso) - (await mock.now()).getTime() / 1000);
};

beforeEach(async () => {
  // Nothing listens: these tests read the events from the API.
  harness = await openHarness({ clock: { now: () => START_MS }, webhookUrl: () => undefined });
});
afterEach(() => harness?.close());

async function types(since = 0): Promise<string[]> {
  const { data } = await harness.stripe.events.list({ created: { gt: since }, limit: 100 });
  return data.map(({ type }) => type).reverse();
}

describe('the clock', () => {
  it('keeps its offset in the database, for every instance', async () => {
    const { mock, another } = harness;
    expect(await mock.advanceClock(5 * DAY_S)).toEqual({ now: new Date(START_MS + 5 * DAY_S * 1000) });
    expect(await another().now()).toEqual(new Date(START_MS + 5 * DAY_S * 1000));
    const { created } = await harness.stripe.customers.create({});
    expect(created).toBe(START_MS / 1000 + 5 * DAY_S);
  });

  it('moved by several at once goes as far as all of them together', async () => {
    const { mock, another } = harness;
    await subscribe(harness);
    await Promise.all(
      [mock, another(), mock, another()].map((instance) => instance.advanceClock(20 * DAY_S)),
    );
    expect((await mock.now()).getTime()).toBe(START_MS + 80 * DAY_S * 1000);
    expect((await harness.stripe.invoices.list()).data).toHaveLength(3);
  });

  it('does not go backwards or by fractions', async () => {
    for (const seconds of [-1, 0.5, Number.NaN]) {
      await expect(harness.mock.advanceClock(seconds)).rejects.toThrow(RangeError);
    }
  });
});

describe('a period that ends', () => {
  it('is renewed a calendar month later, short months at their last day, and paid', async () => {
    const { stripe } = harness;
    const { id } = await subscribe(harness);
    expect(itemOf(await stripe.subscriptions.retrieve(id)).current_period_end).toBe(
      at('2027-02-28T12:00:00Z'),
    );
    await goTo('2027-02-28T12:00:00Z');
    const renewed = await stripe.subscriptions.retrieve(id, { expand: ['latest_invoice'] });
    expect(itemOf(renewed)).toMatchObject({
      current_period_start: at('2027-02-28T12:00:00Z'),
      current_period_end: at('2027-03-31T12:00:00Z'),
    });
    expect(renewed.latest_invoice).toMatchObject({
      status: 'paid',
      billing_reason: 'subscription_cycle',
      created: at('2027-02-28T12:00:00Z'),
      total: 2900,
    });
    expect(await types(START_MS / 1000)).toEqual([
      'invoice.finalized',
      'customer.subscription.updated',
      'invoice.payment_succeeded',
      'invoice.paid',
    ]);
    await goTo('2027-05-01T12:00:00Z');
    expect(itemOf(await stripe.subscriptions.retrieve(id)).current_period_end).toBe(
      at('2027-05-31T12:00:00Z'),
    );
    expect((await stripe.invoices.list({ subscription: id })).data).toHaveLength(4);
  });

  it('of several subscriptions is renewed in the order of time', async () => {
    const { mock, stripe } = harness;
    const first = await subscribe(harness);
    await mock.advanceClock(DAY_S * 10);
    const second = await subscribe(harness);
    await mock.advanceClock(DAY_S * 60);
    const invoices = await stripe.invoices.list({ limit: 100 });
    const cycles = invoices.data
      .filter(({ billing_reason: reason }) => reason === 'subscription_cycle')
      .reverse();
    expect(cycles.map(({ parent }) => parent?.subscription_details?.subscription)).toEqual([
      first.id,
      second.id,
      first.id,
      second.id,
    ]);
  });

  it('adds what a change of price left to pay', async () => {
    const { stripe } = harness;
    const subscription = await subscribe(harness);
    await goTo('2027-02-14T12:00:00Z');
    const { id } = itemOf(subscription);
    await stripe.subscriptions.update(subscription.id, { items: [{ id, price: 'price_enterprise' }] });
    await goTo('2027-03-01T00:00:00Z');
    const renewed = await stripe.subscriptions.retrieve(subscription.id, { expand: ['latest_invoice'] });
    expect(renewed.latest_invoice).toMatchObject({ total: -1450 + 14_950 + 29_900, status: 'paid' });
  });
});

describe('an end that was planned', () => {
  it.each([
    ['cancel_at_period_end', { cancel_at_period_end: true }],
    ['cancel_at', { cancel_at: at('2027-02-10T00:00:00Z') }],
  ])('by %s comes when it is due, without another invoice', async (_how, plan) => {
    const { stripe } = harness;
    const { id } = await subscribe(harness);
    const { cancel_at: end } = await stripe.subscriptions.update(id, plan);
    await goTo('2027-03-10T00:00:00Z');
    const ended = await stripe.subscriptions.retrieve(id);
    expect(ended).toMatchObject({ status: 'canceled', ended_at: end });
    expect((await stripe.invoices.list({ subscription: id })).data).toHaveLength(1);
    const [event] = (await stripe.events.list({ type: 'customer.subscription.deleted' })).data;
    expect(event?.created).toBe(end);
  });
});

describe('a payment that fails', () => {
  const fail = (customer: string) =>
    harness.stripe.customers.update(customer, { metadata: { mock_card: 'decline' } });

  it('makes the subscription past due, is tried again after 3, 5 and 7 days, and then ends it', async () => {
    const { stripe } = harness;
    const { id, customer } = await subscribe(harness);
    await fail(customer as string);
    await goTo('2027-02-28T12:00:00Z');
    const behind = await stripe.subscriptions.retrieve(id, { expand: ['latest_invoice'] });
    expect(behind).toMatchObject({
      status: 'past_due',
      latest_invoice: { status: 'open', attempt_count: 1, next_payment_attempt: at('2027-03-03T12:00:00Z') },
    });
    await goTo('2027-04-15T00:00:00Z');
    const ended = await stripe.subscriptions.retrieve(id, { expand: ['latest_invoice'] });
    expect(ended).toMatchObject({
      status: 'canceled',
      ended_at: at('2027-03-15T12:00:00Z'),
      cancellation_details: { reason: 'payment_failed' },
      latest_invoice: { status: 'open', attempt_count: 4, next_payment_attempt: null },
    });
    expect(await types(START_MS / 1000)).toEqual([
      'invoice.finalized',
      'customer.subscription.updated',
      'invoice.payment_failed',
      'invoice.payment_failed',
      'invoice.payment_failed',
      'invoice.payment_failed',
      'customer.subscription.deleted',
    ]);
  });

  it('is forgotten once a retry is paid', async () => {
    const { stripe, mock } = harness;
    const { id, customer } = await subscribe(harness);
    await fail(customer as string);
    await goTo('2027-03-01T00:00:00Z');
    await stripe.customers.update(customer as string, { metadata: { mock_card: '' } });
    await mock.advanceClock(3 * DAY_S);
    const paid = await stripe.subscriptions.retrieve(id, { expand: ['latest_invoice'] });
    expect(paid).toMatchObject({ status: 'active', latest_invoice: { status: 'paid', attempt_count: 2 } });
    expect(await types(at('2027-03-02T00:00:00Z'))).toEqual([
      'customer.subscription.updated',
      'invoice.payment_succeeded',
      'invoice.paid',
    ]);
  });

  it('can be made good by paying the invoice', async () => {
    const { stripe } = harness;
    const { id, customer } = await subscribe(harness);
    await fail(customer as string);
    await goTo('2027-03-01T00:00:00Z');
    const { latest_invoice: invoice } = await stripe.subscriptions.retrieve(id);
    await expect(stripe.invoices.pay(invoice as string)).rejects.toMatchObject({ type: 'StripeCardError' });
    await stripe.customers.update(customer as string, { metadata: { mock_card: '' } });
    expect((await stripe.invoices.pay(invoice as string)).status).toBe('paid');
    expect((await stripe.subscriptions.retrieve(id)).status).toBe('active');
  });
});

describe('a subscription that is behind', () => {
  it('is active again once a newer invoice is paid, and is not tried again', async () => {
    const { stripe } = harness;
    const subscription = await subscribe(harness);
    const customer = subscription.customer as string;
    await stripe.customers.update(customer, { metadata: { mock_card: 'decline' } });
    await goTo('2027-03-01T00:00:00Z');
    await stripe.customers.update(customer, { metadata: { mock_card: '' } });
    const upgraded = await stripe.subscriptions.update(subscription.id, {
      items: [{ id: itemOf(subscription).id, price: 'price_enterprise' }],
      proration_behavior: 'always_invoice',
    });
    expect(upgraded.status).toBe('active');
    await goTo('2027-03-30T00:00:00Z');
    expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('active');
    expect((await stripe.invoices.list({ subscription: subscription.id })).data).toHaveLength(3);
  });
});

describe('a trial that ends', () => {
  it('becomes a paid period', async () => {
    const { stripe } = harness;
    const { id } = await subscribe(harness, { subscription_data: { trial_period_days: 14 } });
    await goTo('2027-02-15T00:00:00Z');
    const paid = await stripe.subscriptions.retrieve(id, { expand: ['latest_invoice'] });
    expect(paid).toMatchObject({ status: 'active', latest_invoice: { total: 2900, status: 'paid' } });
    expect(itemOf(paid)).toMatchObject({
      current_period_start: at('2027-02-14T12:00:00Z'),
      current_period_end: at('2027-03-14T12:00:00Z'),
    });
  });

  it.each([
    ['cancel', 'canceled'],
    ['pause', 'paused'],
    ['create_invoice', 'past_due'],
  ] as const)('without a card does what it was told: %s', async (missing, status) => {
    const { stripe, mock } = harness;
    const { id: customer } = await stripe.customers.create({});
    const { id } = await stripe.subscriptions.create({
      customer,
      items: [{ price: 'price_pro' }],
      trial_period_days: 7,
      trial_settings: { end_behavior: { missing_payment_method: missing } },
    });
    await mock.advanceClock(7 * DAY_S);
    expect((await stripe.subscriptions.retrieve(id)).status).toBe(status);
  });
});

describe('payments that are paused', () => {
  const inDays = async (days: number) =>
    Math.floor((await harness.mock.now()).getTime() / 1000) + days * DAY_S;
  const statusesOf = async (subscription: string) =>
    (await harness.stripe.invoices.list({ subscription, limit: 100 })).data.map(({ status }) => status);

  it.each([
    ['void', 'void'],
    ['mark_uncollectible', 'uncollectible'],
    ['keep_as_draft', 'draft'],
  ] as const)(
    'leave new invoices %s until their date, and are collected from then on',
    async (behavior, status) => {
      const { stripe, mock } = harness;
      const { id } = await subscribe(harness);
      const resumes_at = await inDays(400);
      await stripe.subscriptions.update(id, { pause_collection: { behavior, resumes_at } });
      await mock.advanceClock(399 * DAY_S);
      const paused = await stripe.subscriptions.retrieve(id);
      expect(paused).toMatchObject({ status: 'active', pause_collection: { behavior, resumes_at } });
      expect(await statusesOf(id)).toEqual([...Array(13).fill(status), 'paid']);
      await mock.advanceClock(2 * DAY_S);
      const resumed = await stripe.subscriptions.retrieve(id);
      expect(resumed).toMatchObject({ status: 'active', pause_collection: null });
      expect(await statusesOf(id)).toHaveLength(14);
      const { data } = await stripe.events.list({ type: 'customer.subscription.updated', limit: 1 });
      expect(data[0]).toMatchObject({
        created: resumes_at,
        data: { previous_attributes: { pause_collection: { behavior, resumes_at } } },
      });
      await mock.advanceClock(30 * DAY_S);
      expect(await statusesOf(id)).toEqual(['paid', ...Array(13).fill(status), 'paid']);
    },
  );

  it('end in one jump of the clock as day by day', async () => {
    const { stripe, mock } = harness;
    const one = await subscribe(harness);
    const resumes_at = await inDays(70);
    await stripe.subscriptions.update(one.id, { pause_collection: { behavior: 'void', resumes_at } });
    await mock.advanceClock(130 * DAY_S);
    // Periods begin on 31 January (paid), 28 February, 31 March; 11 April is the date; then 30 April, 31 May.
    expect(await statusesOf(one.id)).toEqual(['paid', 'paid', 'void', 'void', 'paid']);
    const { data } = await stripe.invoices.list({ subscription: one.id });
    expect(data.map(({ amount_due: due, amount_paid: paid }) => [due, paid])).toEqual([
      [2_900, 2_900],
      [2_900, 2_900],
      [2_900, 0],
      [2_900, 0],
      [2_900, 2_900],
    ]);
  });

  it('use up nothing of the credit of a customer', async () => {
    const { stripe, mock } = harness;
    const { id, customer } = await subscribe(harness);
    await stripe.customers.update(customer as string, { balance: -5_000 });
    const resumes_at = await inDays(40);
    await stripe.subscriptions.update(id, { pause_collection: { behavior: 'void', resumes_at } });
    await mock.advanceClock(45 * DAY_S);
    expect(await stripe.customers.retrieve(customer as string)).toMatchObject({ balance: -5_000 });
    await mock.advanceClock(30 * DAY_S);
    expect(await stripe.customers.retrieve(customer as string)).toMatchObject({ balance: -2_100 });
  });

  it('are collected again when the pause is removed, and invoices from before it are tried all the time', async () => {
    const { stripe, mock } = harness;
    const { id, customer } = await subscribe(harness);
    await stripe.customers.update(customer as string, { metadata: { mock_card: 'decline' } });
    await mock.advanceClock(29 * DAY_S);
    await stripe.subscriptions.update(id, { pause_collection: { behavior: 'void' } });
    expect((await stripe.subscriptions.retrieve(id)).status).toBe('past_due');
    await stripe.customers.update(customer as string, { metadata: { mock_card: '' } });
    await mock.advanceClock(4 * DAY_S);
    expect((await stripe.subscriptions.retrieve(id)).status).toBe('active');
    expect(await statusesOf(id)).toEqual(['paid', 'paid']);
    await mock.advanceClock(30 * DAY_S);
    expect(await statusesOf(id)).toEqual(['void', 'paid', 'paid']);
    const resumed = await stripe.subscriptions.update(id, { pause_collection: '' });
    expect(resumed.pause_collection).toBeNull();
    await mock.advanceClock(30 * DAY_S);
    expect(await statusesOf(id)).toEqual(['paid', 'void', 'paid', 'paid']);
  });

  it('must be given a known behavior and a date that is to come, of a subscription that goes on', async () => {
    const { stripe } = harness;
    const { id } = await subscribe(harness);
    const pausing = (pause_collection: Record<string, unknown>) =>
      stripe.subscriptions.update(id, { pause_collection } as never);
    await expect(pausing({ behavior: 'void', resumes_at: 1 })).rejects.toThrow('in the future');
    await expect(pausing({ behavior: 'forgive' })).rejects.toThrow('pause_collection');
    await expect(pausing({ resumes_at: await inDays(1) })).rejects.toThrow('pause_collection');
    expect((await stripe.subscriptions.retrieve(id)).pause_collection).toBeNull();
    await stripe.subscriptions.cancel(id);
    await expect(pausing({ behavior: 'void' })).rejects.toThrow('canceled');
  });
});

describe('a trial that is given another end', () => {
  it('ends at most two years after the present one, and in the future', async () => {
    const { stripe, mock } = harness;
    const { id } = await subscribe(harness);
    const nowS = Math.floor((await mock.now()).getTime() / 1000);
    const { trial_end: end } = await stripe.subscriptions.update(id, { trial_end: nowS + 10 * DAY_S });
    const prolong = (trial_end: number) => stripe.subscriptions.update(id, { trial_end });
    await expect(prolong(nowS)).rejects.toThrow('in the future');
    await expect(prolong((end ?? 0) + 730 * DAY_S + 1)).rejects.toThrow('two years');
    expect((await stripe.subscriptions.retrieve(id)).trial_end).toBe(nowS + 10 * DAY_S);
    await prolong((end ?? 0) + 730 * DAY_S);
    await mock.advanceClock(739 * DAY_S);
    expect((await stripe.subscriptions.retrieve(id)).status).toBe('trialing');
    await mock.advanceClock(2 * DAY_S);
    expect((await stripe.subscriptions.retrieve(id)).status).toBe('active');
    const { data } = await stripe.events.list({ type: 'customer.subscription.trial_will_end' });
    expect(data.map(({ created }) => created)).toEqual([nowS + 737 * DAY_S]);
  });
});

describe('a session that nobody pays', () => {
  it('expires after 24 hours, and cannot be completed any more', async () => {
    const { stripe, mock } = harness;
    const { id } = await stripe.checkout.sessions.create(CHECKOUT as never);
    await mock.advanceClock(DAY_S);
    expect((await stripe.checkout.sessions.retrieve(id)).status).toBe('expired');
    await expect(mock.checkout.complete(id)).rejects.toThrow('expired');
    expect(await types()).toContain('checkout.session.expired');
  });
});
