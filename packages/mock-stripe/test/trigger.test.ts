import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MockStripeError } from '../src/index.js';
import { type Harness, openHarness } from './support/harness.js';

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness?.close());

const metadata = { order: 'o_1' };
const items = () => [{ price: 'price_pro', quantity: 1 }];

describe('a trigger', () => {
  it('sends each event that it names, whatever the customer has', async () => {
    const { mock, stripe } = harness;
    expect(mock.trigger.events.length).toBeGreaterThan(25);
    for (const event of mock.trigger.events) {
      const { id: customer } = await stripe.customers.create({});
      await harness.arrived();
      await mock.trigger.run(event, { customer, items, metadata });
      expect(await harness.arrived()).toContain(event);
    }
  });

  it('says in one sentence what each event means', () => {
    const { events, summaries } = harness.mock.trigger;
    expect(Object.keys(summaries)).toEqual([...events]);
    for (const summary of Object.values(summaries)) expect(summary).toMatch(/^[A-Z].+\.$/);
  });

  it('marks the subscription that it creates with the metadata', async () => {
    const { mock, stripe } = harness;
    const { id: customer } = await stripe.customers.create({});
    await mock.trigger.run('checkout.session.completed', { customer, items, metadata });
    const [subscription] = (await stripe.subscriptions.list({ customer })).data;
    expect(subscription?.metadata).toEqual(metadata);
    expect(subscription?.items.data[0]?.price.id).toBe('price_pro');
  });

  it('asks what to buy only for an event that needs a subscription', async () => {
    const { mock, stripe } = harness;
    const { id: customer } = await stripe.customers.create({});
    const nothing = () => {
      throw new Error('nothing is for sale');
    };
    await mock.trigger.run('customer.updated', { customer, items: nothing });
    const paid = mock.trigger.run('invoice.payment_succeeded', { customer, items: nothing });
    await expect(paid).rejects.toThrow('nothing is for sale');
  });

  it('of an unknown event names the known ones', async () => {
    const { trigger } = harness.mock;
    for (const event of ['invoice.eaten', 'constructor']) {
      const outcome = trigger.run(event, { customer: 'cus_any', items });
      await expect(outcome).rejects.toThrow(/invoice\.payment_failed/);
      await expect(outcome).rejects.toBeInstanceOf(MockStripeError);
    }
  });
});
