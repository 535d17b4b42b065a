import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CHECKOUT, clientOf, DAY_S, type Harness, openHarness, subscribe } from './support/harness.js';

let harness: Harness;
beforeEach(async () => {
  harness = await openHarness();
});
afterEach(() => harness?.close());

const until = async (what: () => boolean | Promise<boolean>) => {
  for (let tries = 0; tries < 500; tries += 1) {
    if (await what()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it did not happen within 5 s');
};

describe('an event', () => {
  it('arrives signed, once, at once after the change, in the shape that the API gives', async () => {
    const { stripe, endpoint, mock } = harness;
    const startedMs = performance.now();
    const { id } = await stripe.customers.create({ email: 'e@example.com' });
    await until(() => endpoint.received.length > 0);
    // What is found by looking for it now and then comes after 5 s.
    expect(performance.now() - startedMs).toBeLessThan(3_000);
    await mock.delivered();
    expect(endpoint.forged).toEqual([]);
    const [event] = endpoint.received;
    expect(event).toMatchObject({
      id: expect.stringMatching(/^evt_mock_/),
      object: 'event',
      api_version: '2026-10-28.endive',
      type: 'customer.created',
      data: { object: { id, email: 'e@example.com' } },
      request: { id: expect.stringMatching(/^req_mock_/), idempotency_key: expect.any(String) },
    });
    expect(await stripe.events.retrieve(event?.id ?? '')).toMatchObject({
      type: 'customer.created',
      pending_webhooks: 0,
    });
    expect(endpoint.received).toHaveLength(1);
  });

  it('is kept for 30 days, as are the sessions of pages', async () => {
    const { stripe, mock } = harness;
    const session = await stripe.checkout.sessions.create(CHECKOUT as never);
    const customer = await stripe.customers.create({});
    await mock.delivered();
    const types = async () => (await stripe.events.list()).data.map(({ type }) => type);
    await mock.advanceClock(29 * DAY_S);
    expect(await types()).toContain('customer.created');
    await mock.delivered();
    await mock.advanceClock(2 * DAY_S);
    expect(await types()).not.toContain('customer.created');
    await expect(stripe.checkout.sessions.retrieve(session.id)).rejects.toMatchObject({
      code: 'resource_missing',
    });
    expect((await stripe.customers.retrieve(customer.id)).id).toBe(customer.id);
  });

  it('of a change that failed does not exist', async () => {
    const { stripe } = harness;
    await expect(stripe.customers.create({ payment_method: 'pm_x' })).rejects.toMatchObject({
      statusCode: 400,
    });
    expect((await stripe.events.list()).data).toEqual([]);
  });

  it('that our endpoint refuses comes again until it is taken', async () => {
    const { stripe, endpoint, mock } = harness;
    endpoint.status = 503;
    await stripe.customers.create({});
    await until(async () => {
      const [event] = await harness.database.connection.collection('mock_stripe_events').find().toArray();
      return event?.delivery.lastError === 'HTTP 503';
    });
    expect((await stripe.events.list({ delivery_success: false })).data).toHaveLength(1);
    endpoint.status = 200;
    await mock.delivered();
    expect(endpoint.received.map(({ type }) => type)).toEqual(['customer.created']);
    expect((await stripe.events.list({ delivery_success: false })).data).toHaveLength(0);
    expect((await stripe.events.list({ delivery_success: true })).data).toHaveLength(1);
  });

  it('waits for an endpoint that does not listen yet', async () => {
    const { another, endpoint, mock } = harness;
    await mock.stop();
    let url: string | undefined;
    const early = another({ webhookUrl: () => url });
    await early.start();
    await clientOf(early).customers.create({});
    expect(endpoint.received).toEqual([]);
    url = endpoint.url;
    await until(() => endpoint.received.length === 1);
    await early.stop();
  });

  it('that was not delivered before a stop is delivered after the next start', async () => {
    const { another, endpoint, mock } = harness;
    await mock.stop();
    await clientOf(mock).customers.create({});
    const next = another();
    await next.start();
    await next.delivered();
    expect(endpoint.received).toHaveLength(1);
    await next.stop();
  });

  it('arrives once, however many instances deliver', async () => {
    const { another, endpoint, mock, stripe } = harness;
    const others = [another(), another()];
    for (const other of others) await other.start();
    const clients = [stripe, ...others.map((other) => clientOf(other))];
    await Promise.all(Array.from({ length: 30 }, (_, index) => clients[index % 3]?.customers.create({})));
    await mock.delivered();
    for (const other of others) await other.stop();
    expect(endpoint.received).toHaveLength(30);
    expect(new Set(endpoint.received.map(({ id }) => id)).size).toBe(30);
  });
});

describe('the list of events', () => {
  it('can be asked for types, wildcards and times', async () => {
    const { stripe } = harness;
    await subscribe(harness);
    const list = async (params: object) =>
      (await stripe.events.list(params)).data.map(({ type }) => type).sort();
    expect(await list({ type: 'invoice.*' })).toEqual([
      'invoice.finalized',
      'invoice.paid',
      'invoice.payment_succeeded',
    ]);
    expect(await list({ types: ['customer.created', 'invoice.paid'] })).toEqual([
      'customer.created',
      'invoice.paid',
    ]);
    expect(await list({ created: { gt: Math.floor(Date.now() / 1000) + 60 } })).toEqual([]);
  });
});

describe('webhooks that are disturbed by a seed', () => {
  it('come out of order and twice, and all of them come', async () => {
    const { stripe, endpoint, mock } = harness;
    mock.disturbWebhooks({ seed: 7, delayed: 0.5, duplicated: 0.5 });
    const made: string[] = [];
    for (let i = 0; i < 12; i += 1) made.push((await stripe.customers.create({})).id);
    await mock.delivered();
    const arrived = endpoint.received.map(({ data }) => (data.object as { id: string }).id);
    expect([...new Set(arrived)].sort()).toEqual([...made].sort());
    expect(arrived.length).toBeGreaterThan(made.length);
    expect([...new Set(arrived)]).not.toEqual(made);
  });

  it('are lost, and then only the list of events has them', async () => {
    const { stripe, endpoint, mock } = harness;
    mock.disturbWebhooks({ seed: 7, dropped: 1 });
    await stripe.customers.create({});
    await mock.delivered();
    expect(endpoint.received).toEqual([]);
    expect((await stripe.events.list({ delivery_success: false })).data).toHaveLength(1);
    mock.disturbWebhooks(null);
    await stripe.customers.create({});
    await mock.delivered();
    expect(endpoint.received).toHaveLength(1);
  });
});
