import { readFileSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSchema } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import builtIn from '../../catalogue.json' with { type: 'json' };
import { WebhookEndpointStatus } from '../../src/models/outgoingWebhook.js';
import { WebhookEventStatus } from '../../src/models/webhookEvent.js';
import { createAuditVerification } from '../../src/services/audit/auditVerification.js';
import { advance, press, settled, stripeOf, subscribe } from '../support/billing.js';
import { runCli } from '../support/cli.js';
import { createFakeClock } from '../support/fakeClock.js';
import {
  LOOPBACK_WEBHOOKS,
  OPERATOR_KEY,
  startTestServer,
  type TestServer,
  type TestTenant,
} from '../support/server.js';
import { catalogueFile } from '../support/teamCatalogue.js';

interface Entry {
  id: string;
  at: string;
  actor: string;
  action: string;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
  requestId: string | null;
}

type Expected = Pick<Entry, 'action' | 'before' | 'after'>;

/** What the mutations make, for later ones to change. */
interface Made {
  tenant: TestTenant;
  /** Has no subscription. */
  other: TestTenant;
  toErase: TestTenant;
  secrets: string[];
  keyId: string;
  operatorKeyId: string;
  endpointId: string;
}

interface Audited {
  by: 'tenant' | 'operator';
  /** The tenant that it changes, if it is another one. */
  whose?: (made: Made) => TestTenant;
  field: (made: Made) => string | Promise<string>;
  /** Keeps what the response says. */
  // biome-ignore lint/suspicious/noExplicitAny: responses are what the tests look into
  keep?: (made: Made, data: any) => unknown;
  /** The entries of the request, in the tenant's chain and in the operators'. */
  tenant?: (made: Made) => Expected[];
  operators?: (made: Made) => Expected[];
}

const URLS = 'successUrl: "http://localhost/ok", cancelUrl: "http://localhost/no"';
const any = expect.anything();
const objectContaining = (fields: object) => expect.objectContaining(fields);

/** Mutations of money, keys, limits, access and tenants, in the order in which the test runs them. */
const AUDITED: Record<string, Audited> = {
  createTenant: {
    by: 'operator',
    field: () =>
      'createTenant(input: { name: "Ada", email: "ada@example.com" }) { tenant { id } apiKey { id secret } }',
    keep(made, { tenant, apiKey }) {
      made.tenant = { id: tenant.id, key: apiKey.secret, keyId: apiKey.id };
      made.secrets.push(apiKey.secret);
    },
    tenant: ({ tenant }) => [
      {
        action: 'tenant.created',
        before: null,
        after: { externalId: null, name: 'Ada', email: 'ada@example.com', keyIds: [tenant.keyId] },
      },
    ],
  },
  setTenantLimits: {
    by: 'operator',
    field: ({ tenant }) =>
      `setTenantLimits(input: { tenantId: "${tenant.id}", tier: PRO, limits: { concurrentRequests: 50 } }) { id }`,
    tenant: () => [
      {
        action: 'limits.changed',
        before: { tier: null, limits: {}, reason: null, until: null },
        after: { tier: 'PRO', limits: { concurrentRequests: 50 }, reason: null, until: null },
      },
    ],
  },
  updateTenant: {
    by: 'tenant',
    field: () => 'updateTenant(input: { name: "Ada Ltd" }) { id }',
    tenant: () => [
      {
        action: 'tenant.updated',
        before: objectContaining({ name: 'Ada' }),
        after: objectContaining({ name: 'Ada Ltd', email: 'ada@example.com' }),
      },
    ],
  },
  suspendTenant: {
    by: 'operator',
    field: ({ tenant }) => `suspendTenant(tenantId: "${tenant.id}", reason: "chargeback") { id }`,
    tenant: () => [
      {
        action: 'tenant.suspended',
        before: { suspendedAt: null, reason: null },
        after: { suspendedAt: any, reason: 'chargeback' },
      },
    ],
  },
  reinstateTenant: {
    by: 'operator',
    field: ({ tenant }) => `reinstateTenant(tenantId: "${tenant.id}") { id }`,
    tenant: () => [
      {
        action: 'tenant.reinstated',
        before: { suspendedAt: any, reason: 'chargeback' },
        after: { suspendedAt: null, reason: null },
      },
    ],
  },
  exportTenant: {
    by: 'operator',
    field: ({ tenant }) => `exportTenant(tenantId: "${tenant.id}") { url }`,
    keep: (made, { url }) => made.secrets.push(url),
    tenant: () => [{ action: 'tenant.exported', before: null, after: any }],
  },
  createApiKey: {
    by: 'tenant',
    field: () => 'createApiKey(input: { name: "laptop", scopes: [READ] }) { secret apiKey { id } }',
    keep(made, { secret, apiKey }) {
      made.secrets.push(secret);
      made.keyId = apiKey.id;
    },
    tenant: ({ keyId }) => [
      {
        action: 'key.created',
        before: null,
        after: { id: keyId, name: 'laptop', scopes: ['READ'], expiresAt: null },
      },
    ],
  },
  rotateApiKey: {
    by: 'tenant',
    field: ({ keyId }) => `rotateApiKey(id: "${keyId}", overlapSeconds: 60) { secret apiKey { id } }`,
    keep(made, { secret, apiKey }) {
      made.secrets.push(secret);
      made.keyId = apiKey.id;
    },
    tenant: ({ keyId }) => [
      {
        action: 'key.rotated',
        before: objectContaining({ name: 'laptop', expiresAt: null }),
        after: objectContaining({ id: keyId, name: 'laptop', oldKeyExpiresAt: any }),
      },
    ],
  },
  revokeApiKey: {
    by: 'tenant',
    field: ({ keyId }) => `revokeApiKey(id: "${keyId}") { id }`,
    tenant: ({ keyId }) => [
      { action: 'key.revoked', before: objectContaining({ id: keyId, scopes: ['READ'] }), after: null },
    ],
  },
  createTenantToken: {
    by: 'operator',
    field: ({ tenant }) =>
      `createTenantToken(input: { tenantId: "${tenant.id}", scopes: [READ], ttlSeconds: 60 }) { token }`,
    keep: (made, { token }) => made.secrets.push(token),
    tenant: () => [
      { action: 'token.created', before: null, after: { id: any, scopes: ['READ'], expiresAt: any } },
    ],
  },
  createBillingPageSession: {
    by: 'operator',
    field: ({ tenant }) =>
      `createBillingPageSession(input: { tenantId: "${tenant.id}", returnUrl: "https://app.example" }) { url }`,
    keep: (made, { url }) => made.secrets.push(url.split('#link=')[1]),
    tenant: () => [{ action: 'billing_page_link.created', before: null, after: { id: any, expiresAt: any } }],
  },
  createOperatorKey: {
    by: 'operator',
    field: () => 'createOperatorKey(input: { name: "Grace", role: SUPPORT }) { secret operatorKey { id } }',
    keep(made, { secret, operatorKey }) {
      made.secrets.push(secret);
      made.operatorKeyId = operatorKey.id;
    },
    operators: ({ operatorKeyId }) => [
      {
        action: 'key.created',
        before: null,
        after: { id: operatorKeyId, name: 'Grace', role: 'SUPPORT', expiresAt: null },
      },
    ],
  },
  rotateOperatorKey: {
    by: 'operator',
    field: ({ operatorKeyId }) =>
      `rotateOperatorKey(id: "${operatorKeyId}", overlapSeconds: 0) { secret operatorKey { id } }`,
    keep(made, { secret, operatorKey }) {
      made.secrets.push(secret);
      made.operatorKeyId = operatorKey.id;
    },
    operators: ({ operatorKeyId }) => [
      {
        action: 'key.rotated',
        before: objectContaining({ role: 'SUPPORT' }),
        after: objectContaining({ id: operatorKeyId, role: 'SUPPORT' }),
      },
    ],
  },
  revokeOperatorKey: {
    by: 'operator',
    field: ({ operatorKeyId }) => `revokeOperatorKey(id: "${operatorKeyId}") { id }`,
    operators: ({ operatorKeyId }) => [
      { action: 'key.revoked', before: objectContaining({ id: operatorKeyId }), after: null },
    ],
  },
  createCheckoutSession: {
    by: 'tenant',
    field: () =>
      `createCheckoutSession(input: { tier: PRO, ${URLS}, customerEmail: "pays@example.com" }) { id url localUrl }`,
    async keep(_made, checkout) {
      expect((await press(checkout, 'complete')).status).toBe(303);
      await settled(server);
    },
    tenant: () => [
      {
        action: 'checkout.created',
        before: null,
        after: { sessionId: any, tier: 'PRO', customerEmail: 'pays@example.com', expiresAt: any },
      },
    ],
  },
  createPortalSession: {
    by: 'tenant',
    field: () => 'createPortalSession(input: { returnUrl: "http://localhost/back" }) { id url }',
    tenant: () => [
      {
        action: 'portal_session.created',
        before: null,
        after: { sessionId: expect.stringMatching(/^bps_/) },
      },
    ],
  },
  cancelSubscription: {
    by: 'tenant',
    field: () => 'cancelSubscription { id }',
    tenant: () => [
      {
        action: 'subscription.changed',
        before: objectContaining({ cancelAtPeriodEnd: false }),
        after: objectContaining({ cancelAtPeriodEnd: true }),
      },
    ],
  },
  resumeSubscription: {
    by: 'tenant',
    field: () => 'resumeSubscription { id }',
    tenant: () => [
      {
        action: 'subscription.changed',
        before: objectContaining({ cancelAtPeriodEnd: true }),
        after: objectContaining({ cancelAtPeriodEnd: false }),
      },
    ],
  },
  setOverage: {
    by: 'tenant',
    field: () => 'setOverage(input: { monthlyCapCents: 700 }) { monthlyCapCents }',
    tenant: () => [
      { action: 'overage.changed', before: { monthlyCapCents: null }, after: { monthlyCapCents: 700 } },
    ],
  },
  setSeats: {
    by: 'tenant',
    field: () => 'setSeats(seats: 2) { seats }',
    tenant: () => [
      {
        action: 'subscription.changed',
        before: objectContaining({ quantity: 1 }),
        after: objectContaining({ quantity: 2 }),
      },
    ],
  },
  changeTier: {
    by: 'tenant',
    field: () => 'changeTier(input: { tier: FREE, immediately: true }) { id }',
    tenant: () => [
      {
        action: 'subscription.changed',
        before: objectContaining({ status: 'active' }),
        after: objectContaining({ status: 'canceled' }),
      },
    ],
  },
  reportUsage: {
    by: 'tenant',
    field: () => 'reportUsage(input: { quantity: 5, idempotencyKey: "once" }) { id }',
    tenant: () => [{ action: 'usage.reported', before: null, after: { id: 'once', quantity: 5 } }],
  },
  createEnterpriseSubscription: {
    by: 'operator',
    field: ({ tenant }) =>
      `createEnterpriseSubscription(input: {
        tenantId: "${tenant.id}", monthlyPriceCents: 90000, termMonths: 12, daysUntilDue: 30
      }) { id }`,
    tenant: () => [
      {
        action: 'subscription.changed',
        before: objectContaining({ tier: 'PRO' }),
        after: objectContaining({ tier: 'ENTERPRISE', status: 'active' }),
      },
      {
        action: 'contract.begun',
        before: null,
        after: objectContaining({ tier: 'ENTERPRISE', monthlyPriceCents: 90000, termMonths: 12 }),
      },
    ],
  },
  pausePayments: {
    by: 'operator',
    field: ({ tenant }) =>
      `pausePayments(input: { tenantId: "${tenant.id}", resumesAt: "${daysFromNow(20)}" }) { id }`,
    tenant: () => [
      {
        action: 'subscription.changed',
        before: objectContaining({ pause: null }),
        after: objectContaining({ pause: objectContaining({ invoices: 'void' }) }),
      },
    ],
  },
  resumePayments: {
    by: 'tenant',
    field: () => 'resumePayments { id }',
    tenant: () => [
      {
        action: 'subscription.changed',
        before: objectContaining({ pause: objectContaining({ invoices: 'void' }) }),
        after: objectContaining({ pause: null }),
      },
    ],
  },
  extendTrial: {
    by: 'operator',
    async field({ tenant }) {
      await beginTrial(tenant.id);
      return `extendTrial(input: { tenantId: "${tenant.id}", until: "${daysFromNow(20)}" }) { id }`;
    },
    tenant: () => [
      {
        action: 'subscription.changed',
        before: objectContaining({ trialEnd: expect.anything() }),
        after: objectContaining({ trialEnd: expect.anything() }),
      },
    ],
  },
  createWebhookEndpoint: {
    by: 'operator',
    field: () =>
      'createWebhookEndpoint(input: { url: "http://127.0.0.1:8099/hook?token=t0p" }) { secret endpoint { id } }',
    async keep(made, { secret, endpoint }) {
      made.secrets.push(secret, 't0p');
      made.endpointId = endpoint.id;
      const paused = { status: WebhookEndpointStatus.PAUSED };
      await server.app.models.webhookEndpoints.updateOne({ _id: endpoint.id }, paused);
    },
    operators: ({ endpointId }) => [
      {
        action: 'webhook_endpoint.created',
        before: null,
        after: { id: endpointId, origin: 'http://127.0.0.1:8099', events: any, status: 'ENABLED' },
      },
    ],
  },
  enableWebhookEndpoint: {
    by: 'operator',
    field: ({ endpointId }) => `enableWebhookEndpoint(id: "${endpointId}") { id }`,
    operators: ({ endpointId }) => [
      {
        action: 'webhook_endpoint.enabled',
        before: objectContaining({ id: endpointId, status: 'PAUSED' }),
        after: objectContaining({ id: endpointId, status: 'ENABLED' }),
      },
    ],
  },
  resendWebhookDelivery: {
    by: 'operator',
    async field({ tenant, endpointId }) {
      await server.setLimits(tenant.id, null, 'FREE');
      await server.app.services.outgoingWebhooks.run();
      const delivery = await server.app.models.webhookDeliveries.findOne({ endpointId }).lean();
      return `resendWebhookDelivery(id: "${delivery?._id}") { id }`;
    },
    operators: ({ endpointId }) => [
      {
        action: 'webhook_delivery.resent',
        before: objectContaining({ status: 'PENDING' }),
        after: objectContaining({ status: 'PENDING', endpointId }),
      },
    ],
  },
  replayWebhookEvent: {
    by: 'operator',
    async field() {
      const event = await server.app.models.webhookEvents
        .findOne({ state: WebhookEventStatus.APPLIED })
        .lean();
      return `replayWebhookEvent(id: "${event?._id}") { id }`;
    },
    operators: () => [
      {
        action: 'webhook_event.replayed',
        before: { id: any, status: 'APPLIED' },
        after: { id: any, status: 'PENDING', type: any },
      },
    ],
  },
  repairTenant: {
    by: 'operator',
    async field({ tenant }) {
      // The event that was replayed before would repair it too.
      await settled(server);
      await server.app.models.billingSubscriptions.updateOne(
        { _id: tenant.id },
        { $set: { cancelAtPeriodEnd: true }, $inc: { revision: 1 } },
      );
      return `repairTenant(tenantId: "${tenant.id}") { status }`;
    },
    tenant: () => [
      {
        action: 'subscription.repair_requested',
        before: null,
        after: { stripeCustomerId: any, fields: ['cancelAtPeriodEnd'] },
      },
      {
        action: 'subscription.changed',
        before: { cancelAtPeriodEnd: true },
        after: { cancelAtPeriodEnd: false },
      },
    ],
  },
  startReconcile: {
    by: 'operator',
    field: () => 'startReconcile { id }',
    operators: () => [{ action: 'reconcile.started', before: null, after: { id: any, dryRun: false } }],
  },
  deleteWebhookEndpoint: {
    by: 'operator',
    field: ({ endpointId }) => `deleteWebhookEndpoint(id: "${endpointId}")`,
    operators: ({ endpointId }) => [
      { action: 'webhook_endpoint.deleted', before: objectContaining({ id: endpointId }), after: null },
    ],
  },
  eraseTenant: {
    by: 'operator',
    whose: ({ toErase }) => toErase,
    field: ({ toErase }) => `eraseTenant(tenantId: "${toErase.id}") { __typename }`,
    tenant: ({ toErase }) => [{ action: 'tenant.erased', before: { keyIds: [toErase.keyId] }, after: null }],
  },
};

/** Mutations that need no entry, and why. */
const UNAUDITED: Record<string, string> = {
  consume: 'a call: usage has its own record',
  decideOperations: 'calls',
  endOperations: 'calls',
  recordUsage: 'usage',
  setStored: 'usage of storage',
  freeStorage: 'usage of storage',
  storeMemory: "the tenant's content",
  storeMemories: "the tenant's content",
  shareMemory: "the tenant's content",
  deleteMemory: "the tenant's content",
};

const clock = createFakeClock('2026-03-02T10:00:00Z');
let server: TestServer;
const made: Made = {
  tenant: { id: '', key: '', keyId: '' },
  other: { id: '', key: '', keyId: '' },
  toErase: { id: '', key: '', keyId: '' },
  secrets: [OPERATOR_KEY],
  keyId: '',
  operatorKeyId: '',
  endpointId: '',
};

beforeAll(async () => {
  // PRO is sold by the seat.
  const prices = [{ interval: 'month', perSeat: true, amounts: { usd: 2_900 } }];
  const tiers = builtIn.tiers.map((tier) => (tier.name === 'PRO' ? { ...tier, prices } : tier));
  const CATALOG_FILE = catalogueFile({ ...builtIn, tiers });
  server = await startTestServer({ clock, env: { ...LOOPBACK_WEBHOOKS, CATALOG_FILE } });
  made.other = await server.createTenant('Another');
  made.toErase = await server.createTenant('To erase');
});
afterAll(() => server?.stop());

async function logOf(tenantId: string | null, key = OPERATOR_KEY, args = ''): Promise<Entry[]> {
  const named = tenantId ? `tenantId: "${tenantId}", ` : '';
  const { data, errors } = await server.gql(
    `{ auditLog(${named} first: 100 ${args}) { edges { node { id at actor action before after requestId } } } }`,
    { key },
  );
  expect(errors).toEqual([]);
  return data.auditLog.edges.map(({ node }: { node: Entry }) => node);
}

/** Oldest first. */
async function ofRequest(tenantId: string | null, requestId: string): Promise<Entry[]> {
  return (await logOf(tenantId)).filter((entry) => entry.requestId === requestId).toReversed();
}

async function exported(query: string, key: string | null = OPERATOR_KEY) {
  const response = await fetch(`${server.url}/v1/audit-log${query}`, {
    headers: key === null ? {} : { 'x-api-key': key },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const verified = (...args: string[]) => runCli(['audit', 'verify', ...args], { MONGODB_URI: server.uri });

const daysFromNow = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();

/** Such as a person at Stripe gives a subscription. */
async function beginTrial(tenantId: string): Promise<void> {
  const stored = await server.app.models.billingSubscriptions.findById(tenantId).lean();
  const trial_end = Math.floor(Date.parse(daysFromNow(10)) / 1000);
  await stripeOf(server).subscriptions.update(stored?.stripeSubscriptionId ?? '', {
    trial_end,
    proration_behavior: 'none',
  });
  await settled(server);
}

describe('every mutation', () => {
  it('is audited, or says why it need not be', () => {
    const schema = buildSchema(readFileSync(join(import.meta.dirname, '../../schema.graphql'), 'utf8'));
    const mutations = Object.keys(schema.getMutationType()?.getFields() ?? {});
    expect([...Object.keys(AUDITED), ...Object.keys(UNAUDITED)].toSorted()).toEqual(mutations.toSorted());
  });

  it.each(Object.entries(AUDITED))('%s leaves exactly its entries', async (name, audited) => {
    const { by, field, keep, whose, tenant, operators } = audited;
    const requestId = `req-${name}`;
    const { data, errors } = await server.gql(`mutation { made: ${await field(made)} }`, {
      key: by === 'operator' ? OPERATOR_KEY : made.tenant.key,
      headers: { 'x-request-id': requestId },
    });
    expect(errors).toEqual([]);
    await keep?.(made, data.made);
    const actor = by === 'operator' ? 'operator:ADMIN_API_KEY' : `key:${made.tenant.keyId}`;
    const of = (expected: Expected[] | undefined) =>
      (expected ?? []).map((entry) => objectContaining({ ...entry, actor, requestId }));
    const { id } = whose?.(made) ?? made.tenant;
    expect(await ofRequest(id, requestId)).toEqual(of(tenant?.(made)));
    expect(await ofRequest(null, requestId)).toEqual(of(operators?.(made)));
  });

  it('has the author and the request id by REST too', async () => {
    const response = await fetch(`${server.url}/v1/billing/report-usage`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-api-key': made.tenant.key,
        'x-request-id': 'req-by-rest',
      },
      body: JSON.stringify({ quantity: 3, idempotency_key: 'by-rest' }),
    });
    expect(response.status).toBe(200);
    expect(await ofRequest(made.tenant.id, 'req-by-rest')).toMatchObject([
      { actor: `key:${made.tenant.keyId}`, action: 'usage.reported', after: { id: 'by-rest', quantity: 3 } },
    ]);
  });

  it('that changes nothing leaves nothing', async () => {
    const before = await logOf(made.tenant.id);
    const { errors } = await server.gql(
      `mutation {
        reportUsage(input: { quantity: 5, idempotencyKey: "once" }) { id }
        revokeApiKey(id: "${made.keyId}") { id }
        setOverage(input: { monthlyCapCents: null }) { monthlyCapCents }
        again: setOverage(input: { monthlyCapCents: null }) { monthlyCapCents }
      }`,
      { key: made.tenant.key },
    );
    expect(errors).toEqual([]);
    const added = (await logOf(made.tenant.id)).slice(0, -before.length);
    expect(added.map(({ action }) => action)).toEqual(['overage.changed']);
  });
});

describe('what happens at Stripe', () => {
  it('is written with the event that brought it, once', async () => {
    const tenant = await server.createTenant('Of Stripe');
    await subscribe(server, tenant.key);
    await settled(server);
    const bought = (await logOf(tenant.id)).filter(({ actor }) => actor.startsWith('stripe:evt_'));
    expect(bought.map(({ action }) => action)).toContain('subscription.created');
    const created = bought.filter(({ action }) => action === 'subscription.created');
    expect(created).toMatchObject([
      { before: null, after: { tier: 'PRO', status: 'active' }, requestId: null },
    ]);

    // Applied again, the same state is no change.
    const count = (await logOf(tenant.id)).length;
    for (const { _id } of await server.app.models.webhookEvents
      .find({ state: WebhookEventStatus.APPLIED })
      .lean())
      await server.app.services.inbox.replay(_id, { actor: 'system:test', requestId: null });
    await settled(server);
    expect(await logOf(tenant.id)).toHaveLength(count);

    await advance(server, 32 * 86_400);
    const renewed = (await logOf(tenant.id)).slice(0, -count);
    expect(renewed.filter(({ actor }) => !actor.startsWith('stripe:'))).toEqual([]);
    expect(renewed.at(-1)).toMatchObject({ action: 'subscription.changed' });
    expect(renewed.at(-1)?.after).toHaveProperty('currentPeriodEnd');
  });
});

describe('the log', () => {
  it('is read by its tenant without the operator’s key ids, and by no other tenant', async () => {
    const own = await logOf(null, made.tenant.key);
    const all = await logOf(made.tenant.id);
    expect(own.map(({ id }) => id)).toEqual(all.map(({ id }) => id));
    expect(own.at(-1)).toMatchObject({ action: 'tenant.created', actor: 'operator' });
    // Why a tenant was suspended is the operator's note.
    expect(JSON.stringify(all)).toContain('chargeback');
    expect(JSON.stringify(own)).not.toContain('chargeback');
    expect(all.at(-1)).toMatchObject({ action: 'tenant.created', actor: 'operator:ADMIN_API_KEY' });
    expect((await logOf(null, made.other.key)).map(({ action }) => action)).toEqual(['tenant.created']);
  });

  it('needs the scope KEYS of a tenant and a reading role of an operator', async () => {
    const operatorKey = async (role: string) => {
      const { data } = await server.gql(
        `mutation { createOperatorKey(input: { name: "k", role: ${role} }) { secret } }`,
      );
      return data.createOperatorKey.secret as string;
    };
    const { data } = await server.gql(
      'mutation { createApiKey(input: { name: "reads", scopes: [READ] }) { secret } }',
      { key: made.tenant.key },
    );
    const codeFor = async (key: string, args = '') =>
      (await server.gql(`{ auditLog${args} { edges { node { id } } } }`, { key })).errors[0]?.extensions.code;
    expect(await codeFor(data.createApiKey.secret)).toBe('FORBIDDEN');
    for (const role of ['OWNER', 'SUPPORT', 'READ']) {
      const key = await operatorKey(role);
      expect([await codeFor(key), await codeFor(key, `(tenantId: "${made.tenant.id}")`)]).toEqual([
        undefined,
        undefined,
      ]);
    }
    expect(await codeFor(await operatorKey('PROVISION'))).toBe('FORBIDDEN');
  });

  it('is paged, and filtered by action and time', async () => {
    const all = await logOf(made.tenant.id);
    const pages: string[] = [];
    for (let after: string | null = null; ; ) {
      const { data } = await server.gql(
        `query ($id: ID, $after: String) { auditLog(tenantId: $id, first: 4, after: $after) {
          edges { node { id } } pageInfo { endCursor hasNextPage } } }`,
        { variables: { id: made.tenant.id, after } },
      );
      pages.push(...data.auditLog.edges.map(({ node }: { node: Entry }) => node.id));
      if (!data.auditLog.pageInfo.hasNextPage) break;
      after = data.auditLog.pageInfo.endCursor;
    }
    expect(pages).toEqual(all.map(({ id }) => id));
    const revoked = all.filter(({ action }) => action === 'key.revoked');
    expect(await logOf(made.tenant.id, OPERATOR_KEY, 'action: "key.revoked"')).toEqual(revoked);

    clock.advance(3_600_000);
    const from = new Date(clock.now()).toISOString();
    await server.setLimits(made.tenant.id, { concurrentRequests: 7 });
    clock.advance(1_000);
    const to = new Date(clock.now()).toISOString();
    await server.setLimits(made.tenant.id, { concurrentRequests: 8 });
    const within = await logOf(made.tenant.id, OPERATOR_KEY, `from: "${from}", to: "${to}"`);
    expect(within).toMatchObject([{ at: from, after: { limits: { concurrentRequests: 7 } } }]);
    expect(await logOf(made.tenant.id, OPERATOR_KEY, `to: "${from}"`)).toHaveLength(all.length);
    expect(await logOf(made.tenant.id, OPERATOR_KEY, `from: "${to}"`)).toHaveLength(1);
  });

  it('holds no secret, and no personal value in its entries', async () => {
    const { auditEntries, auditPersonalValues } = server.app.models;
    const entries = JSON.stringify(await auditEntries.find().lean());
    const values = JSON.stringify(await auditPersonalValues.find().lean());
    expect(made.secrets.length).toBeGreaterThan(5);
    for (const secret of made.secrets) expect(entries + values).not.toContain(secret);
    for (const { hash } of await server.app.models.apiKeys.find())
      for (const encoding of ['base64', 'base64url', 'hex'] as const)
        expect(entries + values).not.toContain(hash.toString(encoding));
    for (const personal of ['Ada', 'ada@example.com', 'pays@example.com', 'laptop', 'Grace']) {
      expect(values).toContain(personal);
      expect(entries).not.toContain(personal);
    }
  });

  it('is exported as JSON Lines and as CSV, oldest first', async () => {
    const all = (await logOf(made.tenant.id)).toReversed();
    const jsonl = await exported(`?tenantId=${made.tenant.id}`);
    expect(jsonl.headers.get('content-type')).toBe('application/jsonl; charset=utf-8');
    expect(
      jsonl.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(all);
    const half = all[Math.floor(all.length / 2)] as Entry;
    const later = await exported(`?tenantId=${made.tenant.id}&from=${half.at}`);
    const since = all.filter(({ at }) => at >= half.at);
    expect(
      later.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(since);

    const named = await exported(`?tenantId=${made.tenant.id}&action=key.revoked`);
    const actions = named.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).action);
    expect(actions).toEqual(all.flatMap(({ action }) => (action === 'key.revoked' ? [action] : [])));
    expect(actions.length).toBeGreaterThan(0);

    const formula = '=HYPERLINK("http://evil.example")';
    const { errors } = await server.gql(
      'mutation ($name: String!) { createApiKey(input: { name: $name, scopes: [READ] }) { secret } }',
      { key: made.tenant.key, variables: { name: formula } },
    );
    expect(errors).toEqual([]);
    const csv = await exported('?format=csv', made.tenant.key);
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const lines = csv.text.trimEnd().split('\r\n');
    expect(lines[0]).toBe('id,at,actor,action,requestId,before,after');
    expect(lines).toHaveLength(all.length + 2);
    expect(lines[1]).toContain('"operator","tenant.created","req-createTenant",""');
    // JSON never begins like a formula, and its quotes are doubled.
    expect(lines.at(-1)).toContain(JSON.stringify({ name: formula }).slice(1, -1).replaceAll('"', '""'));
  });

  it('is exported to those who may read it, one tenant’s to no other', async () => {
    const status = async (query: string, key: string | null) => (await exported(query, key)).status;
    expect(await status('', null)).toBe(401);
    expect(await status(`?tenantId=${made.tenant.id}`, made.other.key)).toBe(403);
    expect(await status('?externalId=another', made.other.key)).toBe(403);
    expect(await status('?tenantId=ten_none', OPERATOR_KEY)).toBe(404);
    expect(await status('?from=yesterday', OPERATOR_KEY)).toBe(400);
    const head = await fetch(`${server.url}/v1/audit-log`, {
      method: 'HEAD',
      headers: { 'x-api-key': OPERATOR_KEY },
    });
    expect(head.status).toBe(405);
    const operators = await exported('');
    expect(operators.text).toContain('webhook_endpoint.created');
    expect(operators.text).not.toContain(made.tenant.id);
  });

  it('is verified by `audit verify`, which names the entry that was changed', async () => {
    const expected = join(await mkdtemp(join(tmpdir(), 'audit-')), 'heads.jsonl');
    const intact = await verified('--json', '--heads', expected);
    expect(intact.code).toBe(0);
    expect(JSON.parse(intact.stdout)).toMatchObject({ problems: [], count: 0 });
    const heads = (await readFile(expected, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(heads.map(({ chain }) => chain)).toContain('operators');
    expect(await verified('--expect', expected)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('problems: 0'),
    });

    const { auditEntries, auditChains, auditPersonalValues } = server.app.models;
    const chain = made.other.id;
    await auditEntries.updateOne({ chain }, { actor: 'key:other' });
    expect(await verified('--tenant', chain)).toMatchObject({
      code: 1,
      stdout: `${chain}:000000000001: changed: its hash does not match\nchains: 1, entries: 1, problems: 1\n`,
    });
    // A chain that is gone altogether is missed only by those who kept its end.
    await auditEntries.deleteMany({ chain });
    await auditChains.deleteOne({ _id: chain });
    await auditPersonalValues.deleteMany({ _id: new RegExp(`^${chain}:`) });
    expect((await verified()).code).toBe(0);
    expect(await verified('--expect', expected)).toMatchObject({
      code: 1,
      stdout: expect.stringContaining(`${chain}: the chain was removed`),
    });
    expect((await verified('--help')).stdout).toContain('--expect <file>');
  }, 120_000);

  it('stays verifiable and says [erased] when personal values are erased', async () => {
    const { models } = server.app;
    await server.app.services.auditLog.erasePersonalValues(made.tenant.id);
    expect((await logOf(made.tenant.id)).at(-1)?.after).toMatchObject({
      name: '[erased]',
      email: '[erased]',
    });
    const verification = createAuditVerification(models);
    let chains = 0;
    for await (const chain of verification.chains()) {
      expect(await verification.verify(chain)).toMatchObject({ problems: [] });
      chains += 1;
    }
    expect(chains).toBe(4);
  });
});
