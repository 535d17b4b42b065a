import type { mongo } from 'mongoose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { searchTermsOf } from '../../src/models/tenant.js';
import { createFakeClock } from '../support/fakeClock.js';
import { OPERATOR_KEY, quiet, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { soon } from '../support/soon.js';

const DAY_MS = 86_400_000;
/** The middle of a month, so that tests that go on by days stay in it. */
const clock = createFakeClock(Date.UTC(2026, 5, 10, 12));
/** Tenants that no filter is for. A page that read them all would read more than it may. */
const MANY = 3_000;

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ clock });
  // Older than every tenant that is created later.
  await insertTenants(Array.from({ length: MANY }, (_, i) => `ten_0${String(i).padStart(8, '0')}`));
});
afterAll(() => server.stop());

async function insertTenants(ids: readonly string[], more: object = {}): Promise<void> {
  const docs = ids.map((_id) => {
    const name = `Bystander ${_id}`;
    const contract = { tier: null, limits: {} };
    const searchTerms = searchTermsOf({ name, email: null });
    return { _id, name, email: null, contract, searchTerms, createdAt: new Date(clock.now()), ...more };
  });
  await server.app.models.tenants.collection.insertMany(docs as never[]);
}

interface Listed {
  ids: string[];
  names: string[];
  pages: number;
}

/** All tenants that match, page by page. */
async function list(args: string, first = 20): Promise<Listed> {
  const listed: Listed = { ids: [], names: [], pages: 0 };
  for (let after: string | null = null; ; ) {
    const { data, errors } = await server.gql(
      `query ($after: String) { tenants(first: ${first}, after: $after, ${args}) {
         edges { node { id name } } pageInfo { hasNextPage endCursor } } }`,
      { variables: { after } },
    );
    expect(errors).toEqual([]);
    const { edges, pageInfo } = data.tenants;
    listed.ids.push(...edges.map(({ node }: { node: { id: string } }) => node.id));
    listed.names.push(...edges.map(({ node }: { node: { name: string } }) => node.name));
    listed.pages += 1;
    if (!pageInfo.hasNextPage) return listed;
    expect(pageInfo.endCursor).not.toBe(after);
    after = pageInfo.endCursor;
  }
}

async function createTenant(input: string): Promise<TestTenant> {
  // Ids are in order only if their times differ.
  clock.advance(1);
  const { data, errors } = await server.gql(
    `mutation { createTenant(input: { ${input} }) { tenant { id } apiKey { id secret } } }`,
  );
  expect(errors).toEqual([]);
  const { tenant, apiKey } = data.createTenant;
  return { id: tenant.id, key: apiKey.secret, keyId: apiKey.id };
}

async function insertSubscription(tenantId: string, state: object): Promise<void> {
  await server.app.models.billingSubscriptions.create({
    _id: tenantId,
    stripeSubscriptionId: `sub_${tenantId}`,
    stripeCustomerId: `cus_${tenantId}`,
    tier: 'PRO',
    tierVersion: 1,
    status: 'active',
    priceId: 'price_1',
    itemId: 'si_1',
    quantity: 1,
    cancelAtPeriodEnd: false,
    revision: 1,
    ...state,
  });
}

/** The most documents and keys that one statement of a page may look at. */
async function mostExaminedBy(work: () => Promise<unknown>): Promise<number> {
  const db = server.app.models.connection.db as mongo.Db;
  await quiet(server);
  await db.command({ profile: 2 });
  await work();
  await db.command({ profile: 0 });
  const profile = db.collection('system.profile');
  const statements = await profile
    .find({ ns: /\.(tenants|billing_subscriptions|billing_customers|usage_alerts)$/, op: 'query' })
    .toArray();
  await profile.drop();
  expect(statements.length).toBeGreaterThan(0);
  expect(statements.filter(({ planSummary }) => planSummary.includes('COLLSCAN'))).toEqual([]);
  return Math.max(
    ...statements.map(({ docsExamined = 0, keysExamined = 0 }) => Math.max(docsExamined, keysExamined)),
  );
}

describe('a search for tenants', () => {
  it('finds the beginning of a name, an address or an own id, in any case, and each tenant once', async () => {
    const { id } = await createTenant(
      'name: "Zebra Ärzte", email: "zebra@example.com", externalId: "ZEBRA-7"',
    );
    for (const search of ['zebra', 'ZEBRA Ä', 'zebra ärzte', 'Zebra@', 'zebra-7'])
      expect((await list(`search: "${search}"`)).ids).toEqual([id]);
    for (const search of ['ebra', 'zebra.', 'zebra ärztek'])
      expect((await list(`search: "${search}"`)).ids).toEqual([]);
  });

  it('finds ids, whole ones only, of the tenant and of its customer and subscription', async () => {
    const { id } = await createTenant('name: "Known to Stripe"');
    await insertSubscription(id, { stripeSubscriptionId: 'sub_known', stripeCustomerId: 'cus_known' });
    await server.app.models.billingCustomers.create({ _id: id, stripeCustomerId: 'cus_known' });
    for (const search of [id, 'cus_known', 'sub_known'])
      expect((await list(`search: "${search}"`)).ids).toEqual([id]);
    for (const search of [id.slice(0, -1), 'cus_know', 'sub_other'])
      expect((await list(`search: "${search}"`)).ids).toEqual([]);
  });

  it('follows a tenant that is renamed', async () => {
    const { id } = await createTenant('name: "Old name", externalId: "old-id"');
    const { errors } = await server.gql(
      `mutation { updateTenant(tenantId: "${id}", input: { name: "Fresh name", externalId: null }) { id } }`,
    );
    expect(errors).toEqual([]);
    expect((await list('search: "fresh n"')).ids).toEqual([id]);
    for (const search of ['old name', 'old-id']) expect((await list(`search: "${search}"`)).ids).toEqual([]);
  });

  it('pages through many matches without repeating or missing one, and reads no more than a page', async () => {
    const made = await Promise.all(
      Array.from({ length: 7 }, (_, i) =>
        createTenant(`name: "Quagga ${i}", email: "quagga${i % 2}@example.com", externalId: "quagga-${i}"`),
      ),
    );
    const { ids, names, pages } = await list('search: "quagga"', 2);
    expect(ids.toSorted()).toEqual(made.map(({ id }) => id).toSorted());
    expect(names).toEqual(names.toSorted());
    // The matches of addresses and ids come after those of names, and find nobody new.
    expect(pages).toBeLessThanOrEqual(8);
    const search = 'search: "bystander"';
    const page = () => server.gql(`{ tenants(first: 20, ${search}) { edges { node { id } } } }`);
    expect(await mostExaminedBy(page)).toBeLessThan(30);
  });

  it('rejects the cursor of a tenant that no longer matches', async () => {
    await createTenant('name: "Okapi 1"');
    const { id } = await createTenant('name: "Okapi 0"');
    const page = await server.gql('{ tenants(first: 1, search: "okapi") { pageInfo { endCursor } } }');
    await server.gql(`mutation { updateTenant(tenantId: "${id}", input: { name: "x" }) { id } }`);
    const after = page.data.tenants.pageInfo.endCursor;
    const { errors } = await server.gql(
      `{ tenants(first: 1, search: "okapi", after: "${after}") { edges { cursor } } }`,
    );
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'after' });
  });

  it('finds tenants that an earlier version stored, after the next start', async () => {
    await insertTenants(['ten_early'], { name: 'Early bird', searchTerms: undefined });
    await server.app.models.tenants.collection.updateOne(
      { _id: 'ten_early' as never },
      { $unset: { searchTerms: 1 } },
    );
    expect((await list('search: "early"')).ids).toEqual([]);
    const next = await startTestServer({ uri: server.uri, clock });
    await soon(async () => expect((await list('search: "early"')).ids).toEqual(['ten_early']));
    await next.stop();
    const early = await server.app.models.tenants.findById('ten_early').lean();
    expect(early).not.toHaveProperty('unannounced');
  });
});

describe('tenants by state', () => {
  const expectFew = async (args: string) =>
    expect(
      await mostExaminedBy(() => server.gql(`{ tenants(${args}) { edges { node { id } } } }`)),
    ).toBeLessThan(100);

  it('lists those that are suspended', async () => {
    const { id } = await createTenant('name: "Suspended"');
    await server.gql(`mutation { suspendTenant(tenantId: "${id}") { id } }`);
    expect((await list('state: SUSPENDED')).ids).toEqual([id]);
    await expectFew('state: SUSPENDED');
    expect((await list('state: SUSPENDED, tier: PRO')).ids).toEqual([]);
    await server.gql(`mutation { reinstateTenant(tenantId: "${id}") { id } }`);
    expect((await list('state: SUSPENDED')).ids).toEqual([]);
  });

  it('lists those that are past due', async () => {
    const { id } = await createTenant('name: "Late payer"');
    await insertSubscription(id, { status: 'past_due', pastDueSince: new Date(clock.now()) });
    expect((await list('state: PAST_DUE')).ids).toEqual([id]);
    expect((await list('state: PAST_DUE, search: "late"')).ids).toEqual([id]);
    expect((await list('state: PAST_DUE, search: "zebra"')).ids).toEqual([]);
    await expectFew('state: PAST_DUE');
  });

  it('lists those that are over a limit and those that are near one, until its window ends', async () => {
    const limited = async (name: string, calls: number) => {
      const tenant = await createTenant(`name: "${name}"`);
      await server.setLimits(tenant.id, { apiCallsPerDay: 10, apiCallsPerMinute: 100 });
      const { errors } = await server.gql(
        `mutation { consume(input: { endpoint: "x", cost: ${calls} }) { allowed } }`,
        { key: tenant.key },
      );
      expect(errors).toEqual([]);
      return tenant.id;
    };
    const [over, near] = [await limited('Over', 10), await limited('Near', 8)];
    await limited('Far', 7);
    await server.app.services.alerts.idle();
    expect((await list('state: OVER_LIMIT')).ids).toEqual([over]);
    expect((await list('state: NEAR_LIMIT')).ids).toEqual([near]);
    await expectFew('state: OVER_LIMIT');
    await expectFew('state: NEAR_LIMIT');
    clock.advance(DAY_MS);
    expect((await list('state: OVER_LIMIT')).ids).toEqual([]);
    expect((await list('state: NEAR_LIMIT')).ids).toEqual([]);
  });
});

describe('tenants by tier', () => {
  it('lists those that have it now: by contract, by subscription, and in a grace period until that ends', async () => {
    const made = [];
    for (const name of ['Contract', 'Subscriber', 'Overdue', 'Canceled', 'Downgraded'])
      made.push((await createTenant(`name: "${name}"`)).id);
    const [contract, subscriber, overdue, canceled, downgraded] = made as [
      string,
      string,
      string,
      string,
      string,
    ];
    await server.setLimits(contract, null, 'ENTERPRISE');
    await insertSubscription(subscriber, { tier: 'ENTERPRISE' });
    await insertSubscription(overdue, {
      tier: 'ENTERPRISE',
      status: 'past_due',
      pastDueSince: new Date(clock.now()),
    });
    await insertSubscription(canceled, { tier: 'ENTERPRISE', status: 'canceled' });
    await insertSubscription(downgraded, { tier: 'ENTERPRISE' });
    await server.setLimits(downgraded, null, 'FREE');
    expect((await list('tier: ENTERPRISE', 2)).ids).toEqual([contract, subscriber, overdue]);
    const examined = await mostExaminedBy(() =>
      server.gql('{ tenants(tier: ENTERPRISE) { edges { node { id } } } }'),
    );
    expect(examined).toBeLessThan(100);
    clock.advance(15 * DAY_MS);
    expect((await list('tier: ENTERPRISE')).ids).toEqual([contract, subscriber]);
  });

  it('looks at a bounded number of tenants a page, and goes on where it stopped', async () => {
    const first = await server.gql('{ tenants(first: 1, tier: FREE) { edges { node { id } } } }');
    expect(first.data.tenants.edges).toHaveLength(1);
    // Nobody has this name and tier, and far more tenants than a page looks at have the name.
    const { ids, pages } = await list('search: "bystander", tier: PRO');
    expect(ids).toEqual([]);
    expect(pages).toBe(2);
    const all = await list('tier: FREE', 100);
    expect(new Set(all.ids).size).toBe(all.ids.length);
    expect(all.ids.length).toBeGreaterThan(MANY);
  });
});

it('can be read by an operator alone', async () => {
  const { key } = await createTenant('name: "Curious"');
  const { errors } = await server.gql('{ tenants(state: SUSPENDED) { edges { node { id } } } }', { key });
  expect(errors[0]?.extensions.code).toBe('FORBIDDEN');
  expect((await server.gql('{ tenants { edges { cursor } } }', { key: OPERATOR_KEY })).errors).toEqual([]);
});
