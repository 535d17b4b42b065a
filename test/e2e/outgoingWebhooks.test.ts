import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { subscribe } from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { LOOPBACK_WEBHOOKS, startTestServer, type TestServer } from '../support/server.js';

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
  // biome-ignore lint/suspicious/noExplicitAny: events are what the tests look into
  event: any;
}

const DAY_S = 86_400;
/** Signatures are verified against the present time. */
const clock = createFakeClock(Date.now());
let server: TestServer;
let receiver: Server;
let receiverUrl: string;
let received: Received[] = [];
let answer: number | 'hang' = 200;

beforeAll(async () => {
  server = await startTestServer({ clock, env: LOOPBACK_WEBHOOKS });
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      received.push({ headers: request.headers, body, event: JSON.parse(body) });
      if (answer === 'hang') request.socket.destroy();
      else response.writeHead(answer, { location: `${receiverUrl}/elsewhere` }).end();
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => receiver.once('listening', resolve));
  receiverUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await server.stop();
  receiver.close();
});
afterEach(async () => {
  answer = 200;
  const { data } = await server.gql('{ webhookEndpoints { id } }');
  for (const { id } of data.webhookEndpoints)
    await server.gql('mutation ($id: ID!) { deleteWebhookEndpoint(id: $id) }', { variables: { id } });
  await run();
  received = [];
});

const run = () => server.app.services.outgoingWebhooks.run();

async function endpoint(path = '/hooks', events?: string[]): Promise<{ id: string; secret: string }> {
  const { data, errors } = await server.gql(
    `mutation ($input: CreateWebhookEndpointInput!) {
       createWebhookEndpoint(input: $input) { endpoint { id url events } secret } }`,
    { variables: { input: { url: `${receiverUrl}${path}`, events } } },
  );
  expect(errors).toEqual([]);
  const { secret, endpoint: made } = data.createWebhookEndpoint;
  return { id: made.id, secret };
}

/** Events of one tenant, in the order of their arrival. */
const typesFor = (tenantId: string) =>
  received.filter(({ event }) => event.data.tenantId === tenantId).map(({ event }) => event.type);

async function deliveries(filter = ''): Promise<{ id: string; status: string; tries: number }[]> {
  const { data } = await server.gql(
    `{ webhookDeliveries(first: 100${filter}) { edges { node { id status tries responseStatus error type } } } }`,
  );
  return data.webhookDeliveries.edges.map(({ node }: { node: object }) => node);
}

describe('the operator’s systems receive events', () => {
  it('of a tier that changed and a subscription that was updated, signed as Standard Webhooks says', async () => {
    const { secret } = await endpoint();
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    await run();
    expect(typesFor(id)).toEqual(expect.arrayContaining(['subscription.updated', 'tier.changed']));
    const changed = received.find(({ event }) => event.type === 'tier.changed');
    expect(changed?.event.data).toEqual({ tenantId: id, from: 'FREE', to: 'PRO' });
    const updated = received.find(({ event }) => event.type === 'subscription.updated');
    expect(updated?.event.data).toMatchObject({ tenantId: id, tier: 'PRO', status: 'active' });
    for (const { body, headers } of received) {
      expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toEqual(JSON.parse(body));
      expect(() => new Webhook(secret).verify(`${body} `, headers as Record<string, string>)).toThrow();
    }
  });

  it('of a change that is scheduled, and of nothing when a write changes nothing that was published', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    await run();
    await endpoint();
    const subscriptions = server.app.models.billingSubscriptions;
    await subscriptions.updateOne({ _id: id }, { $set: { itemId: 'si_other' }, $inc: { revision: 1 } });
    await run();
    expect(typesFor(id)).toEqual([]);
    expect(await subscriptions.countDocuments({ unannounced: true })).toBe(0);
    const scheduledAt = new Date(clock.now() + DAY_S * 1000);
    await subscriptions.updateOne({ _id: id }, { $set: { scheduledTier: 'FREE', scheduledAt } });
    await run();
    expect(typesFor(id)).toEqual(['subscription.updated']);
    const data = { scheduledTier: 'FREE', scheduledAt: scheduledAt.toISOString() };
    expect(received.at(-1)?.event.data).toMatchObject(data);
  });

  it('of a contract, once however often it looks, and not of a write that changes no tier', async () => {
    await endpoint();
    const { id } = await server.createTenant();
    await server.setLimits(id, null, 'ENTERPRISE');
    await run();
    await server.setLimits(id, { apiCallsPerDay: 5 }, 'ENTERPRISE');
    await run();
    await run();
    expect(typesFor(id)).toEqual(['tier.changed']);
  });

  it('of the end of a grace period, which no write begins', async () => {
    const { id, key } = await server.createTenant();
    await subscribe(server, key);
    await run();
    await endpoint();
    await server.app.models.billingSubscriptions.updateOne(
      { _id: id },
      { $set: { status: 'past_due', pastDueSince: new Date(clock.now()) }, $inc: { revision: 1 } },
    );
    await run();
    expect(typesFor(id)).toEqual(['subscription.updated']);
    clock.advance(15 * DAY_S * 1000);
    // They are looked at a page at a time, in the order of their ids.
    const { collection } = server.app.models.billingSubscriptions;
    const graces = Array.from({ length: 100 }, (_, i) => ({
      _id: `before_${String(i).padStart(3, '0')}` as never,
      stripeSubscriptionId: `sub_before_${i}`,
      status: 'past_due',
      pastDueSince: new Date(clock.now()),
    }));
    await collection.insertMany(graces);
    await run();
    await run();
    await collection.deleteMany({ _id: /^before_/ as never });
    expect(typesFor(id)).toEqual(['subscription.updated', 'tier.changed']);
    clock.advance(-15 * DAY_S * 1000);
  });

  it('of usage alerts, each level once', async () => {
    await endpoint();
    const { id, key } = await server.createTenant();
    await server.setLimits(id, { apiCallsPerDay: 10, apiCallsPerMinute: 100 });
    await server.gql('mutation { consume(input: { endpoint: "jobs", cost: 9 }) { allowed } }', { key });
    await server.gql('{ alerts { edges { node { id } } } }', { key });
    await run();
    await run();
    const data = received.map(({ event }) => [event.type, event.data.kind, event.data.level]);
    expect(data.sort()).toEqual([
      ['usage.alert', 'API_CALLS_PER_DAY', 80],
      ['usage.alert', 'API_CALLS_PER_DAY', 90],
    ]);
  });

  it('only of what an endpoint asked for; each endpoint by itself', async () => {
    const alertsOnly = await endpoint('/alerts', ['USAGE_ALERT']);
    const all = await endpoint('/all');
    const { id } = await server.createTenant();
    await server.setLimits(id, null, 'PRO');
    await run();
    const made = await deliveries();
    expect(made.filter((delivery) => delivery.id.endsWith(all.id))).toHaveLength(1);
    expect(made.filter((delivery) => delivery.id.endsWith(alertsOnly.id))).toHaveLength(0);
  });

  it('once by two servers that look at the same time, and by one that died over it', async () => {
    await endpoint();
    const other = await startTestServer({ clock, uri: server.uri, env: LOOPBACK_WEBHOOKS });
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) {
      const { id } = await server.createTenant();
      await server.setLimits(id, null, 'PRO');
      ids.push(id);
    }
    await server.app.models.leases.deleteMany({});
    await Promise.all([run(), other.app.services.outgoingWebhooks.run()]);
    await run();
    for (const id of ids) expect(typesFor(id)).toEqual(['tier.changed']);
    await other.stop();
  });
});

describe('a delivery', () => {
  it.each([500, 302, 'hang'] as const)(
    'that was answered with %s is tried again, under the same id',
    async (bad) => {
      await endpoint();
      answer = bad;
      const { id } = await server.createTenant();
      await server.setLimits(id, null, 'PRO');
      await run();
      await run();
      expect(typesFor(id)).toHaveLength(1);
      expect((await deliveries(', status: PENDING'))[0]).toMatchObject({ tries: 1 });
      answer = 200;
      clock.advance(6_000);
      await run();
      const [first, second] = received.filter(({ event }) => event.data.tenantId === id);
      expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
      expect(second?.body).toBe(first?.body);
      expect((await deliveries(', status: DELIVERED'))[0]).toMatchObject({ tries: 2, responseStatus: 200 });
      clock.advance(-6_000);
    },
  );

  it('is given up after ten tries in three days, and sent again when it is asked for', async () => {
    const failedHere = `, endpointId: "${(await endpoint()).id}", status: FAILED`;
    answer = 503;
    const { id } = await server.createTenant();
    await server.setLimits(id, null, 'PRO');
    for (let tries = 0; tries < 12; tries++) {
      await run();
      clock.advance(DAY_S * 1000);
    }
    expect(typesFor(id)).toHaveLength(10);
    const [failed] = await deliveries(failedHere);
    expect(failed).toMatchObject({ tries: 10, responseStatus: 503 });
    answer = 200;
    const { data } = await server.gql('mutation ($id: ID!) { resendWebhookDelivery(id: $id) { status } }', {
      variables: { id: failed?.id },
    });
    expect(data.resendWebhookDelivery.status).toBe('PENDING');
    await run();
    expect(typesFor(id)).toHaveLength(11);
    expect(await deliveries(failedHere)).toEqual([]);
    clock.advance(-12 * DAY_S * 1000);
  });

  it('to an endpoint that was deleted ends with a reason', async () => {
    const { id: endpointId } = await endpoint();
    answer = 500;
    const { id } = await server.createTenant();
    await server.setLimits(id, null, 'PRO');
    await run();
    await server.gql('mutation ($id: ID!) { deleteWebhookEndpoint(id: $id) }', {
      variables: { id: endpointId },
    });
    clock.advance(6_000);
    await run();
    clock.advance(-6_000);
    expect(typesFor(id)).toHaveLength(1);
    expect(await deliveries(`, endpointId: "${endpointId}"`)).toMatchObject([
      { status: 'FAILED', error: 'the endpoint was deleted' },
    ]);
  });
});

describe('an endpoint', () => {
  it.each(['ftp://example.com', 'not a url', 'http://user:word@example.com/'])(
    'at %s is bad input that names the url',
    async (url) => {
      const { status, errors } = await server.gql(
        'mutation ($url: String!) { createWebhookEndpoint(input: { url: $url }) { secret } }',
        { variables: { url } },
      );
      expect(status).toBe(400);
      expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.url' });
    },
  );

  it('shows its secret once, exists once by its url, and there are at most twenty', async () => {
    const { secret } = await endpoint();
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const listed = await server.gql('{ webhookEndpoints { id url events createdAt } }');
    expect(JSON.stringify(listed.data)).not.toContain(secret);
    const again = await server.gql(
      'mutation ($url: String!) { createWebhookEndpoint(input: { url: $url }) { secret } }',
      { variables: { url: `${receiverUrl}/hooks` } },
    );
    expect(again.errors[0]?.extensions.argument).toBe('input.url');
    for (let i = 1; i < 20; i++) await endpoint(`/hooks/${i}`);
    const tooMany = await server.gql(
      'mutation ($url: String!) { createWebhookEndpoint(input: { url: $url }) { secret } }',
      { variables: { url: `${receiverUrl}/one-more` } },
    );
    expect(tooMany.errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });
});
