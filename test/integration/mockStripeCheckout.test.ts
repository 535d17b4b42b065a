import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHECKOUT, type Harness, itemOf, openHarness } from '../unit/stripe/mock/harness.js';

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness?.close());
beforeEach(async () => {
  await harness.arrived();
});

describe('a checkout', () => {
  it('has no subscription, customer or charge before it is paid', async () => {
    const session = await harness.stripe.checkout.sessions.create(CHECKOUT as never);
    expect(session).toMatchObject({
      object: 'checkout.session',
      status: 'open',
      payment_status: 'unpaid',
      subscription: null,
      customer: null,
      amount_total: 2900,
      url: `https://checkout.stripe.com/mock/${session.id}`,
      metadata: { tenant_id: 't1' },
    });
    expect(session.id).toMatch(/^cs_mock_\w{24}$/);
    expect(session.line_items).toBeUndefined();
    expect(await harness.arrived()).toEqual([]);
  });

  it('makes customer, card, paid invoice and subscription at once when it is paid, and tells in order', async () => {
    const { stripe, mock } = harness;
    const session = await stripe.checkout.sessions.create(CHECKOUT as never);
    const { redirectUrl } = await mock.checkout.complete(session.id);
    expect(redirectUrl).toBe(`https://app.example.com/done?session=${session.id}`);

    const paid = await stripe.checkout.sessions.retrieve(session.id, {
      expand: ['subscription', 'subscription.latest_invoice', 'customer', 'line_items'],
    });
    expect(paid).toMatchObject({ status: 'complete', payment_status: 'paid', url: null });
    expect(paid.customer).toMatchObject({ email: 'ada@example.com', id: expect.stringMatching(/^cus_mock_/) });
    expect(paid.line_items?.data[0]?.price?.id).toBe('price_pro');
    const subscription = paid.subscription as import('stripe').Stripe.Subscription;
    expect(subscription).toMatchObject({
      id: expect.stringMatching(/^sub_mock_/),
      status: 'active',
      metadata: { tenant_id: 't1' },
      billing_mode: { type: 'flexible' },
      latest_invoice: {
        status: 'paid',
        amount_paid: 2900,
        billing_reason: 'subscription_create',
        parent: { subscription_details: { subscription: subscription.id, metadata: { tenant_id: 't1' } } },
      },
    });
    const item = itemOf(subscription);
    expect(item.id).toMatch(/^si_mock_/);
    expect(item.current_period_start).toBe(subscription.created);
    expect(item.current_period_end - item.current_period_start).toBeGreaterThanOrEqual(28 * 86_400);
    expect('current_period_end' in subscription).toBe(false);
    expect(await harness.arrived()).toEqual([
      'customer.created',
      'payment_method.attached',
      'customer.subscription.created',
      'invoice.payment_succeeded',
      'invoice.paid',
      'checkout.session.completed',
    ]);
  });
});
