import type Stripe from 'stripe';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { customerIdOf, mockOf, settled, stripeOf, subscribe, subscriptionOf } from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startOnOtherAccount } from '../support/otherAccount.js';
import { startTestServer, type TestServer } from '../support/server.js';

const SIDE = 'customerId email subscriptionId status tier cancelAtPeriodEnd pastDueSince';
const COMPARISON = `status summary stored { ${SIDE} } stripe { ${SIDE} } differences differentFields notes repaired`;

const LIST = { method: 'GET', path: '/v1/subscriptions' };

const clock = createFakeClock('2026-11-22T12:00:00Z');
let server: TestServer;
let stripe: Stripe;

beforeAll(async () => {
  server = await startTestServer({ clock });
  stripe = stripeOf(server);
});
afterAll(() => server.stop());
afterEach(() => mockOf(server).clearFailures());

async function subscribed() {
  const tenant = await server.createTenant();
  await subscribe(server, tenant.key);
  await settled(server);
  const { stripeSubscriptionId } = await subscriptionOf(server, tenant.key);
  return { ...tenant, subscriptionId: stripeSubscriptionId as string };
}

async function unheard(change: () => Promise<unknown>): Promise<void> {
  mockOf(server).disturbWebhooks({ seed: 1, dropped: 1 });
  await change();
  await settled(server);
  mockOf(server).disturbWebhooks(null);
}

const compare = (tenantId: string, of = server) =>
  of.gql(`{ compareWithStripe(tenantId: "${tenantId}") { ${COMPARISON} } }`);

const repair = (tenantId: string, of = server, requestId = 'req-repair') =>
  of.gql(`mutation { repairTenant(tenantId: "${tenantId}") { ${COMPARISON} } }`, {
    headers: { 'x-request-id': requestId },
  });

const comparisonOf = async (tenantId: string) => {
  const { data, errors } = await compare(tenantId);
  expect(errors).toEqual([]);
  return data.compareWithStripe;
};

const actionsOf = async (tenantId: string, requestId: string) =>
  (await server.app.models.auditEntries.find({ chain: tenantId, requestId }).sort({ _id: 1 }).lean()).map(
    ({ action }) => action,
  );

/** Without the mark of the outbox, which goes by itself. */
const storedOf = (tenantId: string) =>
  server.app.models.billingSubscriptions.findById(tenantId, { unannounced: 0 }).lean();

describe('a tenant compared with Stripe', () => {
  it('has no customer before it buys, and is in sync afterwards', async () => {
    const { id } = await server.createTenant();
    expect(await comparisonOf(id)).toMatchObject({ status: 'NO_CUSTOMER', stored: null, stripe: null });
    const tenant = await subscribed();
    const side = { subscriptionId: tenant.subscriptionId, status: 'ACTIVE', tier: 'PRO' };
    expect(await comparisonOf(tenant.id)).toMatchObject({
      status: 'IN_SYNC',
      stored: side,
      stripe: side,
      differences: [],
      notes: [],
    });
  });

  it('shows both sides and each difference in words, and changes nothing', async () => {
    const { id, subscriptionId } = await subscribed();
    const customer = await customerIdOf(server, id);
    await unheard(async () => {
      await stripe.subscriptions.update(subscriptionId, { cancel_at_period_end: true });
      await stripe.customers.update(customer, { email: 'new@example.com' });
    });
    const before = await storedOf(id);
    const compared = await comparisonOf(id);
    expect(compared).toMatchObject({
      status: 'OUT_OF_SYNC',
      stored: { cancelAtPeriodEnd: false, email: null },
      stripe: { cancelAtPeriodEnd: true, email: 'new@example.com' },
      differentFields: expect.arrayContaining(['cancelAtPeriodEnd', 'email']),
      repaired: [],
    });
    expect(compared.differences).toContain(
      'The cancellation at the end of the period is not set here and set at Stripe.',
    );
    expect(compared.differences).toContain(
      "The customer's e-mail address is none here and new@example.com at Stripe.",
    );
    expect(await storedOf(id)).toEqual(before);
  });

  it('names another subscription that is paid too', async () => {
    const { id, subscriptionId } = await subscribed();
    const customer = await customerIdOf(server, id);
    const { items } = await stripe.subscriptions.retrieve(subscriptionId);
    await stripe.subscriptions.create({
      customer,
      items: [{ price: items.data[0]?.price.id ?? '' }],
      default_payment_method: 'pm_card_visa',
    });
    await settled(server);
    expect((await comparisonOf(id)).notes).toEqual([
      expect.stringMatching(/^The customer has sub_\w+ too, which is ACTIVE at \w+: it may be paid twice\.$/),
    ]);
  });

  it('says so when Stripe is away, and when the operator may not ask', async () => {
    const { id, key } = await subscribed();
    mockOf(server).failNext({ kind: 'connection', ...LIST, times: 9 });
    const away = await compare(id);
    expect(away.status).toBe(502);
    expect(away.errors[0]?.extensions.code).toBe('PAYMENT_PROVIDER_ERROR');
    const repaired = await repair(id);
    expect(repaired.errors[0]?.extensions.code).toBe('PAYMENT_PROVIDER_ERROR');
    const asTenant = await server.gql('{ compareWithStripe { status } }', { key });
    expect(asTenant.errors[0]?.extensions.code).toBe('FORBIDDEN');
    const { data } = await server.gql(
      'mutation { createOperatorKey(input: { name: "r", role: READ }) { secret } }',
    );
    const mutation = `mutation { repairTenant(tenantId: "${id}") { status } }`;
    const reader = await server.gql(mutation, { key: data.createOperatorKey.secret });
    expect(reader.errors[0]?.extensions.code).toBe('FORBIDDEN');
  });
});

describe('a repair', () => {
  it('writes what Stripe has, says what, is audited, and does nothing the second time', async () => {
    const { id, key, subscriptionId } = await subscribed();
    await unheard(() => stripe.subscriptions.cancel(subscriptionId));
    const { data, errors } = await repair(id, server, 'req-first');
    expect(errors).toEqual([]);
    expect(data.repairTenant).toMatchObject({
      status: 'IN_SYNC',
      stored: { status: 'CANCELED' },
      repaired: expect.arrayContaining(['The status is ACTIVE here and CANCELED at Stripe.']),
    });
    expect((await subscriptionOf(server, key)).status).toBe('CANCELED');
    expect(await actionsOf(id, 'req-first')).toEqual([
      'subscription.repair_requested',
      'subscription.changed',
    ]);
    const again = await repair(id, server, 'req-second');
    expect(again.data.repairTenant).toMatchObject({ status: 'IN_SYNC', repaired: [] });
    expect(await actionsOf(id, 'req-second')).toEqual([]);
  });

  it('asked for twice at once is made once', async () => {
    const { id, subscriptionId } = await subscribed();
    await unheard(() => stripe.subscriptions.update(subscriptionId, { cancel_at_period_end: true }));
    const answers = await Promise.all([repair(id, server, 'req-a'), repair(id, server, 'req-b')]);
    for (const { data, errors } of answers) {
      expect(errors).toEqual([]);
      expect(data.repairTenant.status).toBe('IN_SYNC');
    }
    const changes = await server.app.models.auditEntries.countDocuments({
      chain: id,
      requestId: { $in: ['req-a', 'req-b'] },
      action: 'subscription.changed',
    });
    expect(changes).toBe(1);
  });

  it('that is cut off after it was noted is completed by the next', async () => {
    const { id, subscriptionId } = await subscribed();
    await unheard(() => stripe.subscriptions.update(subscriptionId, { cancel_at_period_end: true }));
    // The comparison is answered, and the request of the repair itself is not.
    mockOf(server).failNext({ kind: 'slow', delayMs: 0, ...LIST });
    mockOf(server).failNext({ kind: 'connection', ...LIST, times: 9 });
    const cut = await repair(id, server, 'req-cut');
    mockOf(server).clearFailures();
    expect(cut.errors[0]?.extensions.code).toBe('PAYMENT_PROVIDER_ERROR');
    expect(await storedOf(id)).toMatchObject({ cancelAtPeriodEnd: false });
    expect(await actionsOf(id, 'req-cut')).toEqual(['subscription.repair_requested']);
    expect((await repair(id)).data.repairTenant.status).toBe('IN_SYNC');
    expect(await storedOf(id)).toMatchObject({ cancelAtPeriodEnd: true });
  });

  it('ends what belonged to a customer that was deleted at Stripe', async () => {
    const { id, key } = await subscribed();
    const customer = await customerIdOf(server, id);
    await unheard(() => stripe.customers.del(customer));
    expect(await comparisonOf(id)).toMatchObject({
      status: 'OUT_OF_SYNC',
      stripe: null,
      differences: ['The customer was deleted at Stripe, and its subscription ended with it.'],
    });
    expect((await repair(id)).data.repairTenant).toMatchObject({ status: 'NO_CUSTOMER', stripe: null });
    expect((await subscriptionOf(server, key)).status).toBe('CANCELED');
  });

  it('by a key that cannot see the customer changes nothing, and says why', async () => {
    const { id } = await subscribed();
    const before = await storedOf(id);
    const wrong = await startOnOtherAccount(
      { uri: server.uri, connection: server.app.models.connection },
      clock,
    );
    try {
      for (const answer of [
        (await compare(id, wrong)).data.compareWithStripe,
        (await repair(id, wrong, 'req-unseen')).data.repairTenant,
      ])
        expect(answer).toMatchObject({
          status: 'NOT_VISIBLE',
          summary: expect.stringContaining('Nothing was changed'),
          stripe: null,
          repaired: [],
        });
      expect(await storedOf(id)).toEqual(before);
      expect(await actionsOf(id, 'req-unseen')).toEqual([]);
    } finally {
      await wrong.stop();
    }
  });
});

describe('the preview of a cancellation', () => {
  const FIELDS = 'atPeriodEnd endsAt alreadyScheduled tier tierAfterwards refundCents overageCents summary';
  const preview = (tenantId: string, atPeriodEnd: boolean) =>
    server.gql(`{ previewCancellation(tenantId: "${tenantId}", atPeriodEnd: ${atPeriodEnd}) { ${FIELDS} } }`);

  it('says when it ends, what it costs and which tier follows, and then it is so', async () => {
    const { id, key } = await subscribed();
    const { currentPeriodEnd } = await subscriptionOf(server, key);
    const { data, errors } = await preview(id, true);
    expect(errors).toEqual([]);
    expect(data.previewCancellation).toMatchObject({
      atPeriodEnd: true,
      endsAt: currentPeriodEnd,
      alreadyScheduled: false,
      tier: 'PRO',
      tierAfterwards: 'FREE',
      refundCents: 0,
      overageCents: 0,
    });
    const now = await preview(id, false);
    expect(now.data.previewCancellation).toMatchObject({
      endsAt: new Date(clock.now()).toISOString(),
      summary: expect.stringContaining('neither refunded nor credited'),
    });
    await server.gql(`mutation { cancelSubscription(tenantId: "${id}") { status } }`);
    const scheduled = await preview(id, true);
    expect(scheduled.data.previewCancellation).toMatchObject({
      alreadyScheduled: true,
      endsAt: currentPeriodEnd,
      summary: expect.stringContaining('nothing changes'),
    });
    expect((await subscriptionOf(server, key)).cancelAtPeriodEnd).toBe(true);
  });

  it('keeps the tier of an override, and is rejected without a subscription', async () => {
    const { id } = await subscribed();
    await server.setLimits(id, null, 'ENTERPRISE');
    const { data } = await preview(id, false);
    expect(data.previewCancellation).toMatchObject({ tier: 'PRO', tierAfterwards: 'ENTERPRISE' });
    const { id: none } = await server.createTenant();
    expect((await preview(none, true)).errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });

  it('has the overage that is still to be invoiced', async () => {
    const { id, key } = await subscribed();
    await server.setLimits(id, { apiCallsPerDay: 10, apiCallsPerMinute: 1_000_000 });
    const made = await server.gql(
      'mutation { setOverage(input: { monthlyCapCents: 10000 }) { perCalls priceCents } }',
      { key },
    );
    expect(made.errors).toEqual([]);
    const { perCalls, priceCents } = made.data.setOverage;
    const used = await server.gql(
      `mutation { consume(input: { endpoint: "jobs", cost: ${10 + 3 * perCalls} }) { allowed } }`,
      { key },
    );
    expect(used.data.consume.allowed).toBe(true);
    expect((await preview(id, false)).data.previewCancellation).toMatchObject({
      overageCents: 3 * priceCents,
      summary: expect.stringContaining('last invoice'),
    });
  });
});
