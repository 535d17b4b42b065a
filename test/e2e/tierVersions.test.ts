import { type Logger, pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import builtIn from '../../catalogue.json' with { type: 'json' };
import { advance, customerIdOf, settled, stripeOf, subscribe } from '../support/billing.js';
import { connectTestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { catalogueFile } from '../support/teamCatalogue.js';

const MONTH_S = 32 * 86_400;
const OLD_CALLS = builtIn.tiers[1]?.limits.apiCallsPerDay as number;
const NEW_CALLS = 77;
const clock = createFakeClock('2026-11-01T00:00:00Z');

/** PRO as it is sold now: fewer calls, no SEMANTIC_SEARCH. What it was is kept for those who bought it. */
function secondVersion() {
  const [free, pro, enterprise] = builtIn.tiers;
  if (!free || !pro || !enterprise) throw new Error('The catalogue has three tiers');
  const { monthlyPriceCents, features, limits } = pro;
  const next = {
    ...pro,
    version: 2,
    features: ['FEDERATION', 'REALTIME_SYNC'],
    limits: { ...limits, apiCallsPerDay: NEW_CALLS },
    former: [{ version: 1, monthlyPriceCents, features, limits }],
  };
  return { ...builtIn, tiers: [free, next, enterprise] };
}

let database: Awaited<ReturnType<typeof connectTestDatabase>>;
let server: TestServer;
let old: TestTenant;
let fresh: TestTenant;

async function start(content: object, log?: Logger): Promise<TestServer> {
  return startTestServer({
    uri: database.uri,
    clock,
    ...(log && { log }),
    env: { CATALOG_FILE: catalogueFile(content) },
  });
}

const TIER = 'tier { name version monthlyPriceCents features limits { apiCallsPerDay } }';
const tierOf = async ({ key }: TestTenant) => {
  const { data, errors } = await server.gql(`{ tenant { ${TIER} subscription { ${TIER} } } }`, { key });
  expect(errors).toEqual([]);
  expect(data.tenant.subscription.tier).toEqual(data.tenant.tier);
  return data.tenant.tier;
};
const FIRST = { name: 'PRO', version: 1, limits: { apiCallsPerDay: OLD_CALLS } };
const SECOND = { name: 'PRO', version: 2, limits: { apiCallsPerDay: NEW_CALLS } };
const semanticSearch = async ({ key }: TestTenant) =>
  (await server.gql('{ entitlement(feature: SEMANTIC_SEARCH) }', { key })).data.entitlement;

beforeAll(async () => {
  database = await connectTestDatabase();
  server = await start(builtIn);
  old = await server.createTenant();
  await subscribe(server, old.key);
  expect(await tierOf(old)).toMatchObject(FIRST);
  await server.stop();
  server = await start(secondVersion());
  fresh = await server.createTenant();
  await subscribe(server, fresh.key);
});
afterAll(async () => {
  await server?.stop();
  await database?.dropAndClose();
});

describe('a tier that has a new version', () => {
  it('stays what it was for who bought it, and is the new one for who buys it now', async () => {
    expect(await tierOf(old)).toMatchObject(FIRST);
    expect(await tierOf(fresh)).toMatchObject(SECOND);
    expect([await semanticSearch(old), await semanticSearch(fresh)]).toEqual([true, false]);
    const { data } = await server.gql('{ tier(name: PRO) { version } }', { key: null });
    expect(data.tier.version).toBe(2);
  });

  it('stays through a renewal, and when what we know is made again from Stripe', async () => {
    await advance(server, MONTH_S);
    expect(await tierOf(old)).toMatchObject(FIRST);
    const { models } = server.app;
    await models.billingSubscriptions.deleteMany({});
    for (const { id } of [old, fresh]) {
      const customer = await customerIdOf(server, id);
      await stripeOf(server).customers.update(customer, { metadata: { touched: 'yes' } });
      const [subscription] = (await stripeOf(server).subscriptions.list({ customer })).data;
      await stripeOf(server).subscriptions.update(subscription?.id as string, {
        metadata: { touched: 'yes' },
      });
    }
    await settled(server);
    expect(await tierOf(old)).toMatchObject(FIRST);
    expect(await tierOf(fresh)).toMatchObject(SECOND);
  });

  it('is taken by changeTier to the same tier; a second time changes nothing', async () => {
    const change = 'mutation { changeTier(input: { tier: PRO }) { tier { name version } } }';
    const changed = await server.gql(change, { key: old.key });
    expect(changed.errors).toEqual([]);
    expect(changed.data.changeTier.tier).toEqual({ name: 'PRO', version: 2 });
    await settled(server);
    expect(await tierOf(old)).toMatchObject(SECOND);
    const customer = await customerIdOf(server, old.id);
    const eventsBefore = (await stripeOf(server).events.list({ limit: 100 })).data.length;
    expect((await server.gql(change, { key: old.key })).errors).toEqual([]);
    expect((await stripeOf(server).events.list({ limit: 100 })).data).toHaveLength(eventsBefore);
    const [subscription] = (await stripeOf(server).subscriptions.list({ customer })).data;
    expect(subscription?.metadata).toMatchObject({ tier: 'pro', tier_version: '2' });
  });

  it('that the catalogue has lost is the current one, and is reported at the start; one that has ended is not', async () => {
    const { billingSubscriptions } = server.app.models;
    await billingSubscriptions.updateMany({}, { $set: { tierVersion: 9 } });
    await billingSubscriptions.updateOne({ _id: old.id }, { $set: { status: 'canceled' } });
    await server.stop();
    const lines: { msg: string; tier?: string; subscriptions?: number }[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) });
    server = await start(secondVersion(), log);
    expect(await tierOf(fresh)).toMatchObject(SECOND);
    expect(lines.filter(({ msg }) => msg === 'tiers.version_missing')).toMatchObject([
      { tier: 'PRO', subscriptions: 1 },
    ]);
  });
});
