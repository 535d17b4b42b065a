import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { soon } from '../support/soon.js';

const NOON = '2126-11-22T12:00:10Z';
const CONSUME =
  'mutation ($cost: Int! = 1) { consume(input: { endpoint: "jobs", cost: $cost }) { allowed remaining } }';
const SET = `mutation ($cap: Int) { setOverage(input: { monthlyCapCents: $cap }) {
  monthlyCapCents priceCents perCalls currency allowedCalls usedCalls remainingCalls costCents } }`;
const ALERTS = '{ alerts { edges { node { kind level window used limit } } pageInfo { hasNextPage } } }';
const QUOTA = 50;

let server: TestServer;
const clock = createFakeClock(NOON);

beforeAll(async () => {
  server = await startTestServer({ clock });
});
afterAll(() => server.stop());

async function onTier(tier: string, limits: object = {}): Promise<TestTenant> {
  const tenant = await server.createTenant();
  const farAway = { apiCallsPerDay: QUOTA, apiCallsPerMinute: 1_000_000, concurrentRequests: 1_000 };
  await server.setLimits(tenant.id, { ...farAway, ...limits }, tier);
  return tenant;
}

async function consume({ key }: TestTenant, cost: number): Promise<boolean> {
  return (await server.gql(CONSUME, { key, variables: { cost } })).data.consume.allowed;
}

const setOverage = ({ key }: TestTenant, cap: number | null) => server.gql(SET, { key, variables: { cap } });

describe('overage', () => {
  it('lets a PRO tenant that opted in go on to the cap, at $0.10 per 1,000 calls, and shows it', async () => {
    const tenant = await onTier('PRO');
    expect((await setOverage(tenant, 3)).data.setOverage).toEqual({
      monthlyCapCents: 3,
      priceCents: 10,
      perCalls: 1_000,
      currency: 'usd',
      allowedCalls: 300,
      usedCalls: 0,
      remainingCalls: 300,
      costCents: 0,
    });
    const taken = await Promise.all(Array.from({ length: 40 }, () => consume(tenant, 10)));
    expect(taken.filter(Boolean)).toHaveLength(35);
    const { data } = await server.gql(
      `{ usage { apiCalls limit remaining overageCalls overageCostCents }
         month: usage(period: MONTH) { apiCalls overageCalls overageCostCents }
         overage { usedCalls remainingCalls costCents }
         tenant { usage { overageCalls } } }`,
      { key: tenant.key },
    );
    expect(data).toEqual({
      usage: { apiCalls: 350, limit: QUOTA, remaining: 0, overageCalls: 300, overageCostCents: 3 },
      month: { apiCalls: 350, overageCalls: 300, overageCostCents: 3 },
      overage: { usedCalls: 300, remainingCalls: 0, costCents: 3 },
      tenant: { usage: { overageCalls: 300 } },
    });
    const refused = await server.gql('{ memories { edges { cursor } } }', { key: tenant.key });
    expect(refused).toMatchObject({ status: 429 });
    expect(refused.errors[0]?.message).toContain("the month's overage of 300 calls is used up");
  });

  it('serves metered operations past the quota, to the call', async () => {
    const tenant = await onTier('PRO');
    await setOverage(tenant, 1);
    await consume(tenant, QUOTA);
    const answers = await Promise.all(
      Array.from({ length: 110 }, () => server.gql('{ memories { edges { cursor } } }', { key: tenant.key })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(100);
  });

  it('ends when the tenant opts out, and the quota holds again', async () => {
    const tenant = await onTier('PRO');
    await setOverage(tenant, 100);
    expect(await consume(tenant, QUOTA + 5)).toBe(true);
    expect((await setOverage(tenant, null)).data.setOverage).toMatchObject({
      monthlyCapCents: null,
      allowedCalls: 0,
      usedCalls: 5,
    });
    expect(await consume(tenant, 1)).toBe(false);
  });

  it.each(['FREE', 'ENTERPRISE'])('is not sold on %s: rejected with a way out', async (tier) => {
    const tenant = await onTier(tier);
    const { status, errors } = await setOverage(tenant, 100);
    expect(status).toBe(403);
    expect(errors[0]?.extensions).toMatchObject({
      code: 'FEATURE_NOT_AVAILABLE',
      feature: 'OVERAGE',
      tier,
      upgradeUrl: expect.stringContaining('/upgrade'),
    });
    expect((await setOverage(tenant, null)).errors).toEqual([]);
  });

  it.each([0, -1, 100_000_001])('a cap of %i is bad input that names it', async (cap) => {
    const { status, errors } = await setOverage(await onTier('PRO'), cap);
    expect(status).toBe(400);
    expect(errors[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      argument: 'input.monthlyCapCents',
    });
  });

  it('needs a key that may change what is paid', async () => {
    const { key } = await onTier('PRO');
    const made = await server.gql(
      'mutation { createApiKey(input: { name: "k", scopes: [READ, WRITE, USAGE] }) { secret } }',
      { key },
    );
    const { status } = await server.gql(SET, { key: made.data.createApiKey.secret, variables: { cap: 1 } });
    expect(status).toBe(403);
  });
});

/** @returns `KIND level` of each alert, newest window first */
async function alertsOf({ key }: TestTenant): Promise<string[]> {
  const { data } = await server.gql(ALERTS, { key });
  const edges = data.alerts.edges as { node: { kind: string; level: number } }[];
  return edges.map(({ node }) => `${node.kind} ${node.level}`);
}

const stored = (tenant: TestTenant) =>
  server.app.models.usageAlerts.find({ _id: new RegExp(`^${tenant.id}:`) }).lean();

describe('alerts', () => {
  it("are stored by the call that reaches 80, 90 and 100 % of the day's calls, once each", async () => {
    const tenant = await onTier('FREE');
    await consume(tenant, 39);
    expect(await stored(tenant)).toEqual([]);
    await consume(tenant, 1);
    await soon(async () => expect(await stored(tenant)).toHaveLength(1));
    expect((await stored(tenant))[0]).toMatchObject({
      level: 80,
      used: 40,
      limit: QUOTA,
      window: '2126-11-22',
    });
    await Promise.all(Array.from({ length: 30 }, () => consume(tenant, 1)));
    await soon(async () => expect(await stored(tenant)).toHaveLength(3));
    expect(await alertsOf(tenant)).toEqual([
      'API_CALLS_PER_DAY 100',
      'API_CALLS_PER_DAY 90',
      'API_CALLS_PER_DAY 80',
    ]);
  });

  it("cover the overage's cap and each storage quota too", async () => {
    const tenant = await onTier('PRO', { maxMemories: 2, maxEmbeddings: 10, maxStorageBytes: 100 });
    await setOverage(tenant, 1);
    await consume(tenant, QUOTA + 85);
    for (const content of ['x'.repeat(45), 'y'.repeat(36)]) {
      const answer = await server.gql(
        'mutation ($content: String!) { storeMemory(input: { content: $content }) { id } }',
        { key: tenant.key, variables: { content } },
      );
      expect(answer.errors).toEqual([]);
    }
    await soon(async () => expect((await stored(tenant)).length).toBeGreaterThanOrEqual(8));
    expect((await alertsOf(tenant)).sort()).toEqual([
      'API_CALLS_PER_DAY 100',
      'API_CALLS_PER_DAY 80',
      'API_CALLS_PER_DAY 90',
      'MEMORIES 100',
      'MEMORIES 80',
      'MEMORIES 90',
      'OVERAGE_PER_MONTH 80',
      'STORAGE_BYTES 80',
    ]);
  });

  it('come from usage that was recorded elsewhere, without a call', async () => {
    const tenant = await onTier('FREE');
    await server.gql(
      'mutation { recordUsage(events: [{ id: "a", endpoint: "jobs", quantity: 45 }]) { status } }',
      { key: tenant.key },
    );
    await soon(async () => expect(await stored(tenant)).toHaveLength(2));
  });

  it('are found when they are asked for, though a crash kept them from being stored', async () => {
    const tenant = await onTier('FREE');
    await consume(tenant, QUOTA);
    await soon(async () => expect(await stored(tenant)).toHaveLength(3));
    await server.app.models.usageAlerts.deleteMany({ _id: new RegExp(`^${tenant.id}:`) });
    const other = await startTestServer({ clock, uri: server.uri });
    const { data } = await other.gql(ALERTS, { key: tenant.key });
    expect(data.alerts.edges).toHaveLength(3);
    await other.stop();
  });

  it('are paged, raised again the next day, and shown to the operator by tenant', async () => {
    const tenant = await onTier('FREE');
    await consume(tenant, QUOTA);
    clock.advance(86_400_000);
    await consume(tenant, QUOTA);
    const page = async (after: string | null) =>
      (
        await server.gql(
          `query ($id: ID!, $after: String) { alerts(tenantId: $id, first: 4, after: $after) {
             edges { node { id } } pageInfo { hasNextPage endCursor } } }`,
          { variables: { id: tenant.id, after } },
        )
      ).data.alerts;
    const first = await page(null);
    const second = await page(first.pageInfo.endCursor);
    expect(first.pageInfo.hasNextPage).toBe(true);
    expect(second.pageInfo.hasNextPage).toBe(false);
    const ids = [...first.edges, ...second.edges].map(({ node }) => node.id);
    expect(ids).toEqual(
      ['23', '22'].flatMap((day) =>
        ['100', '090', '080'].map((level) => `2126-11-${day}:API_CALLS_PER_DAY:${level}`),
      ),
    );
  });
});
