import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import Stripe from 'stripe';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createRejections, type Rejection } from '../../src/services/billing/inbox/rejections.js';
import { createWebhookVerifier } from '../../src/services/billing/inbox/webhookVerifier.js';
import {
  beginCheckout,
  customerIdOf,
  mockOf,
  settled,
  stripeOf,
  subscribe,
  subscriptionOf,
  tierOfNextCall,
} from '../support/billing.js';
import { moveToLiveMode } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { soon } from '../support/soon.js';

const SECRET = 'whsec_of_the_tests';
const DAY_S = 86_400;
const { webhooks } = new Stripe('sk_unused');

const clock = createFakeClock('2026-11-22T12:00:10Z');
let server: TestServer;
let count = 0;

beforeAll(async () => {
  server = await startTestServer({ clock, env: { STRIPE_WEBHOOK_SECRET: SECRET } });
});
afterAll(() => server.stop());
afterEach(() => mockOf(server).clearFailures());

interface EventBody {
  id: string;
  type: string;
  data: { object: Record<string, unknown> };
}

/** An event that no other test has. */
function eventOf(type: string, object: Record<string, unknown> = { id: 'obj_1' }): EventBody {
  count += 1;
  return { id: `evt_test_${count}`, type, data: { object } };
}

const nowS = () => Math.floor(clock.now() / 1000);
const signatureOf = (payload: string, { secret = SECRET, timestamp = nowS() } = {}) =>
  webhooks.generateTestHeaderString({ payload, secret, timestamp });

async function post(
  body: string | Uint8Array<ArrayBuffer>,
  { signature, to = server }: { signature?: string; to?: { url: string } } = {},
) {
  const response = await fetch(`${to.url}/v1/billing/webhook`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(signature && { 'stripe-signature': signature }) },
    body,
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
  return { status: response.status, headers: response.headers, body: (await response.json()) as any };
}

/** As Stripe sends it. */
const deliver = (event: EventBody, to?: { url: string }) => {
  const payload = JSON.stringify(event);
  return post(payload, { signature: signatureOf(payload), ...(to && { to }) });
};
const stored = (id: string, of = server) => of.app.models.webhookEvents.findById(id).lean();
const applied = async (event: EventBody) => {
  expect((await deliver(event)).status).toBe(200);
  await server.app.services.inbox.idle(10_000);
  return stored(event.id);
};

describe('a signature', () => {
  it('that is good gets the event on disk and a 200', async () => {
    const event = eventOf('charge.succeeded');
    expect(await deliver(event)).toMatchObject({
      status: 200,
      body: { status: 'success', message: `Event ${event.id} is stored` },
    });
    expect(await stored(event.id)).toMatchObject({
      _id: event.id,
      type: event.type,
      payload: JSON.stringify(event),
    });
  });

  it.each([
    ['of another secret', (payload: string) => signatureOf(payload, { secret: 'whsec_other' })],
    ['of other bytes', (payload: string) => signatureOf(`${payload} `)],
    ['of 301 s ago', (payload: string) => signatureOf(payload, { timestamp: nowS() - 301 })],
    ['of 301 s ahead', (payload: string) => signatureOf(payload, { timestamp: nowS() + 301 })],
    [
      'of 301 s ahead behind a timestamp of now',
      (payload: string) => `t=${nowS()},${signatureOf(payload, { timestamp: nowS() + 301 })}`,
    ],
    ['without a timestamp', (payload: string) => signatureOf(payload).replace(/^t=\d+,/, '')],
    ['that is no signature', () => 'nonsense'],
  ])('%s is rejected with 400, and the event is stored nowhere', async (_what, sign) => {
    const event = eventOf('charge.succeeded');
    const payload = JSON.stringify(event);
    const answer = await post(payload, { signature: sign(payload) });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'stripe-signature' });
    expect(JSON.stringify(answer.body)).not.toContain(SECRET);
    expect(await stored(event.id)).toBeNull();
  });

  it.each([-300, 300])('that is %i s off is good', async (offsetS) => {
    const payload = JSON.stringify(eventOf('charge.succeeded'));
    const signature = signatureOf(payload, { timestamp: nowS() + offsetS });
    expect((await post(payload, { signature })).status).toBe(200);
  });

  it('may be one of two, while the secret is exchanged', async () => {
    const payload = JSON.stringify(eventOf('charge.succeeded'));
    const other = signatureOf(payload, { secret: 'whsec_before' }).split(',')[1];
    expect((await post(payload, { signature: `${signatureOf(payload)},${other}` })).status).toBe(200);
  });

  it('may be missing in mock mode', async () => {
    const event = eventOf('charge.succeeded');
    expect((await post(JSON.stringify(event))).status).toBe(200);
    expect(await stored(event.id)).not.toBeNull();
  });

  it('may not be missing in live mode', () => {
    const verify = createWebhookVerifier({
      clock,
      secrets: () => [SECRET],
      rejections: createRejections(),
      acceptUnsigned: false,
    });
    const payload = JSON.stringify(eventOf('charge.succeeded'));
    expect(() => verify(Buffer.from(payload), undefined)).toThrow('stripe-signature: is missing');
    expect(() => verify(Buffer.from(payload), '')).toThrow('stripe-signature');
    expect(verify(Buffer.from(payload), signatureOf(payload))).toMatchObject({ payload });
  });
});

describe('a body', () => {
  const signed = (payload: string) => post(payload, { signature: signatureOf(payload) });

  it.each([
    ['that is no JSON', '{"id": "evt_1", '],
    ['that is JSON, but no object', '"evt_1"'],
    ['that is null', 'null'],
    ['without an id', '{"type":"charge.succeeded","data":{"object":{}}}'],
    ['with an id that is no text', '{"id":{"$gt":""},"type":"charge.succeeded","data":{"object":{}}}'],
    ['with an empty id', '{"id":"","type":"charge.succeeded","data":{"object":{}}}'],
    ['without a type', '{"id":"evt_1","data":{"object":{}}}'],
    ['without an object', '{"id":"evt_1","type":"charge.succeeded","data":{}}'],
    ['whose object is a list', '{"id":"evt_1","type":"charge.succeeded","data":{"object":[]}}'],
  ])('%s is rejected with 400, signed or not', async (_what, payload) => {
    const before = await server.app.models.webhookEvents.countDocuments();
    for (const answer of [await signed(payload), await post(payload)]) {
      expect(answer.status).toBe(400);
      expect(answer.body.error).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'body' });
    }
    expect(await server.app.models.webhookEvents.countDocuments()).toBe(before);
  });

  it('that is empty is rejected with 400', async () => {
    expect((await post('')).status).toBe(400);
  });

  it('over 1 MB is rejected with 413, and one just below it is taken', async () => {
    const sized = (bytes: number) => {
      const event = eventOf('charge.succeeded', { filling: '' });
      const room = bytes - JSON.stringify(event).length;
      return JSON.stringify({ ...event, data: { object: { filling: 'x'.repeat(room) } } });
    };
    expect((await signed(sized(1_048_576))).status).toBe(200);
    expect((await signed(sized(1_048_577))).status).toBe(413);
  });

  it('is taken with any content type, or none', async () => {
    for (const type of ['text/plain', 'application/octet-stream', '']) {
      const payload = JSON.stringify(eventOf('charge.succeeded'));
      const response = await fetch(`${server.url}/v1/billing/webhook`, {
        method: 'POST',
        headers: { 'stripe-signature': signatureOf(payload), ...(type && { 'content-type': type }) },
        body: Buffer.from(payload),
      });
      expect(response.status).toBe(200);
    }
  });

  it('may have fields with the names that JavaScript and MongoDB use', async () => {
    const payload = `{"id":"evt_names","type":"charge.succeeded","data":{"object":{"a.b":1,"$set":{"x":1},"constructor":2}}}`;
    expect((await post(payload, { signature: signatureOf(payload) })).status).toBe(200);
    expect((await stored('evt_names'))?.payload).toBe(payload);
  });
});

describe('an event', () => {
  it('that comes twice is stored once, and both are answered with 200', async () => {
    const event = eventOf('charge.succeeded');
    expect((await deliver(event)).body.message).toBe(`Event ${event.id} is stored`);
    expect(await deliver(event)).toMatchObject({
      status: 200,
      body: { status: 'success', message: `Event ${event.id} was stored before` },
    });
    expect(await server.app.models.webhookEvents.countDocuments({ _id: event.id })).toBe(1);
  });

  it('that comes twenty times at once is stored once', async () => {
    const event = eventOf('charge.succeeded');
    const answers = await Promise.all(Array.from({ length: 20 }, () => deliver(event)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(answers.filter(({ body }) => body.message.endsWith('is stored'))).toHaveLength(1);
  });

  it.each(['charge.succeeded', 'something.new', 'constructor', '__proto__', 'toString'])(
    'of the type %s, which is not handled, is kept and IGNORED',
    async (type) => {
      expect(await applied(eventOf(type))).toMatchObject({
        state: 'IGNORED',
        reason: `events of type ${type} have no effect`,
      });
    },
  );

  it.each([
    ['customer.updated', { id: 'cus_unknown' }, 'the customer belongs to no tenant'],
    ['customer.deleted', { id: 'cus_unknown' }, 'the customer belongs to no tenant'],
    [
      'customer.subscription.updated',
      { id: 'sub_x', customer: 'cus_unknown' },
      'the customer belongs to no tenant',
    ],
    ['customer.subscription.deleted', { id: 'sub_x' }, 'the event names no customer'],
    [
      'invoice.payment_failed',
      { id: 'in_x', customer: { id: 'cus_unknown' } },
      'the customer belongs to no tenant',
    ],
    ['invoice.payment_succeeded', { id: 'in_x', customer: null }, 'the event names no customer'],
    ['payment_method.attached', { id: 'pm_x', customer: 'cus_unknown' }, 'the customer belongs to no tenant'],
  ])('%s of an object that nobody knows is IGNORED', async (type, object, reason) => {
    expect(await applied(eventOf(type, object))).toMatchObject({ state: 'IGNORED', reason });
  });
});

describe('each event of the reference', () => {
  /** A tenant whose customer and subscription exist, with nothing of them known here but the customer. */
  async function forgotten() {
    const tenant = await server.createTenant();
    await subscribe(server, tenant.key);
    await settled(server);
    const customer = await customerIdOf(server, tenant.id);
    const { billingSubscriptions } = server.app.models;
    await billingSubscriptions.deleteOne({ _id: tenant.id });
    server.app.services.entitlements.forget(tenant.id);
    expect(await tierOfNextCall(server, tenant.key)).toBe('free');
    return { ...tenant, customer };
  }

  it.each([
    'customer.created',
    'customer.updated',
    'customer.subscription.created',
    'customer.subscription.updated',
    'customer.subscription.deleted',
    'customer.subscription.paused',
    'customer.subscription.resumed',
    'invoice.payment_succeeded',
    'invoice.payment_failed',
    'checkout.session.completed',
  ])('%s writes what Stripe has now, whatever the event says itself', async (type) => {
    const { key, customer } = await forgotten();
    const object = type.split('.').length === 2 && type.startsWith('customer.') ? { id: customer } : {};
    const doc = await applied(eventOf(type, { id: 'other', customer, status: 'canceled', ...object }));
    expect(doc).toMatchObject({ state: 'APPLIED', reason: null, attempts: 1 });
    expect(await subscriptionOf(server, key)).toMatchObject({ tier: { name: 'PRO' }, status: 'ACTIVE' });
    expect(await tierOfNextCall(server, key)).toBe('pro');
  });

  it('customer.created ties a customer that was made by hand to the tenant that it names', async () => {
    const { id } = await server.createTenant();
    const customer = await stripeOf(server).customers.create({
      email: 'sales@example.com',
      metadata: { tenant_id: id },
    });
    await settled(server);
    expect(await server.app.models.billingCustomers.findById(id).lean()).toMatchObject({
      stripeCustomerId: customer.id,
      email: 'sales@example.com',
    });
  });

  it('customer.created of a second customer leaves the tenant its first', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    const first = await customerIdOf(server, id);
    const second = await stripeOf(server).customers.create({ metadata: { tenant_id: id } });
    await settled(server);
    expect(await customerIdOf(server, id)).toBe(first);
    const event = eventOf('customer.created', { id: second.id });
    expect(await applied(event)).toMatchObject({
      state: 'IGNORED',
      reason: 'the tenant has another customer',
    });
  });

  it('customer.updated brings the e-mail', async () => {
    const { id, key } = await server.createTenant();
    await beginCheckout(server, key);
    await stripeOf(server).customers.update(await customerIdOf(server, id), { email: 'new@example.com' });
    await settled(server);
    expect((await server.app.models.billingCustomers.findById(id).lean())?.email).toBe('new@example.com');
  });

  it('customer.deleted ends the subscription and unties the customer', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    await stripeOf(server).customers.del(await customerIdOf(server, id));
    await settled(server);
    expect(await tierOfNextCall(server, key)).toBe('free');
    expect((await server.app.models.billingCustomers.findById(id).lean())?.stripeCustomerId).toBeNull();
  });

  it('customer.subscription.deleted takes the tier away', async () => {
    const { key } = await server.createTenant();
    await subscribe(server, key);
    const { stripeSubscriptionId } = await subscriptionOf(server, key);
    await stripeOf(server).subscriptions.cancel(stripeSubscriptionId);
    await settled(server);
    expect(await subscriptionOf(server, key)).toMatchObject({ tier: { name: 'FREE' }, status: 'CANCELED' });
  });

  it('customer.subscription.paused and resumed take the tier and give it back', async () => {
    const { key } = await server.createTenant();
    await subscribe(server, key);
    const { stripeSubscriptionId } = await subscriptionOf(server, key);
    await stripeOf(server).rawRequest('POST', `/v1/subscriptions/${stripeSubscriptionId}/pause`);
    await settled(server);
    expect(await subscriptionOf(server, key)).toMatchObject({ tier: { name: 'FREE' }, status: 'PAUSED' });
    await stripeOf(server).subscriptions.resume(stripeSubscriptionId);
    await settled(server);
    expect(await subscriptionOf(server, key)).toMatchObject({ tier: { name: 'PRO' }, status: 'ACTIVE' });
  });

  it('payment_method.attached is noted', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    await settled(server);
    const doc = await server.app.models.billingCustomers.findById(id).lean();
    expect(doc?.paymentMethodAttachedAt).toEqual(new Date(clock.now()));
  });
});

describe('events in any order, any number of times', () => {
  it('lead to the same end', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    const { stripeSubscriptionId } = await subscriptionOf(server, key);
    const stripe = stripeOf(server);
    await stripe.subscriptions.update(stripeSubscriptionId, { cancel_at_period_end: true });
    await stripe.subscriptions.update(stripeSubscriptionId, { cancel_at_period_end: false });
    await mockOf(server).advanceClock(40 * DAY_S);
    await settled(server);
    const before = await subscriptionOf(server, key);
    expect(before).toMatchObject({ tier: { name: 'PRO' }, status: 'ACTIVE', cancelAtPeriodEnd: false });

    const customer = await customerIdOf(server, id);
    const { models } = server.app;
    const all = await models.webhookEvents.find({ lane: `customer:${customer}` });
    expect(all.length).toBeGreaterThan(7);
    await models.webhookEvents.deleteMany({ _id: { $in: all.map(({ _id }) => _id) } });
    await models.billingSubscriptions.deleteOne({ _id: id });
    // The newest first, and each of them twice.
    for (const { payload } of all.reverse()) {
      await Promise.all([deliver(JSON.parse(payload)), deliver(JSON.parse(payload))]);
    }
    await server.app.services.inbox.idle(10_000);
    expect(await subscriptionOf(server, key)).toEqual(before);
    const states = await models.webhookEvents.find({ _id: { $in: all.map(({ _id }) => _id) } });
    expect(states.filter(({ state }) => state === 'PENDING' || state === 'FAILED')).toEqual([]);
  });

  it('all at once, from two servers on one database, apply each event once', async () => {
    const second = await startTestServer({ clock, uri: server.uri, env: { STRIPE_WEBHOOK_SECRET: SECRET } });
    try {
      const { id, key } = await server.createTenant();
      await subscribe(server, key);
      const customer = await customerIdOf(server, id);
      await server.app.models.billingSubscriptions.deleteOne({ _id: id });
      const events = Array.from({ length: 10 }, () => eventOf('customer.subscription.updated', { customer }));
      const answers = await Promise.all(
        events.flatMap((event) => [deliver(event, server), deliver(event, second)]),
      );
      expect(answers.filter(({ body }) => body.message.endsWith('is stored'))).toHaveLength(10);
      await soon(async () => {
        const docs = await server.app.models.webhookEvents.find({ _id: { $in: events.map((e) => e.id) } });
        expect(docs.map(({ state, attempts }) => ({ state, attempts }))).toEqual(
          events.map(() => ({ state: 'APPLIED', attempts: 1 })),
        );
      });
      expect(await tierOfNextCall(second, key)).toBe('pro');
      // What one of them applies is felt at the other within a second.
      await stripeOf(second).subscriptions.cancel((await subscriptionOf(second, key)).stripeSubscriptionId);
      await soon(async () => {
        expect(await tierOfNextCall(server, key)).toBe('free');
        expect(await tierOfNextCall(second, key)).toBe('free');
      });
    } finally {
      await second.stop();
    }
  });
});

describe('a failure', () => {
  /** The worker looks when an event comes; it looks by itself every five seconds, too. */
  const wakeWorker = () => server.app.services.inbox.start();

  it('of Stripe while an event is applied is retried, with a growing wait, until it is APPLIED', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    const customer = await customerIdOf(server, id);
    await server.app.models.billingSubscriptions.deleteOne({ _id: id });
    // The SDK tries three times by itself.
    mockOf(server).failNext({ kind: 'connection', path: '/v1/subscriptions', times: 3 });
    const event = eventOf('customer.subscription.updated', { customer });
    const first = await applied(event);
    expect(first).toMatchObject({
      state: 'PENDING',
      attempts: 1,
      nextAttemptAt: new Date(clock.now() + 1_000),
    });
    expect(first?.lastError).toContain('connection to Stripe');
    mockOf(server).failNext({ kind: 'connection', path: '/v1/subscriptions', times: 3 });
    clock.advance(1_000);
    wakeWorker();
    await server.app.services.inbox.idle(10_000);
    expect(await stored(event.id)).toMatchObject({
      state: 'PENDING',
      attempts: 2,
      nextAttemptAt: new Date(clock.now() + 2_000),
    });
    clock.advance(2_000);
    wakeWorker();
    await server.app.services.inbox.idle(10_000);
    expect(await stored(event.id)).toMatchObject({ state: 'APPLIED', attempts: 3, reason: null });
    expect(await tierOfNextCall(server, key)).toBe('pro');
  });

  it('that does not end makes the event FAILED, and sending it once more revives it', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    const customer = await customerIdOf(server, id);
    const { webhookEvents } = server.app.models;
    const event = eventOf('customer.subscription.updated', { customer });
    mockOf(server).failNext({ kind: 'rate_limit', path: '/v1/subscriptions' });
    await applied(event);
    await webhookEvents.updateOne({ _id: event.id }, { $set: { attempts: 99 } });
    mockOf(server).failNext({ kind: 'rate_limit', path: '/v1/subscriptions' });
    clock.advance(1_000);
    wakeWorker();
    await server.app.services.inbox.idle(10_000);
    expect(await stored(event.id)).toMatchObject({ state: 'FAILED', attempts: 100 });
    expect(await applied(event)).toMatchObject({ state: 'APPLIED', attempts: 1 });
  });

  it('of one event holds no other up', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    const customer = await customerIdOf(server, id);
    const { stripeSubscriptionId } = await subscriptionOf(server, key);
    // A status that Stripe has added since: nothing to guess about, a person has to look.
    await server.app.models.connection
      .collection<{ _id: string }>('mock_stripe_objects')
      .updateOne({ _id: stripeSubscriptionId }, { $set: { 'body.status': 'hibernating' } });
    const bad = eventOf('customer.subscription.updated', { customer });
    expect(await applied(bad)).toMatchObject({
      state: 'PENDING',
      lastError: expect.stringContaining('hibernating'),
    });
    const { key: other } = await server.createTenant();
    await subscribe(server, other);
    expect(await tierOfNextCall(server, other)).toBe('pro');
  });

  it('of the database while an event is stored is a 5xx, and Stripe’s retry is stored', async () => {
    const proxy = await startProxy(server.uri);
    const cut = await startTestServer({ clock, uri: proxy.uri, env: { STRIPE_WEBHOOK_SECRET: SECRET } });
    try {
      const event = eventOf('charge.succeeded');
      proxy.cut();
      const failed = await deliver(event, cut);
      expect(failed.status).toBe(503);
      expect(failed.body.error.code).toBe('SERVICE_UNAVAILABLE');
      expect(failed.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(await stored(event.id)).toBeNull();
      expect((await fetch(`${cut.url}/health/ready`)).status).toBe(503);
      proxy.mend();
      await soon(async () => expect((await deliver(event, cut)).status).toBe(200));
      expect(await stored(event.id)).not.toBeNull();
    } finally {
      proxy.mend();
      await cut.stop();
      proxy.close();
    }
  });
});

describe('an event that was stored, but not applied before the server died', () => {
  const env = { STRIPE_WEBHOOK_SECRET: SECRET };

  async function leftBehind(leave: (dying: TestServer, event: EventBody) => Promise<unknown>) {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    const customer = await customerIdOf(server, id);
    const database = await startTestServer({ clock, env });
    await database.app.services.inbox.stop();
    try {
      // A server of its own, so that no other worker takes the event; it has the same customer.
      for (const name of ['tenants', 'api_keys', 'billing_customers', 'mock_stripe_objects']) {
        const docs = await server.app.models.connection.collection(name).find().toArray();
        const into = database.app.models.connection.collection(name);
        for (const doc of docs) await into.replaceOne({ _id: doc._id }, doc, { upsert: true });
      }
      const event = eventOf('customer.subscription.updated', { customer });
      await leave(database, event);
      expect(await stored(event.id, database)).toMatchObject({ state: 'PENDING' });
      const next = await startTestServer({ clock, uri: database.uri, env });
      try {
        await next.app.services.inbox.idle(10_000);
        expect(await stored(event.id, next)).toMatchObject({ state: 'APPLIED' });
        expect(await tierOfNextCall(next, key)).toBe('pro');
      } finally {
        await next.stop();
      }
    } finally {
      await database.stop();
    }
  }

  it('is applied by the next start', () =>
    leftBehind(async (dying, event) => expect((await deliver(event, dying)).status).toBe(200)));

  it('is applied once its lease has run out, when it died in the middle', () =>
    leftBehind(async (dying, event) => {
      await deliver(event, dying);
      const { webhookEvents, leases } = dying.app.models;
      const doc = await webhookEvents.findByIdAndUpdate(event.id, { $set: { attempts: 1, claim: 'dead' } });
      const lapsed = new Date(Date.now() - 1);
      await leases.create({ _id: `webhook queue ${doc?.lane}`, holder: 'dead', until: lapsed });
    }));
});

describe('the operator', () => {
  const EVENT = 'id type status tries lastError reason object receivedAt appliedAt';
  const list = (args: string, options = {}) =>
    server.gql(
      `{ webhookEvents(${args}) { edges { cursor node { ${EVENT} } } pageInfo { hasNextPage hasPreviousPage endCursor } } }`,
      options,
    );

  it('lists events by their status, the newest first, page by page', async () => {
    const ignored = [];
    for (let i = 0; i < 3; i++) {
      clock.advance(1_000);
      const event = eventOf('charge.succeeded', { id: `ch_${i}` });
      ignored.push(event.id);
      await applied(event);
    }
    const first = (await list('first: 2, status: IGNORED')).data.webhookEvents;
    expect(first.edges.map(({ node }: { node: object }) => node)).toMatchObject([
      { id: ignored[2], object: 'ch_2', status: 'IGNORED', tries: 0, appliedAt: null, lastError: null },
      { id: ignored[1], type: 'charge.succeeded', reason: 'events of type charge.succeeded have no effect' },
    ]);
    expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const { endCursor } = first.pageInfo;
    const next = (await list(`first: 1, after: "${endCursor}", status: IGNORED`)).data.webhookEvents;
    expect(next.edges[0].node.id).toBe(ignored[0]);
    const all = (await list('first: 1')).data.webhookEvents;
    expect(all.edges[0].node.id).toBe(ignored[2]);
  });

  it('sees what failed and why, without secrets, and applies it again', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    const customer = await customerIdOf(server, id);
    const event = eventOf('customer.subscription.updated', { id: 'sub_1', customer });
    await applied(event);
    const lastError = 'Invalid API Key provided';
    await server.app.models.webhookEvents.updateOne(
      { _id: event.id },
      { $set: { state: 'FAILED', lastError } },
    );
    const failed = (await list('status: FAILED')).data.webhookEvents.edges[0].node;
    expect(failed).toMatchObject({ id: event.id, object: 'sub_1', lastError, appliedAt: null });
    await server.app.models.billingSubscriptions.deleteOne({ _id: id });
    const replay = `mutation { replayWebhookEvent(id: "${event.id}") { ${EVENT} } }`;
    expect((await server.gql(replay)).data.replayWebhookEvent).toMatchObject({ status: 'PENDING', tries: 0 });
    await server.app.services.inbox.idle(10_000);
    const now = (await list('first: 1, status: APPLIED')).data.webhookEvents.edges[0].node;
    expect(now).toMatchObject({ id: event.id, tries: 1, lastError: null });
    expect(now.appliedAt).toBe(new Date(clock.now()).toISOString());
    expect(await subscriptionOf(server, key)).toMatchObject({ tier: { name: 'PRO' } });
  });

  it('gets an error for an event that does not exist, and for a cursor that is none', async () => {
    const unknown = await server.gql('mutation { replayWebhookEvent(id: "evt_unknown") { id } }');
    expect(unknown.errors[0]?.extensions.code).toBe('NOT_FOUND');
    for (const after of ['nonsense', Buffer.from('x:y').toString('base64url')]) {
      const answer = await list(`after: "${after}"`);
      expect(answer.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'after' });
    }
  });

  it('alone may look and replay', async () => {
    const { key } = await server.createTenant();
    for (const { errors } of [
      await list('first: 1', { key }),
      await server.gql('mutation { replayWebhookEvent(id: "evt_1") { id } }', { key }),
    ])
      expect(errors[0]?.extensions.code).toBe('FORBIDDEN');
  });
});

describe('a request that is rejected', () => {
  const rejections = () => server.app.services.webhookRejections.totals();
  const countEvents = () => server.app.models.webhookEvents.countDocuments();

  it.each<[string, Rejection, () => Promise<{ status: number }>]>([
    [
      'altered bytes',
      'signature',
      () => {
        const payload = JSON.stringify(eventOf('charge.succeeded'));
        return post(payload.replace('obj_1', 'obj_2'), { signature: signatureOf(payload) });
      },
    ],
    [
      'an old timestamp',
      'timestamp',
      () => {
        const payload = JSON.stringify(eventOf('charge.succeeded'));
        return post(payload, { signature: signatureOf(payload, { timestamp: nowS() - 301 }) });
      },
    ],
    [
      'a timestamp of the future',
      'timestamp',
      () => {
        const payload = JSON.stringify(eventOf('charge.succeeded'));
        return post(payload, { signature: signatureOf(payload, { timestamp: nowS() + 301 }) });
      },
    ],
    ['nothing', 'body', () => post('')],
    ['more than 1 MB', 'size', () => post('x'.repeat(1_048_577))],
    [
      'objects in objects, 100,000 deep',
      'body',
      () => {
        const bomb = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
        const payload = `{"id":"evt_deep","type":"charge.succeeded","data":{"object":${bomb}}}`;
        return post(payload, { signature: signatureOf(payload) });
      },
    ],
    [
      'lists in lists that never end',
      'body',
      () => {
        const payload = '['.repeat(1_000_000);
        return post(payload, { signature: signatureOf(payload) });
      },
    ],
    [
      'half a million values',
      'body',
      () => {
        const payload = `{"id":"evt_wide","type":"charge.succeeded","data":{"object":{"a":[${'0,'.repeat(500_000)}0]}}}`;
        return post(payload, { signature: signatureOf(payload) });
      },
    ],
  ])('for %s is stored nowhere and counted', async (_what, why, send) => {
    const [before, stored] = [rejections(), await countEvents()];
    const { status } = await send();
    expect([400, 413]).toContain(status);
    expect(rejections()).toEqual({ ...before, [why]: before[why] + 1 });
    expect(await countEvents()).toBe(stored);
  });

  it('is seen by the operator, by its reason', async () => {
    const countOf = async () => {
      const { data } = await server.gql('{ webhookRefusals { reason count } }');
      return Object.fromEntries(
        data.webhookRefusals.map(({ reason, count }: { reason: string; count: number }) => [reason, count]),
      );
    };
    const before = await countOf();
    expect(Object.keys(before)).toEqual(['SIGNATURE', 'TIMESTAMP', 'BODY', 'SIZE', 'CONFLICT', 'LIVEMODE']);
    await post('');
    expect(await countOf()).toEqual({ ...before, BODY: before.BODY + 1 });
  });

  it('because another event has its id leaves that one as it is, and is counted', async () => {
    const event = eventOf('charge.succeeded', { id: 'ch_1' });
    await applied(event);
    const before = rejections();
    const answer = await deliver({ ...event, data: { object: { id: 'ch_2' } } });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'body' });
    expect(rejections()).toEqual({ ...before, conflict: before.conflict + 1 });
    expect((await stored(event.id))?.payload).toBe(JSON.stringify(event));
  });

  it('is none when another of two secrets signed it', async () => {
    const two = await startTestServer({
      clock,
      uri: server.uri,
      env: { STRIPE_WEBHOOK_SECRET: 'whsec_new, whsec_old' },
    });
    try {
      for (const secret of ['whsec_new', 'whsec_old']) {
        const payload = JSON.stringify(eventOf('charge.succeeded'));
        expect((await post(payload, { signature: signatureOf(payload, { secret }), to: two })).status).toBe(
          200,
        );
      }
      const payload = JSON.stringify(eventOf('charge.succeeded'));
      const third = { signature: signatureOf(payload, { secret: 'whsec_third' }), to: two };
      expect((await post(payload, third)).status).toBe(400);
    } finally {
      await two.stop();
    }
  });

  it('of a thin event, which is signed the same way, is none', async () => {
    const thin = {
      id: 'evt_test_thin',
      object: 'v2.core.event',
      type: 'v1.billing.meter.no_meter_found',
      created: '2026-11-22T12:00:00.000Z',
      livemode: false,
      related_object: { id: 'mtr_1', type: 'billing.meter', url: '/v1/billing/meters/mtr_1' },
    };
    const payload = JSON.stringify(thin);
    expect((await post(payload, { signature: signatureOf(payload) })).status).toBe(200);
    expect(await stored(thin.id)).toMatchObject({ object: 'mtr_1', state: 'IGNORED' });
  });
});

describe('an event of the other mode than the key', () => {
  it.each([
    ['a live event', 'sk_test_1', true, true],
    ['a test event', 'sk_live_1', false, true],
    ['a test event', 'rk_live_1', false, true],
    ['a test event', 'sk_test_1', false, false],
    ['an event that does not say', 'sk_live_1', undefined, false],
    ['a live event', 'sk_of_another_kind', true, false],
  ])(
    '%s with the key %s: livemode %s is ignored and counted: %s',
    async (_what, key, livemode, isIgnored) => {
      const stripe = await serveStripe(server);
      const { key: tenantKey, id } = await server.createTenant();
      await subscribe(server, tenantKey);
      const customer = await customerIdOf(server, id);
      await moveToLiveMode(server.app.models.connection);
      const live = await startTestServer({
        clock,
        uri: server.uri,
        env: {
          STRIPE_SECRET_KEY: key,
          STRIPE_WEBHOOK_SECRET: SECRET,
          STRIPE_PRICE_PRO: 'price_pro',
          STRIPE_API_BASE: stripe.url,
        },
      });
      try {
        const event = { ...eventOf('customer.subscription.updated', { id: 'sub_x', customer }), livemode };
        expect((await deliver(event, live)).status).toBe(200);
        await live.app.services.inbox.idle(10_000);
        const found = await stored(event.id);
        expect(found?.state === 'IGNORED').toBe(isIgnored);
        if (isIgnored) expect(found?.reason).toContain('STRIPE_SECRET_KEY');
        expect(live.app.services.webhookRejections.totals().livemode).toBe(isIgnored ? 1 : 0);
        expect(await tierOfNextCall(server, tenantKey)).toBe('pro');
      } finally {
        await live.stop();
        await stripe.close();
      }
    },
  );
});

describe('one event in two API versions', () => {
  it('is one, whatever else its bodies say', async () => {
    const object = { id: 'in_1', object: 'invoice', customer: 'cus_unknown', paid: true };
    const event = { ...eventOf('invoice.payment_failed', object), api_version: '2024-06-20' };
    expect((await deliver(event)).body.message).toContain('is stored');
    const later = { id: 'in_1', object: 'invoice', customer: 'cus_unknown', parent: null };
    const other = { ...event, api_version: '2026-10-28.endive', data: { object: later } };
    expect(await deliver(other)).toMatchObject({
      status: 200,
      body: { message: expect.stringContaining('before') },
    });
    const thin = {
      id: event.id,
      object: 'v2.core.event',
      type: 'v1.invoice.payment_failed',
      related_object: { id: 'in_1', type: 'invoice', url: '/v1/invoices/in_1' },
    };
    expect((await deliver(thin as never)).status).toBe(200);
    expect(await server.app.models.webhookEvents.countDocuments({ _id: event.id })).toBe(1);
  });

  it.each([
    ['of another type', 'invoice.paid', 'in_1'],
    ['about another object', 'invoice.payment_failed', 'in_2'],
  ])('is not one %s', async (_which, type, id) => {
    const event = eventOf('invoice.payment_failed', { id: 'in_1', customer: 'cus_unknown' });
    await deliver(event);
    expect((await deliver({ ...event, type, data: { object: { id } } })).status).toBe(400);
  });
});

describe('live mode', () => {
  it('buys, takes signed events only, and cancels, over HTTP to a server that speaks Stripe’s API', async () => {
    const stripe = await serveStripe(server);
    const live = await startTestServer({
      clock,
      env: {
        STRIPE_SECRET_KEY: 'sk_test_of_live_mode',
        STRIPE_WEBHOOK_SECRET: SECRET,
        STRIPE_PRICE_PRO: 'price_pro',
        STRIPE_API_BASE: stripe.url,
      },
    });
    try {
      expect(live.app.services.mock).toBeNull();
      const { key } = await live.createTenant();
      const { data } = await live.gql(
        `mutation { createCheckoutSession(input: { tier: PRO, successUrl: "https://a.example/s", cancelUrl: "https://a.example/c" }) { id url localUrl } }`,
        { key },
      );
      const { id, url, localUrl } = data.createCheckoutSession;
      expect(localUrl).toBeNull();
      expect(url).toContain(id);
      expect((await fetch(`${live.url}/mock/checkout/${id}`)).status).toBe(404);
      expect((await fetch(`${live.url}/mock/clock`, { method: 'POST' })).status).toBe(404);

      await mockOf(server).checkout.complete(id);
      const session = await stripeOf(server).checkout.sessions.retrieve(id);
      const event = eventOf('checkout.session.completed', { ...session });
      const unsigned = await post(JSON.stringify(event), { to: live });
      expect(unsigned.status).toBe(400);
      expect(unsigned.body.error.message).toBe('stripe-signature: is missing');
      expect(await stored(event.id, live)).toBeNull();
      expect((await deliver(event, live)).status).toBe(200);
      await live.app.services.inbox.idle(10_000);
      expect(await tierOfNextCall(live, key)).toBe('pro');

      stripe.away(true);
      const cancel = 'mutation { cancelSubscription(input: { atPeriodEnd: false }) { status } }';
      const failed = await live.gql(cancel, { key });
      expect(failed.status).toBe(502);
      expect(JSON.stringify(failed.errors)).not.toContain('sk_test_of_live_mode');
      stripe.away(false);
      expect((await live.gql(cancel, { key })).data.cancelSubscription.status).toBe('CANCELED');
      expect(await tierOfNextCall(live, key)).toBe('free');
    } finally {
      await live.stop();
      await stripe.close();
    }
  });
});

/** The mock of a server, over HTTP. */
async function serveStripe(of: TestServer) {
  let isAway = false;
  const http = createServer(async (request, response) => {
    if (isAway) {
      request.socket.destroy();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const answer = await mockOf(of).fetch(`http://stripe.example${request.url}`, {
      method: request.method ?? 'GET',
      headers: Object.entries(request.headers).map(([name, value]): [string, string] => [
        name,
        String(value),
      ]),
      ...(request.method === 'POST' && { body: Buffer.concat(chunks) }),
    });
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    away: (away: boolean) => {
      isAway = away;
    },
    close: () => new Promise((resolve) => http.close(resolve)),
  };
}

/** A way to the database that can be cut. */
async function startProxy(uri: string) {
  const target = new URL(uri);
  const sockets = new Set<Socket>();
  let isCut = false;
  const proxy = createTcpServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const through = new URL(uri);
  through.hostname = '127.0.0.1';
  through.port = String((proxy.address() as AddressInfo).port);
  through.searchParams.delete('replicaSet');
  through.searchParams.set('directConnection', 'true');
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    uri: through.href,
    cut() {
      isCut = true;
      drop();
    },
    mend() {
      isCut = false;
    },
    close() {
      drop();
      proxy.close();
    },
  };
}
