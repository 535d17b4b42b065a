import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WebhookDeliveryDoc } from '../../src/models/outgoingWebhook.js';
import { systemAuthor } from '../../src/services/audit/author.js';
import { readEvent } from '../../src/services/billing/inbox/receivedEvent.js';
import {
  advance,
  customerIdOf,
  mockOf,
  settled,
  stripeOf,
  subscribe,
  subscriptionOf,
} from '../support/billing.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { thinOf } from '../support/stripeSide.js';

/** What Stripe's events say beyond a subscription's new state reaches the operator's systems, each event once. */

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
  const { errors } = await server.gql(
    `mutation { createWebhookEndpoint(input: { url: "https://hooks.example.com/billing" }) { endpoint { id } } }`,
  );
  expect(errors).toEqual([]);
});
afterAll(() => server.stop());

const DAY_S = 86_400;
type Told = { type: string; data: Record<string, unknown> };

/** Nothing is sent: what waits to be sent is what counts. */
async function toldOf(tenantId: string): Promise<Told[]> {
  const { outgoingWebhooks } = server.app.services;
  await outgoingWebhooks.run();
  const deliveries = await server.app.models.webhookDeliveries.find().lean<WebhookDeliveryDoc[]>();
  return deliveries
    .map(({ body }) => JSON.parse(body) as Told)
    .filter(({ data }) => data.tenantId === tenantId);
}

async function happens(event: string) {
  const tenant = await server.createTenant();
  const trigger = server.app.services.mock?.trigger;
  if (!trigger) throw new Error('The server is in live mode');
  await trigger(event, tenant.id);
  await settled(server);
  return tenant;
}

describe.each([
  ['checkout.session.completed', 'checkout.completed', { paymentStatus: 'paid', amountTotal: 2_900 }],
  ['checkout.session.expired', 'checkout.expired', { status: 'expired' }],
  ['checkout.session.async_payment_succeeded', 'checkout.payment_succeeded', { currency: 'usd' }],
  ['checkout.session.async_payment_failed', 'checkout.payment_failed', { currency: 'usd' }],
  ['customer.subscription.trial_will_end', 'subscription.trial_will_end', { status: 'trialing' }],
  ['customer.subscription.paused', 'subscription.paused', { status: 'paused' }],
  ['customer.subscription.resumed', 'subscription.resumed', { status: 'active' }],
  ['subscription_schedule.created', 'subscription.schedule_changed', { status: 'active' }],
  ['subscription_schedule.updated', 'subscription.schedule_changed', {}],
  ['subscription_schedule.released', 'subscription.schedule_changed', { status: 'released' }],
  ['subscription_schedule.canceled', 'subscription.schedule_changed', { status: 'canceled' }],
  ['subscription_schedule.completed', 'subscription.schedule_changed', {}],
  ['subscription_schedule.aborted', 'subscription.schedule_changed', {}],
  ['subscription_schedule.expiring', 'subscription.schedule_changed', {}],
  ['invoice.finalized', 'invoice.finalized', { amountDue: 2_900, currency: 'usd' }],
  ['invoice.payment_succeeded', 'payment.succeeded', { amountPaid: 2_900 }],
  ['invoice.payment_failed', 'payment.failed', { amountDue: 2_900, attemptCount: 1 }],
  ['invoice.payment_action_required', 'payment.action_required', { hostedInvoiceUrl: expect.any(String) }],
  ['invoice.voided', 'invoice.voided', { status: 'void' }],
  ['invoice.marked_uncollectible', 'invoice.uncollectible', { status: 'uncollectible' }],
  ['charge.refunded', 'charge.refunded', { amount: 2_900, amountRefunded: 2_900 }],
  ['charge.dispute.created', 'charge.disputed', { reason: 'fraudulent', evidenceDueBy: expect.any(String) }],
] as const)('%s', (event, type, data) => {
  it(`is applied by a fresh look at its customer, and passed on once as ${type}`, async () => {
    const { id } = await happens(event);
    const customer = await customerIdOf(server, id);
    const lane = `customer:${customer}`;
    const applied = await server.app.models.webhookEvents.find({ type: event, lane }).lean();
    expect(applied.map(({ state }) => state)).toContain('APPLIED');
    const told = (await toldOf(id)).filter(({ data }) => data.stripeEventType === event);
    expect(told.length).toBeGreaterThan(0);
    expect(told).toContainEqual({
      type,
      timestamp: expect.any(String),
      data: expect.objectContaining({ ...data, tenantId: id, occurredAt: expect.any(String) }),
    });
    const ids = told.map(({ data }) => data.stripeEventId);
    expect(new Set(ids).size).toBe(ids.length);
    // Delivered again, and applied again, it is not passed on again.
    for (const { _id, payload } of applied) {
      await server.app.services.inbox.receive(readEvent(payload));
      await server.app.services.inbox.replay(_id, systemAuthor('test'));
    }
    await settled(server);
    expect(await toldOf(id)).toHaveLength((await toldOf(id)).length);
    expect((await toldOf(id)).filter(({ data }) => data.stripeEventType === event)).toHaveLength(told.length);
  });
});

it('a trial’s end is said three days before, once', async () => {
  const tenant = await server.createTenant();
  await subscribe(server, tenant.key);
  const { stripeSubscriptionId } = await subscriptionOf(server, tenant.key);
  const stripe = stripeOf(server);
  const endsAt = Math.floor((await mockOf(server).now()).getTime() / 1000) + 10 * DAY_S;
  await stripe.subscriptions.update(stripeSubscriptionId, { trial_end: endsAt, proration_behavior: 'none' });
  const count = async () =>
    (await toldOf(tenant.id)).filter(({ type }) => type === 'subscription.trial_will_end').length;
  await advance(server, 7 * DAY_S - 60);
  expect(await count()).toBe(0);
  await advance(server, 120);
  expect(await count()).toBe(1);
  await advance(server, 4 * DAY_S);
  expect(await count()).toBe(1);
});

it.each([
  ['charge.refunded', 'charge'],
  ['charge.dispute.created', 'dispute'],
  ['subscription_schedule.updated', 'subscription_schedule'],
])('a thin event %s finds its customer by its %s', async (type, kind) => {
  const { id } = await happens(type);
  const snapshot = await server.app.models.webhookEvents
    .findOne({ type, object: { $ne: null } })
    .sort({ receivedAt: -1 })
    .lean();
  const thin = thinOf(`evt_thin_${kind}`, `v1.${type}`, { id: snapshot?.object ?? '', type: kind });
  await server.app.services.inbox.receive(thin);
  await settled(server);
  const lane = `customer:${await customerIdOf(server, id)}`;
  expect(await server.app.models.webhookEvents.findById(thin.id).lean()).toMatchObject({
    state: 'APPLIED',
    lane,
  });
});

it('an event of a customer that is nobody’s is passed on to nobody', async () => {
  const stripe = stripeOf(server);
  const { id: customer } = await stripe.customers.create({});
  const charge = await stripe.charges.create({ amount: 100, currency: 'usd', customer });
  await stripe.refunds.create({ charge: charge.id });
  await settled(server);
  await server.app.services.outgoingWebhooks.run();
  expect(await server.app.models.webhookEvents.countDocuments({ unannounced: true })).toBe(0);
  const bodies = (await server.app.models.webhookDeliveries.find().lean()).map(({ body }) => body);
  expect(bodies.filter((body) => body.includes(charge.id))).toEqual([]);
});

it('every type that has an effect is one that an endpoint at Stripe may ask for, and is listed in lists of at most 20', async () => {
  const { EFFECTIVE_TYPES } = await import('../../src/services/billing/inbox/eventTarget.js');
  const stripe = new Stripe('sk_test_mock', {
    httpClient: Stripe.createFetchHttpClient(mockOf(server).fetch),
  });
  const made = await stripe.webhookEndpoints.create({
    url: 'https://hooks.example.com/stripe',
    enabled_events: [...EFFECTIVE_TYPES] as Stripe.WebhookEndpointCreateParams.EnabledEvent[],
  });
  expect(made.enabled_events).toHaveLength(new Set(EFFECTIVE_TYPES).size);
  expect(await server.app.services.reconcile.run({ dryRun: true })).toMatchObject({ phase: 'events' });
});
