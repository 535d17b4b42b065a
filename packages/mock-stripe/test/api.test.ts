import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKOUT, clientOf, type Harness, openHarness, PRICES, subscribe } from './support/harness.js';

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness?.close());

/** With the fetch client `lastResponse` is the Response itself. */
const replayed = (answer: { lastResponse: unknown }) =>
  (answer.lastResponse as Response).headers.get('idempotent-replayed');

describe('a request', () => {
  it('with a key that is not for test mode is answered 401', async () => {
    const attempt = clientOf(harness.mock, 'sk_live_abc').customers.list();
    await expect(attempt).rejects.toMatchObject({ type: 'StripeAuthenticationError', statusCode: 401 });
    const bare = await harness.mock.fetch('https://api.stripe.com/v1/customers');
    expect(bare.status).toBe(401);
  });

  it('to a path that nobody knows is answered 404 with the path', async () => {
    const attempt = harness.stripe.rawRequest('GET', '/v1/unicorns');
    await expect(attempt).rejects.toMatchObject({
      statusCode: 404,
      message: expect.stringContaining('/v1/unicorns'),
    });
  });

  it('for the account is answered with the same one at every start, and with another one on another database', async () => {
    const accountOf = async ({ mock }: Harness) => (await clientOf(mock).accounts.retrieveCurrent()).id;
    const id = await accountOf(harness);
    expect(id).toMatch(/^acct_/);
    const again = harness.another();
    await again.start();
    expect((await clientOf(again).accounts.retrieveCurrent()).id).toBe(id);
    await again.stop();
    const other = await openHarness();
    expect(await accountOf(other)).not.toBe(id);
    await other.close();
  });

  it('carries an id in its answer, good or bad', async () => {
    const { stripe } = harness;
    const customer = await stripe.customers.create({ email: 'a@example.com' });
    expect(customer.lastResponse.requestId).toMatch(/^req_mock_/);
    await expect(stripe.customers.retrieve('cus_x')).rejects.toMatchObject({
      requestId: expect.stringMatching(/^req_mock_/),
      statusCode: 404,
      code: 'resource_missing',
      message: "No such customer: 'cus_x'",
    });
  });

  it('may not reach an object under the route of another kind', async () => {
    const { id } = await harness.stripe.customers.create({});
    await expect(harness.stripe.subscriptions.retrieve(id)).rejects.toMatchObject({
      code: 'resource_missing',
    });
  });

  it.each([
    ['__proto__[a]'],
    ['metadata[__proto__]'],
    ['metadata[constructor][prototype]'],
    ['a[b'],
    ['metadata[a]b'],
  ])('with the field name %s is refused', async (name) => {
    const response = await harness.mock.fetch('https://api.stripe.com/v1/customers', {
      method: 'POST',
      headers: { authorization: 'Bearer sk_test_mock', 'content-type': 'application/x-www-form-urlencoded' },
      body: `${encodeURIComponent(name)}=1`,
    });
    expect(response.status).toBe(400);
  });
});

describe('an idempotency key', () => {
  it('with the same parameters gets the first answer again, and nothing is done twice', async () => {
    const { stripe } = harness;
    const create = () => stripe.customers.create({ email: 'same@example.com' }, { idempotencyKey: 'key-1' });
    const first = await create();
    const second = await create();
    expect(second.id).toBe(first.id);
    expect(replayed(first)).toBeNull();
    expect(replayed(second)).toBe('true');
    expect((await stripe.customers.list({ email: 'same@example.com' })).data).toHaveLength(1);
  });

  it('with other parameters is refused', async () => {
    const { stripe } = harness;
    await stripe.customers.create({ email: 'b@example.com' }, { idempotencyKey: 'key-2' });
    const other = stripe.customers.create({ email: 'c@example.com' }, { idempotencyKey: 'key-2' });
    await expect(other).rejects.toMatchObject({ type: 'StripeIdempotencyError', statusCode: 400 });
  });

  it('used at the same time on two instances is executed once', async () => {
    const clients = [harness.stripe, clientOf(harness.another())];
    const attempts = Array.from({ length: 12 }, (_, index) =>
      clients[index % 2]?.customers.create({ email: 'storm@example.com' }, { idempotencyKey: 'key-3' }),
    );
    const ids = new Set((await Promise.all(attempts)).map((customer) => customer?.id));
    expect(ids.size).toBe(1);
    expect((await harness.stripe.customers.list({ email: 'storm@example.com' })).data).toHaveLength(1);
  });

  it('of a request that was refused may be used again', async () => {
    const { stripe } = harness;
    const options = { idempotencyKey: 'key-4' };
    await expect(stripe.customers.create({ email: 'nobody' }, options)).rejects.toMatchObject({
      statusCode: 400,
    });
    expect((await stripe.customers.create({ email: 'd@example.com' }, options)).email).toBe('d@example.com');
  });
});

describe('a list', () => {
  it('is newest first and can be walked in both directions without gaps', async () => {
    const { stripe } = harness;
    const email = 'walk@example.com';
    const made: string[] = [];
    for (let index = 0; index < 7; index += 1) made.unshift((await stripe.customers.create({ email })).id);
    const first = await stripe.customers.list({ email, limit: 3 });
    expect(first).toMatchObject({ object: 'list', url: '/v1/customers', has_more: true });
    expect(first.data.map(({ id }) => id)).toEqual(made.slice(0, 3));
    const walked: string[] = [];
    for await (const { id } of stripe.customers.list({ email, limit: 3 })) walked.push(id);
    expect(walked).toEqual(made);
    const back = await stripe.customers.list({ email, limit: 3, ending_before: made[4] as string });
    expect(back.data.map(({ id }) => id)).toEqual(made.slice(1, 4));
    expect(back.has_more).toBe(true);
  });

  it.each([[0], [101]])('of %i is refused', async (limit) => {
    await expect(harness.stripe.customers.list({ limit })).rejects.toMatchObject({ param: 'limit' });
  });

  it('after an object that does not exist is refused', async () => {
    const attempt = harness.stripe.customers.list({ starting_after: 'cus_none' });
    await expect(attempt).rejects.toMatchObject({ code: 'resource_missing', param: 'starting_after' });
  });
});

describe('expand', () => {
  it('of something that cannot be expanded is refused', async () => {
    const { id } = await harness.stripe.customers.create({});
    const attempt = harness.stripe.customers.retrieve(id, { expand: ['unicorn'] });
    await expect(attempt).rejects.toMatchObject({ statusCode: 400 });
  });

  it('reaches into lists and items', async () => {
    const { id, customer } = await subscribe(harness);
    const { data } = await harness.stripe.subscriptions.list({
      customer: customer as string,
      expand: ['data.customer', 'data.latest_invoice', 'data.items.data.price'],
    });
    expect(data[0]?.id).toBe(id);
    expect(data[0]?.customer).toMatchObject({ object: 'customer', id: customer });
    expect(data[0]?.latest_invoice).toMatchObject({ object: 'invoice' });
    expect(data[0]?.items.data[0]?.price.id).toBe('price_pro');
  });
});

describe('customers', () => {
  it('keep their metadata by key: set, kept, removed', async () => {
    const { stripe } = harness;
    const { id } = await stripe.customers.create({ metadata: { tenant_id: 't', 'a.b$c': '1' } });
    const updated = await stripe.customers.update(id, { metadata: { 'a.b$c': '', more: 2 }, name: 'Ada' });
    expect(updated).toMatchObject({ name: 'Ada', metadata: { tenant_id: 't', more: '2' } });
    expect(Object.keys(updated.metadata)).toHaveLength(2);
  });

  it('when deleted end their subscriptions, leave the lists and answer as deleted', async () => {
    const { stripe } = harness;
    const subscription = await subscribe(harness);
    const id = subscription.customer as string;
    expect(await stripe.customers.del(id)).toMatchObject({ id, deleted: true });
    expect(await stripe.customers.retrieve(id)).toMatchObject({ id, deleted: true });
    expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('canceled');
    await expect(stripe.customers.update(id, { name: 'x' })).rejects.toMatchObject({ statusCode: 404 });
    const all = await stripe.customers.list({ limit: 100 });
    expect(all.data.map((customer) => customer.id)).not.toContain(id);
  });
});

describe('prices', () => {
  it('of the catalogue are there from the start, once, however many instances start', async () => {
    const others = [harness.another(), harness.another()];
    await Promise.all(others.map((mock) => mock.start()));
    await Promise.all(others.map((mock) => mock.stop()));
    const { data } = await harness.stripe.prices.list({ active: true, limit: 100 });
    expect(data.filter(({ id }) => PRICES.some((price) => price.id === id))).toHaveLength(2);
    expect(await harness.stripe.prices.retrieve('price_pro', { expand: ['product'] })).toMatchObject({
      unit_amount: 2900,
      currency: 'usd',
      recurring: { interval: 'month', interval_count: 1 },
      metadata: { tier: 'PRO' },
      product: { name: 'Pro' },
    });
  });

  it('are brought up to date when a start passes others', async () => {
    const dearer = PRICES.map((price) => ({ ...price, unitAmount: String(Number(price.unitAmount) + 100) }));
    const changed = harness.another({ prices: dearer });
    await changed.start();
    await changed.stop();
    expect((await harness.stripe.prices.retrieve('price_pro')).unit_amount).toBe(3000);
    const restored = harness.another();
    await restored.start();
    await restored.stop();
  });

  it('can be found by lookup key', async () => {
    const { stripe } = harness;
    const created = await stripe.prices.create({
      currency: 'eur',
      unit_amount: 990,
      recurring: { interval: 'year' },
      product_data: { name: 'Yearly' },
      lookup_key: 'yearly',
    });
    const { data } = await stripe.prices.list({ lookup_keys: ['yearly'] });
    expect(data.map(({ id }) => id)).toEqual([created.id]);
    expect(created.unit_amount_decimal?.toString()).toBe('990');
  });
});

describe('a failure that a test asks for', () => {
  it.each([
    ['card_declined', 'StripeCardError', 402],
    ['rate_limit', 'StripeRateLimitError', 429],
    ['server_error', 'StripeAPIError', 500],
    ['connection', 'StripeConnectionError', undefined],
  ] as const)(
    '%s reaches the caller as the SDK reports it, and only as often as asked',
    async (kind, type, status) => {
      const { stripe, mock } = harness;
      mock.failNext({ kind, method: 'POST', path: '/v1/customers' });
      await stripe.prices.list();
      const attempt = stripe.customers.create({});
      await expect(attempt).rejects.toMatchObject({ type, ...(status ? { statusCode: status } : {}) });
      await stripe.customers.create({});
    },
  );

  it('after the work is done leaves one object behind, which a repeat with the same key finds', async () => {
    const { stripe, mock } = harness;
    const email = 'lost@example.com';
    mock.failNext({ kind: 'server_error', phase: 'after', path: '/v1/customers' });
    const create = () => stripe.customers.create({ email }, { idempotencyKey: 'key-lost' });
    await expect(create()).rejects.toMatchObject({ statusCode: 500 });
    const { id } = await create();
    expect((await stripe.customers.list({ email })).data.map((customer) => customer.id)).toEqual([id]);
  });

  it('of time: a slow answer is given up by the caller, and the same request again finds what was done', async () => {
    const { stripe, mock } = harness;
    mock.failNext({ kind: 'slow', delayMs: 2_000, path: '/v1/customers' });
    const create = (timeout: number) =>
      stripe.customers.create({ email: 'slow@example.com' }, { idempotencyKey: 'key-slow', timeout });
    await expect(create(500)).rejects.toMatchObject({ type: 'StripeConnectionError' });
    const { id } = await create(10_000);
    const { data } = await stripe.customers.list({ email: 'slow@example.com' });
    expect(data.map((customer) => customer.id)).toEqual([id]);
  });

  it('that is remembered comes again under its key, as Stripe replays its 500s', async () => {
    const { stripe, mock } = harness;
    mock.failNext({ kind: 'server_error', remembered: true });
    const create = (idempotencyKey: string) => stripe.customers.create({}, { idempotencyKey });
    await expect(create('key-500')).rejects.toMatchObject({ statusCode: 500 });
    await expect(create('key-500')).rejects.toMatchObject({ statusCode: 500 });
    await create('key-501');
  });
});

describe('the portal', () => {
  it('gives a session for a customer that exists', async () => {
    const { stripe } = harness;
    const { id } = await stripe.customers.create({});
    const session = await stripe.billingPortal.sessions.create({
      customer: id,
      return_url: 'https://a.example.com',
    });
    expect(session).toMatchObject({ customer: id, url: `https://billing.stripe.com/mock/${session.id}` });
    await expect(stripe.billingPortal.sessions.create({ customer: 'cus_x' })).rejects.toMatchObject({
      code: 'resource_missing',
    });
  });
});

describe('meters', () => {
  it('count each identifier once a day, and say in Stripe’s words that it came before', async () => {
    const { stripe, mock } = harness;
    const { id: customer } = await stripe.customers.create({});
    const meter = await stripe.billing.meters.create({
      display_name: 'Calls',
      event_name: 'api_calls',
      default_aggregation: { formula: 'sum' },
    });
    const report = (identifier: string, value: string) =>
      stripe.billing.meterEvents.create({
        event_name: 'api_calls',
        identifier,
        payload: { stripe_customer_id: customer, value },
      });
    expect(await report('hour-1', '7')).toMatchObject({
      object: 'billing.meter_event',
      identifier: 'hour-1',
    });
    await expect(report('hour-1', '7')).rejects.toMatchObject({
      statusCode: 400,
      message: 'An event already exists with identifier hour-1.',
    });
    const storm = await Promise.allSettled(Array.from({ length: 6 }, () => report('hour-2', '5')));
    expect(storm.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const nowS = Math.floor((await mock.now()).getTime() / 1000);
    const summary = () =>
      stripe.billing.meters.listEventSummaries(meter.id, {
        customer,
        start_time: nowS - 3600,
        end_time: nowS + 200_000,
      });
    expect((await summary()).data[0]?.aggregated_value).toBe(12);
    await mock.advanceClock(86_401);
    await report('hour-1', '1');
    expect((await summary()).data[0]?.aggregated_value).toBe(13);
  });

  it.each([
    ['36 days ago', -36 * 86_400],
    ['10 minutes ahead', 600],
  ])('refuse an event of %s', async (_when, offsetS) => {
    // The mock's clock may be months ahead: what is dated by ours is not old for that.
    const now = offsetS < 0 ? new Date() : await harness.mock.now();
    const nowS = Math.floor(now.getTime() / 1000);
    const attempt = harness.stripe.billing.meterEvents.create({
      event_name: 'api_calls',
      payload: { stripe_customer_id: 'cus_1', value: '1' },
      timestamp: nowS + offsetS,
    });
    await expect(attempt).rejects.toMatchObject({ param: 'timestamp' });
  });
});

describe('the log', () => {
  it('marks every line as the mock’s and holds no key', async () => {
    const lines: string[] = [];
    const write = (fields: object, message: string) => lines.push(JSON.stringify({ ...fields, message }));
    const log = { debug: write, info: write, warn: write, error: write };
    const mock = harness.another({ log });
    await clientOf(mock, 'sk_test_verysecret').customers.create({});
    await new Stripe('sk_test_verysecret', {
      httpClient: Stripe.createFetchHttpClient(mock.fetch),
    }).checkout.sessions.create(CHECKOUT as never);
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) {
      expect(JSON.parse(line).message).toMatch(/^\[MOCK\] /);
      expect(line).not.toContain('verysecret');
    }
  });
});
