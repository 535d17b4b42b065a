import type Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebhookEventStatus } from '../../src/models/webhookEvent.js';
import { systemAuthor } from '../../src/services/audit/author.js';
import type { Inbox } from '../../src/services/billing/inbox/inbox.js';
import { soon } from '../support/soon.js';
import { openStripeSide, received, type StripeSide, snapshotOf, thinOf } from '../support/stripeSide.js';

let side: StripeSide;
beforeAll(async () => {
  side = await openStripeSide();
});
afterAll(() => side.close());
beforeEach(() => {
  side.requests.length = 0;
});

let count = 0;
function newId(prefix: string): string {
  count += 1;
  return `${prefix}_${count}`;
}

/** A tenant with a subscription at Stripe that is not known here. */
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

const updated = ({ id, customer }: Pick<Stripe.Subscription, 'id' | 'customer'>) =>
  snapshotOf(newId('evt'), 'customer.subscription.updated', { id, customer });
const storedOf = (tenantId: string) => side.models.billingSubscriptions.findById(tenantId).lean();
const eventsWith = (filter: object) => side.models.webhookEvents.find(filter).lean();

async function applyAll(...inboxes: Inbox[]): Promise<void> {
  for (const inbox of inboxes) inbox.start();
  try {
    await vi.waitFor(
      async () => {
        expect(await side.models.webhookEvents.countDocuments({ state: WebhookEventStatus.PENDING })).toBe(0);
      },
      { timeout: 150_000, interval: 20 },
    );
  } finally {
    await Promise.all(inboxes.map((inbox) => inbox.stop()));
  }
}

describe('waiting events', () => {
  it('10,000 of 1,000 subscriptions are applied by two instances with at most 1,000 requests, each object at one place at a time', async () => {
    const { tenantId, customerId } = await subscribed();
    const subscriptions = await side.clone(tenantId, customerId, 1_000);
    // Stopped, they store and apply nothing: what is counted begins with all of them waiting.
    const [first, second] = [side.instance().inbox, side.instance().inbox];
    await Promise.all([first.stop(), second.stop()]);
    await Promise.all(
      Array.from({ length: 10 }).flatMap(() =>
        subscriptions.map((subscription, i) => (i % 2 ? first : second).receive(updated(subscription))),
      ),
    );
    side.requests.length = 0;
    await applyAll(side.instance().inbox, side.instance().inbox);
    expect(side.requests.length).toBeLessThanOrEqual(1_000);
    expect(await side.models.billingSubscriptions.countDocuments({ status: 'active' })).toBe(1_000);
    expect(
      await side.models.webhookEvents.countDocuments({ state: WebhookEventStatus.APPLIED, attempts: 1 }),
    ).toBe(10_000);
    expect(await side.models.leases.countDocuments()).toBe(0);
  }, 240_000);

  it('cost no more with thousands of tenants and of events that were applied before', async () => {
    const { subscription } = await subscribed();
    const { inbox } = side.instance();
    await inbox.receive(updated(subscription));
    await applyAll(inbox);
    const [one] = await eventsWith({ state: WebhookEventStatus.APPLIED });
    const { models, database } = side;
    const many = Array.from({ length: 3_000 }, (_, i) => `past_${i}`);
    await models.webhookEvents.collection.insertMany(many.map((id) => ({ ...one, _id: id }) as never));
    await models.billingCustomers.collection.insertMany(
      many.map((id) => ({ _id: id, stripeCustomerId: `cus_${id}` }) as never),
    );
    await models.billingSubscriptions.collection.insertMany(
      many.map((id) => ({ _id: id, stripeSubscriptionId: `sub_${id}`, status: 'active' }) as never),
    );
    const snapshot = updated(subscription);
    const related = { id: subscription.id, type: 'subscription' };
    const thin = thinOf(newId('evt'), 'v1.customer.subscription.updated', related, snapshot.id);
    await database.connection.db?.command({ profile: 2 });
    const again = side.instance().inbox;
    await Promise.all([again.receive(snapshot), again.receive(thin)]);
    await applyAll(again);
    await database.connection.db?.command({ profile: 0 });
    const [dearest] = await database.connection
      .collection('system.profile')
      .find({ ns: { $not: /mock_stripe/ } })
      .sort({ docsExamined: -1 })
      .limit(1)
      .toArray();
    expect(dearest?.docsExamined, JSON.stringify(dearest?.command)).toBeLessThan(20);
  });

  it('that come while their object is being applied are applied after, with one more request', async () => {
    const { tenantId, subscription } = await subscribed();
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    const asked: string[] = [];
    const slow: typeof fetch = async (input, init) => {
      asked.push(String(input));
      const response = await side.mock.fetch(input, init);
      if (asked.length === 1) await answered;
      return response;
    };
    const [first, second] = [side.instance({ fetch: slow }).inbox, side.instance({ fetch: slow }).inbox];
    await first.receive(updated(subscription));
    await soon(() => expect(asked).toHaveLength(1));
    await side.stripe.subscriptions.cancel(subscription.id);
    for (const inbox of [first, second, first]) await inbox.receive(updated(subscription));
    await second.idle(10_000);
    // The other instance left it alone.
    expect(asked).toHaveLength(1);
    expect(await storedOf(tenantId)).toBeNull();
    answer();
    await first.idle(10_000);
    expect(asked).toHaveLength(2);
    expect(await storedOf(tenantId)).toMatchObject({ status: 'canceled' });
    expect(await eventsWith({ object: subscription.id, state: { $ne: 'APPLIED' } })).toEqual([]);
    await Promise.all([first.stop(), second.stop()]);
  });

  it('that wait for another try are answered by the next event of their object', async () => {
    const { subscription } = await subscribed();
    const { inbox } = side.instance();
    side.mock.failNext({ kind: 'rate_limit', path: '/v1/subscriptions' });
    await inbox.receive(updated(subscription));
    await inbox.idle(10_000);
    expect(await eventsWith({ object: subscription.id })).toMatchObject([{ state: 'PENDING', attempts: 1 }]);
    await inbox.receive(updated(subscription));
    await inbox.idle(10_000);
    expect(await eventsWith({ object: subscription.id })).toMatchObject([
      { state: 'APPLIED', attempts: 1 },
      { state: 'APPLIED', attempts: 1 },
    ]);
    await inbox.stop();
  });

  it('of a queue whose worker died are applied by another once its lease has expired', async () => {
    const { tenantId, subscription } = await subscribed();
    const hanging = side.instance({ fetch: () => new Promise(() => {}) }).inbox;
    await hanging.receive(updated(subscription));
    const { leases } = side.models;
    await soon(async () => expect(await leases.countDocuments()).toBe(1));
    const next = side.instance().inbox;
    next.start();
    await next.idle(10_000);
    expect(await storedOf(tenantId)).toBeNull();
    await leases.updateMany({}, { $set: { until: new Date(0) } });
    await applyAll(next);
    expect(await storedOf(tenantId)).toMatchObject({ status: 'active' });
    expect(await eventsWith({ object: subscription.id })).toMatchObject([{ state: 'APPLIED', attempts: 2 }]);
  });
});

describe('a thin event', () => {
  it.each([
    ['v1.customer.subscription.updated', 'subscription'],
    ['v1.customer.subscription.past_due', 'subscription'],
    ['v1.customer.updated', 'customer'],
    ['v1.invoice.payment_succeeded', 'invoice'],
  ])('%s writes what Stripe has now', async (type, kind) => {
    const { tenantId, customerId, subscription } = await subscribed();
    const { inbox } = side.instance();
    const ids: Record<string, string> = {
      subscription: subscription.id,
      customer: customerId,
      invoice: String(subscription.latest_invoice),
    };
    const event = thinOf(newId('evt'), type, { id: ids[kind] as string, type: kind });
    await inbox.receive(event);
    await inbox.idle(10_000);
    expect(await eventsWith({ _id: event.id })).toMatchObject([
      { state: 'APPLIED', attempts: 1, object: ids[kind], lane: `customer:${customerId}` },
    ]);
    expect(await storedOf(tenantId)).toMatchObject({ stripeSubscriptionId: subscription.id });
    await inbox.stop();
  });

  it('of an object that Stripe does not have is IGNORED with a reason', async () => {
    const { inbox } = side.instance();
    const event = thinOf(newId('evt'), 'v1.customer.subscription.deleted', {
      id: 'sub_9',
      type: 'subscription',
    });
    await inbox.receive(event);
    await inbox.idle(10_000);
    expect(await eventsWith({ _id: event.id })).toMatchObject([
      { state: 'IGNORED', reason: 'STRIPE_SECRET_KEY cannot read the object at Stripe' },
    ]);
    await inbox.stop();
  });

  it.each(['thin first', 'snapshot first'])(
    'and the snapshot of the same change are one, %s',
    async (order) => {
      const { subscription } = await subscribed();
      const { inbox } = side.instance();
      const snapshot = updated(subscription);
      const related = { id: subscription.id, type: 'subscription' };
      const thin = thinOf(newId('evt'), 'v1.customer.subscription.updated', related, snapshot.id);
      const [one, other] = order === 'thin first' ? [thin, snapshot] : [snapshot, thin];
      await inbox.receive(one);
      await inbox.idle(10_000);
      const asked = side.requests.length;
      await inbox.receive(other);
      await inbox.idle(10_000);
      expect(side.requests).toHaveLength(asked);
      expect(await eventsWith({ _id: other.id })).toMatchObject([
        { state: 'IGNORED', reason: 'already applied: the event also arrived in the other format' },
      ]);
      // An operator's wish comes first.
      expect(await inbox.replay(other.id, systemAuthor('test'))).toMatchObject({
        state: WebhookEventStatus.PENDING,
      });
      await inbox.idle(10_000);
      expect(await eventsWith({ _id: other.id })).toMatchObject([{ state: 'APPLIED' }]);
      await inbox.stop();
    },
  );
});

describe('an id that comes again', () => {
  it('with the same content is known, however many deliveries are to come', async () => {
    const { inbox } = side.instance();
    const event = {
      id: newId('evt'),
      type: 'charge.succeeded',
      data: { object: { id: 'ch_1', paid: true } },
    };
    expect(await inbox.receive(received({ ...event, pending_webhooks: 2 }))).toBe('stored');
    const again = { ...event, pending_webhooks: 1 };
    expect(await inbox.receive(received(again))).toBe('known');
    await inbox.stop();
  });

  it('with other content is rejected, one after the other or at once, and the first stays', async () => {
    const { inbox } = side.instance();
    const id = newId('evt');
    const one = snapshotOf(id, 'charge.succeeded', { id: 'ch_1' });
    const other = snapshotOf(id, 'charge.succeeded', { id: 'ch_2' });
    const outcomes = await Promise.allSettled([inbox.receive(one), inbox.receive(other)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    await expect(inbox.receive(other)).rejects.toThrow(`another event with the id ${id} was received before`);
    expect(await eventsWith({ _id: id })).toMatchObject([{ payload: one.payload }]);
    await inbox.stop();
  });
});
