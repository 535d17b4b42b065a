import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beginCheckout, mockOf, press, settled, stripeOf, subscribe } from '../support/billing.js';
import { expectNothing, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { soon } from '../support/soon.js';

let server: TestServer;
let second: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  second = await startTestServer({ uri: server.uri });
});
afterAll(async () => {
  await second.stop();
  await server.stop();
});

const MEMORIES = '{ memories { pageInfo { hasNextPage } } }';
const codeOf = async (query: string, key: string, at = server) =>
  (await at.gql(query, { key })).errors[0]?.extensions.code ?? 'OK';

async function operate(field: string, selection = 'id name email externalId suspendedAt suspendedReason') {
  const { data, errors } = await server.gql(`mutation { ${field} { ${selection} } }`);
  expect(errors).toEqual([]);
  return Object.values(data)[0] as Record<string, unknown>;
}
const suspend = ({ id }: TestTenant, reason = 'unpaid') =>
  operate(`suspendTenant(tenantId: "${id}", reason: "${reason}")`);
const reinstate = ({ id }: TestTenant) => operate(`reinstateTenant(tenantId: "${id}")`);

/** The actions in a tenant's audit log, in order. */
async function actionsOf({ id }: TestTenant): Promise<string[]> {
  const entries = await server.app.models.auditEntries.find({ chain: id }).sort({ _id: 1 }).lean();
  return entries.map(({ action }) => action);
}

describe('a suspended tenant', () => {
  it('is rejected on every instance at once, and is admitted again when it is reinstated', async () => {
    const tenant = await server.createTenant();
    // Both instances know the tenant before.
    for (const instance of [server, second]) expect(await codeOf(MEMORIES, tenant.key, instance)).toBe('OK');
    await suspend(tenant);
    const { status, data, errors } = await server.gql(MEMORIES, { key: tenant.key });
    expect(status).toBe(403);
    expectNothing(data);
    expect(errors[0]?.extensions).toMatchObject({
      code: 'TENANT_SUSPENDED',
      suspendedAt: expect.any(String),
      http: { status: 403 },
    });
    expect(JSON.stringify(errors)).not.toContain('unpaid');
    await soon(async () => expect(await codeOf(MEMORIES, tenant.key, second)).toBe('TENANT_SUSPENDED'));
    await reinstate(tenant);
    expect(await codeOf(MEMORIES, tenant.key)).toBe('OK');
    await soon(async () => expect(await codeOf(MEMORIES, tenant.key, second)).toBe('OK'));
  });

  it('is charged nothing, not even with an idempotency key', async () => {
    const tenant = await server.createTenant();
    await suspend(tenant);
    const consume = 'mutation { consume(input: { endpoint: "jobs", idempotencyKey: "a" }) { allowed } }';
    expect(await codeOf(consume, tenant.key)).toBe('TENANT_SUSPENDED');
    const store = 'mutation { storeMemory(input: { content: "x", idempotencyKey: "b" }) { id } }';
    expect(await codeOf(store, tenant.key)).toBe('TENANT_SUSPENDED');
    const { data } = await server.gql('{ usage { apiCalls } storage { memories } }', { key: tenant.key });
    expect(data).toEqual({ usage: { apiCalls: 0 }, storage: { memories: 0 } });
    // Neither key is taken by the rejected requests.
    await reinstate(tenant);
    expect(await codeOf(consume, tenant.key)).toBe('OK');
    expect(await codeOf(store, tenant.key)).toBe('OK');
  });

  it('still reads, pays, cancels and manages its keys', async () => {
    const tenant = await server.createTenant();
    await suspend(tenant);
    const { data, errors } = await server.gql(
      '{ tenant { suspendedAt suspendedReason } subscription { status } usage { apiCalls } overage { usedCalls } apiKeys { id } }',
      { key: tenant.key },
    );
    expect(errors).toEqual([]);
    expect(data.tenant).toEqual({ suspendedAt: expect.any(String), suspendedReason: null });
    await subscribe(server, tenant.key);
    await settled(server);
    expect(await codeOf('mutation { cancelSubscription { cancelAtPeriodEnd } }', tenant.key)).toBe('OK');
    const create = 'mutation { createApiKey(input: { name: "k" }) { secret } }';
    expect(await codeOf(create, tenant.key)).toBe('OK');
    expect(await codeOf('mutation { reportUsage(input: { quantity: 1 }) { id } }', tenant.key)).toBe('OK');
    const past = 'mutation { recordUsage(events: [{ id: "e", endpoint: "x", quantity: 1 }]) { status } }';
    expect(await codeOf(past, tenant.key)).toBe('OK');
    expect(await codeOf(MEMORIES, tenant.key)).toBe('TENANT_SUSPENDED');
  });

  it('keeps the time of its suspension when that is repeated, and takes another reason', async () => {
    const tenant = await server.createTenant();
    const first = await suspend(tenant, 'unpaid');
    expect(first).toMatchObject({ suspendedAt: expect.any(String), suspendedReason: 'unpaid' });
    expect(await operate(`suspendTenant(tenantId: "${tenant.id}")`)).toEqual(first);
    expect(await suspend(tenant, 'fraud')).toEqual({ ...first, suspendedReason: 'fraud' });
    expect(await reinstate(tenant)).toMatchObject({ suspendedAt: null, suspendedReason: null });
    expect(await reinstate(tenant)).toMatchObject({ suspendedAt: null });
    expect((await actionsOf(tenant)).slice(-3)).toEqual([
      'tenant.suspended',
      'tenant.suspended',
      'tenant.reinstated',
    ]);
  });

  it('is announced to the operator’s systems, and so is the end of it', async () => {
    const url = 'https://hooks.invalid/lifecycle';
    await server.gql(
      'mutation ($url: String!) { createWebhookEndpoint(input: { url: $url, events: [TENANT_SUSPENDED, TENANT_REINSTATED] }) { secret } }',
      { variables: { url } },
    );
    const tenant = await server.createTenant();
    const announced = async () => {
      await server.app.services.outgoingWebhooks.wake();
      const found = await server.app.models.webhookDeliveries.find().sort({ _id: 1 }).lean();
      return found.map(({ body }) => JSON.parse(body)).filter(({ data }) => data.tenantId === tenant.id);
    };
    await suspend(tenant);
    await soon(async () => expect(await announced()).toHaveLength(1));
    await reinstate(tenant);
    await soon(async () => expect(await announced()).toHaveLength(2));
    const ids = { tenantId: tenant.id, externalId: null };
    expect(await announced()).toMatchObject([
      { type: 'tenant.suspended', data: { ...ids, reason: 'unpaid', suspendedAt: expect.any(String) } },
      { type: 'tenant.reinstated', data: ids },
    ]);
  });
});

describe('updateTenant', () => {
  const update = (tenant: TestTenant, input: string, key?: string) =>
    server.gql(
      `mutation { updateTenant(${key ? '' : `tenantId: "${tenant.id}", `}input: { ${input} }) { name email externalId } }`,
      key ? { key } : {},
    );

  it('changes what is named and leaves the rest; repeating it changes nothing', async () => {
    const tenant = await server.createTenant('Before');
    for (let time = 0; time < 2; time++) {
      const { data } = await update(tenant, 'name: "After", externalId: "crm-1"');
      expect(data.updateTenant).toEqual({ name: 'After', email: null, externalId: 'crm-1' });
    }
    const { data } = await server.gql(
      'mutation { updateTenant(externalId: "crm-1", input: { externalId: "crm-2", email: "a@example.com" }) { name email externalId } }',
    );
    expect(data.updateTenant).toEqual({ name: 'After', email: 'a@example.com', externalId: 'crm-2' });
    const gone = await server.gql('{ tenant(externalId: "crm-1") { id } }');
    expect(gone.errors[0]?.extensions.code).toBe('NOT_FOUND');
    const cleared = await update(tenant, 'email: null, externalId: null');
    expect(cleared.data.updateTenant).toEqual({ name: 'After', email: null, externalId: null });
    const updates = (await actionsOf(tenant)).filter((action) => action === 'tenant.updated');
    expect(updates).toHaveLength(3);
  });

  it('gives an external id to one tenant only', async () => {
    const [first, other] = [await server.createTenant(), await server.createTenant()];
    const answers = await Promise.all([first, other].map((tenant) => update(tenant, 'externalId: "taken"')));
    const codes = answers.map(({ errors }) => errors[0]?.extensions.code ?? 'OK');
    expect(codes.toSorted()).toEqual(['BAD_USER_INPUT', 'OK']);
    expect(answers.flatMap(({ errors }) => errors)[0]?.message).toContain('belongs to another tenant');
  });

  it('lets a tenant change its own name and address, and no id', async () => {
    const tenant = await server.createTenant();
    const own = await update(tenant, 'name: "Mine", email: "me@example.com"', tenant.key);
    expect(own.data.updateTenant).toMatchObject({ name: 'Mine', email: 'me@example.com' });
    const id = await update(tenant, 'externalId: "stolen"', tenant.key);
    expect(id.errors[0]?.extensions.code).toBe('FORBIDDEN');
    const { data } = await server.gql(
      'mutation { createApiKey(input: { name: "r", scopes: [READ] }) { secret } }',
      { key: tenant.key },
    );
    const reader = await update(tenant, 'name: "x"', data.createApiKey.secret);
    expect(reader.errors[0]?.extensions.code).toBe('FORBIDDEN');
  });

  it.each(['', 'name: null', 'name: ""', 'email: "no address"', 'externalId: " x "'])(
    'rejects { %s }',
    async (input) => {
      const { errors } = await update(await server.createTenant(), input);
      expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    },
  );

  it('brings the address to the customer at Stripe, also when Stripe failed the first time', async () => {
    const tenant = await server.createTenant();
    await update(tenant, 'email: "early@example.com"');
    await press(await beginCheckout(server, tenant.key), 'complete');
    await settled(server);
    const customer = await server.app.models.billingCustomers.findById(tenant.id).lean();
    const atStripe = async () => {
      const found = await stripeOf(server).customers.retrieve(customer?.stripeCustomerId as string);
      return found.deleted ? null : found.email;
    };
    expect(await atStripe()).toBe('early@example.com');
    mockOf(server).failNext({ kind: 'server_error', method: 'POST', path: '/v1/customers', times: 20 });
    const failed = await update(tenant, 'email: "late@example.com"');
    mockOf(server).clearFailures();
    expect(failed.errors[0]?.extensions.code).toBe('PAYMENT_PROVIDER_ERROR');
    const again = await update(tenant, 'email: "late@example.com"');
    expect(again.data.updateTenant.email).toBe('late@example.com');
    expect(await atStripe()).toBe('late@example.com');
    // Another name is of no concern to Stripe, nor is an address that is gone here.
    await update(tenant, 'name: "Renamed", email: null');
    expect(await atStripe()).toBe('late@example.com');
    await Promise.all(['one', 'two', 'three'].map((name) => update(tenant, `email: "${name}@example.com"`)));
    const { data } = await server.gql(`{ tenant(id: "${tenant.id}") { email } }`);
    expect(await atStripe()).toBe(data.tenant.email);
  });
});
