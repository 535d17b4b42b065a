import { mongo } from 'mongoose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TENANT_DOCUMENTS } from '../../src/services/tenantData/tenantDocuments.js';
import {
  advance,
  beginCheckout,
  customerIdOf,
  mockOf,
  press,
  settled,
  stripeOf,
} from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { callsIn, storedDays } from '../support/ledger.js';
import {
  LOOPBACK_WEBHOOKS,
  OPERATOR_KEY,
  startTestServer,
  type TestServer,
  type TestTenant,
} from '../support/server.js';

/** Words that stand for personal data, by what they are in. */
const MARKS = {
  name: 'zebrawood',
  email: 'quagga@marks.example',
  externalId: 'okapi-42',
  customerName: 'kakapo',
  content: 'pangolin',
  metadata: 'axolotl',
  idempotencyKey: 'numbat',
  keyName: 'narwhal',
  reason: 'ocelot',
  usageEventId: 'wombat',
};

const ERASE = `mutation ($tenantId: ID, $externalId: ID) {
  eraseTenant(tenantId: $tenantId, externalId: $externalId) { tenantId status startedAt completedAt error nextTryAt }
}`;
const TOMBSTONE = 'name email externalId tier { name } erasure { status completedAt error }';

const clock = createFakeClock(Date.now());
const env = LOOPBACK_WEBHOOKS;
let server: TestServer;
let other: TestServer;

beforeAll(async () => {
  server = await startTestServer({ clock, env });
  other = await startTestServer({ clock, env, uri: server.uri });
  const { errors } = await server.gql(
    'mutation { createWebhookEndpoint(input: { url: "https://127.0.0.1:1024/" }) { secret } }',
  );
  expect(errors).toEqual([]);
});
afterAll(async () => {
  await other?.stop();
  await server?.stop();
});

async function ask(query: string, options: Parameters<TestServer['gql']>[1] = {}) {
  const { data, errors } = await server.gql(query, options);
  expect(errors).toEqual([]);
  return data;
}

const erase = async (named: object) => (await ask(ERASE, { variables: named })).eraseTenant;

/** Erases a tenant to the end: the second time once nothing can be running any more. */
async function eraseWhole(tenantId: string): Promise<void> {
  await erase({ tenantId });
  for (let runs = 0; runs < 4; runs++) {
    await server.app.services.erasures.run();
    await settled(server);
    if ((await erase({ tenantId })).status === 'COMPLETED') break;
    // Past the hour after which Stripe finalizes a last invoice, and past the longest wait.
    clock.advance(3_700_000);
    await advance(server, 1);
  }
  expect(await erase({ tenantId })).toMatchObject({ status: 'COMPLETED', error: null, nextTryAt: null });
}

/** A tenant whose marks are in every place that can have some. */
async function createRich(): Promise<TestTenant> {
  const { createTenant } = await ask(
    `mutation ($input: CreateTenantInput!) {
      createTenant(input: $input) { tenant { id } apiKey { id secret } }
    }`,
    { variables: { input: { name: `${MARKS.name} Ltd`, email: MARKS.email, externalId: MARKS.externalId } } },
  );
  const tenant = {
    id: createTenant.tenant.id,
    key: createTenant.apiKey.secret,
    keyId: createTenant.apiKey.id,
  };
  const { id, key } = tenant;
  const checkout = await beginCheckout(server, key);
  await press(checkout, 'complete');
  await settled(server);
  const customer = await customerIdOf(server, id);
  await stripeOf(server).customers.update(customer, { name: MARKS.customerName });
  await settled(server);
  await ask(
    `mutation ($now: DateTime!) {
      storeMemory(input: {
        content: "a ${MARKS.content}", embedding: [1, 2], metadata: { note: "${MARKS.metadata}" },
        idempotencyKey: "${MARKS.idempotencyKey}"
      }) { id }
      createApiKey(input: { name: "${MARKS.keyName}" }) { apiKey { id } }
      recordUsage(events: [{ id: "${MARKS.usageEventId}", endpoint: "mail", quantity: 3, at: $now }]) { status }
      consume(input: { endpoint: "jobs", cost: 2 }) { allowed }
      reportUsage(input: { quantity: 7, idempotencyKey: "report-1" }) { quantity }
    }`,
    { key, variables: { now: new Date(clock.now()) } },
  );
  await ask(`mutation { suspendTenant(tenantId: "${id}", reason: "${MARKS.reason}") { id } }`);
  await server.app.services.outgoingWebhooks.run();
  await ask(`mutation {
    setTenantLimits(input: { tenantId: "${id}", limits: { maxMemories: 1 }, reason: "${MARKS.reason}" }) { id }
  }`);
  await server.app.services.alertReview.review(id);
  // An event without an effect, and one that names neither the customer nor the tenant.
  await postEvent('charge.succeeded', {
    id: 'ch_1',
    customer,
    billing_details: { name: MARKS.customerName },
  });
  await postEvent('charge.dispute.updated', {
    id: 'dp_1',
    charge: 'ch_1',
    evidence: { customer_email_address: MARKS.email.toUpperCase() },
  });
  await settled(server);
  return tenant;
}

let events = 0;
async function postEvent(type: string, object: object): Promise<string> {
  events += 1;
  const id = `evt_erasure_${events}`;
  const response = await fetch(`${server.url}/v1/billing/webhook`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      id,
      object: 'event',
      type,
      data: { object: { object: type.split('.')[0], ...object } },
    }),
  });
  expect(response.status).toBe(200);
  return id;
}

const database = () => server.app.models.connection.db as mongo.Db;

/** What the mock keeps is Stripe's own. */
async function ownCollections(): Promise<string[]> {
  const listed = await database().listCollections({}, { nameOnly: true }).toArray();
  return listed.map(({ name }) => name).filter((name) => !/^(mock_stripe_|system\.)/.test(name));
}

/** Each mark with the collections whose raw documents contain it. */
async function whereMarksAre(): Promise<Record<string, string[]>> {
  const found = Object.fromEntries(Object.keys(MARKS).map((mark): [string, string[]] => [mark, []]));
  for (const name of await ownCollections()) {
    const raw = await database().collection(name).find({}, { raw: true }).toArray();
    const text = Buffer.concat(raw as unknown as Buffer[])
      .toString('utf8')
      .toLowerCase();
    for (const [mark, word] of Object.entries(MARKS)) if (text.includes(word)) found[mark]?.push(name);
  }
  return found;
}

const nowhere = Object.fromEntries(Object.keys(MARKS).map((mark) => [mark, []]));

describe('an erasure', () => {
  let id: string;
  let customerId: string;
  let before: Record<string, string[]>;

  beforeAll(async () => {
    ({ id } = await createRich());
    customerId = await customerIdOf(server, id);
    before = await whereMarksAre();
    await eraseWhole(id);
  }, 60_000);

  it('decides on every collection of the database', async () => {
    const decided = Object.keys(TENANT_DOCUMENTS).map(
      (name) => server.app.models[name as keyof typeof TENANT_DOCUMENTS].collection.collectionName,
    );
    // Signing keys and the mode of the database.
    expect((await ownCollections()).toSorted()).toEqual([...decided, 'settings'].toSorted());
  });

  it('leaves no personal data in any collection', async () => {
    expect(Object.entries(before).filter(([, collections]) => collections.length === 0)).toEqual([]);
    expect(before.email).toEqual(
      expect.arrayContaining(['tenants', 'billing_customers', 'webhook_events', 'audit_personal_values']),
    );
    expect(before.reason).toEqual(expect.arrayContaining(['webhook_deliveries']));
    expect(await whereMarksAre()).toEqual(nowhere);
  });

  it('leaves what accounting needs, and the audit log without names', async () => {
    const { billingCustomers, billingSubscriptions, usageReports, connection } = server.app.models;
    expect(await billingCustomers.findById(id).lean()).toMatchObject({
      stripeCustomerId: null,
      formerStripeIds: [customerId],
    });
    expect(await billingSubscriptions.findById(id).lean()).toMatchObject({ status: 'canceled', tier: 'PRO' });
    const byId = { _id: { $gte: `${id}:`, $lt: `${id};` } };
    expect(callsIn(await storedDays(connection, id))).toBeGreaterThanOrEqual(6);
    expect(await usageReports.find(byId).lean()).toMatchObject([{ quantity: 7 }]);
    const { auditLog } = await ask(
      `{ auditLog(tenantId: "${id}", first: 100) { edges { node { action after } } } }`,
    );
    const entries = auditLog.edges.map(({ node }: { node: object }) => node);
    expect(entries).toContainEqual(expect.objectContaining({ action: 'tenant.erased' }));
    expect(entries).toContainEqual({
      action: 'tenant.created',
      after: expect.objectContaining({ name: '[erased]' }),
    });
    const exported = await fetch(`${server.url}/v1/audit-log?tenantId=${id}`, {
      headers: { 'x-api-key': OPERATOR_KEY },
    });
    expect((await exported.text()).trim().split('\n')).toHaveLength(entries.length);
  });

  it('cancels the subscription and deletes the customer at Stripe', async () => {
    const stripe = stripeOf(server);
    const gone = { id: customerId, object: 'customer', deleted: true };
    expect(await stripe.customers.retrieve(customerId)).toEqual(gone);
    const { data } = await stripe.subscriptions.list({ customer: customerId, status: 'all' });
    expect(data.map(({ status }) => status)).toEqual(['canceled']);
  });

  it('is published to the operator’s systems once, by the id of the tenant', async () => {
    await server.app.services.outgoingWebhooks.run();
    const deliveries = await server.app.models.webhookDeliveries.find({ tenantId: id }).lean();
    const erased = deliveries.filter(({ type }) => type === 'tenant.erased');
    expect(erased.map(({ body }) => JSON.parse(body).data.tenantId)).toEqual([id]);
  });
});

describe('a tenant that is being erased', () => {
  it('has no keys any more, on no instance, and is named to operators only as what is left of it', async () => {
    const { id, key } = await createRich();
    const { createTenantToken } = await ask(
      `mutation { createTenantToken(input: { tenantId: "${id}", scopes: [READ] }) { token } }`,
    );
    const { token } = createTenantToken;
    for (const credential of [key, token]) {
      const usage = await other.gql('{ usage { apiCalls } }', { key: credential });
      expect(usage.errors).toEqual([]);
    }
    const { exportTenant } = await ask(`mutation { exportTenant(tenantId: "${id}") { url } }`);
    await erase({ externalId: MARKS.externalId });
    expect((await fetch(exportTenant.url)).status).toBe(404);
    const codeAt = async (at: TestServer, credential: string) =>
      (await at.gql('{ usage { apiCalls } }', { key: credential })).errors[0]?.extensions.code;
    for (const credential of [key, token]) {
      expect(await codeAt(server, credential)).toBe('UNAUTHENTICATED');
      await expect.poll(() => codeAt(other, credential)).toBe('UNAUTHENTICATED');
    }
    const { tenant } = await ask(`{ tenant(id: "${id}") { ${TOMBSTONE} } }`);
    expect(tenant).toMatchObject({ name: '', email: null, externalId: null, erasure: { completedAt: null } });
    for (const field of [
      `updateTenant(tenantId: "${id}", input: { name: "again" }) { id }`,
      `setTenantLimits(input: { tenantId: "${id}", tier: PRO }) { id }`,
      `createApiKey(input: { tenantId: "${id}", name: "again" }) { secret }`,
      `exportTenant(tenantId: "${id}") { url }`,
    ]) {
      const { errors } = await server.gql(`mutation { ${field} }`);
      expect([field, errors[0]?.extensions.code]).toEqual([field, 'NOT_FOUND']);
    }
    await eraseWhole(id);
  });

  it('is listed only on request or by its id, and its external id may be used for a new tenant', async () => {
    const { id } = await createRich();
    await eraseWhole(id);
    const listed = async (args: string) => {
      const { tenants } = await ask(`{ tenants(first: 100${args}) { edges { node { id } } } }`);
      return tenants.edges.some(({ node }: { node: { id: string } }) => node.id === id);
    };
    expect([await listed(''), await listed(', state: ERASED'), await listed(`, search: "${id}"`)]).toEqual([
      false,
      true,
      true,
    ]);
    const again = await createRich();
    expect(again.id).not.toBe(id);
    expect((await ask(`{ tenant(id: "${id}") { name } }`)).tenant.name).toBe('');
    await eraseWhole(again.id);
  });

  it('is shown as waiting while Stripe is away, and is erased when Stripe answers again', async () => {
    const { id } = await createRich();
    mockOf(server).failNext({ kind: 'connection', times: 1_000 });
    await erase({ tenantId: id });
    await server.app.services.erasures.run();
    expect(await erase({ tenantId: id })).toMatchObject({ status: 'RETRYING', error: expect.any(String) });
    mockOf(server).clearFailures();
    await eraseWhole(id);
    expect(await whereMarksAre()).toEqual(nowhere);
  });
});

describe('an event that names no customer', () => {
  it('is emptied for a whole address, not for the end of another one, and not before it was applied', async () => {
    const { createTenant } = await ask(
      'mutation { createTenant(input: { name: "Short", email: "e@short.example" }) { tenant { id } } }',
    );
    const { id } = createTenant.tenant;
    const post = (email: string) =>
      postEvent('charge.dispute.updated', { id: 'dp_2', evidence: { customer_email_address: email } });
    const own = await post('e@Short.example');
    const foreign = await post('alice@short.example');
    const { webhookEvents } = server.app.models;
    const pending = `${own}_pending`;
    await webhookEvents.collection.insertOne({
      ...(await webhookEvents.findById(own).lean()),
      _id: pending,
      state: 'PENDING',
      endedAt: null,
      nextAttemptAt: new Date('2100-01-01'),
    } as never);
    const emptied = async () => {
      const found = await webhookEvents.find({ _id: { $in: [own, foreign, pending] }, payload: '{}' }).lean();
      return found.map(({ _id }) => _id).toSorted();
    };
    await erase({ tenantId: id });
    await server.app.services.erasures.run();
    expect(await emptied()).toEqual([own]);
    await eraseWhole(id);
    expect(await emptied()).toEqual([own, pending]);
  });
});

describe('what is written late', () => {
  it('by operations that began before the erasure is erased too', async () => {
    const { id, keyId } = await createRich();
    const { models, services } = server.app;
    const key = await models.apiKeys.findById(keyId).lean();
    await erase({ tenantId: id });
    await services.erasures.run();
    await models.apiKeys.collection.insertOne({ ...key, _id: `${keyId}again` } as never);
    await models.memories.collection.insertOne({
      _id: `${id}:mem_late`,
      tenantId: id,
      content: MARKS.content,
    } as never);
    await models.tenants.collection.updateOne({ _id: id as never }, { $set: { name: MARKS.name } });
    await models.billingCustomers.collection.updateOne(
      { _id: id as never },
      { $set: { email: MARKS.email } },
    );
    await eraseWhole(id);
    expect(await whereMarksAre()).toEqual(nowhere);
    expect(await models.apiKeys.countDocuments({ tenantId: id })).toBe(0);
  });

  it('by the creation of a key that began before is undone: the tenant does not exist any more', async () => {
    const { id } = await server.createTenant();
    const { apiKeys } = server.app.models;
    const create = apiKeys.create.bind(apiKeys) as (...args: unknown[]) => Promise<never>;
    // The transaction has seen the tenant when the erasure is committed.
    const held = vi.spyOn(apiKeys, 'create').mockImplementationOnce((async (...args: unknown[]) => {
      await erase({ tenantId: id });
      return create(...args);
    }) as never);
    const { errors } = await server.gql(
      `mutation { createApiKey(input: { tenantId: "${id}", name: "late" }) { secret } }`,
    );
    expect(held).toHaveBeenCalledOnce();
    held.mockRestore();
    expect(errors[0]?.extensions.code).toBe('NOT_FOUND');
    expect(await apiKeys.countDocuments({ tenantId: id })).toBe(0);
  });

  it('as a key does not work, and operators can list and revoke it', async () => {
    const { id, key, keyId } = await server.createTenant();
    const { models, services } = server.app;
    const stored = await models.apiKeys.collection.findOne({ _id: keyId as never });
    await erase({ tenantId: id });
    await services.erasures.run();
    await models.apiKeys.collection.insertOne(stored as never);
    const { errors } = await server.gql('{ tiers { name } }', { key });
    expect(errors[0]).toMatchObject({
      message: 'The tenant of the API key does not exist any more',
      extensions: { code: 'UNAUTHENTICATED' },
    });
    await expect(services.entitlements.get(id)).rejects.toMatchObject({ extensions: { code: 'NOT_FOUND' } });
    expect((await ask(`{ apiKeys(tenantId: "${id}") { id } }`)).apiKeys).toEqual([{ id: keyId }]);
    const { revokeApiKey } = await ask(
      `mutation { revokeApiKey(tenantId: "${id}", id: "${keyId}") { revokedAt } }`,
    );
    expect(revokeApiKey.revokedAt).not.toBeNull();
  });

  it('by Stripe, even long afterwards, is stored without its content, and creates nothing', async () => {
    const { id } = await createRich();
    const customer = await customerIdOf(server, id);
    await eraseWhole(id);
    const eventId = await postEvent('customer.updated', {
      id: customer,
      email: MARKS.email,
      metadata: { tenant_id: id },
    });
    await postEvent('charge.refunded', {
      id: 'ch_2',
      customer,
      billing_details: { name: MARKS.customerName },
    });
    await server.app.services.inbox.idle(10_000);
    expect(await whereMarksAre()).toEqual(nowhere);
    expect(await server.app.models.webhookEvents.findById(eventId).lean()).toMatchObject({
      state: 'IGNORED',
      reason: 'its tenant was erased',
    });
    const replayed = await server.gql(`mutation { replayWebhookEvent(id: "${eventId}") { id } }`);
    expect(replayed.errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    expect(await server.app.models.billingCustomers.findById(id).lean()).toMatchObject({
      stripeCustomerId: null,
    });
  });
});
