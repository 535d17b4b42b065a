import type { ClientSession } from 'mongoose';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import defaultCatalogue from '../../catalogue.json' with { type: 'json' };
import { parseCatalogue } from '../../src/catalogue/catalogue.js';
import { NOT_ENDED, type SubscriptionStatus } from '../../src/models/billingSubscription.js';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { TenantState } from '../../src/models/tenantStanding.js';
import { createLease } from '../../src/services/infrastructure/lease.js';
import { createDailyFigures } from '../../src/services/insights/dailyFigures.js';
import { createOverview } from '../../src/services/insights/overview.js';
import { createStandings } from '../../src/services/insights/standings.js';
import { createTenantCount } from '../../src/services/insights/tenantCount.js';
import { addTo, amountsIn, type FigureAmounts } from '../../src/services/insights/tenantFigures.js';
import { createTenantRanking, TenantSort } from '../../src/services/insights/tenantRanking.js';
import { createUsageRanks } from '../../src/services/limits/activity/usageRanks.js';
import { createUsageDays } from '../../src/services/limits/ledger/usageDays.js';
import { createEntitlements } from '../../src/services/tiers/entitlements.js';
import { createTiers } from '../../src/services/tiers/tiers.js';
import { AlertKind, createAlerts } from '../../src/services/usage/alerts/alerts.js';
import { createOutboxRelay } from '../../src/services/webhooks/outboxRelay.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';
import { createRandom, type Random } from '../support/random.js';
import { soon } from '../support/soon.js';

const DAY_MS = 86_400_000;
const GRACE_DAYS = 14;
const log = pino({ level: 'silent' });
const tiers = createTiers(parseCatalogue(defaultCatalogue), {}, null);

let database: TestDatabase;
let models: Models;

beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
});
afterAll(() => database.dropAndClose());
beforeEach(async () => {
  const all = Object.values(models.connection.models);
  await Promise.all(all.map((model) => model.collection.deleteMany({})));
});

const clock = createFakeClock('2026-11-26T12:00:00Z');

/** The outbox relay and the count, as one process has them. */
function createProcess(options: { rules?: string; failing?: () => boolean } = {}) {
  const { rules = 'rules', failing = () => false } = options;
  const base = { models, clock, log };
  const entitlements = createEntitlements({ models, clock, tiers, graceDays: GRACE_DAYS });
  const alerts = createAlerts(base);
  const standings = createStandings({ ...base, entitlements, tiers, alerts });
  const dailyFigures = createDailyFigures(base);
  const refresh = async (tenantId: string, session: ClientSession) => {
    await standings.refresh([tenantId], session);
    if (failing()) throw new Error('the process dies here');
  };
  const relay = createOutboxRelay({
    ...base,
    entitlements,
    changed: refresh,
    tiers,
  });
  const lease = createLease({ models, name: 'tenant count', ttlMs: 60_000, isPeriodic: true });
  const usageRanks = createUsageRanks({ ...base, usageDays: createUsageDays({ models }) });
  return {
    alerts,
    dailyFigures,
    overview: createOverview({ ...base, tiers, dailyFigures }),
    standings,
    count: createTenantCount({ ...base, lease, rules, standings, usageRanks, dailyFigures }),
    async publish() {
      while ((await relay.publish()) > 0);
    },
  };
}

const idOf = (n: number) => `ten_${String(n).padStart(6, '0')}`;

async function addTenants(count: number, { pending = true } = {}): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, n) => idOf(n));
  await models.tenants.collection.insertMany(
    ids.map((_id) => ({
      _id,
      name: _id,
      email: null,
      contract: { tier: null, limits: {} },
      createdAt: new Date(clock.now()),
      ...(pending && { unannounced: true }),
    })) as never[],
  );
  return ids;
}

async function setSubscription(tenantId: string, fields: object): Promise<void> {
  await models.billingSubscriptions.updateOne(
    { _id: tenantId },
    {
      $set: {
        stripeSubscriptionId: `sub_${tenantId}`,
        stripeCustomerId: `cus_${tenantId}`,
        tier: 'PRO',
        tierVersion: 1,
        status: 'active',
        priceId: 'price_pro',
        itemId: 'si_1',
        quantity: 1,
        cancelAtPeriodEnd: false,
        revision: 1,
        ...fields,
      },
    },
    { upsert: true },
  );
}

const MONTHLY = { unitCents: 2900, currency: 'usd', interval: 'month', intervalCount: 1 };

async function live(): Promise<Record<string, number>> {
  const counts = await models.tenantCounts.findById('tenants').lean();
  return sorted(amountsIn(counts?.live ?? {}));
}

const sorted = (amounts: FigureAmounts) =>
  Object.fromEntries([...amounts].toSorted(([a], [b]) => (a < b ? -1 : 1)));

/** The same sums, by the documents alone and in another way than the server's. */
async function countedBySight(): Promise<Record<string, number>> {
  const sums: FigureAmounts = new Map();
  const add = (path: string, amount = 1) => addTo(sums, new Map([[path, amount]]));
  const today = new Date(clock.now()).toISOString().slice(0, 10);
  const [tenants, subscriptions, alerts] = await Promise.all([
    models.tenants.find().lean(),
    models.billingSubscriptions.find().lean(),
    models.usageAlerts.find({ window: { $in: [today, today.slice(0, 7)] } }).lean(),
  ]);
  for (const tenant of tenants) {
    if (tenant.erasure) {
      add('states.ERASED');
      continue;
    }
    const bought = subscriptions.find(({ _id }) => _id === tenant._id);
    const inGrace =
      bought?.status === 'past_due' &&
      bought.pastDueSince !== null &&
      clock.now() < bought.pastDueSince.getTime() + GRACE_DAYS * DAY_MS;
    const grants = bought?.status === 'active' || bought?.status === 'trialing' || inGrace;
    const { tier: override, until } = tenant.contract;
    const overridden = override && (!until || until.getTime() > clock.now()) ? override : null;
    const tier = overridden ?? (bought && grants ? bought.tier : 'FREE');
    add('tenants');
    add(`tiers.${tier}`);
    add(`versions.${tier}.1`);
    if (bought && (bought.status === 'active' || inGrace)) {
      add(`revenue.${bought.tier}.tenants`);
      if (bought.itemPrice) add(`revenue.${bought.tier}.cents`, bought.itemPrice.unitCents * bought.quantity);
      else if (bought.tier === 'PRO') add('revenue.PRO.cents', 2900 * bought.quantity);
      else add('unpriced');
    }
    if (tenant.suspendedAt) add('states.SUSPENDED');
    if (bought?.status === 'past_due') add('states.PAST_DUE');
    const level = Math.max(0, ...alerts.filter(({ _id }) => _id.startsWith(tenant._id)).map((a) => a.level));
    if (level >= 80) add(level >= 100 ? 'states.OVER_LIMIT' : 'states.NEAR_LIMIT');
  }
  return sorted(sums);
}

/** One random change of a tenant, as the server makes them: marked for the outbox. */
async function changeSomething(random: Random, ids: readonly string[], alerts: Alerts): Promise<void> {
  const { pick } = random;
  const id = pick(ids);
  const status: SubscriptionStatus = pick([...NOT_ENDED, 'canceled', 'active', 'past_due']);
  const pastDueSince = status === 'past_due' ? new Date(clock.now() - random.between(0, 19) * DAY_MS) : null;
  const changes = [
    () =>
      setSubscription(id, {
        status,
        pastDueSince,
        tier: pick(['PRO', 'ENTERPRISE']),
        quantity: pick([1, 2, 5]),
        itemPrice: pick([null, MONTHLY, { ...MONTHLY, unitCents: 9900 }]),
      }),
    () => models.tenants.updateOne({ _id: id }, { $set: { suspendedAt: new Date(clock.now()) } }),
    () => models.tenants.updateOne({ _id: id }, { $unset: { suspendedAt: 1 } }),
    () =>
      models.tenants.updateOne(
        { _id: id },
        {
          $set: {
            'contract.tier': pick(['ENTERPRISE', null]),
            'contract.until': pick([null, new Date(clock.now() + DAY_MS)]),
          },
        },
      ),
    () => models.tenants.updateOne({ _id: id }, { $set: { erasure: { startedAt: new Date(clock.now()) } } }),
    () => alerts.record(id, [{ kind: AlertKind.API_CALLS_PER_DAY, used: pick([85, 100]), limit: 100 }]),
  ];
  await pick(changes)();
}

type Alerts = ReturnType<typeof createProcess>['alerts'];

describe('the sums over tenants', () => {
  it('are those of the documents after any changes, without a scan, and a later count finds nothing to correct', async () => {
    const one = createProcess();
    const ids = await addTenants(15, { pending: false });
    await one.count.run();
    const random = createRandom(20_261_127);
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 12; i++) await changeSomething(random, ids, one.alerts);
      await one.publish();
      expect(await live()).toEqual(await countedBySight());
    }
    const before = await live();
    clock.advance(DAY_MS);
    await one.count.run();
    // The alerts of yesterday and the contracts that ended are what has changed.
    expect(await live()).toEqual(await countedBySight());
    expect(before).not.toEqual({});
  });

  it('change with the clock: the end of a grace period, of a contract and of the day of an alert', async () => {
    const one = createProcess();
    const [late, contracted, busy] = (await addTenants(3)) as [string, string, string];
    await setSubscription(late, { status: 'past_due', pastDueSince: new Date(clock.now() - 13 * DAY_MS) });
    const until = new Date(clock.now() + DAY_MS);
    await models.tenants.updateOne(
      { _id: contracted },
      { $set: { 'contract.tier': 'ENTERPRISE', 'contract.until': until } },
    );
    await one.alerts.record(busy, [{ kind: AlertKind.API_CALLS_PER_DAY, used: 9, limit: 10 }]);
    await one.publish();
    await one.count.run();
    expect(await live()).toMatchObject({
      'revenue.PRO.cents': 2900,
      'tiers.ENTERPRISE': 1,
      'states.NEAR_LIMIT': 1,
      'states.PAST_DUE': 1,
    });
    const pastDue = await one.overview.pastDue(10);
    expect(pastDue.map(({ _id, monthlyCents }) => [_id, monthlyCents])).toEqual([[late, 2900]]);
    // Nothing is written, and no count is due.
    clock.advance(DAY_MS - 1);
    await one.count.run();
    clock.advance(1);
    await models.tenantCounts.updateOne({}, { $set: { countedAt: new Date(clock.now()) } });
    await one.count.run();
    expect(await live()).toEqual({ tenants: 3, 'tiers.FREE': 3, 'versions.FREE.1': 3, 'states.PAST_DUE': 1 });
    expect(await live()).toEqual(await countedBySight());
  });

  it('count once what is published again after a crash in the transaction', async () => {
    let crashes = 2;
    const dying = createProcess({ failing: () => crashes-- > 0 });
    const [id] = (await addTenants(1)) as [string];
    await dying.count.run();
    await setSubscription(id, { itemPrice: MONTHLY });
    const published = dying.publish().catch(() => undefined);
    await published;
    clock.advance(60_000);
    await dying.publish();
    clock.advance(60_000);
    await createProcess().publish();
    expect(crashes).toBe(0);
    expect(await live()).toMatchObject({ tenants: 1, 'revenue.PRO.cents': 2900, 'revenue.PRO.tenants': 1 });
    const [day] = await models.dailyFigures.find({ startedPaying: { $gt: 0 } }).lean();
    expect(day).toMatchObject({ startedPaying: 1 });
  });

  it('stay right while two processes publish and count at once, and tenants change under the count', async () => {
    const [one, two] = [createProcess(), createProcess()];
    const ids = await addTenants(450, { pending: false });
    const random = createRandom(7);
    const counting = Promise.all([one.count.run(), two.count.run()]);
    for (let i = 0; i < 24; i++) {
      await changeSomething(random, ids, one.alerts);
      if (i % 8 === 7) await Promise.all([one.publish(), two.publish()]);
    }
    await counting;
    await Promise.all([one.publish(), two.publish()]);
    await one.count.run();
    expect((await models.tenantCounts.findById('tenants').lean())?.countedAt).toBeDefined();
    expect(await live()).toEqual(await countedBySight());
  });
});

describe('the daily count', () => {
  it('goes on where a stopped process left it, and includes what changed behind it meanwhile', async () => {
    const one = createProcess();
    const ids = await addTenants(450, { pending: false });
    const running = one.count.run();
    await soon(async () => {
      const counts = await models.tenantCounts.findById('tenants').lean();
      expect(counts?.recount?.after).toMatch(/^ten_/);
    });
    await one.count.stop();
    await running;
    const stopped = await models.tenantCounts.findById('tenants').lean();
    expect(stopped?.countedAt).toBeUndefined();
    const after = stopped?.recount?.after ?? '';
    const two = createProcess();
    await setSubscription(ids[0] as string, { itemPrice: MONTHLY });
    await setSubscription(ids[449] as string, { itemPrice: MONTHLY });
    await two.publish();
    const findTenants = vi.spyOn(models.tenants, 'find');
    await two.count.run();
    const first = findTenants.mock.calls.find(([filter]) => '$gt' in Object(Object(filter)._id));
    findTenants.mockRestore();
    expect(first?.[0]).toEqual({ _id: { $gt: after } });
    expect(await live()).toEqual(await countedBySight());
    expect(await live()).toMatchObject({ tenants: 450, 'revenue.PRO.tenants': 2 });
  });

  it('corrects standings and sums that something else has changed', async () => {
    const one = createProcess();
    const [id] = (await addTenants(5)) as [string];
    await one.publish();
    await one.count.run();
    await models.tenantStandings.collection.updateOne({ _id: id as never }, { $set: { tier: 'PRO' } });
    await models.tenantCounts.collection.updateOne({}, { $inc: { 'live.tenants': 7, 'live.tiers.PRO': 1 } });
    await one.count.run();
    expect((await live()).tenants).toBe(12);
    clock.advance(DAY_MS);
    await one.count.run();
    expect(await live()).toEqual(await countedBySight());
    expect(await models.tenantStandings.findById(id).lean()).toMatchObject({ tier: 'FREE' });
  });

  it('begins again when the rules have changed, and does nothing otherwise', async () => {
    await addTenants(3, { pending: false });
    const count = async (rules: string) => {
      const { count } = createProcess({ rules });
      await count.run();
      await count.stop();
    };
    await count('before');
    const countOf = async () => (await models.tenantCounts.findById('tenants').lean())?.countedAt?.getTime();
    const first = await countOf();
    clock.advance(1_000);
    await count('before');
    expect(await countOf()).toBe(first);
    await count('after');
    expect(await countOf()).toBe(clock.now());
  });
});

describe('revenue', () => {
  it.each([
    ['a monthly price for several units', { itemPrice: MONTHLY, quantity: 3 }, 8700, 0],
    ['a yearly price', { itemPrice: { ...MONTHLY, unitCents: 29000, interval: 'year' } }, 2417, 0],
    ['a price for three months', { itemPrice: { ...MONTHLY, intervalCount: 3 } }, 967, 0],
    ['the catalogue, where no price is stored', {}, 2900, 0],
    ['no known price of a contract', { tier: 'ENTERPRISE', contract: 'terms' }, 0, 1],
    ['another currency', { itemPrice: { ...MONTHLY, currency: 'eur' } }, 0, 0],
    ['a trial', { status: 'trialing', itemPrice: MONTHLY }, 0, 0],
    ['a subscription that ended', { status: 'canceled', itemPrice: MONTHLY }, 0, 0],
  ])('by %s', async (_, fields, cents, unpriced) => {
    const one = createProcess();
    const [id] = (await addTenants(1)) as [string];
    await setSubscription(id, fields);
    await one.publish();
    await one.count.run();
    const revenue = await one.overview.read().revenue();
    expect([revenue.monthlyCents, revenue.unpricedTenants]).toEqual([cents, unpriced]);
  });

  it('is counted by currency, and compared with what it was, without any conversion', async () => {
    const one = createProcess();
    const [dollars, euros, more, unknown] = (await addTenants(4)) as [string, string, string, string];
    const inEuros = { ...MONTHLY, currency: 'eur' };
    await setSubscription(dollars, { itemPrice: MONTHLY });
    await setSubscription(euros, { itemPrice: inEuros });
    await setSubscription(more, {
      itemPrice: { ...inEuros, unitCents: 27_000, interval: 'year' },
      quantity: 2,
    });
    await setSubscription(unknown, { tier: 'ENTERPRISE', contract: 'terms' });
    await one.publish();
    await one.count.run();
    const usd = { currency: 'usd', payingTenants: 1, cents: 2_900 };
    const counted = [
      usd,
      { currency: 'eur', payingTenants: 2, cents: 2_900 + Math.round((2 * 27_000) / 12) },
    ];
    const first = await one.overview.read().revenue();
    expect(first).toMatchObject({ payingTenants: 4, unpricedTenants: 1, byCurrency: counted });
    clock.advance(30 * DAY_MS);
    await setSubscription(more, { status: 'canceled', itemPrice: inEuros });
    await one.publish();
    await one.count.stop();
    await createProcess().count.run();
    const later = await one.overview.read().revenue();
    expect(later.byCurrency).toMatchObject([
      { ...usd, centsBefore: 2_900 },
      { currency: 'eur', payingTenants: 1, cents: 2_900, centsBefore: 7_400 },
    ]);
  });

  it('of an erased tenant is none, of a suspended one what it pays', async () => {
    const one = createProcess();
    const [erased, suspended] = (await addTenants(2)) as [string, string];
    for (const id of [erased, suspended]) await setSubscription(id, { itemPrice: MONTHLY });
    await one.publish();
    await one.count.run();
    await models.tenants.updateOne({ _id: erased }, { $set: { erasure: { startedAt: new Date() } } });
    await models.tenants.updateOne({ _id: suspended }, { $set: { suspendedAt: new Date() } });
    await one.publish();
    expect(await one.overview.read().revenue()).toMatchObject({ monthlyCents: 2900, payingTenants: 1 });
    const { states } = await one.overview.read().tenants();
    expect([states.ERASED, states.SUSPENDED]).toEqual([1, 1]);
    expect(await one.overview.inState(TenantState.SUSPENDED, 10)).toEqual([suspended]);
  });

  it('is compared with 30 days ago, by the figures that each day leaves', async () => {
    const one = createProcess();
    const [id] = (await addTenants(1)) as [string];
    await setSubscription(id, { itemPrice: MONTHLY });
    await one.publish();
    await one.count.run();
    expect((await one.overview.read().revenue()).monthlyCentsBefore).toBeNull();
    clock.advance(30 * DAY_MS);
    await setSubscription(id, { itemPrice: { ...MONTHLY, unitCents: 9900 } });
    await one.publish();
    await one.count.stop();
    await createProcess().count.run();
    expect(await one.overview.read().revenue()).toMatchObject({
      monthlyCents: 9900,
      monthlyCentsBefore: 2900,
    });
    const history = await one.dailyFigures.history(400);
    expect(history.map(({ figures }) => figures?.revenue?.PRO?.cents)).toEqual([2900, 9900]);
  });
});

describe('the list of tenants in an order', () => {
  it('reads the entries of its page alone, wherever it is and whatever it is filtered by', async () => {
    const one = createProcess();
    const ids = await addTenants(300, { pending: false });
    for (const id of ids.filter((_, n) => n % 3 === 0)) await setSubscription(id, { status: 'past_due' });
    await one.count.run();
    const findTenants = async (wanted: readonly string[]) =>
      Promise.all(wanted.map((id) => models.tenants.findById(id).lean()));
    const ranking = createTenantRanking({ models, findTenants });
    const db = models.connection.db;
    await db?.command({ profile: 2 });
    for (const sort of [TenantSort.NEWEST, TenantSort.USAGE, TenantSort.REVENUE] as const)
      for (const state of [null, TenantState.PAST_DUE])
        for (const tier of [null, 'FREE']) {
          let after: string | null = null;
          for (let page = 0; page < 3; page++) {
            const query = { first: 10, after, tier, state, sort };
            const { tenants, endKey } = await ranking.page(query);
            expect(tenants).toHaveLength(10);
            after = endKey;
          }
        }
    await db?.command({ profile: 0 });
    const read = await db
      ?.collection('system.profile')
      .find({ ns: /tenant_standings$/, op: 'query' })
      .toArray();
    await db?.collection('system.profile').drop();
    expect(read).toHaveLength(36);
    for (const { keysExamined, docsExamined, hasSortStage = false } of read ?? [])
      expect({ keysExamined, docsExamined, hasSortStage }).toEqual({
        keysExamined: 11,
        docsExamined: 11,
        hasSortStage: false,
      });
  });
});
