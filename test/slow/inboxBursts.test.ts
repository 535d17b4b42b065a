import type Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BillingSubscriptionDoc } from '../../src/models/billingSubscription.js';
import { EventUrgency, WebhookEventStatus } from '../../src/models/webhookEvent.js';
import { createCustomerQueues } from '../../src/services/billing/inbox/customerQueues.js';
import type { Inbox } from '../../src/services/billing/inbox/inbox.js';
import { soon } from '../support/soon.js';
import { openStripeSide, received, type StripeSide, snapshotOf } from '../support/stripeSide.js';
import { systemClock } from '../support/systemClock.js';

/** More than a second's worth of requests to Stripe wait: see `queueWorker.ts`. */
const MANY = 40;

let side: StripeSide;
beforeAll(async () => {
  side = await openStripeSide();
});
afterAll(() => side.close());

let count = 0;
const newId = (prefix: string): string => {
  count += 1;
  return `${prefix}_${count}`;
};

/** A tenant that has PRO at Stripe, which is not known here. */
async function subscribed() {
  const tenantId = newId('ten');
  await side.addTenant(tenantId);
  const customer = await side.stripe.customers.create({ metadata: { tenant_id: tenantId } });
  const subscription = await side.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: 'price_pro' }],
    default_payment_method: 'pm_card_visa',
  });
  return { tenantId, customerId: customer.id, subscription };
}

/** Many that have PRO, each with its tenant's id. */
async function manySubscribed(howMany = MANY) {
  const { tenantId, customerId } = await subscribed();
  const subscriptions = await side.clone(tenantId, customerId, howMany);
  await side.models.billingCustomers.collection.insertMany(
    subscriptions.map(({ customer }, i) => linked(`${tenantId}_${i}`, String(customer))),
  );
  return { tenantOf: (i: number) => `${tenantId}_${i}`, subscriptions };
}

const linked = (tenantId: string, stripeCustomerId: string) =>
  ({ _id: tenantId, stripeCustomerId, email: null, intents: 0, openCheckout: null }) as never;

const NOW_S = Math.floor(Date.now() / 1000);
const eventOf = (
  type: string,
  object: object,
  { atS = NOW_S, changed = {} }: { atS?: number; changed?: object } = {},
) =>
  received({
    id: newId('evt'),
    object: 'event',
    type,
    created: atS,
    data: { object, previous_attributes: changed },
  });
/** It pays now, after it did not. */
const paid = (subscription: object, atS = NOW_S) =>
  eventOf('customer.subscription.updated', subscription, { atS, changed: { status: 'incomplete' } });
const failed = (customer: unknown) => snapshotOf(newId('evt'), 'invoice.payment_failed', { customer });

const storedOf = (tenantId: string) =>
  side.models.billingSubscriptions.findById(tenantId).lean<BillingSubscriptionDoc>();
const pending = () => side.models.webhookEvents.countDocuments({ state: WebhookEventStatus.PENDING });

/** Stores events that nobody applies yet. */
async function store(events: readonly ReturnType<typeof received>[]): Promise<void> {
  const { inbox } = side.instance();
  await inbox.stop();
  await Promise.all(events.map((event) => inbox.receive(event)));
}

async function applyAll(...inboxes: Inbox[]): Promise<void> {
  for (const inbox of inboxes) inbox.start();
  await vi.waitFor(async () => expect(await pending()).toBe(0), { timeout: 30_000, interval: 20 });
  await Promise.all(inboxes.map((inbox) => inbox.stop()));
}

/** What a client of Stripe asks for, in its order. */
function watchedStripe() {
  const asked: URL[] = [];
  const watched: typeof fetch = (input, init) => {
    asked.push(new URL(input instanceof Request ? input.url : input));
    return side.mock.fetch(input, init);
  };
  const lists = () => asked.filter(({ pathname }) => pathname === '/v1/subscriptions');
  return {
    fetch: watched,
    asked,
    /** The customers that were asked for by themselves, in order. */
    customers: () => lists().flatMap(({ searchParams }) => searchParams.get('customer') ?? []),
    /** How many lists were not of one customer. */
    listCount: () => lists().filter(({ searchParams }) => !searchParams.has('customer')).length,
  };
}

/** Stripe cannot be reached. */
const away: typeof fetch = () => Promise.reject(new TypeError('fetch failed'));

beforeEach(async () => {
  await Promise.all([side.models.webhookEvents.deleteMany({}), side.models.leases.deleteMany({})]);
});

describe('events that wait', () => {
  it('are in the order of what they may do; every fourth is the one that waits longest', async () => {
    const takes = Array.from({ length: 8 }, (_, i) => failed(`cus_takes_${i}`));
    for (const event of takes) await store([event]);
    const grants = Array.from({ length: 8 }, (_, i) =>
      snapshotOf(newId('evt'), 'invoice.payment_succeeded', { customer: `cus_grants_${i}` }),
    );
    for (const event of grants) await store([event]);
    await store([snapshotOf(newId('evt'), 'invoice.finalized', { customer: 'cus_neutral' })]);
    const due = await createCustomerQueues({ models: side.models, clock: systemClock }).due([]);
    const names = due.map(({ queue }) => queue.replace('customer:cus_', ''));
    expect(names.slice(0, 8)).toEqual([
      'grants_0',
      'grants_1',
      'grants_2',
      'takes_0',
      'grants_3',
      'grants_4',
      'grants_5',
      'takes_1',
    ]);
    expect(names).toHaveLength(17);
    expect(names.indexOf('neutral')).toBeLessThan(names.indexOf('takes_5'));
  });

  it('that may grant something are fetched before those that may take it, whenever they came', async () => {
    const [givers, takers] = [await manySubscribed(), await manySubscribed()];
    await store(takers.subscriptions.map(({ customer }) => failed(customer)));
    await store(
      givers.subscriptions.map(({ customer }) =>
        snapshotOf(newId('evt'), 'invoice.payment_succeeded', { customer }),
      ),
    );
    const stripe = watchedStripe();
    await applyAll(side.instance({ fetch: stripe.fetch }).inbox);
    const isGiver = new Set(givers.subscriptions.map(({ customer }) => String(customer)));
    const first = stripe.customers().slice(0, MANY);
    expect(first.filter((customer) => isGiver.has(customer)).length).toBeGreaterThanOrEqual(0.7 * MANY);
    expect(stripe.customers()).toHaveLength(2 * MANY);
  });

  it('of a customer take one request, however many they are and whatever they say', async () => {
    const { subscriptions } = await manySubscribed();
    await store(
      subscriptions.flatMap((subscription) => [
        paid(subscription),
        failed(subscription.customer),
        eventOf('customer.subscription.deleted', { ...subscription, status: 'canceled' }),
        paid(subscription, NOW_S - 60),
        eventOf('customer.updated', { id: subscription.customer, object: 'customer' }),
      ]),
    );
    const stripe = watchedStripe();
    await applyAll(side.instance({ fetch: stripe.fetch }).inbox);
    expect(stripe.customers().toSorted()).toEqual(subscriptions.map(({ customer }) => customer).toSorted());
    expect(stripe.asked).toHaveLength(MANY);
  });
});

describe('many customers whose events take nothing', () => {
  it('are brought by lists, a hundred subscriptions a request', async () => {
    const { tenantOf, subscriptions } = await manySubscribed(250);
    await store(subscriptions.flatMap((one) => [paid(one), eventOf('customer.subscription.updated', one)]));
    const stripe = watchedStripe();
    await applyAll(side.instance({ fetch: stripe.fetch }).inbox);
    expect(stripe.customers()).toEqual([]);
    expect(stripe.asked.length).toBeLessThanOrEqual(16);
    for (const i of [0, 99, 100, 249]) {
      expect(await storedOf(tenantOf(i))).toMatchObject({ status: 'active', tier: 'PRO', unannounced: true });
    }
    // Each has an entry of its own in the audit log, although many are written together.
    const { customer } = subscriptions[7] as Stripe.Subscription;
    const events = await side.models.webhookEvents.find({ customer: String(customer) }).lean();
    const entries = await side.models.auditEntries.find({ chain: tenantOf(7) }).lean();
    expect(entries).toMatchObject([{ action: 'subscription.created' }]);
    expect(events.map(({ _id }) => _id)).toContain(entries[0]?.actor.replace('stripe:', ''));
  });

  it('are written but for the one that something else has written meanwhile, which is fetched', async () => {
    const { tenantOf, subscriptions } = await manySubscribed();
    await store(subscriptions.map((one) => paid(one)));
    await applyAll(side.instance().inbox);
    await store(subscriptions.map((one) => eventOf('customer.subscription.updated', one)));
    for (const { id } of subscriptions)
      await side.stripe.subscriptions.update(id, { metadata: { contract: 'c', tier: 'pro' } });
    const stripe = watchedStripe();
    const interrupted: typeof fetch = async (input, init) => {
      const response = await stripe.fetch(input, init);
      const { searchParams } = new URL(input instanceof Request ? input.url : input);
      // After its state was read, before the list is written.
      if (searchParams.get('created[lte]') === String(subscriptions[MANY - 1]?.created))
        await side.models.billingSubscriptions.collection.updateOne(
          { _id: tenantOf(MANY - 1) as never },
          { $inc: { revision: 1 } },
        );
      return response;
    };
    await applyAll(side.instance({ fetch: interrupted }).inbox);
    expect(stripe.customers()).toEqual([subscriptions[MANY - 1]?.customer]);
    for (const i of subscriptions.keys())
      expect(await storedOf(tenantOf(i))).toMatchObject({ contract: 'c' });
  });

  it('are linked to their tenants, or ignored if they have none', async () => {
    const { tenantOf, subscriptions } = await manySubscribed();
    await side.models.billingCustomers.deleteMany({ _id: { $in: [tenantOf(0), tenantOf(1)] } });
    await side.models.tenants.collection.deleteOne({ _id: tenantOf(1) as never });
    await store(subscriptions.map((one) => paid(one)));
    const stripe = watchedStripe();
    await applyAll(side.instance({ fetch: stripe.fetch }).inbox);
    expect(stripe.customers()).toEqual([]);
    expect(await storedOf(tenantOf(0))).toMatchObject({ status: 'active' });
    expect(
      await side.models.webhookEvents.findOne({ customer: subscriptions[1]?.customer as string }).lean(),
    ).toMatchObject({ state: 'IGNORED', reason: 'the customer belongs to no tenant' });
  });

  it('are fetched by themselves when more were created in one second than a list has', async () => {
    const { tenantOf, subscriptions } = await manySubscribed(130);
    const objects = side.database.connection.collection('mock_stripe_objects');
    const ids = subscriptions.map(({ id }) => id as never);
    await objects.updateMany({ _id: { $in: ids } }, { $set: { created: 1e9, 'body.created': 1e9 } });
    await store(subscriptions.map((one) => paid({ ...one, created: 1e9 })));
    const stripe = watchedStripe();
    await applyAll(side.instance({ fetch: stripe.fetch }).inbox);
    expect(stripe.customers().length).toBeGreaterThanOrEqual(30);
    const states = await Promise.all(subscriptions.map((_, i) => storedOf(tenantOf(i))));
    expect(states.map((state) => state?.status)).toEqual(subscriptions.map(() => 'active'));
  });

  it('lose nothing that another subscription pays for: then the whole customer is fetched', async () => {
    const { tenantOf, subscriptions } = await manySubscribed();
    await store(subscriptions.map((one) => paid(one)));
    await applyAll(side.instance().inbox);
    const customer = String(subscriptions[0]?.customer);
    const larger = await side.stripe.subscriptions.create({
      customer,
      items: [{ price: 'price_enterprise' }],
      default_payment_method: 'pm_card_visa',
    });
    await store([eventOf('customer.subscription.created', larger)]);
    await applyAll(side.instance().inbox);
    expect(await storedOf(tenantOf(0))).toMatchObject({ tier: 'ENTERPRISE' });
    await store(subscriptions.map((one) => eventOf('customer.subscription.updated', one)));
    const stripe = watchedStripe();
    await applyAll(side.instance({ fetch: stripe.fetch }).inbox);
    expect(stripe.customers()).toEqual([customer]);
    expect(await storedOf(tenantOf(0))).toMatchObject({ tier: 'ENTERPRISE' });
  });

  it('end as Stripe has them, shuffled, twice, on two instances', async () => {
    const { tenantOf, subscriptions } = await manySubscribed(60);
    const events = [];
    for (const [i, { id, ...before }] of subscriptions.entries()) {
      events.push(paid({ id, ...before }, NOW_S - 5));
      const after =
        i % 3 === 0
          ? await side.stripe.subscriptions.cancel(id)
          : await side.stripe.subscriptions.update(id, { cancel_at_period_end: i % 3 === 1 });
      const type = after.status === 'canceled' ? 'deleted' : 'updated';
      events.push(eventOf(`customer.subscription.${type}`, after));
    }
    const shuffled = events
      .flatMap((event, i) => [
        { event, place: (i * 37) % 101 },
        { event, place: (i * 53) % 97 },
      ])
      .toSorted((a, b) => a.place - b.place)
      .map(({ event }) => event);
    const [one, other] = [side.instance().inbox, side.instance().inbox];
    await Promise.all(shuffled.map((event, i) => (i % 2 ? one : other).receive(event)));
    await applyAll(one, other);
    for (const i of subscriptions.keys()) {
      expect(await storedOf(tenantOf(i)), String(i)).toMatchObject({
        status: i % 3 === 0 ? 'canceled' : 'active',
        cancelAtPeriodEnd: i % 3 === 1,
      });
    }
  });
});

describe('a snapshot while Stripe is away', () => {
  /** Delivers to an instance that cannot reach Stripe. */
  async function deliverAway(...events: ReturnType<typeof received>[]): Promise<void> {
    const { inbox } = side.instance({ fetch: away });
    await Promise.all(events.map((event) => inbox.receive(event)));
    await inbox.idle(10_000);
    await inbox.stop();
    expect(await pending()).toBe(events.length);
  }

  /** Stripe is back. */
  async function confirmAll(): Promise<void> {
    await side.models.webhookEvents.updateMany(
      { state: WebhookEventStatus.PENDING },
      { $set: { nextAttemptAt: new Date(0) } },
    );
    await applyAll(side.instance().inbox);
  }

  /** A tenant whose state is stored as Stripe had it a minute ago. */
  async function known(changes: Partial<BillingSubscriptionDoc> = {}) {
    const tenant = await subscribed();
    await side.models.billingCustomers.collection.insertOne(linked(tenant.tenantId, tenant.customerId));
    await side.instance().sync.syncTenant(tenant.tenantId);
    await side.models.billingSubscriptions.collection.updateOne(
      { _id: tenant.tenantId as never },
      { $set: { asOf: new Date((NOW_S - 60) * 1000), ...changes } },
    );
    return tenant;
  }
  const upgraded = ({ items, ...subscription }: Stripe.Subscription) => {
    const [item] = items.data;
    return {
      ...subscription,
      items: { data: [{ ...item, price: { ...item?.price, id: 'price_enterprise' } }] },
    };
  };
  const changedItems = { changed: { items: {} } };
  const changed = (subscription: object) =>
    eventOf('customer.subscription.updated', subscription, changedItems);

  it('that grants a tier is written at once, and confirmed when Stripe answers', async () => {
    const { tenantId, customerId, subscription } = await subscribed();
    await side.models.billingCustomers.collection.insertOne(linked(tenantId, customerId));
    await deliverAway(paid(subscription));
    expect(await storedOf(tenantId)).toMatchObject({ status: 'active', tier: 'PRO', revision: 1 });
    await confirmAll();
    expect(await storedOf(tenantId)).toMatchObject({ status: 'active', tier: 'PRO', revision: 2 });
  });

  it('that grants a tier gives way to what Stripe says when it answers', async () => {
    const { tenantId, customerId, subscription } = await subscribed();
    await side.models.billingCustomers.collection.insertOne(linked(tenantId, customerId));
    await deliverAway(paid(subscription));
    await side.stripe.subscriptions.cancel(subscription.id);
    await confirmAll();
    expect(await storedOf(tenantId)).toMatchObject({ status: 'canceled' });
  });

  it.each([
    ['a larger tier', upgraded, {}, { tier: 'ENTERPRISE', status: 'active' }],
    ['a payment after one that failed', (one: object) => one, { status: 'past_due' }, { status: 'active' }],
  ] as const)('that brings %s is written at once', async (_what, after, before, expected) => {
    const { tenantId, subscription } = await known(before as Partial<BillingSubscriptionDoc>);
    await deliverAway(changed(after(subscription)));
    expect(await storedOf(tenantId)).toMatchObject(expected);
  });

  it.each([
    ['a smaller tier', { tier: 'ENTERPRISE' }, (one: Stripe.Subscription) => one],
    ['an end', {}, (one: Stripe.Subscription) => ({ ...one, status: 'canceled' })],
    ['a payment that failed', {}, (one: Stripe.Subscription) => ({ ...one, status: 'past_due' })],
    ['a price that nobody knows', {}, (one: Stripe.Subscription) => withPrice(one, 'price_of_a_book')],
    ['a larger tier without its contract', { contract: 'c_1', limits: { callsPerDay: 1 } }, upgraded],
    ['a larger tier for fewer', { quantity: 2 }, upgraded],
    [
      'a larger tier of another subscription',
      { stripeSubscriptionId: 'sub_other' },
      (one: Stripe.Subscription) => upgraded(one),
    ],
    [
      'a larger tier of a test clock',
      {},
      (one: Stripe.Subscription) => ({ ...upgraded(one), test_clock: 'c' }),
    ],
  ] as [string, object, (one: Stripe.Subscription) => object][])(
    'that brings %s is not written before the fetch',
    async (_what, before, after) => {
      const { tenantId, subscription } = await known(before);
      const stored = await storedOf(tenantId);
      await deliverAway(changed(after(subscription)));
      expect(await storedOf(tenantId)).toEqual(stored);
    },
  );

  it('that is not later than what was fetched changes nothing', async () => {
    const { tenantId, subscription } = await known({ asOf: new Date(NOW_S * 1000) });
    const stored = await storedOf(tenantId);
    await deliverAway(changed(upgraded(subscription)));
    expect(await storedOf(tenantId)).toEqual(stored);
  });

  it('changes nothing after an end, whatever its time', async () => {
    const { tenantId, subscription } = await known({ status: 'canceled' });
    await deliverAway(changed(upgraded(subscription)));
    expect(await storedOf(tenantId)).toMatchObject({ status: 'canceled', tier: 'PRO' });
  });

  it('changes nothing if an event of the same second or later may take something', async () => {
    const { tenantId, subscription } = await known();
    const stored = await storedOf(tenantId);
    const { inbox } = side.instance();
    await inbox.stop();
    await inbox.receive(eventOf('customer.subscription.deleted', { ...subscription, status: 'canceled' }));
    await deliverAway(changed(upgraded(subscription))).catch(() => undefined);
    expect(await storedOf(tenantId)).toEqual(stored);
  });

  it('is not written for a key that cannot see the customer', async () => {
    const { tenantId, customerId, subscription } = await subscribed();
    await side.models.billingCustomers.collection.insertOne(linked(tenantId, customerId));
    await side.database.connection
      .collection('mock_stripe_objects')
      .deleteMany({ _id: { $in: [customerId as never, subscription.id as never] } });
    const { inbox } = side.instance();
    await inbox.receive(paid(subscription));
    await inbox.idle(10_000);
    await inbox.stop();
    expect(await storedOf(tenantId)).toBeNull();
  });
});

const withPrice = ({ items, ...subscription }: Stripe.Subscription, id: string) => {
  const [item] = items.data;
  return { ...subscription, items: { data: [{ ...item, price: { ...item?.price, id, product: 'prod' } }] } };
};

describe('a burst whose server dies', () => {
  it('between snapshots and lists ends as Stripe has it; what was granted is there at once', async () => {
    const { tenantOf, subscriptions } = await manySubscribed();
    await store(subscriptions.map((one) => paid(one)));
    const dead = side.instance({ fetch: () => new Promise(() => {}) }).inbox;
    dead.start();
    await soon(async () =>
      expect(await side.models.billingSubscriptions.countDocuments({ _id: { $in: tenants(tenantOf) } })).toBe(
        MANY,
      ),
    );
    expect(await storedOf(tenantOf(0))).toMatchObject({ status: 'active', tier: 'PRO' });
    expect(await pending()).toBe(MANY);
    const [first, second] = subscriptions as [Stripe.Subscription, Stripe.Subscription];
    await side.stripe.subscriptions.cancel(first.id);
    await side.stripe.subscriptions.update(second.id, { cancel_at_period_end: true });
    await side.models.leases.updateMany({}, { $set: { until: new Date(0) } });
    await applyAll(side.instance().inbox);
    expect(await storedOf(tenantOf(0))).toMatchObject({ status: 'canceled' });
    expect(await storedOf(tenantOf(1))).toMatchObject({ status: 'active', cancelAtPeriodEnd: true });
    expect(await storedOf(tenantOf(2))).toMatchObject({ status: 'active', cancelAtPeriodEnd: false });
  });

  it('that Stripe does not answer is confirmed customer by customer, after everything else', async () => {
    const { subscriptions } = await manySubscribed();
    await store(subscriptions.map((one) => paid(one)));
    const { inbox } = side.instance({ fetch: away });
    inbox.start();
    await soon(async () =>
      expect(
        await side.models.webhookEvents.countDocuments({
          urgency: EventUrgency.CONFIRMS,
          subscribedAt: null,
        }),
      ).toBe(MANY),
    );
    await inbox.stop();
    await side.models.webhookEvents.updateMany({}, { $set: { nextAttemptAt: new Date(0) } });
    const stripe = watchedStripe();
    await applyAll(side.instance({ fetch: stripe.fetch }).inbox);
    expect(stripe.listCount()).toBe(0);
    expect(stripe.customers()).toHaveLength(MANY);
  });
});

const tenants = (tenantOf: (i: number) => string) => Array.from({ length: MANY }, (_, i) => tenantOf(i));
