import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebhookEventStatus } from '../../src/models/webhookEvent.js';
import { customerIdOf, settled, subscribe } from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { LOOPBACK_WEBHOOKS, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

/** What an operator filters lists by. Each list reads only an index. */

const clock = createFakeClock('2026-11-22T12:00:00Z');
let server: TestServer;
let one: TestTenant;
let two: TestTenant;
let readKey: string;

beforeAll(async () => {
  server = await startTestServer({ clock, env: { ...LOOPBACK_WEBHOOKS, MAX_RESPONSE_BYTES: '1000000' } });
  const made = await server.gql(`mutation {
    all: createWebhookEndpoint(input: { url: "http://127.0.0.1:1025/hooks/s3cret?token=t0p" }) { endpoint { id url } }
    createOperatorKey(input: { name: "reads", role: READ }) { secret }
  }`);
  expect(made.errors).toEqual([]);
  readKey = made.data.createOperatorKey.secret;
  [one, two] = [await server.createTenant('One'), await server.createTenant('Two')];
  for (const { key } of [one, two]) await subscribe(server, key);
  await settled(server);
  await server.app.services.outgoingWebhooks.run();
});
afterAll(() => server.stop());

// biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
async function nodesOf(field: string, args: string, selection: string): Promise<any[]> {
  const { data, errors } = await server.gql(`{ ${field}${args} { edges { node { ${selection} } } } }`);
  expect(errors).toEqual([]);
  return data[field].edges.map(({ node }: { node: object }) => node);
}

/** The plan of the last query of a collection, and what it read. */
async function examined(collection: string, query: () => Promise<unknown>) {
  const { db } = server.app.models.connection;
  await db?.command({ profile: 2 });
  await db
    ?.collection('system.profile')
    .deleteMany({})
    .catch(() => undefined);
  const since = new Date();
  await query();
  await db?.command({ profile: 0 });
  const [found] = (await db
    ?.collection('system.profile')
    .find({ ns: { $regex: `\\.${collection}$` }, 'command.find': collection, ts: { $gte: since } })
    .sort({ ts: -1 })
    .limit(1)
    .toArray()) ?? [undefined];
  return {
    docs: Number(found?.docsExamined),
    keys: Number(found?.keysExamined),
    plan: String(found?.planSummary),
  };
}

describe('events from Stripe', () => {
  it('are listed by type, by type and status, and by tenant', async () => {
    const type = 'customer.subscription.created';
    const of = (args: string) =>
      nodesOf('webhookEvents', `(first: 100, ${args})`, 'type status tenantId customerId');
    const all = await of(`type: "${type}"`);
    expect(all).toHaveLength(2);
    expect(new Set(all.map(({ tenantId }) => tenantId))).toEqual(new Set([one.id, two.id]));
    expect(all[0].customerId).toMatch(/^cus_/);
    expect(await of(`type: "${type}", status: APPLIED`)).toHaveLength(2);
    expect(await of(`type: "${type}", status: FAILED`)).toEqual([]);
    expect(await of(`type: "${type}", tenantId: "${one.id}"`)).toMatchObject([{ type, tenantId: one.id }]);
    expect(await of('type: "no.such.type"')).toEqual([]);
  });

  it('of a rare type and status are found without reading the others', async () => {
    const customer = await customerIdOf(server, one.id);
    await server.app.models.webhookEvents.insertMany(
      Array.from({ length: 300 }, (_, i) => ({
        _id: `evt_bulk_${i}`,
        type: 'invoice.payment_failed',
        payload: '{"id":"evt"}',
        object: 'in_1',
        customer,
        lane: `customer:${customer}`,
        state: i === 0 ? WebhookEventStatus.FAILED : WebhookEventStatus.APPLIED,
        attempts: 1,
        nextAttemptAt: new Date(clock.now()),
        receivedAt: new Date(clock.now() - i * 1000),
        endedAt: new Date(clock.now()),
      })),
    );
    const rare =
      '{ webhookEvents(type: "invoice.payment_failed", status: FAILED) { edges { node { id } } } }';
    const { docs, keys } = await examined('webhook_events', () => server.gql(rare));
    expect([docs, keys < 10]).toEqual([1, true]);
    const ids: string[] = [];
    for (let after: string | null = null; ; ) {
      const { data, errors } = await server.gql(
        'query ($after: String) { webhookEvents(type: "invoice.payment_failed", first: 100, after: $after) { edges { node { id } } pageInfo { endCursor hasNextPage } } }',
        { variables: { after } },
      );
      expect(errors).toEqual([]);
      ids.push(...data.webhookEvents.edges.map(({ node }: { node: { id: string } }) => node.id));
      if (!data.webhookEvents.pageInfo.hasNextPage) break;
      after = data.webhookEvents.pageInfo.endCursor;
    }
    expect(new Set(ids).size).toBe(300);
  });

  it('show their payload without the request behind it, and nothing once they are erased', async () => {
    const { webhookEvents } = server.app.models;
    await webhookEvents.updateOne(
      { _id: 'evt_bulk_1' },
      {
        payload: '{"id":"evt_bulk_1","request":{"id":"req_secret"},"data":{"object":{"name":"<b>Ada</b>"}}}',
      },
    );
    await webhookEvents.updateOne({ _id: 'evt_bulk_2' }, { payload: '{}' });
    const payloadOf = async (id: string) => {
      const { data, errors } = await server.gql(`{ webhookEvent(id: "${id}") { id payload tenantId } }`);
      expect(errors).toEqual([]);
      return data.webhookEvent.payload;
    };
    expect(JSON.parse(await payloadOf('evt_bulk_1'))).toEqual({
      id: 'evt_bulk_1',
      data: { object: { name: '<b>Ada</b>' } },
    });
    expect(await payloadOf('evt_bulk_2')).toBeNull();
    const { errors } = await server.gql('{ webhookEvent(id: "evt_none") { id } }');
    expect(errors[0]?.extensions.code).toBe('NOT_FOUND');
  });

  it('with large payloads never make a response larger than its bound', async () => {
    const large = JSON.stringify({ id: 'evt', text: 'x'.repeat(200_000) });
    await server.app.models.webhookEvents.updateMany({ _id: /^evt_bulk_\d$/ }, { payload: large });
    const { data, errors } = await server.gql(
      '{ webhookEvents(type: "invoice.payment_failed", first: 100) { edges { node { id payload } } } }',
    );
    expect(errors[0]?.extensions.code).toBe('RESPONSE_TOO_LARGE');
    expect(JSON.stringify(data ?? null).length).toBeLessThan(1_000_000);
  });
});

describe('deliveries', () => {
  it('are listed by tenant, type, status and endpoint, and show their tenant', async () => {
    const selection = 'id type status tenantId nextTryAt endpointId';
    const of = (args: string) => nodesOf('webhookDeliveries', `(first: 100, ${args})`, selection);
    const ofOne = await of(`tenantId: "${one.id}"`);
    expect(ofOne.length).toBeGreaterThan(1);
    expect(ofOne.every(({ tenantId }) => tenantId === one.id)).toBe(true);
    const all = await nodesOf('webhookDeliveries', '(first: 100)', selection);
    expect(all.length).toBeGreaterThan(ofOne.length);
    const changed = await of('type: TIER_CHANGED');
    expect(changed).toEqual(all.filter(({ type }) => type === 'TIER_CHANGED'));
    expect(await of(`type: TIER_CHANGED, tenantId: "${one.id}"`)).toHaveLength(1);
    const [{ endpointId, status }] = changed;
    expect(await of(`endpointId: "${endpointId}"`)).toEqual(all);
    expect(await of(`endpointId: "${endpointId}", type: TIER_CHANGED, status: ${status}`)).toEqual(
      changed.filter((delivery) => delivery.status === status),
    );
    expect(await of('status: DELIVERED')).toEqual([]);
    expect(await of('endpointId: "none"')).toEqual([]);
    const { data } = await server.gql(`{ webhookDelivery(id: "${changed[0].id}") { id body tenantId } }`);
    expect(JSON.parse(data.webhookDelivery.body).type).toBe('tier.changed');
    const { errors } = await server.gql('{ webhookDelivery(id: "none") { id } }');
    expect(errors[0]?.extensions.code).toBe('NOT_FOUND');
  });

  it('of a rare status are found without reading the others', async () => {
    const [first] = await server.app.models.webhookDeliveries.find().limit(1).lean();
    await server.app.models.webhookDeliveries.insertMany(
      Array.from({ length: 300 }, (_, i) => ({
        ...first,
        _id: `evt_${String(i).padStart(24, 'f')}:bulk`,
        status: i === 0 ? 'FAILED' : 'DELIVERED',
        nextTryAt: undefined,
      })),
    );
    const rare = '{ webhookDeliveries(status: FAILED) { edges { node { id } } } }';
    const found = await examined('webhook_deliveries', () => server.gql(rare));
    expect(found.docs).toBe(1);
    // One range for each type.
    expect(found.keys).toBeLessThan(60);
  });
});

describe('an endpoint', () => {
  it('shows its whole URL to those who manage it, and only its origin to others', async () => {
    const urlFor = async (key?: string) => {
      const query = '{ webhookEndpoints { url failures failingSince waiting } }';
      const { data, errors } = await server.gql(query, key ? { key } : {});
      expect(errors).toEqual([]);
      return data.webhookEndpoints[0];
    };
    expect((await urlFor()).url).toBe('http://127.0.0.1:1025/hooks/s3cret?token=t0p');
    const shown = await urlFor(readKey);
    expect(shown.url).toBe('http://127.0.0.1:1025/…');
    expect(shown.waiting).toBeGreaterThan(0);
    expect(shown.failures).toBeGreaterThan(0);
    expect(shown.failingSince).not.toBeNull();
  });
});

describe('usage reports', () => {
  it('are listed for one tenant or all, by status, and only an operator sees all', async () => {
    for (const { key } of [one, two])
      await server.gql('mutation { reportUsage(input: { quantity: 5, idempotencyKey: "same" }) { id } }', {
        key,
      });
    await server.app.models.usageReports.updateOne(
      { _id: `${two.id}:same` },
      { status: 'FAILED', error: 'too old' },
    );
    const of = (args: string) => nodesOf('usageReports', args, 'id tenantId status tries nextTryAt error');
    expect(await of('(first: 10)')).toHaveLength(2);
    expect(await of('(status: FAILED)')).toMatchObject([
      { tenantId: two.id, error: 'too old', nextTryAt: null },
    ]);
    expect(await of(`(status: FAILED, tenantId: "${one.id}")`)).toEqual([]);
    expect(await of(`(tenantId: "${one.id}")`)).toMatchObject([{ id: 'same', status: 'REPORTED' }]);
    const seen: string[] = [];
    for (let after: string | null = null; ; ) {
      const { data } = await server.gql(
        'query ($after: String) { usageReports(first: 1, after: $after) { edges { node { tenantId } } pageInfo { endCursor hasNextPage } } }',
        { variables: { after } },
      );
      seen.push(data.usageReports.edges[0].node.tenantId);
      if (!data.usageReports.pageInfo.hasNextPage) break;
      after = data.usageReports.pageInfo.endCursor;
    }
    expect(seen.toSorted()).toEqual([one.id, two.id].toSorted());
    const own = await server.gql('{ usageReports { edges { node { tenantId error } } } }', { key: two.key });
    expect(own.data.usageReports.edges).toEqual([{ node: { tenantId: two.id, error: null } }]);
    const { errors } = await server.gql('{ usageReports(tenantId: "") { edges { cursor } } }');
    expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });
});

describe("an operator's key", () => {
  it('says who created it, and whether it is the one of this request', async () => {
    const { data } = await server.gql(
      'mutation { createOperatorKey(input: { name: "own", role: OWNER }) { secret operatorKey { id current createdBy } } }',
    );
    const { secret, operatorKey } = data.createOperatorKey;
    expect(operatorKey).toMatchObject({ current: false, createdBy: 'operator:ADMIN_API_KEY' });
    const listed = await server.gql('{ operatorKeys { id current createdBy } }', { key: secret });
    const current = listed.data.operatorKeys.filter((key: { current: boolean }) => key.current);
    expect(current).toMatchObject([{ id: operatorKey.id }]);
    const rotated = await server.gql(
      `mutation { rotateOperatorKey(id: "${operatorKey.id}") { operatorKey { createdBy } } }`,
      { key: secret },
    );
    expect(rotated.data.rotateOperatorKey.operatorKey.createdBy).toBe(`operator:${operatorKey.id}`);
  });
});
