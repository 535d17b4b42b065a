import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GraphQLObjectType, buildSchema as parseSchema } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GraphQLAnswer, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

/** What the first tenant has, for the second one to try. */
interface Victim extends TestTenant {
  memoryId: string;
  memoryCursor: string;
  secondKeyId: string;
  subscriptionId: string;
  /** Words that only the first tenant's data has: the second must never read one of them. */
  marks: string[];
}

interface Attempt {
  /** The field as the second tenant selects it, aimed at what is the first one's wherever it can be aimed. */
  field: (victim: Victim) => string;
  /** Who may select it. */
  who: 'anyone' | 'tenant' | 'operator';
  /** What the second tenant is answered: a code of a refusal, or a check of the answer's data. */
  expect: string | ((data: unknown, attacker: TestTenant) => void);
}

const URLS = 'successUrl: "http://localhost/ok", cancelUrl: "http://localhost/no"';
const CONTENT = 'zanzibar secret of the first tenant';

const own = (value: unknown) => (data: unknown) => expect(data).toEqual(value);
const notNull = (data: unknown) => expect(data).not.toBeNull();

/** Every root field of the schema. A field that is added must say here how tenants are kept apart in it. */
const QUERIES: Record<string, Attempt> = {
  tiers: {
    who: 'anyone',
    field: () => 'tiers { name limits { apiCallsPerDay maxMemories } }',
    expect: notNull,
  },
  brand: { who: 'anyone', field: () => 'brand { productName upgradeUrl }', expect: notNull },
  tier: {
    who: 'anyone',
    field: () => 'tier(name: PRO) { limits { apiCallsPerDay maxMemories } }',
    expect: own({ limits: { apiCallsPerDay: 10_000, maxMemories: 100_000 } }),
  },
  tenant: {
    who: 'tenant',
    field: ({ id }) =>
      `tenant(id: "${id}") { id name email tier { name } usage { apiCalls } storage { bytes } subscription { id } }`,
    expect: 'FORBIDDEN',
  },
  subscription: {
    who: 'tenant',
    field: () =>
      'subscription { id status stripeSubscriptionId currentPeriodEnd tier { limits { apiCallsPerDay } } }',
    expect: (data, { id }) =>
      expect(data).toMatchObject({
        id: `subscription:${id}`,
        stripeSubscriptionId: null,
        currentPeriodEnd: null,
        tier: { limits: { apiCallsPerDay: 10_000 } },
      }),
  },
  usage: {
    who: 'tenant',
    field: () => 'usage(period: MONTH) { apiCalls federationShares byEndpoint { endpoint calls } }',
    expect: (data) => expect(data).toMatchObject({ federationShares: 0 }),
  },
  usageHistory: {
    who: 'tenant',
    field: () => {
      const [from, to] = [-86_400_000, 86_400_000].map((ms) => new Date(Date.now() + ms).toISOString());
      return `usageHistory(from: "${from}", to: "${to}") { federationShares }`;
    },
    expect: (data) =>
      expect((data as { federationShares: number }[]).map((day) => day.federationShares)).toEqual([0, 0]),
  },
  overage: {
    who: 'tenant',
    field: () => 'overage { monthlyCapCents usedCalls }',
    expect: own({ monthlyCapCents: null, usedCalls: 0 }),
  },
  alerts: {
    who: 'tenant',
    field: ({ id }) => `alerts(tenantId: "${id}") { edges { node { id } } }`,
    expect: 'FORBIDDEN',
  },
  invoices: {
    who: 'tenant',
    field: ({ id }) => `invoices(tenantId: "${id}") { edges { node { id number } } }`,
    expect: 'FORBIDDEN',
  },
  paymentMethods: {
    who: 'tenant',
    field: ({ id }) => `paymentMethods(tenantId: "${id}") { id last4 }`,
    expect: 'FORBIDDEN',
  },
  previewTierChange: {
    who: 'tenant',
    field: () => 'previewTierChange(tier: FREE) { effectiveAt }',
    expect: 'BAD_USER_INPUT',
  },
  previewSeats: {
    who: 'tenant',
    field: ({ id }) => `previewSeats(tenantId: "${id}", seats: 2) { tier seats }`,
    expect: 'FORBIDDEN',
  },
  previewCancellation: {
    who: 'tenant',
    field: ({ id }) => `previewCancellation(tenantId: "${id}") { endsAt summary }`,
    expect: 'FORBIDDEN',
  },
  compareWithStripe: {
    who: 'operator',
    field: ({ id }) => `compareWithStripe(tenantId: "${id}") { summary stored { customerId email } }`,
    expect: 'FORBIDDEN',
  },
  usageReports: {
    who: 'tenant',
    field: ({ id }) => `usageReports(tenantId: "${id}") { edges { node { id quantity } } }`,
    expect: 'FORBIDDEN',
  },
  storage: {
    who: 'tenant',
    field: () => 'storage { embeddings limits { maxMemories } }',
    expect: own({ embeddings: 0, limits: { maxMemories: 100_000 } }),
  },
  entitlements: {
    who: 'tenant',
    field: () => 'entitlements { name kind used }',
    expect: (data) => expect(data).toContainEqual({ name: 'memories', kind: 'STORED', used: 0 }),
  },
  entitlement: { who: 'tenant', field: () => 'entitlement(feature: FEDERATION)', expect: own(true) },
  explainTier: {
    who: 'tenant',
    field: ({ id }) => `explainTier(tenantId: "${id}") { summary stripe { subscriptionId } }`,
    expect: 'FORBIDDEN',
  },
  apiKeys: {
    who: 'tenant',
    field: () => 'apiKeys { id name }',
    expect: (data, { keyId }) => expect(data).toContainEqual({ id: keyId, name: 'first key' }),
  },
  auditLog: {
    who: 'tenant',
    field: ({ id }) => `auditLog(tenantId: "${id}") { edges { node { id actor after } } }`,
    expect: 'FORBIDDEN',
  },
  memory: {
    who: 'tenant',
    field: ({ memoryId }) => `memory(id: "${memoryId}") { id content metadata embedding }`,
    expect: own(null),
  },
  memories: {
    who: 'tenant',
    field: ({ memoryCursor }) =>
      `memories(first: 100) { edges { node { id content } } pageInfo { hasNextPage } }
       after: memories(first: 100, after: "${memoryCursor}") { edges { node { id content } } }`,
    expect: (data) => expect(data).toMatchObject({ pageInfo: { hasNextPage: false } }),
  },
  searchMemories: {
    who: 'tenant',
    field: () =>
      `searchMemories(input: { query: "zanzibar secret tenant" }) { memory { content } }
       near: searchMemories(input: { embedding: [1, 2, 3] }) { memory { content } }`,
    expect: own([]),
  },
  webhookEvents: {
    who: 'operator',
    field: () => 'webhookEvents { edges { node { id object } } }',
    expect: 'FORBIDDEN',
  },
  webhookEvent: {
    who: 'operator',
    field: () => 'webhookEvent(id: "evt_1") { payload }',
    expect: 'FORBIDDEN',
  },
  webhookDelivery: {
    who: 'operator',
    field: () => 'webhookDelivery(id: "evt_x:we_x") { body }',
    expect: 'FORBIDDEN',
  },
  reconcileRuns: {
    who: 'operator',
    field: () => 'reconcileRuns { edges { node { id repairs { tenantId found } } } }',
    expect: 'FORBIDDEN',
  },
  reconcileRun: { who: 'operator', field: () => 'reconcileRun(id: "rec_1") { id }', expect: 'FORBIDDEN' },
  operatorKeys: { who: 'operator', field: () => 'operatorKeys { id name role }', expect: 'FORBIDDEN' },
  overview: {
    who: 'operator',
    field: () => 'overview { revenue { monthlyCents } tenants { pastDueTenants { tenant { id } } } }',
    expect: 'FORBIDDEN',
  },
  overviewHistory: { who: 'operator', field: () => 'overviewHistory { day tenants }', expect: 'FORBIDDEN' },
  catalogueVersions: { who: 'operator', field: () => 'catalogueVersions { tenants }', expect: 'FORBIDDEN' },
  rejections: {
    who: 'tenant',
    field: ({ id }) => `rejections(tenantId: "${id}") { edges { node { kind subject } } }`,
    expect: 'FORBIDDEN',
  },
  serverInstances: { who: 'operator', field: () => 'serverInstances { id }', expect: 'FORBIDDEN' },
  webhookRefusals: { who: 'operator', field: () => 'webhookRefusals { reason count }', expect: 'FORBIDDEN' },
  webhookEndpoints: { who: 'operator', field: () => 'webhookEndpoints { url }', expect: 'FORBIDDEN' },
  webhookDeliveries: {
    who: 'operator',
    field: () => 'webhookDeliveries { edges { node { body } } }',
    expect: 'FORBIDDEN',
  },
  tenants: {
    who: 'operator',
    field: ({ id }) => `tenants(search: "${id}") { edges { node { id name email } } }`,
    expect: 'FORBIDDEN',
  },
};

const MUTATIONS: Record<string, Attempt> = {
  createCheckoutSession: {
    who: 'tenant',
    field: () =>
      `createCheckoutSession(input: { tier: PRO, ${URLS}, customerEmail: "first@example.com" }) { id url localUrl }`,
    expect: notNull,
  },
  cancelSubscription: {
    who: 'tenant',
    field: () => 'cancelSubscription(input: { atPeriodEnd: false }) { id status }',
    expect: 'BAD_USER_INPUT',
  },
  changeTier: {
    who: 'tenant',
    field: () => 'changeTier(input: { tier: FREE, immediately: true }) { id status }',
    expect: 'BAD_USER_INPUT',
  },
  setSeats: {
    who: 'tenant',
    field: ({ id }) => `setSeats(tenantId: "${id}", seats: 2) { id seats }`,
    expect: 'FORBIDDEN',
  },
  createPortalSession: {
    who: 'tenant',
    // The second tenant has a customer of its own by now.
    field: () => 'createPortalSession(input: { returnUrl: "http://localhost/back" }) { id url localUrl }',
    expect: notNull,
  },
  createEnterpriseSubscription: {
    who: 'operator',
    field: ({ id }) =>
      `createEnterpriseSubscription(input: { tenantId: "${id}", monthlyPriceCents: 1, termMonths: 1 }) { id }`,
    expect: 'FORBIDDEN',
  },
  extendTrial: {
    who: 'operator',
    field: ({ id }) => `extendTrial(input: { tenantId: "${id}", until: "2030-01-01T00:00:00Z" }) { id }`,
    expect: 'FORBIDDEN',
  },
  pausePayments: {
    who: 'operator',
    field: ({ id }) =>
      `pausePayments(input: { tenantId: "${id}", resumesAt: "2030-01-01T00:00:00Z" }) { id }`,
    expect: 'FORBIDDEN',
  },
  resumePayments: { who: 'tenant', field: () => 'resumePayments { id }', expect: 'BAD_USER_INPUT' },
  resumeSubscription: { who: 'tenant', field: () => 'resumeSubscription { id }', expect: 'BAD_USER_INPUT' },
  reportUsage: {
    who: 'tenant',
    // The first tenant used this idempotency key, for another quantity.
    field: () => 'reportUsage(input: { quantity: 5, idempotencyKey: "shared-word" }) { quantity tenantId }',
    expect: (data, { id }) => expect(data).toEqual({ quantity: 5, tenantId: id }),
  },
  consume: {
    who: 'tenant',
    field: ({ id }) => `consume(input: { tenantId: "${id}", endpoint: "zebra", cost: 3 }) { allowed }`,
    expect: 'FORBIDDEN',
  },
  setOverage: {
    who: 'tenant',
    field: () => 'setOverage(input: { monthlyCapCents: 7 }) { monthlyCapCents usedCalls }',
    expect: own({ monthlyCapCents: 7, usedCalls: 0 }),
  },
  recordUsage: {
    who: 'tenant',
    field: ({ id }) =>
      `recordUsage(tenantId: "${id}", events: [{ id: "event-1", endpoint: "zebra", quantity: 5 }]) { status }`,
    expect: 'FORBIDDEN',
  },
  createApiKey: {
    who: 'tenant',
    field: ({ id }) => `createApiKey(input: { name: "a way in", tenantId: "${id}" }) { secret }`,
    expect: 'FORBIDDEN',
  },
  rotateApiKey: {
    who: 'tenant',
    field: ({ secondKeyId }) => `rotateApiKey(id: "${secondKeyId}", overlapSeconds: 0) { secret }`,
    expect: 'NOT_FOUND',
  },
  revokeApiKey: {
    who: 'tenant',
    field: ({ keyId }) => `revokeApiKey(id: "${keyId}") { id name }`,
    expect: 'NOT_FOUND',
  },
  createBillingPageSession: {
    who: 'tenant',
    field: ({ id }) =>
      `createBillingPageSession(input: { tenantId: "${id}", returnUrl: "https://app.example" }) { url }`,
    expect: 'FORBIDDEN',
  },
  createTenantToken: {
    who: 'tenant',
    field: ({ id }) => `createTenantToken(input: { tenantId: "${id}" }) { token }`,
    expect: 'FORBIDDEN',
  },
  storeMemory: {
    who: 'tenant',
    // Of another length than the first tenant's embeddings: each tenant has a length of its own.
    field: () => 'storeMemory(input: { content: "mine", embedding: [1, 2] }) { content }',
    expect: own({ content: 'mine' }),
  },
  storeMemories: {
    who: 'tenant',
    field: () => 'storeMemories(input: [{ content: "mine too" }]) { content }',
    expect: own([{ content: 'mine too' }]),
  },
  deleteMemory: {
    who: 'tenant',
    field: ({ memoryId }) => `deleteMemory(id: "${memoryId}")`,
    expect: own(false),
  },
  shareMemory: {
    who: 'tenant',
    field: ({ memoryId }) => `shareMemory(id: "${memoryId}") { id content }`,
    expect: 'NOT_FOUND',
  },
  decideOperations: {
    who: 'operator',
    field: () =>
      'decideOperations(operations: [{ apiKey: "", scope: READ, charges: [], features: [], fieldLimits: [], stores: [] }]) { allowed }',
    expect: 'FORBIDDEN',
  },
  endOperations: {
    who: 'operator',
    field: () =>
      `endOperations(operations: [{ receipt: "v1.a.b.c", unearned: [{ endpoint: "zebra" }], keptHolds: [], releasedHolds: [] }])`,
    expect: 'FORBIDDEN',
  },
  freeStorage: {
    who: 'operator',
    field: ({ id }) =>
      `freeStorage(input: { tenantId: "${id}", amounts: [{ resource: "bytes", amount: 5 }] })`,
    expect: 'FORBIDDEN',
  },
  setStored: {
    who: 'operator',
    field: ({ id }) => `setStored(input: { tenantId: "${id}", resource: "bytes", amount: 5 })`,
    expect: 'FORBIDDEN',
  },
  createWebhookEndpoint: {
    who: 'operator',
    field: () => 'createWebhookEndpoint(input: { url: "http://localhost/mine" }) { secret }',
    expect: 'FORBIDDEN',
  },
  deleteWebhookEndpoint: {
    who: 'operator',
    field: () => 'deleteWebhookEndpoint(id: "we_x")',
    expect: 'FORBIDDEN',
  },
  enableWebhookEndpoint: {
    who: 'operator',
    field: () => 'enableWebhookEndpoint(id: "we_x") { id }',
    expect: 'FORBIDDEN',
  },
  createOperatorKey: {
    who: 'operator',
    field: () => 'createOperatorKey(input: { name: "mine", role: OWNER }) { secret }',
    expect: 'FORBIDDEN',
  },
  rotateOperatorKey: {
    who: 'operator',
    field: () => 'rotateOperatorKey(id: "x") { secret }',
    expect: 'FORBIDDEN',
  },
  revokeOperatorKey: {
    who: 'operator',
    field: () => 'revokeOperatorKey(id: "x") { id }',
    expect: 'FORBIDDEN',
  },
  repairTenant: {
    who: 'operator',
    field: ({ id }) => `repairTenant(tenantId: "${id}") { summary }`,
    expect: 'FORBIDDEN',
  },
  startReconcile: { who: 'operator', field: () => 'startReconcile { id }', expect: 'FORBIDDEN' },
  replayWebhookEvent: {
    who: 'operator',
    field: () => 'replayWebhookEvent(id: "evt_1") { id }',
    expect: 'FORBIDDEN',
  },
  resendWebhookDelivery: {
    who: 'operator',
    field: () => 'resendWebhookDelivery(id: "evt_x:we_x") { body }',
    expect: 'FORBIDDEN',
  },
  createTenant: {
    who: 'operator',
    field: () => 'createTenant(input: { name: "a third" }) { apiKey { secret } }',
    expect: 'FORBIDDEN',
  },
  updateTenant: {
    who: 'tenant',
    field: ({ id }) => `updateTenant(tenantId: "${id}", input: { name: "mine" }) { id name email }`,
    expect: 'FORBIDDEN',
  },
  suspendTenant: {
    who: 'operator',
    field: ({ id }) => `suspendTenant(tenantId: "${id}", reason: "mine") { id name }`,
    expect: 'FORBIDDEN',
  },
  reinstateTenant: {
    who: 'operator',
    field: ({ id }) => `reinstateTenant(tenantId: "${id}") { id name }`,
    expect: 'FORBIDDEN',
  },
  eraseTenant: {
    who: 'operator',
    field: ({ id }) => `eraseTenant(tenantId: "${id}") { status }`,
    expect: 'FORBIDDEN',
  },
  exportTenant: {
    who: 'tenant',
    field: ({ id }) => `exportTenant(tenantId: "${id}") { url }`,
    expect: 'FORBIDDEN',
  },
  setTenantLimits: {
    who: 'operator',
    field: ({ id }) => `setTenantLimits(input: { tenantId: "${id}", tier: FREE }) { id name }`,
    expect: 'FORBIDDEN',
  },
};

const schema = parseSchema(readFileSync(join(import.meta.dirname, '../../schema.graphql'), 'utf8'));

/** Whether an operator can name the tenant that the field is about. */
function takesTenant(root: string, name: string): boolean {
  const type = root === 'query' ? schema.getQueryType() : schema.getMutationType();
  return type?.getFields()[name]?.args.some((argument) => argument.name === 'tenantId') ?? false;
}

const FIELDS = [
  ...Object.entries(QUERIES).map(([name, attempt]) => ({ name, root: 'query', ...attempt })),
  ...Object.entries(MUTATIONS).map(([name, attempt]) => ({ name, root: 'mutation', ...attempt })),
];

let server: TestServer;
let victim: Victim;
let attacker: TestTenant;

beforeAll(async () => {
  server = await startTestServer();
  victim = await makeVictim();
  attacker = await server.createTenant('The second');
  await server.setLimits(
    attacker.id,
    { apiCallsPerMinute: 10_000, apiCallsPerDay: null, concurrentRequests: 100 },
    'PRO',
  );
});
afterAll(() => server.stop());

/** A tenant with something of everything: memories, a share, keys, a paid subscription, a report, a contract. */
async function makeVictim(): Promise<Victim> {
  const tenant = await server.createTenant('Zanzibar Limited');
  await server.setLimits(
    tenant.id,
    { apiCallsPerDay: 777_000_777, apiCallsPerMinute: 10_000, concurrentRequests: 100 },
    'PRO',
  );
  const run = async (query: string) => {
    const { data, errors } = await server.gql(query, { key: tenant.key });
    expect(errors).toEqual([]);
    return data;
  };
  const { storeMemory } = await run(
    `mutation { storeMemory(input: { content: "${CONTENT}", embedding: [1, 2, 3], metadata: { note: "zanzibar" } }) { id } }`,
  );
  await run(`mutation { shareMemory(id: "${storeMemory.id}") { id } }`);
  const { memories } = await run('{ memories { pageInfo { endCursor } } }');
  const { createApiKey } = await run(
    'mutation { createApiKey(input: { name: "zanzibar key" }) { apiKey { id } } }',
  );
  await run('mutation { reportUsage(input: { quantity: 7, idempotencyKey: "shared-word" }) { id } }');
  const checkout = await run(
    `mutation { createCheckoutSession(input: { tier: PRO, ${URLS}, customerEmail: "first@example.com" }) { id localUrl } }`,
  );
  const paid = await fetch(`${checkout.createCheckoutSession.localUrl}/complete`, {
    method: 'POST',
    redirect: 'manual',
  });
  expect(paid.status).toBe(303);
  // What is announced beside the requests has been.
  await server.app.services.outgoingWebhooks.run();
  const { subscription } = await run('{ subscription { stripeSubscriptionId } }');
  expect(subscription.stripeSubscriptionId).toMatch(/^sub_/);
  return {
    ...tenant,
    memoryId: storeMemory.id,
    memoryCursor: memories.pageInfo.endCursor,
    secondKeyId: createApiKey.apiKey.id,
    subscriptionId: subscription.stripeSubscriptionId,
    marks: [
      tenant.id,
      tenant.key,
      tenant.keyId,
      storeMemory.id,
      createApiKey.apiKey.id,
      checkout.createCheckoutSession.id,
      subscription.stripeSubscriptionId,
      'anzibar',
      '777000777',
    ],
  };
}

/** What changes by nobody's doing: marks leave a ledger, and the calls that a field's own limit counts expire. */
const CHANGES_LATER = ['ledgers', 'field_windows', 'tenant_standings', 'rejections'];

/** Its usage, and all documents of all other collections that name the first tenant or a thing of its own. */
async function stateOfVictim(): Promise<Record<string, unknown>> {
  const { connection } = server.app.models;
  const { data } = await server.gql(
    '{ usage { apiCalls federationShares extractions byEndpoint { endpoint calls } } storage { memories embeddings bytes } }',
    { key: victim.key },
  );
  const ledger = await server.app.models.ledgers.findById(victim.id).lean();
  const stored = [data.storage, ledger?.levels, ledger?.reservations];
  const state: Record<string, unknown> = { usage: data.usage, stored };
  for (const { name } of (await connection.db?.listCollections().toArray()) ?? []) {
    if (CHANGES_LATER.includes(name)) continue;
    const docs = await connection.collection(name).find().sort({ _id: 1 }).toArray();
    const texts = docs.map(({ lastUsedAt: _, ...doc }) => JSON.stringify(doc));
    state[name] = texts.filter((text) => [victim.id, victim.subscriptionId].some((id) => text.includes(id)));
  }
  return state;
}

const select = (root: string, selection: string, key: string | null) =>
  server.gql(`${root} { ${selection} }`, { key });

function expectCode({ status, data, errors }: GraphQLAnswer, code: string, http: number): void {
  expect(data ?? null).toBeNull();
  expect(errors[0]?.extensions).toMatchObject({ code, http: { status: http } });
  expect(status).toBe(http);
}

/** What a stream of another tenant would send. */
const SUBSCRIPTIONS: Record<string, string> = {
  alertRaised: '{ id }',
  memoryChanged: '{ id }',
  subscriptionChanged: '{ id }',
  usageChanged: '{ apiCalls }',
};

describe('the streams of another tenant', () => {
  it.each(Object.entries(SUBSCRIPTIONS))('%s is FORBIDDEN', async (field, selection) => {
    for (const named of [`tenantId: "${victim.id}"`, `externalId: "not-mine"`]) {
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'text/event-stream',
          'x-api-key': attacker.key,
        },
        body: JSON.stringify({ query: `subscription { ${field}(${named}) ${selection} }` }),
      });
      const events = await response.text();
      expect(events).toContain('"code":"FORBIDDEN"');
      expect(events).toContain('event: complete');
    }
  });
});

describe('the table of this test', () => {
  it('has every query, mutation and subscription of schema.graphql, and nothing else', () => {
    const names = (type: GraphQLObjectType | null | undefined) => Object.keys(type?.getFields() ?? {}).sort();
    expect(Object.keys(QUERIES).sort()).toEqual(names(schema.getQueryType()));
    expect(Object.keys(MUTATIONS).sort()).toEqual(names(schema.getMutationType()));
    expect(Object.keys(SUBSCRIPTIONS).sort()).toEqual(names(schema.getSubscriptionType()));
  });

  it('has every field that the running server has', async () => {
    const { data } = await server.gql(
      '{ __schema { queryType { fields { name } } mutationType { fields { name } } subscriptionType { fields { name } } } }',
      { key: null },
    );
    const names = ({ fields }: { fields: { name: string }[] }) => fields.map(({ name }) => name).sort();
    expect(names(data.__schema.queryType)).toEqual(Object.keys(QUERIES).sort());
    expect(names(data.__schema.mutationType)).toEqual(Object.keys(MUTATIONS).sort());
    expect(names(data.__schema.subscriptionType)).toEqual(Object.keys(SUBSCRIPTIONS).sort());
  });

  it('sees the first tenant’s data where it is: the marks are there to be found', async () => {
    const state = JSON.stringify(await stateOfVictim());
    for (const mark of victim.marks.filter((mark) => mark !== victim.key)) expect(state).toContain(mark);
    const { data } = await server.gql(
      '{ tenant { name } memories { edges { node { content } } } apiKeys { name } }',
      { key: victim.key },
    );
    expect(JSON.stringify(data).match(/anzibar/g)).toHaveLength(3);
  });
});

describe.each(FIELDS)('$root $name', ({ name, root, field, who, expect: expected }) => {
  it('shows a second tenant nothing of the first, and changes nothing of it', async () => {
    const before = await stateOfVictim();
    const selection = field(victim);
    const answer = await select(root, selection, attacker.key);
    if (typeof expected === 'string') {
      expect(answer.errors[0]?.extensions.code).toBe(expected);
      expect(answer.data?.[name] ?? null).toBeNull();
    } else {
      expect(answer.errors).toEqual([]);
      expected(answer.data[name], attacker);
    }
    const told = JSON.stringify([answer.data, answer.errors, [...answer.headers]]);
    for (const mark of victim.marks.filter((mark) => !selection.includes(mark)))
      expect(told, mark).not.toContain(mark);
    expect(await stateOfVictim()).toEqual(before);
  });

  it(
    who === 'anyone' ? 'needs no key' : 'is UNAUTHENTICATED without a key, before anything runs',
    async () => {
      const before = await stateOfVictim();
      const answer = await select(root, field(victim), null);
      if (who === 'anyone') expect(answer.errors).toEqual([]);
      else expectCode(answer, 'UNAUTHENTICATED', 401);
      expect(await stateOfVictim()).toEqual(before);
    },
  );

  if (who === 'operator') {
    it('is FORBIDDEN for a tenant, even for one about itself', async () => {
      expectCode(await select(root, field(victim), victim.key), 'FORBIDDEN', 403);
    });
  }
});

describe('by the side', () => {
  it('a field of the second tenant beside a forbidden one does not run', async () => {
    const answer = await server.gql(
      `mutation { storeMemory(input: { content: "beside" }) { id } setTenantLimits(input: { tenantId: "${attacker.id}", tier: ENTERPRISE }) { id } }`,
      { key: attacker.key },
    );
    expectCode(answer, 'FORBIDDEN', 403);
    expect(await server.app.models.memories.countDocuments({ content: 'beside' })).toBe(0);
  });

  it('ids that are made to leave a tenant’s own keys lead nowhere', async () => {
    const before = await stateOfVictim();
    const ids = [`:${victim.memoryId}`, `${victim.id}:${victim.memoryId}`, `../${victim.id}`, '', '$ne'];
    for (const id of ids) {
      const read = await select('query', `memory(id: "${id}") { content }`, attacker.key);
      expect(read.data).toEqual({ memory: null });
      const removed = await select('mutation', `deleteMemory(id: "${id}")`, attacker.key);
      expect(removed.data).toEqual({ deleteMemory: false });
    }
    expect(await stateOfVictim()).toEqual(before);
  });

  it('a cursor that is made of another tenant’s id pages through one’s own memories only', async () => {
    for (const key of [victim.id, `${victim.id}:`, `${victim.id}:${victim.memoryId}`, '0', ':']) {
      const after = Buffer.from(key).toString('base64url');
      const { data } = await select(
        'query',
        `memories(first: 100, after: "${after}") { edges { node { content } } }`,
        attacker.key,
      );
      expect(JSON.stringify(data)).not.toContain('anzibar');
    }
  });

  it('an event id that another tenant used is no duplicate, and counts for the sender only', async () => {
    const record =
      'mutation { recordUsage(events: [{ id: "same", endpoint: "zebra", quantity: 5 }]) { status } }';
    expect((await server.gql(record, { key: victim.key })).data.recordUsage).toEqual([
      { status: 'ACCEPTED' },
    ]);
    const before = await stateOfVictim();
    const { data } = await server.gql(record, { key: attacker.key });
    expect(data.recordUsage).toEqual([{ status: 'ACCEPTED' }]);
    expect(await stateOfVictim()).toEqual(before);
  });

  it('the operator may look at each tenant, and acts as none', async () => {
    const { data } = await server.gql(
      `{ tenant(id: "${victim.id}") { name subscription { stripeSubscriptionId } } }`,
    );
    expect(data.tenant).toEqual({
      name: 'Zanzibar Limited',
      subscription: { stripeSubscriptionId: victim.subscriptionId },
    });
    // These name the tenant that they are about, or are about the operator's own keys.
    const attempts = FIELDS.filter(
      ({ who, name, field }) => who === 'tenant' && !/[iI]d: "ten_/.test(field(victim)) && name !== 'apiKeys',
    );
    for (const { root, name, field } of attempts) {
      const answer = await server.gql(`${root} { ${field(victim)} }`);
      // Its own keys are no tenant's.
      const isKey = /^(rotate|revoke)ApiKey$/.test(name);
      const code = takesTenant(root, name) ? 'BAD_USER_INPUT' : 'FORBIDDEN';
      expect(answer.errors[0]?.extensions.code, name).toBe(isKey ? 'NOT_FOUND' : code);
    }
  });
});
