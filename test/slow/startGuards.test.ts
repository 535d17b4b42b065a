import { randomUUID } from 'node:crypto';
import type { mongo } from 'mongoose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import builtIn from '../../catalogue.json' with { type: 'json' };
import { openHarness, PRICES } from '../../packages/mock-stripe/test/support/harness.js';
import { directLimits } from '../../src/directLimits.js';
import { beginCheckout, press, settled } from '../support/billing.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { collectLog } from '../support/log.js';
import { startTestServer, type TestServer, type TestServerOptions } from '../support/server.js';
import { openStripeBridge } from '../support/stripeBridge.js';
import { catalogueFile } from '../support/teamCatalogue.js';

const [FREE, PRO, ENTERPRISE] = builtIn.tiers as [
  (typeof builtIn.tiers)[0],
  (typeof builtIn.tiers)[0],
  (typeof builtIn.tiers)[0],
];
const TEAM = { ...PRO, name: 'TEAM', monthlyPriceCents: 9_900, features: [...PRO.features, 'REPORTS'] };
const catalogueOf = (tiers: object[], changes: object = {}) => ({
  ...builtIn,
  features: [...builtIn.features, 'REPORTS'],
  tiers,
  ...changes,
});
const WHOLE = catalogueOf([FREE, PRO, TEAM, ENTERPRISE]);
const { features: _, ...withoutFeatures } = WHOLE;
/** What remains when the feature REPORTS is removed everywhere. */
const WITHOUT_REPORTS = {
  ...withoutFeatures,
  features: builtIn.features,
  tiers: [FREE, PRO, { ...TEAM, features: PRO.features }, ENTERPRISE],
};

describe('a catalogue', () => {
  let database: TestDatabase;
  const running: TestServer[] = [];

  const start = async (catalogue: object, options: TestServerOptions = {}) => {
    const env = { CATALOG_FILE: catalogueFile(catalogue) };
    const server = await startTestServer({ uri: database.uri, env, ...options });
    running.push(server);
    return server;
  };
  /** @returns why it does not start */
  const problemWith = (catalogue: object): Promise<string> =>
    start(catalogue).then(
      () => 'it has started',
      (error: Error) => error.message,
    );
  const stopAll = () => Promise.all(running.splice(0).map((server) => server.stop()));

  beforeAll(async () => {
    database = await connectTestDatabase();
    const server = await start(WHOLE);
    const buy = async () => {
      const tenant = await server.createTenant();
      expect(
        (await press(await beginCheckout(server, tenant.key, { tier: 'TEAM' }), 'complete')).status,
      ).toBe(303);
      return tenant;
    };
    await buy();
    const { key } = await buy();
    const { errors } = await server.gql('mutation { changeTier(input: { tier: PRO }) { scheduledTier } }', {
      key,
    });
    expect(errors).toEqual([]);
    await server.setLimits((await server.createTenant()).id, null, 'TEAM');
    await settled(server);
    await stopAll();
  }, 60_000);
  afterAll(async () => {
    await stopAll();
    await database?.dropAndClose();
  });

  it.each([
    [
      'a tier',
      catalogueOf([FREE, PRO, { ...ENTERPRISE, features: TEAM.features }]),
      ['tier TEAM: 2 tenants by subscription, 1 tenant by contract'],
    ],
    [
      'a tier that is renamed',
      catalogueOf([FREE, PRO, { ...TEAM, name: 'GROUP' }, ENTERPRISE]),
      ['tier TEAM: 2 tenants by subscription, 1 tenant by contract'],
    ],
    [
      'a tier to which a tenant changes',
      catalogueOf([FREE, TEAM, ENTERPRISE]),
      ['tier PRO: 1 tenant by a scheduled change'],
    ],
    [
      'a version',
      catalogueOf([FREE, PRO, { ...TEAM, version: 2 }, ENTERPRISE]),
      ['version 1 of TEAM: 2 tenants by subscription'],
    ],
    ['a feature', WITHOUT_REPORTS, ['feature REPORTS: 2 tenants by subscription, 1 tenant by contract']],
    [
      'a feature and a tier',
      { ...WITHOUT_REPORTS, tiers: [FREE, ENTERPRISE] },
      [
        'tier PRO: 1 tenant by a scheduled change',
        'tier TEAM: 2 tenants by subscription, 1 tenant by contract',
        'feature REPORTS: 2 tenants by subscription, 1 tenant by contract',
      ],
    ],
  ])(
    'that lacks %s that tenants have starts neither a server nor directLimits',
    async (_what, catalogue, lines) => {
      const problem = await problemWith(catalogue);
      const listed = problem.split('\n').filter((line) => line.startsWith('  - '));
      expect(listed).toEqual(lines.map((line) => `  - ${line}`));
      expect(problem).toContain('Put them back');
      const direct = directLimits({ mongodbUri: database.uri, catalogue, upgradeUrl: 'http://localhost/up' });
      await expect(direct).rejects.toThrow(problem);
    },
  );

  it.each([
    ['a tier that nobody has', catalogueOf([FREE, PRO, TEAM])],
    [
      'a version that is kept as a former one',
      (() => {
        const { monthlyPriceCents, features, limits } = TEAM;
        const former = [{ version: 1, monthlyPriceCents, features, limits }];
        return catalogueOf([FREE, PRO, { ...TEAM, version: 2, former }, ENTERPRISE]);
      })(),
    ],
    ['a feature that is retired', { ...WITHOUT_REPORTS, retiredFeatures: ['REPORTS'] }],
    ['nothing', WHOLE],
  ])('that lacks %s starts', async (_what, catalogue) => {
    await start(catalogue);
    await stopAll();
  });

  it('is checked by a few lookups in indexes, however many tenants there are', async () => {
    const db = database.connection.db as mongo.Db;
    const copy = async (collection: string, filter: object, unique: (i: number) => object) => {
      const [held] = await db.collection(collection).find(filter).toArray();
      const copies = Array.from({ length: 50 }, (_, i) => ({
        ...held,
        _id: `copy_${i}` as never,
        ...unique(i),
      }));
      await db.collection(collection).insertMany(copies);
    };
    await copy('tenants', { 'contract.tier': 'TEAM' }, () => ({}));
    await copy('billing_subscriptions', { scheduledTier: 'PRO' }, (i) => ({
      stripeSubscriptionId: `sub_${i}`,
    }));
    await db.command({ profile: 2 });
    const problem = await problemWith(catalogueOf([FREE, { ...ENTERPRISE, features: TEAM.features }]));
    await db.command({ profile: 0 });
    expect(problem).toContain('tier TEAM: 52 tenants by subscription, 51 tenants by contract');
    const profiled = await db
      .collection('system.profile')
      .find({ 'command.lsid': { $exists: true } })
      .toArray();
    const asked = profiled.filter(({ ns }) => /\.(tenants|billing_subscriptions)$/.test(ns));
    const distinct = asked.filter(({ command }) => command.distinct);
    // By tier, scheduled tier and contract, and the versions of two tiers.
    expect(distinct).toHaveLength(5);
    for (const { planSummary, keysExamined } of distinct) {
      expect(planSummary).toMatch(/^DISTINCT_SCAN/);
      expect(keysExamined).toBeLessThanOrEqual(2);
    }
    const counted = asked.filter(({ command }) => command.aggregate);
    expect(counted.length).toBeGreaterThan(0);
    expect(asked.map(({ docsExamined = 0 }) => docsExamined)).toEqual(asked.map(() => 0));
    await db.collection<{ _id: string }>('tenants').deleteMany({ _id: /^copy_/ });
    await db.collection<{ _id: string }>('billing_subscriptions').deleteMany({ _id: /^copy_/ });
  });

  it('that differs from that of another instance is logged by both, and shown', async () => {
    const logs = [collectLog(), collectLog()];
    const changed = catalogueOf([FREE, PRO, { ...TEAM, support: 'by telephone' }, ENTERPRISE]);
    const first = await start(WHOLE, { log: logs[0]?.log as never });
    const second = await start(changed, { log: logs[1]?.log as never });
    const direct = await directLimits({
      mongodbUri: database.uri,
      catalogue: WHOLE,
      upgradeUrl: 'http://localhost/up',
      log: collectLog().log,
    });
    const shown = async (server: TestServer) => {
      const { data, errors } = await server.gql(
        '{ serverInstances { id kind version startedAt seenAt catalogueDigest sameCatalogue } }',
      );
      expect(errors).toEqual([]);
      return data.serverInstances;
    };
    expect(await shown(first)).toMatchObject([
      { kind: 'SERVER', sameCatalogue: true },
      { kind: 'SERVER', sameCatalogue: false },
      { kind: 'DIRECT', sameCatalogue: true },
    ]);
    expect(await shown(second)).toMatchObject([
      { sameCatalogue: false },
      { sameCatalogue: true, version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
      { sameCatalogue: false },
    ]);
    const ids = (await shown(first)).map(({ id }: { id: string }) => id);
    for (const [i, { lines }] of logs.entries()) {
      const differs = () =>
        lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'catalogue.differs');
      // The next heartbeat is within a second.
      await expect.poll(() => differs().length).toBe(i === 0 ? 1 : 2);
      expect(differs()).toMatchObject(
        i === 0
          ? [{ instance: ids[0], other: { instance: ids[1] } }]
          : [
              { instance: ids[1], other: { instance: ids[0] } },
              { instance: ids[1], other: { instance: ids[2], kind: 'DIRECT' } },
            ],
      );
    }
    const gauges = await fetch(`${first.url}/metrics`);
    expect(await gauges.text()).toMatch(/^continuum_catalogue_differs 1$/m);
    await direct.close();
    await stopAll();
  }, 30_000);

  it('that lost the tier of a subscription and of an override that have ended starts', async () => {
    const held = database.connection.collection('billing_subscriptions');
    await held.updateMany({}, { $set: { status: 'canceled' } });
    await database.connection
      .collection('tenants')
      .updateMany({}, { $set: { 'contract.until': new Date(Date.now() - 1) } });
    await start(builtIn);
    await stopAll();
  });
});

describe('a database', () => {
  let bridge: Awaited<ReturnType<typeof openStripeBridge>>;
  let other: Awaited<ReturnType<typeof openStripeBridge>>;
  const closing: (() => Promise<unknown>)[] = [];

  const openStripe = async () => {
    const harness = await openHarness({ webhookUrl: () => undefined });
    const opened = await openStripeBridge(async (input, init) => {
      const request = new Request(input, init);
      const isKept = request.headers.get('authorization')?.includes('rk_');
      if (!isKept || !request.url.endsWith('/v1/account')) return harness.mock.fetch(request);
      return Response.json(
        {
          error: {
            type: 'invalid_request_error',
            message:
              "The provided key 'rk_test_1' does not have the required permissions for this endpoint on account 'acct_restricted'. Having the 'rak_accounts_kyc_basic_read' permission would allow this request to continue.",
          },
        },
        { status: 403 },
      );
    });
    closing.push(opened.close, harness.close);
    return opened;
  };
  const liveEnv = (apiBase = bridge.url, key = 'sk_test_1') => ({
    STRIPE_SECRET_KEY: key,
    STRIPE_WEBHOOK_SECRET: 'whsec_1',
    STRIPE_API_BASE: apiBase,
    ...Object.fromEntries(PRICES.map(({ metadata: { tier }, id }) => [`STRIPE_PRICE_${tier}`, id])),
  });
  const newDatabase = async () => {
    const database = await connectTestDatabase();
    closing.unshift(database.dropAndClose);
    return database;
  };
  const startAndStop = async (uri: string, env: Record<string, string>) =>
    (await startTestServer({ uri, env })).stop();
  const identityOf = ({ connection }: TestDatabase) =>
    connection.collection<{ _id: string }>('settings').findOne({ _id: 'database' });

  beforeAll(async () => {
    bridge = await openStripe();
    other = await openStripe();
  });
  afterAll(async () => {
    for (const close of closing) await close();
  });

  it('of mock mode starts no server in live mode, and the other way round', async () => {
    const mock = await newDatabase();
    await startAndStop(mock.uri, {});
    await expect(startAndStop(mock.uri, liveEnv())).rejects.toThrow(
      /belongs to mock mode, and this server is configured for live mode.*set STRIPE_MOCK_MODE=true, or use another database/,
    );
    const live = await newDatabase();
    await startAndStop(live.uri, liveEnv());
    await expect(startAndStop(live.uri, {})).rejects.toThrow(
      /belongs to live mode, and this server is configured for mock mode.*set STRIPE_SECRET_KEY/,
    );
    await startAndStop(mock.uri, {});
    await startAndStop(live.uri, liveEnv());
  });

  it('of one Stripe account or mode starts no server of another', async () => {
    const database = await newDatabase();
    await startAndStop(database.uri, liveEnv());
    const { stripeAccount, stripeMode } = (await identityOf(database)) as never as Record<string, string>;
    expect([stripeAccount, stripeMode]).toEqual([expect.stringMatching(/^acct_/), 'test']);
    await expect(startAndStop(database.uri, liveEnv(other.url))).rejects.toThrow(
      `belongs to the Stripe account ${stripeAccount}`,
    );
    await expect(startAndStop(database.uri, liveEnv(bridge.url, 'sk_live_1'))).rejects.toThrow(
      "belongs to Stripe's test mode, and this server is configured for Stripe's live mode",
    );
  });

  it('learns the account of a restricted key from the rejection, and starts without any answer of Stripe', async () => {
    const database = await newDatabase();
    const closed = await openStripeBridge(() => Promise.reject(new Error('closed')));
    await closed.close();
    await startAndStop(database.uri, liveEnv(closed.url));
    expect(await identityOf(database)).toMatchObject({
      mode: 'live',
      stripeMode: 'test',
      stripeAccount: null,
    });
    await startAndStop(database.uri, liveEnv(bridge.url, 'rk_test_1'));
    expect(await identityOf(database)).toMatchObject({ stripeAccount: 'acct_restricted' });
    await expect(startAndStop(database.uri, liveEnv())).rejects.toThrow('acct_restricted');
  });

  it('of an earlier version has the mode of its data', async () => {
    const mock = await newDatabase();
    await startAndStop(mock.uri, {});
    await mock.connection.collection<{ _id: string }>('settings').deleteOne({ _id: 'database' });
    await expect(startAndStop(mock.uri, liveEnv())).rejects.toThrow('belongs to mock mode');
    const live = await newDatabase();
    await live.connection
      .collection<{ _id: string }>('billing_customers')
      .insertOne({ _id: `ten_${randomUUID()}`, stripeCustomerId: 'cus_1' } as never);
    await expect(startAndStop(live.uri, {})).rejects.toThrow('belongs to live mode');
  });

  it('that two servers of different modes start on at once belongs to one of them', async () => {
    const database = await newDatabase();
    const starts = await Promise.allSettled(
      [{}, liveEnv(), {}, liveEnv()].map((env) => startAndStop(database.uri, env)),
    );
    const { mode } = (await identityOf(database)) as never as { mode: string };
    const [mock, live] = mode === 'mock' ? ['fulfilled', 'rejected'] : ['rejected', 'fulfilled'];
    expect(starts.map(({ status }) => status)).toEqual([mock, live, mock, live]);
  }, 30_000);
});
