import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DAY_S, type Harness, itemOf, openHarness, subscribe } from './support/harness.js';

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness?.close());
beforeEach(async () => {
  await harness.arrived();
});

describe('a change of price', () => {
  it('takes effect at once and waits with its cost for the next invoice', async () => {
    const { stripe } = harness;
    const subscription = await subscribe(harness);
    await harness.arrived();
    const item = itemOf(subscription);
    const updated = await stripe.subscriptions.update(subscription.id, {
      items: [{ id: item.id, price: 'price_enterprise' }],
    });
    expect(itemOf(updated)).toMatchObject({
      id: item.id,
      price: { id: 'price_enterprise' },
      plan: { id: 'price_enterprise' },
      current_period_end: item.current_period_end,
    });
    expect(updated.latest_invoice).toBe(subscription.latest_invoice);
    expect(await harness.arrived()).toEqual(['customer.subscription.updated']);
    const [event] = (await stripe.events.list({ type: 'customer.subscription.updated', limit: 1 })).data;
    expect(event?.data.previous_attributes).toMatchObject({
      items: { data: [{ price: { id: 'price_pro' } }] },
    });
    const next = await stripe.invoices.createPreview({ subscription: subscription.id });
    expect(next.lines.data.map(({ amount }) => amount)).toEqual([-2900, 29_900, 29_900]);
  });

  it('with always_invoice is paid at once; a cheaper price leaves credit that pays later', async () => {
    const { stripe } = harness;
    const subscription = await subscribe(harness);
    const { id } = itemOf(subscription);
    await harness.arrived();
    const dear = await stripe.subscriptions.update(subscription.id, {
      items: [{ id, price: 'price_enterprise' }],
      proration_behavior: 'always_invoice',
      expand: ['latest_invoice'],
    });
    expect(dear.latest_invoice).toMatchObject({
      status: 'paid',
      total: 27_000,
      billing_reason: 'subscription_update',
    });
    expect(await harness.arrived()).toEqual([
      'invoice.finalized',
      'customer.subscription.updated',
      'invoice.payment_succeeded',
      'invoice.paid',
    ]);
    const cheap = await stripe.subscriptions.update(subscription.id, {
      items: [{ id, price: 'price_pro' }],
      proration_behavior: 'always_invoice',
      expand: ['latest_invoice', 'customer'],
    });
    expect(cheap.latest_invoice).toMatchObject({ total: -27_000, amount_due: 0, status: 'paid' });
    expect(cheap.customer).toMatchObject({ balance: -27_000 });
  });

  it('that cannot be paid is refused whole when that is asked for', async () => {
    const { stripe } = harness;
    const subscription = await subscribe(harness);
    await stripe.customers.update(subscription.customer as string, { metadata: { mock_card: 'decline' } });
    await harness.arrived();
    const attempt = stripe.subscriptions.update(subscription.id, {
      items: [{ id: itemOf(subscription).id, price: 'price_enterprise' }],
      proration_behavior: 'always_invoice',
      payment_behavior: 'error_if_incomplete',
    });
    await expect(attempt).rejects.toMatchObject({ type: 'StripeCardError', code: 'card_declined' });
    expect(itemOf(await stripe.subscriptions.retrieve(subscription.id)).price.id).toBe('price_pro');
    expect(await harness.arrived()).toEqual([]);
  });

  it('is previewed without being made', async () => {
    const { stripe } = harness;
    const subscription = await subscribe(harness);
    const preview = await stripe.invoices.createPreview({
      subscription: subscription.id,
      subscription_details: {
        items: [{ id: itemOf(subscription).id, price: 'price_enterprise' }],
        proration_behavior: 'always_invoice',
      },
    });
    expect(preview).toMatchObject({ amount_due: 27_000, status: 'draft' });
    expect(preview.lines.data.every(({ parent }) => parent?.subscription_item_details?.proration)).toBe(true);
    expect(itemOf(await stripe.subscriptions.retrieve(subscription.id)).price.id).toBe('price_pro');
    expect((await stripe.invoices.list({ subscription: subscription.id })).data).toHaveLength(1);
  });

  it('to an item or price that does not exist is refused', async () => {
    const { stripe } = harness;
    const { id } = await subscribe(harness);
    for (const items of [[{ id: 'si_x', price: 'price_pro' }], [{ price: 'price_x' }]]) {
      await expect(stripe.subscriptions.update(id, { items })).rejects.toMatchObject({
        code: 'resource_missing',
      });
    }
  });
});

describe('cancelling', () => {
  it('at the period’s end is planned, can be taken back, and then changes nothing', async () => {
    const { stripe } = harness;
    const subscription = await subscribe(harness);
    const planned = await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true });
    expect(planned).toMatchObject({
      status: 'active',
      cancel_at_period_end: true,
      cancel_at: itemOf(subscription).current_period_end,
      cancellation_details: { reason: 'cancellation_requested' },
    });
    const back = await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: false });
    expect(back).toMatchObject({ cancel_at_period_end: false, cancel_at: null, canceled_at: null });
  });

  it('at a moment, as the portal does, is a date without the flag', async () => {
    const { stripe } = harness;
    const subscription = await subscribe(harness);
    const planned = await stripe.subscriptions.update(subscription.id, { cancel_at: 'min_period_end' });
    expect(planned).toMatchObject({
      cancel_at_period_end: false,
      cancel_at: itemOf(subscription).current_period_end,
    });
    expect(await stripe.subscriptions.update(subscription.id, { cancel_at: '' })).toMatchObject({
      cancel_at: null,
    });
    const both = stripe.subscriptions.update(subscription.id, {
      cancel_at: 'min_period_end',
      cancel_at_period_end: true,
    });
    await expect(both).rejects.toMatchObject({ statusCode: 400 });
  });

  it('at once ends it for good: no second cancel, no change but to metadata', async () => {
    const { stripe } = harness;
    const { id, customer } = await subscribe(harness);
    await harness.arrived();
    const canceled = await stripe.subscriptions.cancel(id, {
      cancellation_details: { feedback: 'too_expensive' },
    });
    expect(canceled).toMatchObject({
      status: 'canceled',
      ended_at: expect.any(Number),
      cancellation_details: { feedback: 'too_expensive', reason: 'cancellation_requested' },
    });
    expect(await harness.arrived()).toEqual(['customer.subscription.deleted']);
    await expect(stripe.subscriptions.cancel(id)).rejects.toMatchObject({ statusCode: 404 });
    await expect(stripe.subscriptions.update(id, { cancel_at_period_end: true })).rejects.toMatchObject({
      statusCode: 400,
    });
    expect((await stripe.subscriptions.update(id, { metadata: { note: 'x' } })).metadata.note).toBe('x');
    const list = (status?: 'all' | 'canceled') =>
      stripe.subscriptions.list({ customer: customer as string, ...(status ? { status } : {}) });
    expect((await list()).data).toHaveLength(0);
    expect((await list('all')).data).toHaveLength(1);
    expect((await list('canceled')).data).toHaveLength(1);
  });
});

describe('creating a subscription', () => {
  it('without a payment method is refused, with a test card it is active', async () => {
    const { stripe } = harness;
    const { id: customer } = await stripe.customers.create({ email: 'api@example.com' });
    const items = [{ price: 'price_pro' }];
    await expect(stripe.subscriptions.create({ customer, items })).rejects.toMatchObject({
      code: 'resource_missing',
    });
    await stripe.customers.update(customer, { invoice_settings: { default_payment_method: 'pm_card_visa' } });
    const subscription = await stripe.subscriptions.create({ customer, items, metadata: { tenant_id: 't' } });
    expect(subscription).toMatchObject({ status: 'active', metadata: { tenant_id: 't' } });
    expect((await stripe.paymentMethods.list({ customer })).data[0]).toMatchObject({
      card: { last4: '4242' },
    });
  });

  it('with a card that fails is incomplete, and given up after 23 hours', async () => {
    const { stripe, mock } = harness;
    const { id: customer } = await stripe.customers.create({
      payment_method: 'pm_card_chargeCustomerFail',
      invoice_settings: { default_payment_method: 'pm_card_chargeCustomerFail' },
    });
    const subscription = await stripe.subscriptions.create({ customer, items: [{ price: 'price_pro' }] });
    expect(subscription.status).toBe('incomplete');
    await mock.advanceClock(23 * 3600 + 60);
    expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('incomplete_expired');
  });

  it('for several items charges them together', async () => {
    const { stripe } = harness;
    const { id: customer } = await stripe.customers.create({});
    const subscription = await stripe.subscriptions.create({
      customer,
      items: [{ price: 'price_pro', quantity: 3 }, { price: 'price_enterprise' }],
      default_payment_method: 'pm_card_visa',
      expand: ['latest_invoice'],
    });
    expect(subscription.latest_invoice).toMatchObject({ total: 3 * 2900 + 29_900 });
    const one = await stripe.subscriptions.update(subscription.id, {
      items: [{ id: itemOf(subscription).id, deleted: true }],
    });
    expect(one.items.data.map(({ price }) => price.id)).toEqual(['price_enterprise']);
  });
});

describe('a paused subscription', () => {
  it('can be resumed, and no other can', async () => {
    const { stripe } = harness;
    const { id } = await subscribe(harness);
    await expect(stripe.subscriptions.resume(id)).rejects.toMatchObject({ statusCode: 400 });
    await stripe.subscriptions.pause(id);
    expect((await stripe.subscriptions.retrieve(id)).status).toBe('paused');
    expect((await stripe.subscriptions.resume(id)).status).toBe('active');
  });
});

describe('a trial', () => {
  it('ended by hand begins the paid cycle at once', async () => {
    const { stripe } = harness;
    const subscription = await subscribe(harness, { subscription_data: { trial_period_days: 30 } });
    const paid = await stripe.subscriptions.update(subscription.id, {
      trial_end: 'now',
      expand: ['latest_invoice'],
    });
    expect(paid).toMatchObject({ status: 'active', latest_invoice: { total: 2900, status: 'paid' } });
    expect(itemOf(paid).current_period_end).toBeGreaterThan(paid.billing_cycle_anchor + 27 * DAY_S);
  });
});
