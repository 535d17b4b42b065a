import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { instantText } from '../../src/common/clock.js';
import { settled, subscribe } from '../support/billing.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const DAY_MS = 86_400_000;
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

const EXPLANATION = `tier { name } source since until unapplied { source reason }
  stripe { customerId subscriptionId status tier changedAt lastEventId lastEventType lastEventReceivedAt } summary`;

async function explain({ id, key }: TestTenant, as: 'operator' | 'tenant' = 'operator') {
  const query = `{ explainTier${as === 'operator' ? `(tenantId: "${id}")` : ''} { ${EXPLANATION} } }`;
  const { data, errors } = await server.gql(query, as === 'operator' ? {} : { key });
  expect(errors).toEqual([]);
  return data.explainTier;
}

async function subscriber(): Promise<TestTenant> {
  const tenant = await server.createTenant();
  await subscribe(server, tenant.key);
  await settled(server);
  return tenant;
}

/** As a sync would write it. */
const store = ({ id }: TestTenant, state: object) =>
  server.app.models.billingSubscriptions.updateOne({ _id: id }, { $set: state });

describe('explainTier', () => {
  it('names the default tier of a tenant for which nothing else applies', async () => {
    const tenant = await server.createTenant();
    const stored = await server.app.models.tenants.findById(tenant.id).lean();
    expect(await explain(tenant)).toEqual({
      tier: { name: 'FREE' },
      source: 'DEFAULT',
      since: stored?.createdAt.toISOString(),
      until: null,
      unapplied: [
        { source: 'CONTRACT', reason: 'setTenantLimits has set no tier' },
        { source: 'SUBSCRIPTION', reason: 'there is none' },
      ],
      stripe: null,
      summary: `The tenant has FREE because nothing gives it another tier since ${instantText(stored?.createdAt as Date)}. Override: setTenantLimits has set no tier. Subscription: there is none.`,
    });
  });

  it('names the subscription, when it began, and what Stripe said last', async () => {
    const tenant = await subscriber();
    const before = Date.now();
    const { stripe, ...explained } = await explain(tenant);
    expect(explained).toMatchObject({ tier: { name: 'PRO' }, source: 'SUBSCRIPTION', until: null });
    expect(Date.parse(explained.since)).toBeLessThanOrEqual(before);
    const stored = await server.app.models.billingSubscriptions.findById(tenant.id).lean();
    const event = await server.app.models.webhookEvents.findById(stripe.lastEventId).lean();
    expect(event?.lane).toBe(`customer:${stored?.stripeCustomerId}`);
    expect(stripe).toMatchObject({
      customerId: stored?.stripeCustomerId,
      subscriptionId: stored?.stripeSubscriptionId,
      status: 'ACTIVE',
      tier: 'PRO',
      lastEventType: event?.type,
    });
    expect(explained.summary).toContain(`Stripe said last that ${stored?.stripeSubscriptionId} is active.`);
  });

  it('puts an override before the subscription until it ends', async () => {
    const tenant = await subscriber();
    const until = new Date(Date.now() + DAY_MS).toISOString();
    const { errors } = await server.gql(
      `mutation { setTenantLimits(input: { tenantId: "${tenant.id}", tier: ENTERPRISE, reason: "hushed", until: "${until}" }) { id } }`,
    );
    expect(errors).toEqual([]);
    const explained = await explain(tenant, 'tenant');
    expect(explained).toMatchObject({ tier: { name: 'ENTERPRISE' }, source: 'CONTRACT', until });
    expect(explained.unapplied[0]).toEqual({
      source: 'SUBSCRIPTION',
      reason: 'the override comes before the subscription to PRO (active)',
    });
    expect(JSON.stringify(explained)).not.toMatch(/hushed|ADMIN_API_KEY/);
    const ended = new Date(Date.now() - DAY_MS);
    await server.app.models.tenants.updateOne({ _id: tenant.id }, { $set: { 'contract.until': ended } });
    expect(await explain(tenant)).toMatchObject({
      source: 'SUBSCRIPTION',
      unapplied: [
        { source: 'CONTRACT', reason: `the override to ENTERPRISE ended on ${instantText(ended)}` },
        { source: 'DEFAULT' },
      ],
    });
  });

  it('names the grace period of a failed payment, and its end once it is over', async () => {
    const tenant = await subscriber();
    const failed = new Date(Date.now() - DAY_MS);
    await store(tenant, { status: 'past_due', pastDueSince: failed });
    expect(await explain(tenant)).toMatchObject({
      tier: { name: 'PRO' },
      source: 'GRACE_PERIOD',
      since: failed.toISOString(),
      until: new Date(failed.getTime() + 14 * DAY_MS).toISOString(),
    });
    const longAgo = new Date(Date.now() - 20 * DAY_MS);
    await store(tenant, { status: 'past_due', pastDueSince: longAgo });
    const graceEnd = instantText(new Date(longAgo.getTime() + 14 * DAY_MS));
    const explained = await explain(tenant);
    expect(explained).toMatchObject({ tier: { name: 'FREE' }, source: 'DEFAULT' });
    expect(explained.unapplied[1]?.reason).toBe(
      `its status is past_due, and its grace period ended on ${graceEnd}`,
    );
    await store(tenant, { status: 'canceled', pastDueSince: null, endedAt: new Date() });
    expect((await explain(tenant)).unapplied[1]?.reason).toBe('its status is canceled, which gives no tier');
  });

  it('can be asked by the tenant itself, and not about a tenant that does not exist', async () => {
    const tenant = await server.createTenant();
    expect((await explain(tenant, 'tenant')).source).toBe('DEFAULT');
    const { errors } = await server.gql('{ explainTier(tenantId: "ten_none") { summary } }');
    expect(errors[0]?.extensions.code).toBe('NOT_FOUND');
  });
});

describe('webhookEvents of a tenant', () => {
  const eventsOf = async (args: string) => {
    const { data, errors } = await server.gql(
      `{ webhookEvents(first: 100, ${args}) { edges { node { id object } } pageInfo { endCursor hasNextPage } } }`,
    );
    expect(errors).toEqual([]);
    return data.webhookEvents;
  };
  const idsOf = ({ edges }: { edges: { node: { id: string } }[] }) => edges.map(({ node }) => node.id);

  it('are those of its customer, also after that was deleted, page by page', async () => {
    const [tenant, other] = [await subscriber(), await subscriber()];
    const { errors } = await server.gql(
      `mutation { updateTenant(tenantId: "${tenant.id}", input: { externalId: "with-events" }) { id } }`,
    );
    expect(errors).toEqual([]);
    const own = idsOf(await eventsOf('externalId: "with-events"'));
    const others = idsOf(await eventsOf(`tenantId: "${other.id}"`));
    expect(own.length).toBeGreaterThan(2);
    expect(own.filter((id) => others.includes(id))).toEqual([]);
    const customer = await server.app.models.billingCustomers.findById(tenant.id).lean();
    const lanes = await server.app.models.webhookEvents.distinct('lane', { _id: { $in: own } });
    for (const lane of lanes) expect(lane).toContain(customer?.stripeCustomerId);
    const { data } = await server.gql(
      `{ webhookEvents(first: 2, tenantId: "${tenant.id}") { edges { node { id } } pageInfo { endCursor } } }`,
    );
    const rest = await eventsOf(
      `tenantId: "${tenant.id}", after: "${data.webhookEvents.pageInfo.endCursor}"`,
    );
    expect([...idsOf(data.webhookEvents), ...idsOf(rest)]).toEqual(own);
    await server.app.models.billingCustomers.updateOne(
      { _id: tenant.id },
      { $set: { stripeCustomerId: null } },
    );
    expect(idsOf(await eventsOf(`tenantId: "${tenant.id}"`))).toEqual(own);
  });

  it('are none for a tenant without a customer, and an error for no tenant', async () => {
    const { id } = await server.createTenant();
    expect(idsOf(await eventsOf(`tenantId: "${id}"`))).toEqual([]);
    const { errors } = await server.gql('{ webhookEvents(externalId: "nobody") { edges { cursor } } }');
    expect(errors[0]?.extensions.code).toBe('NOT_FOUND');
  });
});

describe('an operator, for a tenant that it names', () => {
  it('reads and changes a subscription', async () => {
    const tenant = await subscriber();
    const named = `tenantId: "${tenant.id}"`;
    const run = async (operation: string) => {
      const { data, errors } = await server.gql(operation);
      expect(errors, operation).toEqual([]);
      return Object.values(data)[0] as Record<string, unknown>;
    };
    expect(await run(`mutation { cancelSubscription(${named}) { cancelAtPeriodEnd } }`)).toEqual({
      cancelAtPeriodEnd: true,
    });
    expect(await run(`mutation { resumeSubscription(${named}) { cancelAtPeriodEnd } }`)).toEqual({
      cancelAtPeriodEnd: false,
    });
    const [from, to] = [-DAY_MS, DAY_MS].map((ms) => new Date(Date.now() + ms).toISOString());
    for (const query of [
      `previewTierChange(${named}, tier: FREE) { tier }`,
      `subscription(${named}) { status }`,
      `usage(${named}) { apiCalls }`,
      `usageHistory(${named}, from: "${from}", to: "${to}") { apiCalls }`,
      `storage(${named}) { bytes }`,
      `overage(${named}) { usedCalls }`,
    ])
      await run(`{ ${query} }`);
    const own = await server.gql(`{ entitlement(${named}, feature: FEDERATION) }`);
    expect(own.data.entitlement).toBe(true);
    for (const mutation of [
      `setOverage(${named}, input: { monthlyCapCents: 100 }) { monthlyCapCents }`,
      `reportUsage(${named}, input: { quantity: 1 }) { tenantId }`,
      `createPortalSession(${named}, input: { returnUrl: "https://shop.example" }) { url }`,
      `changeTier(${named}, input: { tier: FREE }) { cancelAtPeriodEnd }`,
    ])
      await run(`mutation { ${mutation} }`);
    const customer = await server.createTenant();
    const checkout = await run(
      `mutation { createCheckoutSession(tenantId: "${customer.id}", input: { tier: PRO, successUrl: "https://shop.example/ok", cancelUrl: "https://shop.example/no" }) { url } }`,
    );
    expect(checkout.url).toEqual(expect.any(String));
    // What it did is in the tenant's own audit log, under the operator's name.
    const entries = await server.app.models.auditEntries.find({ chain: tenant.id }).lean();
    const actors = new Set(
      entries.filter(({ action }) => action === 'overage.changed').map(({ actor }) => actor),
    );
    expect([...actors]).toEqual(['operator:ADMIN_API_KEY']);
  });
});
