import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKOUT, DAY_S, type Harness, openHarness, subscribe } from './support/harness.js';

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness?.close());

const newCustomer = async () => (await harness.stripe.customers.create({})).id;
const openCheckout = (changes: object) =>
  harness.stripe.checkout.sessions.create({ ...CHECKOUT, customer_email: undefined, ...changes } as never);
const whatComes = async (customer: string) =>
  (await harness.mock.state(customer)).subscriptions[0]?.upcoming.map(({ what }) => what);

describe('the state', () => {
  it('has open checkouts, and no others', async () => {
    const { mock } = harness;
    const customer = await newCustomer();
    const open = await openCheckout({ customer, subscription_data: { trial_period_days: 7 } });
    const paid = await openCheckout({ customer });
    await mock.checkout.complete(paid.id);
    const { checkouts } = await mock.state(customer);
    expect(checkouts).toMatchObject([
      {
        id: open.id,
        customer,
        title: 'Pro',
        amount: 0,
        currency: 'usd',
        trialDays: 7,
        metadata: { tenant_id: 't1' },
      },
    ]);
    await harness.stripe.checkout.sessions.expire(open.id);
    expect((await mock.state(customer)).checkouts).toEqual([]);
  });

  it('says what a subscription does next', async () => {
    const { mock, stripe } = harness;
    const customer = await newCustomer();
    const { id } = await subscribe(harness, { customer, customer_email: undefined });
    expect(await whatComes(customer)).toEqual(['renewal']);
    const [held] = (await mock.state(customer)).subscriptions;
    expect(held).toMatchObject({ id, status: 'active', title: 'pro' });
    expect(held?.upcoming[0]?.at).toEqual(held?.currentPeriodEnd);

    const resumes_at = Math.floor((await mock.now()).getTime() / 1000) + DAY_S;
    await stripe.subscriptions.update(id, { pause_collection: { behavior: 'void', resumes_at } });
    expect(await whatComes(customer)).toEqual(['payments_resume', 'renewal']);
    await stripe.subscriptions.update(id, { pause_collection: '' });
    await stripe.subscriptions.update(id, { cancel_at_period_end: true });
    expect(await whatComes(customer)).toEqual(['cancellation']);
    await stripe.subscriptions.cancel(id);
    expect(await whatComes(customer)).toEqual([]);

    const trialing = await newCustomer();
    await subscribe(harness, {
      customer: trialing,
      customer_email: undefined,
      subscription_data: { trial_period_days: 14 },
    });
    expect(await whatComes(trialing)).toEqual(['trial_will_end', 'trial_end']);
    await mock.advanceClock(12 * DAY_S);
    expect(await whatComes(trialing)).toEqual(['trial_end']);
  });

  it('names a retry of a payment that failed', async () => {
    const customer = await newCustomer();
    await subscribe(harness, { customer, customer_email: undefined });
    await harness.mock.trigger.run('invoice.payment_failed', { customer, items: () => [] });
    expect(await whatComes(customer)).toEqual(['payment_retry', 'renewal']);
  });

  it('has the newest events first, with how far they were delivered', async () => {
    const { mock, stripe, endpoint } = harness;
    const customer = await newCustomer();
    await mock.delivered();
    endpoint.status = 500;
    await stripe.customers.update(customer, { description: 'changed' });
    await expect
      .poll(async () => (await mock.state(customer)).events[0])
      .toMatchObject({
        type: 'customer.updated',
        objectKind: 'customer',
        objectId: customer,
        customer,
        delivery: { state: 'pending', lastError: 'HTTP 500' },
      });
    endpoint.status = 200;
    await mock.delivered();
    const { events } = await mock.state(customer);
    expect(events.map(({ type, delivery }) => [type, delivery.state])).toEqual([
      ['customer.updated', 'delivered'],
      ['customer.created', 'delivered'],
    ]);
    expect(Math.abs(Date.now() - (events[0]?.writtenAt.getTime() ?? 0))).toBeLessThan(30_000);
  });

  it('says how far the clock is ahead', async () => {
    const { mock } = harness;
    const before = await mock.state();
    await mock.advanceClock(3600);
    const after = await mock.state();
    expect(after.aheadMs - before.aheadMs).toBe(3_600_000);
    expect(after.now.getTime() - before.now.getTime()).toBeGreaterThanOrEqual(3_600_000);
    expect(after.isCatchingUp).toBe(false);
  });

  it('is bounded', async () => {
    const customer = await newCustomer();
    await Promise.all(Array.from({ length: 25 }, () => openCheckout({ customer })));
    await Promise.all(Array.from({ length: 105 }, newCustomer));
    const { checkouts, events, subscriptions } = await harness.mock.state();
    expect([checkouts.length, events.length]).toEqual([20, 100]);
    expect(subscriptions.length).toBeLessThanOrEqual(20);
  });
});
