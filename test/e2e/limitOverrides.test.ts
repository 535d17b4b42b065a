import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { soon } from '../support/soon.js';

const DAY_MS = 86_400_000;
/** From the present on, because MongoDB deletes old deliveries by its own clock. */
const clock = createFakeClock(Date.now());
let server: TestServer;
let second: TestServer;

beforeAll(async () => {
  server = await startTestServer({ clock });
  second = await startTestServer({ clock, uri: server.uri });
});
afterAll(async () => {
  await second.stop();
  await server.stop();
});

const OVERRIDES = `tier { name limits { apiCallsPerDay maxMemories } }
  limitOverrides { tier limits { apiCallsPerDay maxMemories stored { resource limit } } inForce until reason author setAt }`;

const inDays = (days: number) => new Date(clock.now() + days * DAY_MS).toISOString();

async function set({ id }: TestTenant, input: object) {
  const { data, errors } = await server.gql(
    `mutation ($input: SetTenantLimitsInput!) { setTenantLimits(input: $input) { ${OVERRIDES} } }`,
    { variables: { input: { tenantId: id, ...input } } },
  );
  expect(errors).toEqual([]);
  return data.setTenantLimits;
}

async function read({ id, key }: TestTenant, as: 'operator' | 'tenant' = 'operator', at = server) {
  const query =
    as === 'operator' ? `{ tenant(id: "${id}") { ${OVERRIDES} } }` : `{ tenant { ${OVERRIDES} } }`;
  const { data, errors } = await at.gql(query, as === 'operator' ? {} : { key });
  expect(errors).toEqual([]);
  return data.tenant;
}

async function tierOfCall({ key }: TestTenant, at: TestServer): Promise<string | null> {
  return (await at.gql('{ memories { pageInfo { hasNextPage } } }', { key })).headers.get('x-tier');
}

async function changesOf({ id }: TestTenant) {
  const entries = await server.app.models.auditEntries
    .find({ chain: id, action: 'limits.changed' })
    .sort({ _id: 1 })
    .lean();
  return entries.map(({ actor, before, after }) => ({
    actor,
    before: JSON.parse(before ?? 'null'),
    after: JSON.parse(after ?? 'null'),
  }));
}

describe('overrides of limits', () => {
  it('can be read back, with why, who and until when for the operator alone', async () => {
    const tenant = await server.createTenant();
    expect((await read(tenant)).limitOverrides).toBeNull();
    const until = inDays(30);
    const made = await set(tenant, {
      tier: 'PRO',
      limits: { apiCallsPerDay: 77 },
      reason: 'pilot until June',
      until,
    });
    expect(made.limitOverrides).toEqual({
      tier: 'PRO',
      limits: { apiCallsPerDay: 77, maxMemories: null, stored: null },
      inForce: true,
      until,
      reason: 'pilot until June',
      author: 'operator:ADMIN_API_KEY',
      setAt: new Date(clock.now()).toISOString(),
    });
    expect(await read(tenant)).toEqual(made);
    expect(await read(tenant, 'tenant')).toEqual({
      ...made,
      limitOverrides: { ...made.limitOverrides, reason: null, author: null },
    });
  });

  it('keep what is not named, and their time and author when nothing changes', async () => {
    const tenant = await server.createTenant();
    const first = await set(tenant, { limits: { apiCallsPerDay: 5 }, reason: 'first' });
    clock.advance(1_000);
    expect(await set(tenant, { limits: { apiCallsPerDay: 5 } })).toEqual(first);
    expect(await set(tenant, { reason: 'first' })).toEqual(first);
    const more = await set(tenant, { limits: { maxMemories: 9 }, until: inDays(1) });
    expect(more.limitOverrides).toMatchObject({
      limits: { apiCallsPerDay: 5, maxMemories: 9 },
      reason: 'first',
      setAt: new Date(clock.now()).toISOString(),
    });
    const less = await set(tenant, { limits: { apiCallsPerDay: null }, until: null });
    expect(less.limitOverrides).toMatchObject({
      limits: { apiCallsPerDay: null, maxMemories: 9 },
      until: null,
    });
    expect((await set(tenant, { limits: null })).limitOverrides).toBeNull();
    const changes = await changesOf(tenant);
    expect(changes).toHaveLength(4);
    expect(changes[0]).toEqual({
      actor: 'operator:ADMIN_API_KEY',
      before: { tier: null, limits: {}, reason: null, until: null },
      // A reason may be about a person, so its value is stored apart.
      after: {
        tier: null,
        limits: { apiCallsPerDay: 5 },
        reason: { digest: expect.any(String) },
        until: null,
      },
    });
    expect(changes[3]?.after).toEqual({ tier: null, limits: {}, reason: null, until: null });
  });

  it('end by the clock on every instance, without a write, and can still be read', async () => {
    const tenant = await server.createTenant();
    const until = inDays(0.0001);
    await set(tenant, { tier: 'PRO', limits: { maxMemories: 3 }, until });
    for (const instance of [server, second])
      await soon(async () => expect(await tierOfCall(tenant, instance)).toBe('pro'));
    const stored = await server.app.models.tenants.findById(tenant.id).lean();
    clock.set(until);
    for (const instance of [server, second]) expect(await tierOfCall(tenant, instance)).toBe('free');
    const ended = await read(tenant);
    expect(ended.tier).toMatchObject({ name: 'FREE' });
    expect(ended.tier.limits.maxMemories).not.toBe(3);
    expect(ended.limitOverrides).toMatchObject({
      tier: 'PRO',
      limits: { maxMemories: 3 },
      inForce: false,
      until,
    });
    const { contract } = (await server.app.models.tenants.findById(tenant.id).lean()) ?? {};
    expect({ ...contract, endUnannounced: true }).toEqual(stored?.contract);
    // Nothing of what has ended comes back with a new override.
    const next = await set(tenant, { limits: { apiCallsPerDay: 4 } });
    expect(next.tier.name).toBe('FREE');
    expect(next.limitOverrides).toMatchObject({
      tier: null,
      limits: { apiCallsPerDay: 4, maxMemories: null },
      until: null,
      reason: null,
      inForce: true,
    });
  });

  it('are announced when they begin and when they end, and once', async () => {
    const { errors } = await server.gql(
      'mutation { createWebhookEndpoint(input: { url: "https://hooks.invalid/tiers", events: [TIER_CHANGED] }) { secret } }',
    );
    expect(errors).toEqual([]);
    const tenant = await server.createTenant();
    const changes = async () => {
      for (const { app } of [server, second]) await app.services.outgoingWebhooks.run();
      const found = await server.app.models.webhookDeliveries.find().sort({ _id: 1 }).lean();
      const data = found
        .map(({ body }) => JSON.parse(body).data)
        .filter(({ tenantId }) => tenantId === tenant.id);
      return data.map(({ from, to }) => [from, to]);
    };
    await set(tenant, { tier: 'PRO', until: inDays(1) });
    const begun = [['FREE', 'PRO']];
    await soon(async () => expect(await changes()).toEqual(begun));
    clock.advance(DAY_MS);
    const both = [...begun, ['PRO', 'FREE']];
    await soon(async () => expect(await changes()).toEqual(both));
    clock.advance(DAY_MS);
    expect(await changes()).toEqual(both);
    const stored = await server.app.models.tenants.findById(tenant.id).lean();
    expect(stored?.contract).not.toHaveProperty('endUnannounced');
  });

  it.each([
    ['an end in the past', { tier: 'PRO', until: '2026-01-01T00:00:00Z' }, 'input.until'],
    ['nothing', {}, 'input'],
    ['no limit', { limits: {} }, 'input'],
  ])('reject %s', async (_what, input, argument) => {
    const { id } = await server.createTenant();
    const { errors } = await server.gql(
      'mutation ($input: SetTenantLimitsInput!) { setTenantLimits(input: $input) { id } }',
      { variables: { input: { tenantId: id, ...input } } },
    );
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument });
  });

  it('that are lower than what is used raise their alerts at once', async () => {
    const tenant = await server.createTenant();
    await server.gql('mutation { consume(input: { endpoint: "x", cost: 5 }) { allowed } }', {
      key: tenant.key,
    });
    await set(tenant, { limits: { apiCallsPerDay: 5 } });
    await soon(async () => {
      const { data } = await server.gql(`{ tenants(state: OVER_LIMIT) { edges { node { id } } } }`);
      expect(data.tenants.edges).toContainEqual({ node: { id: tenant.id } });
    });
  });
});
