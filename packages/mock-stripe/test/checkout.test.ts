import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHECKOUT, type Harness, itemOf, openHarness } from './support/harness.js';

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
    expect(paid.customer).toMatchObject({
      email: 'ada@example.com',
      id: expect.stringMatching(/^cus_mock_/),
    });
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
      'invoice.finalized',
      'customer.subscription.created',
      'invoice.payment_succeeded',
      'invoice.paid',
      'checkout.session.completed',
    ]);
  });
});

describe('completing', () => {
  it('twice, or at the same time on two instances, makes one subscription', async () => {
    const { stripe, mock, another } = harness;
    const customer = await stripe.customers.create({ email: 'twice@example.com' });
    const { customer_email: _email, ...rest } = CHECKOUT;
    const session = await stripe.checkout.sessions.create({ ...rest, customer: customer.id } as never);
    const other = another();
    const attempts = [mock, other, mock, other].map(({ checkout }) => checkout.complete(session.id));
    const redirects = new Set((await Promise.all(attempts)).map(({ redirectUrl }) => redirectUrl));
    await mock.checkout.complete(session.id);
    expect(redirects.size).toBe(1);
    expect((await stripe.subscriptions.list({ customer: customer.id, status: 'all' })).data).toHaveLength(1);
    expect((await stripe.invoices.list({ customer: customer.id })).data).toHaveLength(1);
    const types = await harness.arrived();
    expect(types.filter((type) => type === 'checkout.session.completed')).toHaveLength(1);
  });

  it('an expired session is refused and changes nothing', async () => {
    const { stripe, mock } = harness;
    const session = await stripe.checkout.sessions.create(CHECKOUT as never);
    expect((await stripe.checkout.sessions.expire(session.id)).status).toBe('expired');
    await expect(mock.checkout.complete(session.id)).rejects.toThrow('expired');
    await expect(mock.checkout.decline(session.id)).rejects.toThrow('expired');
    expect(await harness.arrived()).toEqual(['checkout.session.expired']);
  });

  it('of an unknown session is refused, and finding it gives null', async () => {
    const { mock } = harness;
    await expect(mock.checkout.complete('cs_mock_none')).rejects.toMatchObject({ status: 404 });
    expect(await mock.checkout.find('cs_mock_none')).toBeNull();
  });

  it('with a trial starts a subscription that is trialing, with an invoice of nothing', async () => {
    const { stripe, mock } = harness;
    const session = await stripe.checkout.sessions.create({
      ...CHECKOUT,
      subscription_data: { metadata: { tenant_id: 't2' }, trial_period_days: 14 },
    } as never);
    await mock.checkout.complete(session.id);
    const paid = await stripe.checkout.sessions.retrieve(session.id, {
      expand: ['subscription.latest_invoice'],
    });
    const subscription = paid.subscription as import('stripe').Stripe.Subscription;
    expect(subscription.status).toBe('trialing');
    expect(subscription.trial_end).toBe(subscription.created + 14 * 86_400);
    expect(itemOf(subscription).current_period_end).toBe(subscription.trial_end);
    expect(subscription.latest_invoice).toMatchObject({ status: 'paid', total: 0 });
  });

  it.each([
    [{ trial_period_days: 14 }, 0],
    [{}, 1],
  ])('asks for a card only where something is due, if told so', async (terms, cards) => {
    const { stripe, mock } = harness;
    const session = await stripe.checkout.sessions.create({
      ...CHECKOUT,
      payment_method_collection: 'if_required',
      subscription_data: terms,
    } as never);
    await mock.checkout.complete(session.id);
    const { customer } = await stripe.checkout.sessions.retrieve(session.id);
    expect((await stripe.customers.listPaymentMethods(customer as string)).data).toHaveLength(cards);
  });
});

describe('a customer whose card is refused', () => {
  it('cannot complete: the session stays open and nothing is made', async () => {
    const { stripe, mock } = harness;
    const customer = await stripe.customers.create({ metadata: { mock_card: 'decline' } });
    const { customer_email: _email, ...rest } = CHECKOUT;
    const session = await stripe.checkout.sessions.create({ ...rest, customer: customer.id } as never);
    await harness.arrived();
    await expect(mock.checkout.complete(session.id)).rejects.toMatchObject({ status: 402 });
    expect((await stripe.checkout.sessions.retrieve(session.id)).status).toBe('open');
    expect((await stripe.subscriptions.list({ customer: customer.id, status: 'all' })).data).toEqual([]);
    expect(await harness.arrived()).toEqual([]);
  });
});

describe('declining', () => {
  it('leads to the cancel url and leaves the session open, to be completed later', async () => {
    const { stripe, mock } = harness;
    const session = await stripe.checkout.sessions.create(CHECKOUT as never);
    expect(await mock.checkout.decline(session.id)).toEqual({ redirectUrl: 'https://app.example.com/plans' });
    expect((await stripe.checkout.sessions.retrieve(session.id)).status).toBe('open');
    await mock.checkout.complete(session.id);
    await expect(mock.checkout.decline(session.id)).rejects.toThrow('complete');
  });
});

describe('creating a session', () => {
  it.each([
    ['without a mode', { mode: undefined }, 'parameter_missing', 'mode'],
    ['without line items', { line_items: undefined }, 'parameter_missing', 'line_items'],
    ['without a success url', { success_url: undefined }, 'parameter_missing', 'success_url'],
    [
      'with an unknown price',
      { line_items: [{ price: 'price_x' }] },
      'resource_missing',
      'line_items[0][price]',
    ],
    [
      'with an unknown customer',
      { customer: 'cus_x', customer_email: undefined },
      'resource_missing',
      'customer',
    ],
    ['with a success url that is none', { success_url: 'javascript:alert(1)' }, 'url_invalid', 'success_url'],
    ['with an address that is none', { customer_email: 'ada' }, 'email_invalid', 'customer_email'],
    ['with an unknown parameter', { colour: 'red' }, 'parameter_unknown', 'colour'],
  ])('%s is refused, and the parameter is named', async (_case, changes, code, param) => {
    const attempt = harness.stripe.checkout.sessions.create({ ...CHECKOUT, ...changes } as never);
    await expect(attempt).rejects.toMatchObject({
      type: 'StripeInvalidRequestError',
      statusCode: 400,
      code,
      param,
    });
  });

  it('to expire in less than half an hour or more than a day is refused', async () => {
    const { stripe, mock } = harness;
    const nowS = Math.floor((await mock.now()).getTime() / 1000);
    for (const expiresAt of [nowS + 60, nowS + 90_000]) {
      const attempt = stripe.checkout.sessions.create({ ...CHECKOUT, expires_at: expiresAt } as never);
      await expect(attempt).rejects.toMatchObject({ param: 'expires_at' });
    }
  });
});
