import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OutgoingEventType, type WebhookDeliveryDoc } from '../../src/models/outgoingWebhook.js';
import { systemAuthor } from '../../src/services/audit/author.js';
import { readEvent } from '../../src/services/billing/inbox/receivedEvent.js';
import {
  advance,
  beginCheckout,
  customerIdOf,
  mockOf,
  press,
  settled,
  stripeOf,
  subscriptionOf,
} from '../support/billing.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { thinOf } from '../support/stripeSide.js';
import { teamCatalogueFile } from '../support/teamCatalogue.js';

const DAY_S = 86_400;
const DAY_MS = DAY_S * 1000;
const TYPE = 'customer.subscription.trial_will_end';
let server: TestServer;
/** On the same database. */
let other: TestServer;

beforeAll(async () => {
  const env = { CATALOG_FILE: teamCatalogueFile({ pro: { trialDays: 14 } }) };
  server = await startTestServer({ env });
  other = await startTestServer({ env, uri: server.uri });
  const input = '{ url: "https://hooks.example.com/billing", events: [SUBSCRIPTION_TRIAL_WILL_END] }';
  const { errors } = await server.gql(
    `mutation { createWebhookEndpoint(input: ${input}) { endpoint { id } } }`,
  );
  expect(errors).toEqual([]);
});
afterAll(async () => {
  await other?.stop();
  await server?.stop();
});

async function trying() {
  const tenant = await server.createTenant();
  await press(await beginCheckout(server, tenant.key), 'complete');
  await settled(server);
  const { stripeSubscriptionId: subscriptionId } = await subscriptionOf(server, tenant.key);
  const trialEnd = await endOf(tenant);
  return { ...tenant, subscriptionId, trialEnd };
}
const endOf = async ({ key }: Pick<TestTenant, 'key'>) =>
  new Date((await server.gql('{ subscription { trialEnd } }', { key })).data.subscription.trialEnd);

/** The ends that the operator's systems were reminded of. */
async function reminded({ id }: TestTenant): Promise<string[]> {
  await Promise.all([server, other].map(({ app }) => app.services.outgoingWebhooks.run()));
  const sent = await server.app.models.webhookDeliveries
    .find({ tenantId: id, type: OutgoingEventType.SUBSCRIPTION_TRIAL_WILL_END })
    .sort({ _id: 1 })
    .lean<WebhookDeliveryDoc[]>();
  return sent.map(({ body }) => JSON.parse(body).data.trialEnd);
}
const after = (from: Date, days: number) => new Date(from.getTime() + days * DAY_MS);
async function extend({ id }: TestTenant, until: Date): Promise<void> {
  const { errors } = await server.gql(
    `mutation { extendTrial(input: { tenantId: "${id}", until: "${until.toISOString()}" }) { status } }`,
  );
  expect(errors).toEqual([]);
  await settled(server);
}
const noticesOf = async ({ id }: TestTenant) =>
  server.app.models.webhookEvents
    .find({ type: TYPE, lane: `customer:${await customerIdOf(server, id)}` })
    .lean();

describe('the reminder of a trial’s end', () => {
  it('comes three days before, once for each end that is more than three days later', async () => {
    const tenant = await trying();
    const first = tenant.trialEnd.toISOString();
    await advance(server, 11 * DAY_S - 60);
    expect(await reminded(tenant)).toEqual([]);
    await advance(server, 120);
    expect(await reminded(tenant)).toEqual([first]);
    // Within the three days that the customer was told of.
    await extend(tenant, after(tenant.trialEnd, 2));
    await advance(server, DAY_S);
    expect(await reminded(tenant)).toEqual([first]);
    const end = after(tenant.trialEnd, 20);
    await extend(tenant, end);
    await advance(server, 19 * DAY_S);
    expect(await reminded(tenant)).toEqual([first, end.toISOString()]);
    await advance(server, 10 * DAY_S);
    expect(await reminded(tenant)).toEqual([first, end.toISOString()]);
  });

  it('comes once for a trial that was extended in time, and once if all of it passes in one jump', async () => {
    const tenant = await trying();
    const end = after(tenant.trialEnd, 300);
    await extend(tenant, end);
    await advance(server, 400 * DAY_S);
    expect(await reminded(tenant)).toEqual([end.toISOString()]);
  });

  it('comes once, though Stripe sends it again, late, under another id or in another form, to two servers', async () => {
    const tenant = await trying();
    await advance(server, 11 * DAY_S + 60);
    const [notice] = await noticesOf(tenant);
    const event = JSON.parse(notice?.payload ?? '');
    const twice = { ...event, id: `${event.id}_twice` };
    const { inbox } = server.app.services;
    await Promise.all([
      inbox.receive(readEvent(JSON.stringify(event))),
      other.app.services.inbox.receive(readEvent(JSON.stringify(twice))),
      inbox.receive(
        thinOf(`${event.id}_thin`, `v1.${TYPE}`, { id: tenant.subscriptionId, type: 'subscription' }),
      ),
      inbox.replay(event.id, systemAuthor('test')),
    ]);
    await settled(server);
    await other.app.services.inbox.idle(10_000);
    expect(await reminded(tenant)).toEqual([tenant.trialEnd.toISOString()]);
    // Of an end that no longer is one.
    await extend(tenant, after(tenant.trialEnd, 30));
    await inbox.receive(readEvent(JSON.stringify({ ...event, id: `${event.id}_late` })));
    await settled(server);
    expect(await reminded(tenant)).toEqual([tenant.trialEnd.toISOString()]);
  });

  it('comes once, though the server that sends it is killed before its transaction ends', async () => {
    const tenant = await trying();
    mockOf(server).clearFailures();
    await advance(server, 11 * DAY_S + 60);
    expect(await reminded(tenant)).toHaveLength(1);
    // The mark and the deliveries are one transaction, so an event that is still pending has neither.
    const { billingSubscriptions, webhookDeliveries, webhookEvents } = server.app.models;
    await webhookDeliveries.deleteMany({ tenantId: tenant.id });
    await billingSubscriptions.collection.updateOne(
      { _id: tenant.id as never },
      { $unset: { trialReminder: '' } },
    );
    const [notice] = await noticesOf(tenant);
    await webhookEvents.updateOne({ _id: notice?._id ?? '' }, { $set: { unannounced: true } });
    expect(await reminded(tenant)).toEqual([tenant.trialEnd.toISOString()]);
    await webhookEvents.updateOne({ _id: notice?._id ?? '' }, { $set: { unannounced: true } });
    expect(await reminded(tenant)).toEqual([tenant.trialEnd.toISOString()]);
  });

  it('comes although its event was lost, by a reconcile', async () => {
    const tenant = await trying();
    mockOf(server).disturbWebhooks({ seed: 1, dropped: 1 });
    await advance(server, 11 * DAY_S + 60);
    mockOf(server).disturbWebhooks(null);
    expect(await reminded(tenant)).toEqual([]);
    await server.app.services.reconcile.run({ dryRun: false });
    await settled(server);
    expect(await reminded(tenant)).toEqual([tenant.trialEnd.toISOString()]);
  });

  it('does not come for a trial that is ended at once', async () => {
    const tenant = await trying();
    await stripeOf(server).subscriptions.update(tenant.subscriptionId, { trial_end: 'now' });
    await settled(server);
    await advance(server, 20 * DAY_S);
    expect(await reminded(tenant)).toEqual([]);
  });
});
