import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { settled, subscribe } from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { createServiceKey } from '../support/federation.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const DAY_MS = 86_400_000;
const clock = createFakeClock('2026-11-26T12:30:00Z');
let server: TestServer;
/** By name, in the order in which they were made. */
const tenants = new Map<string, TestTenant>();
const tenant = (name: string): TestTenant => tenants.get(name) as TestTenant;

const OVERVIEW = `{ overview {
  asOf countedAt
  revenue { asOf currency monthlyCents payingTenants unpricedTenants monthlyCents30DaysAgo changeCents byTier { tier payingTenants monthlyCents } }
  tenants { total byTier { tier tenants } newToday startedPayingToday stoppedPayingToday suspended pastDue nearLimit overLimit
    pastDueTenants { tenant { id name } monthlyCents graceEndsAt } nearLimitTenants { id } overLimitTenants { id } }
  calls { today yesterday byHour { hour today yesterday } }
  rejections { today yesterday byKind { kind today yesterday } }
  webhookEvents { pending failed oldestPendingAgeSeconds rejectedRequests }
  usageReports { pending pendingQuantity failed oldestPendingAgeSeconds }
  deliveries { pending failed endpointsEnabled endpointsPaused endpointsDisabled }
  health { mongodb { state pingMs } stripe { state mode lastSuccessAt lastFailureAt waitingRequests } redis { state }
    workers { name lastRunAt everySeconds isLate } instances { id version } }
} }`;

/** What the server does within seconds. */
async function settle(): Promise<void> {
  const { services } = server.app;
  await services.outgoingWebhooks.run();
  await services.tenantCount.run();
  await services.activity.flush();
  await services.dailyFigures.write();
  await services.usageRanks.refresh([...tenants.values()].map(({ id }) => id));
}

async function overview() {
  const { data, errors } = await server.gql(OVERVIEW);
  expect(errors).toEqual([]);
  return data.overview;
}

async function consume(name: string, cost: number, endpoint = 'jobs'): Promise<boolean | undefined> {
  const { data } = await server.gql(
    'mutation ($cost: Int!, $endpoint: String!) { consume(input: { endpoint: $endpoint, cost: $cost }) { allowed } }',
    { key: tenant(name).key, variables: { cost, endpoint } },
  );
  return data?.consume?.allowed;
}

/** As another server's operation that costs so many calls. */
async function decidedRemotely(name: string, cost: number): Promise<boolean> {
  const charges = [{ endpoint: 'jobs', cost }];
  const operation = {
    apiKey: tenant(name).key,
    scope: 'WRITE',
    charges,
    features: [],
    fieldLimits: [],
    stores: [],
  };
  const { data } = await server.gql(
    'mutation ($operations: [OperationInput!]!) { decideOperations(operations: $operations) { allowed } }',
    { key: await createServiceKey(server), variables: { operations: [operation] } },
  );
  return data.decideOperations[0].allowed;
}

beforeAll(async () => {
  server = await startTestServer({ clock });
  for (const name of ['free', 'busy', 'paying', 'large', 'gone', 'suspended']) {
    tenants.set(name, await server.createTenant(name));
    clock.advance(1_000);
  }
  await subscribe(server, tenant('paying').key);
  const contract = { tenantId: tenant('large').id, monthlyPriceCents: 150_000, termMonths: 12, limits: {} };
  const { errors } = await server.gql(
    'mutation ($input: CreateEnterpriseSubscriptionInput!) { createEnterpriseSubscription(input: $input) { id } }',
    { variables: { input: contract } },
  );
  expect(errors).toEqual([]);
  await settled(server);
});
afterAll(() => server.stop());

describe('the overview', () => {
  it('has the revenue of subscriptions and contracts, and tenants by tier', async () => {
    await settle();
    const { revenue, tenants: counted, countedAt } = await overview();
    expect(countedAt).toMatch(/^2026-11-26T12:30/);
    expect(revenue).toMatchObject({
      currency: 'usd',
      monthlyCents: 152900,
      payingTenants: 2,
      unpricedTenants: 0,
      monthlyCents30DaysAgo: null,
      byTier: [
        { tier: 'FREE', payingTenants: 0, monthlyCents: 0 },
        { tier: 'PRO', payingTenants: 1, monthlyCents: 2900 },
        { tier: 'ENTERPRISE', payingTenants: 1, monthlyCents: 150000 },
      ],
    });
    expect(counted).toMatchObject({ total: 6, newToday: 6, startedPayingToday: 2, stoppedPayingToday: 0 });
    expect(counted.byTier.map(({ tenants: count }: { tenants: number }) => count)).toEqual([4, 1, 1]);
  });

  it('loses an erased tenant, and keeps a suspended one', async () => {
    const { errors } = await server.gql(
      `mutation { eraseTenant(tenantId: "${tenant('gone').id}") { status }
        suspendTenant(tenantId: "${tenant('suspended').id}", reason: "late") { id } }`,
    );
    expect(errors).toEqual([]);
    await settle();
    expect((await overview()).tenants).toMatchObject({ total: 5, suspended: 1 });
  });

  it('has calls of all tenants by UTC hour, without those that were returned', async () => {
    expect(await consume('busy', 7)).toBe(true);
    // Fails with a server error, so its call is returned.
    const { memories } = server.app.models;
    const find = vi.spyOn(memories.collection, 'find').mockImplementation(() => {
      throw new Error('broken');
    });
    const broken = await server.gql('{ memories { edges { cursor } } }', { key: tenant('busy').key });
    find.mockRestore();
    expect(broken.errors[0]?.extensions.code).toBe('INTERNAL_SERVER_ERROR');
    clock.advance(3_600_000);
    expect(await consume('paying', 5)).toBe(true);
    const recorded = await server.gql(
      'mutation { recordUsage(events: [{ id: "e1", endpoint: "jobs", quantity: 4 }]) { status } }',
      { key: tenant('paying').key },
    );
    expect(recorded.errors).toEqual([]);
    await settle();
    const { calls } = await overview();
    expect(calls).toMatchObject({ today: 16, yesterday: 0 });
    expect(calls.byHour).toHaveLength(24);
    expect(calls.byHour.slice(12, 15)).toEqual([
      { hour: 12, today: 7, yesterday: 0 },
      { hour: 13, today: 9, yesterday: 0 },
      { hour: 14, today: null, yesterday: 0 },
    ]);
  });

  it('counts a write once whose answer was lost, and what was not written the next time', async () => {
    const { hourlyActivity } = server.app.models;
    const { collection } = hourlyActivity;
    const bulkWrite = collection.bulkWrite.bind(collection);
    const lost = vi.spyOn(collection, 'bulkWrite').mockImplementationOnce(async (...args) => {
      await bulkWrite(...args);
      throw new Error('the answer was lost');
    });
    expect(await consume('paying', 2)).toBe(true);
    await expect(server.app.services.activity.flush()).rejects.toThrow('lost');
    lost.mockRestore();
    expect(await consume('paying', 1)).toBe(true);
    await settle();
    expect((await overview()).calls.today).toBe(19);
  });

  it('sums what several instances counted', async () => {
    const other = await startTestServer({ clock, uri: server.uri });
    try {
      const { data } = await other.gql(
        'mutation { consume(input: { endpoint: "jobs", cost: 3 }) { allowed } }',
        {
          key: tenant('paying').key,
        },
      );
      expect(data.consume.allowed).toBe(true);
    } finally {
      // Writes what it has not written yet.
      await other.stop();
    }
    expect((await overview()).calls.today).toBe(22);
  });

  it('says which limits rejected calls, and which tenants are near or over one', async () => {
    await server.setLimits(tenant('busy').id, { apiCallsPerDay: 10, apiCallsPerMinute: 9 });
    await server.setLimits(tenant('free').id, { apiCallsPerDay: 10 });
    expect(await consume('busy', 4)).toBe(false);
    expect(await consume('busy', 9)).toBe(false);
    expect(await decidedRemotely('busy', 8)).toBe(false);
    expect(await consume('busy', 3)).toBe(true);
    expect(await consume('free', 8)).toBe(true);
    expect(await consume('suspended', 1)).toBeUndefined();
    expect(await consume('free', 11, 'extraction')).toBeUndefined();
    const shared = await server.gql('mutation { shareMemory(id: "mem_1") { id } }', {
      key: tenant('free').key,
    });
    expect(shared.errors[0]?.extensions.code).toBe('FEATURE_NOT_AVAILABLE');
    await server.app.services.alerts.idle();
    await settle();
    const { rejections, tenants: counted } = await overview();
    expect(rejections).toMatchObject({ today: 6, yesterday: 0 });
    const kinds = rejections.byKind.filter(({ today }: { today: number }) => today !== 0);
    expect(kinds.map(({ kind, today }: { kind: string; today: number }) => [kind, today])).toEqual([
      ['DAY', 3],
      ['FEATURE', 1],
      ['EXTRACTION', 1],
      ['SUSPENDED', 1],
    ]);
    expect(counted).toMatchObject({ nearLimit: 1, overLimit: 1 });
    expect(counted.nearLimitTenants).toEqual([{ id: tenant('free').id }]);
    expect(counted.overLimitTenants).toEqual([{ id: tenant('busy').id }]);
  });

  it('says how well everything works that the server needs', async () => {
    const { health, webhookEvents, usageReports, deliveries } = await overview();
    expect(health).toMatchObject({
      mongodb: { state: 'OK' },
      stripe: { state: 'OK', mode: 'MOCK', waitingRequests: 0, lastFailureAt: null },
      redis: { state: 'OFF' },
    });
    expect(health.stripe.lastSuccessAt).not.toBeNull();
    expect(health.instances).toHaveLength(1);
    const count = health.workers.find(({ name }: { name: string }) => name === 'tenant count');
    expect(count.lastRunAt).not.toBeNull();
    expect(webhookEvents).toMatchObject({ pending: 0, failed: 0, oldestPendingAgeSeconds: null });
    expect(usageReports).toMatchObject({ pending: 0, failed: 0 });
    expect(deliveries).toMatchObject({ pending: 0, failed: 0, endpointsPaused: 0 });
  });

  it.each(['PROVISION', 'READ'])('is for operators with READ, not for one with %s', async (role) => {
    const made = await server.gql(
      `mutation { createOperatorKey(input: { name: "k", role: ${role} }) { secret } }`,
    );
    const { errors } = await server.gql('{ overview { asOf } catalogueVersions { tier } }', {
      key: made.data.createOperatorKey.secret,
    });
    expect(errors[0]?.extensions.code).toBe(role === 'READ' ? undefined : 'FORBIDDEN');
    const own = await server.gql('{ overview { asOf } }', { key: tenant('free').key });
    expect(own.errors[0]?.extensions.code).toBe('FORBIDDEN');
  });
});

const REJECTIONS = `query ($tenantId: ID, $first: Int = 20, $after: String) {
  rejections(tenantId: $tenantId, first: $first, after: $after) {
    edges { cursor node { code kind subject tier count firstAt lastAt } } pageInfo { hasNextPage endCursor } } }`;

describe('rejections of a tenant', () => {
  it('are listed by minute with what they are about, for itself and for operators', async () => {
    const mine = await server.gql(REJECTIONS, { key: tenant('free').key });
    expect(mine.errors).toEqual([]);
    const nodes = mine.data.rejections.edges.map(({ node }: { node: object }) => node);
    const at = {
      firstAt: '2026-11-26T13:30:06.000Z',
      lastAt: '2026-11-26T13:30:06.000Z',
      tier: 'FREE',
      count: 1,
    };
    expect(nodes).toHaveLength(2);
    expect(nodes).toContainEqual({
      ...at,
      code: 'FEATURE_NOT_AVAILABLE',
      kind: 'FEATURE',
      subject: 'FEDERATION',
    });
    expect(nodes).toContainEqual({ ...at, code: 'BAD_USER_INPUT', kind: 'EXTRACTION', subject: null });
    const asked = await server.gql(REJECTIONS, { variables: { tenantId: tenant('busy').id } });
    expect(asked.data.rejections.edges).toMatchObject([{ node: { kind: 'DAY', count: 3 } }]);
    const others = await server.gql(REJECTIONS, {
      key: tenant('free').key,
      variables: { tenantId: tenant('busy').id },
    });
    expect(others.errors[0]?.extensions.code).toBe('FORBIDDEN');
  });

  it('come newest first, page by page', async () => {
    for (let i = 0; i < 3; i++) {
      clock.advance(60_000);
      expect(await consume('busy', 9)).toBe(false);
    }
    await settle();
    const seen: string[] = [];
    for (let after: string | null = null, more = true; more; ) {
      const { data } = await server.gql(REJECTIONS, {
        key: tenant('busy').key,
        variables: { first: 2, after },
      });
      const { edges, pageInfo } = data.rejections;
      seen.push(...edges.map(({ node }: { node: { firstAt: string } }) => node.firstAt.slice(11, 16)));
      [after, more] = [pageInfo.endCursor, pageInfo.hasNextPage];
    }
    expect(seen).toEqual(['13:33', '13:32', '13:31', '13:30']);
  });

  it('are bounded: past 20 kinds a minute a tenant has no more entries, but all are counted', async () => {
    const { activity } = server.app.services;
    clock.advance(60_000);
    const before = Number((await overview()).rejections.today);
    for (let i = 0; i < 30; i++)
      activity.rejected(tenant('large').id, {
        reason: 'field',
        code: 'RATE_LIMITED',
        subject: `Query.f${i}`,
        tier: 'PRO',
      });
    await settle();
    const { data } = await server.gql(REJECTIONS, {
      variables: { tenantId: tenant('large').id, first: 100 },
    });
    expect(data.rejections.edges).toHaveLength(20);
    expect(Number((await overview()).rejections.today)).toBe(before + 30);
  });
});

const TENANTS = `query ($first: Int!, $after: String, $sort: TenantSort, $tier: TierName, $state: TenantState, $search: String) {
  tenants(first: $first, after: $after, sort: $sort, tier: $tier, state: $state, search: $search) {
    edges { node { name createdAt monthlyRevenueCents usage(period: MONTH) { apiCalls } } }
    pageInfo { hasNextPage endCursor } } }`;

async function names(variables: object, first = 2): Promise<string[]> {
  const found: string[] = [];
  for (let after: string | null = null, more = true; more; ) {
    const { data, errors } = await server.gql(TENANTS, { variables: { first, after, ...variables } });
    expect(errors).toEqual([]);
    found.push(...data.tenants.edges.map(({ node }: { node: { name: string } }) => node.name));
    [after, more] = [data.tenants.pageInfo.endCursor, data.tenants.pageInfo.hasNextPage];
  }
  return found;
}

describe('the list of tenants', () => {
  it('comes in each order, page by page, with each filter', async () => {
    await settle();
    expect(await names({ sort: 'OLDEST' })).toEqual(['free', 'busy', 'paying', 'large', 'suspended']);
    expect(await names({ sort: 'NEWEST' })).toEqual(['suspended', 'large', 'paying', 'busy', 'free']);
    expect((await names({ sort: 'REVENUE' })).slice(0, 2)).toEqual(['large', 'paying']);
    expect((await names({ sort: 'USAGE' })).slice(0, 3)).toEqual(['paying', 'busy', 'free']);
    expect(await names({ sort: 'NEWEST', tier: 'PRO' })).toEqual(['paying']);
    expect(await names({ sort: 'USAGE', tier: 'FREE' })).toEqual(['busy', 'free', 'suspended']);
    expect(await names({ sort: 'REVENUE', state: 'SUSPENDED' })).toEqual(['suspended']);
    expect(await names({ sort: 'USAGE', state: 'OVER_LIMIT', tier: 'FREE' })).toEqual(['busy']);
    expect(await names({ sort: 'USAGE', state: 'OVER_LIMIT', tier: 'PRO' })).toEqual([]);
    expect(await names({ sort: 'NEWEST', state: 'ERASED' })).toEqual(['']);
  });

  it('has what each tenant pays, and when it was created', async () => {
    const { data } = await server.gql(TENANTS, { variables: { first: 2, sort: 'REVENUE' } });
    expect(data.tenants.edges.map(({ node }: { node: object }) => node)).toMatchObject([
      { name: 'large', monthlyRevenueCents: 150_000, createdAt: '2026-11-26T12:30:03.000Z' },
      { name: 'paying', monthlyRevenueCents: 2_900, usage: { apiCalls: 15 } },
    ]);
  });

  it('rejects the cursor of another order, and an order for a search', async () => {
    const { data } = await server.gql(TENANTS, { variables: { first: 1, sort: 'REVENUE' } });
    const after = data.tenants.pageInfo.endCursor;
    const other = await server.gql(TENANTS, { variables: { first: 1, sort: 'USAGE', after } });
    expect(other.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'after' });
    const search = await server.gql(TENANTS, { variables: { first: 1, sort: 'USAGE', search: 'pay' } });
    expect(search.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'sort' });
  });
});

describe('catalogue versions', () => {
  it('say how many tenants have each', async () => {
    const { data } = await server.gql('{ catalogueVersions { tier version isCurrent tenants } }');
    expect(data.catalogueVersions).toEqual([
      { tier: 'FREE', version: 1, isCurrent: true, tenants: 3 },
      { tier: 'PRO', version: 1, isCurrent: true, tenants: 1 },
      { tier: 'ENTERPRISE', version: 1, isCurrent: true, tenants: 1 },
    ]);
  });
});

describe('the history', () => {
  it('has a day each, with what began and ended', async () => {
    clock.advance(DAY_MS);
    await settle();
    const { data, errors } = await server.gql(
      '{ overviewHistory(days: 3) { day currency monthlyRevenueCents tenants payingTenants newTenants startedPaying calls rejections } }',
    );
    expect(errors).toEqual([]);
    const [first, second] = data.overviewHistory;
    expect(data.overviewHistory).toHaveLength(2);
    expect(first).toMatchObject({
      day: '2026-11-26',
      monthlyRevenueCents: 152900,
      startedPaying: 2,
      newTenants: 6,
    });
    expect(second).toMatchObject({ day: '2026-11-27', monthlyRevenueCents: 152900, newTenants: 0, calls: 0 });
    expect((await overview()).calls.yesterday).toBe(33);
  });
});
