import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Harness, openHarness, PRICES } from '../../packages/mock-stripe/test/support/harness.js';
import { createModels, type Models } from '../../src/models/models.js';
import { createAuditVerification } from '../../src/services/audit/auditVerification.js';
import {
  advance,
  beginCheckout,
  customerIdOf,
  mockOf,
  press,
  settled,
  stripeOf,
} from '../support/billing.js';
import { contentOf, runImport } from '../support/customerImport.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { openStripeBridge } from '../support/stripeBridge.js';
import { catalogueFile, pricedCatalogue } from '../support/teamCatalogue.js';

const file = (...lines: string[]) => {
  const path = join(mkdtempSync(join(tmpdir(), 'customers-')), 'customers.csv');
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
};

describe('a database that was lost', () => {
  const MONTH_S = 33 * 86_400;
  let server: TestServer;
  let bridge: Awaited<ReturnType<typeof openStripeBridge>>;
  let rebuilt: TestDatabase;
  let env: Record<string, string>;

  async function buyer(name: string, input: object): Promise<{ id: string; key: string }> {
    const tenant = await server.createTenant(name);
    await press(await beginCheckout(server, tenant.key, input), 'complete');
    await settled(server);
    return tenant;
  }
  const ask = async (query: string, key?: string) => {
    const { errors } = await server.gql(query, key ? { key } : {});
    expect(errors).toEqual([]);
    await settled(server);
  };

  beforeAll(async () => {
    const CATALOG_FILE = catalogueFile(pricedCatalogue({ team: { trialDays: 14 } }));
    const { STRIPE_PRICE_PRO: _, ...names } = {
      STRIPE_PRICE_PRO: '',
      STRIPE_PRICE_PRO_YEARLY: 'price_pro_yearly',
      STRIPE_PRICE_PRO_OVERAGE: 'price_pro_overage',
      STRIPE_PRICE_TEAM: 'price_team',
      STRIPE_PRICE_TEAM_3_MONTHS: 'price_team_3_months',
      STRIPE_PRICE_TEAM_YEARLY: 'price_team_yearly',
      STRIPE_PRICE_TEAM_OVERAGE: 'price_team_overage',
      STRIPE_PRICE_ENTERPRISE_OVERAGE: 'price_enterprise_overage',
    };
    env = { CATALOG_FILE, ...names };
    server = await startTestServer({ env: { CATALOG_FILE } });
    bridge = await openStripeBridge(mockOf(server).fetch);
    rebuilt = await connectTestDatabase();

    await buyer('by the month', { tier: 'PRO', customerEmail: 'month@example.com' });
    await buyer('by the year, in euros', { tier: 'PRO', interval: 'YEAR', currency: 'eur' });
    await buyer('with seats, on trial', { tier: 'TEAM', seats: 7, interval: 'MONTH', intervalCount: 3 });
    const smaller = await buyer('with a smaller tier to come', { tier: 'PRO', interval: 'YEAR' });
    await ask('mutation { changeTier(input: { tier: PRO, interval: MONTH }) { status } }', smaller.key);
    const failing = await buyer('with a card that fails', { tier: 'PRO' });
    const ended = await buyer('that has left', { tier: 'PRO' });
    await ask('mutation { cancelSubscription(input: { atPeriodEnd: false }) { status } }', ended.key);
    const overage = await buyer('with overage', { tier: 'PRO' });
    await ask('mutation { setOverage(input: { monthlyCapCents: 1000 }) { monthlyCapCents } }', overage.key);
    const terms =
      'unitAmount: 9000, termMonths: 24, interval: YEAR, seats: 3, currency: "eur", limits: { apiCallsPerDay: 7000000 }';
    const contract = await server.createTenant('with a contract');
    await ask(
      `mutation { createEnterpriseSubscription(input: { tenantId: "${contract.id}", ${terms} }) { status } }`,
    );
    const leaving = await buyer('that leaves', { tier: 'PRO' });
    await ask('mutation { cancelSubscription { status } }', leaving.key);
    // It has a customer, and never paid.
    await beginCheckout(server, (await server.createTenant('that only looked')).key);

    const customer = await customerIdOf(server, failing.id);
    await stripeOf(server).customers.update(customer, { metadata: { mock_card: 'decline' } });
    await advance(server, MONTH_S);
  }, 120_000);
  afterAll(async () => {
    await server?.stop();
    await bridge?.close();
    await rebuilt?.dropAndClose();
  });

  const run = (...args: string[]) => runImport({ uri: rebuilt.uri, apiBase: bridge.url, env }, args);
  /** What follows from Stripe, without the times of writes, and what was sent because of it. */
  const stateOf = async ({ tenants, billingCustomers, billingSubscriptions }: Models) => ({
    tenants: (await tenants.find().sort({ _id: 1 }).lean()).map(({ _id, createdAt }) => ({ _id, createdAt })),
    customers: (await billingCustomers.find().sort({ _id: 1 }).lean()).map(
      ({ _id, stripeCustomerId, email }) => ({ _id, stripeCustomerId, email }),
    ),
    subscriptions: (await billingSubscriptions.find().sort({ _id: 1 }).lean()).map((stored) => {
      const { asOf, revision, createdAt, updatedAt, unannounced, announceRetry, ...followed } = stored;
      const { trialReminder, pastDueSince, ...state } = followed;
      return { ...state, isPastDue: pastDueSince !== null };
    }),
  });

  it('comes back from Stripe: tenants with their ids, customers, subscriptions, and nothing but names is different', async () => {
    const before = await stateOf(server.app.models);
    const lost = await run();
    expect(lost.report, lost.stderr).toMatchObject({ created: 0, linked: 0, payingWithoutTenant: 10 });
    expect(lost.code).toBe(1);

    const atStripe = await contentOf(server.app.models.connection);
    const done = await run('--create');
    expect(done.report, done.stdout + done.stderr).toMatchObject({ created: 10, linked: 10, failed: 0 });
    expect(done.code).toBe(0);
    expect(await stateOf(createModels(rebuilt.connection))).toEqual(before);
    expect(before.subscriptions.map(({ status }) => status).sort()).toEqual(
      [
        ...['active', 'active', 'active', 'active', 'active'],
        ...['canceled', 'canceled', 'past_due', 'past_due'].slice(0, 3),
        'active',
      ].sort(),
    );
    // Everything was at Stripe before.
    expect((await contentOf(server.app.models.connection)).mock_stripe_objects).toEqual(
      atStripe.mock_stripe_objects,
    );

    const once = await contentOf(rebuilt.connection);
    const again = await run('--create');
    expect(again.report).toMatchObject({ created: 0, linked: 0, alreadyRight: 10, outOfSync: 0 });
    expect(again.report.changed).toEqual({ subscriptions: 0, emails: 0, metadata: 0 });
    expect(await contentOf(rebuilt.connection)).toEqual(once);
  }, 60_000);

  it('serves its tenants as before, with new keys', async () => {
    const live = {
      ...{ STRIPE_SECRET_KEY: 'sk_test_1', STRIPE_WEBHOOK_SECRET: 'whsec_1', STRIPE_API_BASE: bridge.url },
      ...{ STRIPE_PRICE_PRO: 'price_pro', ...env },
    };
    const again = await startTestServer({ uri: rebuilt.uri, env: live });
    try {
      const list =
        '{ tenants(first: 20) { edges { node { id tier { name } subscription { status seats } } } } }';
      const served = await again.gql(list);
      expect(served.errors).toEqual([]);
      const { edges } = (await server.gql(list)).data.tenants;
      expect(served.data.tenants.edges).toEqual(edges);
      const tenantId = edges[0].node.id;
      const { data } = await again.gql(
        `mutation { createApiKey(input: { tenantId: "${tenantId}", name: "new" }) { secret } }`,
      );
      const own = await again.gql('{ tenant { id } }', { key: data.createApiKey.secret });
      expect(own.data.tenant.id).toBe(tenantId);
    } finally {
      await again.stop();
    }
  }, 60_000);

  it('is audited like changes of operators', async () => {
    const { auditEntries, tenants } = createModels(rebuilt.connection);
    const entries = await auditEntries.find({ actor: 'system:import' }).lean();
    const actions = Object.groupBy(entries, ({ action }) => action);
    expect(actions['tenant.created']).toHaveLength(await tenants.countDocuments());
    expect(actions['customer.linked']).toHaveLength(10);
    expect(actions['subscription.created']).toHaveLength(9);
    const verification = createAuditVerification(createModels(rebuilt.connection));
    for await (const chain of verification.chains())
      expect((await verification.verify(chain)).problems).toEqual([]);
  });
});

describe('an account that never saw this server', () => {
  let harness: Harness;
  let bridge: Awaited<ReturnType<typeof openStripeBridge>>;
  let database: TestDatabase;
  let models: Models;

  const OTHERS = [
    { id: 'price_old', productId: 'prod_old', productName: 'Old', unitAmount: '1900', currency: 'usd' },
    {
      id: 'price_marked',
      productId: 'prod_marked',
      productName: 'Marked',
      unitAmount: '24000',
      currency: 'eur',
      interval: 'year' as const,
      metadata: { tier: 'pro' },
    },
  ];

  beforeAll(async () => {
    harness = await openHarness({ webhookUrl: () => undefined, prices: [...PRICES, ...OTHERS] });
    bridge = await openStripeBridge(harness.mock.fetch);
  });
  afterAll(async () => {
    await bridge?.close();
    await harness?.close();
  });
  beforeEach(async () => {
    const { stripe } = harness;
    for await (const { id } of stripe.customers.list({ limit: 100 })) await stripe.customers.del(id);
    database = await connectTestDatabase();
    models = createModels(database.connection);
    return () => database.dropAndClose();
  });

  const run = (...args: string[]) => runImport({ uri: database.uri, apiBase: bridge.url }, args);
  const customer = (params: Stripe.CustomerCreateParams = {}) => harness.stripe.customers.create(params);
  const subscription = (params: Partial<Stripe.SubscriptionCreateParams> & { customer: string }) =>
    harness.stripe.subscriptions.create({
      items: [{ price: 'price_pro' }],
      ...(params.collection_method !== 'send_invoice' && { default_payment_method: 'pm_card_visa' }),
      ...params,
    });
  async function payer(params: Stripe.CustomerCreateParams = {}, price = 'price_pro'): Promise<string> {
    const { id } = await customer(params);
    await subscription({ customer: id, items: [{ price }] });
    return id;
  }
  let count = 0;
  async function tenant(fields: object = {}): Promise<string> {
    count += 1;
    const _id = `ten_0000000${count % 10}000000000000`;
    const name = `tenant ${count}`;
    const email = (fields as { email?: string }).email;
    const searchTerms = [name, ...(email ? [email.toLowerCase()] : [])];
    await models.tenants.collection.insertOne({
      ...{ _id, name, email: null, contract: { tier: null }, createdAt: new Date(), searchTerms },
      ...fields,
    } as never);
    return _id;
  }
  const linkOf = async (tenantId: string) =>
    (await models.billingCustomers.findById(tenantId).lean())?.stripeCustomerId ?? null;
  const subscriptionOf = async (customerId: string) =>
    models.billingSubscriptions.findOne({ stripeCustomerId: customerId }).lean();
  const both = async () => ({
    here: await contentOf(database.connection),
    atStripe: await contentOf(harness.database.connection),
  });

  it('is imported: tenants for those that pay, with tiers, seats, yearly prices, trials, failed payments and endings', async () => {
    const { stripe } = harness;
    const pro = await payer({ name: 'Ada', email: 'ada@example.com' });
    const seats = (await customer()).id;
    await subscription({ customer: seats, items: [{ price: 'price_enterprise', quantity: 12 }] });
    const trial = (await customer()).id;
    await subscription({ customer: trial, trial_period_days: 10 });
    const yearly = await payer({}, 'price_marked');
    const unpaid = (await customer({ email: 'unpaid@example.com' })).id;
    await subscription({
      customer: unpaid,
      collection_method: 'send_invoice',
      days_until_due: 30,
    });
    const left = (await customer()).id;
    await stripe.subscriptions.cancel((await subscription({ customer: left })).id);
    const two = await payer({}, 'price_pro');
    await subscription({ customer: two, items: [{ price: 'price_enterprise' }] });
    const idle = (await customer({ email: 'idle@example.com' })).id;

    const listed = await run();
    expect(listed.code).toBe(1);
    expect(listed.report).toMatchObject({
      customers: 8,
      created: 0,
      withoutTenant: 8,
      payingWithoutTenant: 6,
    });
    expect(listed.findings).toContainEqual({
      kind: 'without_tenant',
      customer: pro,
      email: 'ada@example.com',
      subscription: expect.stringMatching(/^sub_/),
      tier: 'PRO',
      reason: null,
    });

    const { code, report, stderr } = await run('--create');
    expect(report, stderr).toMatchObject({
      customers: 8,
      created: 6,
      linked: 6,
      withoutTenant: 2,
      failed: 0,
    });
    expect(report.changed).toEqual({ subscriptions: 6, emails: 2, metadata: 6 });
    expect(code).toBe(0);
    expect(stderr).toContain('8 customers matched and linked');
    expect(await subscriptionOf(pro)).toMatchObject({ tier: 'PRO', status: 'active', quantity: 1 });
    expect(await subscriptionOf(seats)).toMatchObject({ tier: 'ENTERPRISE', quantity: 12 });
    expect(await subscriptionOf(trial)).toMatchObject({ tier: 'PRO', status: 'trialing' });
    expect(await subscriptionOf(yearly)).toMatchObject({
      tier: 'PRO',
      itemPrice: { unitCents: 24_000, currency: 'eur', interval: 'year', intervalCount: 1 },
    });
    expect(await subscriptionOf(two)).toMatchObject({ tier: 'ENTERPRISE' });
    expect(await subscriptionOf(idle)).toBeNull();
    const ada = await models.tenants.findOne({ name: 'Ada' }).lean();
    expect(ada).toMatchObject({ email: 'ada@example.com', searchTerms: ['ada', 'ada@example.com'] });
    expect((await stripe.customers.retrieve(pro)) as Stripe.Customer).toMatchObject({
      metadata: { tenant_id: ada?._id },
    });
    expect(await models.apiKeys.countDocuments()).toBe(0);

    const all = await run('--create-all');
    expect(all.report).toMatchObject({ created: 2, linked: 2, alreadyRight: 6, withoutTenant: 0 });
    expect(await subscriptionOf(left)).toMatchObject({ status: 'canceled', tier: 'PRO' });
    const before = await both();
    expect((await run('--create-all')).report).toMatchObject({ created: 0, alreadyRight: 8 });
    expect(await both()).toEqual(before);
  }, 60_000);

  it('is not touched by a dry run, which says what a run then does', async () => {
    const known = await tenant({ externalId: 'acme' });
    await payer({ metadata: { external_id: 'acme' } });
    await payer();
    await payer({}, 'price_old');
    const before = await both();
    const dry = await run('--dry-run', '--create', '--tier', 'price_old=pro');
    expect(await both()).toEqual(before);
    const done = await run('--create', '--tier', 'price_old=pro');
    expect(dry.report, dry.stderr).toEqual({ ...done.report, dryRun: true });
    const sorted = (findings: object[]) => findings.map((one) => JSON.stringify(one)).sort();
    expect(sorted(dry.findings)).toEqual(sorted(done.findings));
    expect(done.report).toMatchObject({ created: 2, matched: { 'external-id': 1 }, unknownPrices: 0 });
    expect(await linkOf(known)).not.toBeNull();
    expect(await models.billingSubscriptions.distinct('tier')).toEqual(['PRO']);
  }, 60_000);

  it('has prices without a tier listed; --tier writes the tier to the price, where the server reads it', async () => {
    const { stripe } = harness;
    await stripe.prices.update('price_old', { metadata: { tier: '' } });
    const old = await payer({}, 'price_old');
    await payer({}, 'price_old');
    const first = await run('--create');
    expect(first.code).toBe(1);
    expect(first.findings).toContainEqual({
      ...{ kind: 'unknown_price', price: 'price_old', product: 'prod_old', subscriptions: 2 },
      ...{ unitCents: 1_900, currency: 'usd', interval: 'month', intervalCount: 1 },
      example: expect.stringMatching(/^sub_/),
    });
    expect(await subscriptionOf(old)).toMatchObject({ tier: 'FREE', outsideCatalogue: true });

    const wrong = await run(
      '--tier',
      'price_old=GOLD',
      '--tier',
      'price_none=PRO',
      '--tier',
      'price_pro=PRO',
    );
    expect(wrong.code).toBe(1);
    for (const problem of [
      'no tier GOLD',
      'price_none=PRO: Stripe does not show',
      'the price of PRO in the catalogue',
    ])
      expect(wrong.stderr).toContain(problem);
    expect((await stripe.prices.retrieve('price_old')).metadata.tier).toBeUndefined();

    const done = await run('--tier', 'price_old=PRO');
    expect(done.report, done.stderr).toMatchObject({ unknownPrices: 0, changed: { subscriptions: 2 } });
    expect(done.code).toBe(0);
    expect(await subscriptionOf(old)).toMatchObject({ tier: 'PRO', outsideCatalogue: null });
    expect((await stripe.prices.retrieve('price_old')).metadata.tier).toBe('pro');
    const other = await run('--tier', 'price_old=ENTERPRISE');
    expect(other.stderr).toContain('its metadata at Stripe names the tier PRO');
    await stripe.prices.update('price_old', { metadata: { tier: '' } });
  }, 60_000);

  it('is matched by metadata, external id and e-mail, in the given order, and by a CSV before all', async () => {
    const [byId, byExternalId, byEmail, byCsv] = [
      await tenant(),
      await tenant({ externalId: 'acme' }),
      await tenant({ email: 'Team@Example.com' }),
      await tenant({ externalId: 'by-csv', email: 'csv@example.com' }),
    ];
    const metadata = await payer({ metadata: { tenant_id: byId, crm: 'acme' }, email: 'team@example.com' });
    const external = await payer({ metadata: { crm: 'acme' }, email: 'team@example.com' });
    const email = await payer({ email: 'team@example.com' });
    const csv = await payer({ metadata: { tenant_id: '42' }, email: 'other@example.com' });
    const skipped = await payer({ email: 'skipped@example.com' });
    const fresh = await payer({ email: 'fresh@example.com' });
    const rows = file(
      'customer_id,external_id,tenant_id,name,email',
      `${csv},by-csv,,,`,
      `${skipped},,none,,`,
      `${fresh},new-one,,"Fresh, Inc. ""F""",billing@fresh.example`,
    );
    const args = ['--csv', rows, '--external-id-key', 'crm', '--create'];
    const done = await run(...args, '--match', 'metadata,external-id,email');
    expect(done.report, done.stderr).toMatchObject({
      ...{ matched: { metadata: 1, 'external-id': 1, email: 1, csv: 1 }, created: 1, excluded: 1 },
      ...{ ambiguous: 0, failed: 0, metadataKept: 1 },
    });
    expect(done.code).toBe(0);
    expect(await Promise.all([byId, byExternalId, byEmail, byCsv].map(linkOf))).toEqual([
      metadata,
      external,
      email,
      csv,
    ]);
    expect(await models.tenants.findOne({ externalId: 'new-one' }).lean()).toMatchObject({
      name: 'Fresh, Inc. "F"',
      email: 'billing@fresh.example',
    });
    // What another system wrote is not ours to change.
    expect(await harness.stripe.customers.retrieve(csv)).toMatchObject({ metadata: { tenant_id: '42' } });
    expect(await subscriptionOf(skipped)).toBeNull();
  }, 60_000);

  it('has everything ambiguous reported, and nothing of it changed', async () => {
    const [first, second, third] = [
      await tenant({ email: 'same@example.com' }),
      await tenant({ email: 'SAME@example.com' }),
      await tenant({ externalId: 'third' }),
    ];
    const linkedTo = await tenant();
    const linked = await payer({ metadata: { tenant_id: first } });
    await models.billingCustomers.create({ _id: linkedTo, stripeCustomerId: linked });
    const twins = [
      await payer({ metadata: { external_id: 'third' } }),
      await payer({ metadata: { external_id: 'third' } }),
    ];
    const sameEmail = await payer({ email: 'same@example.com' });
    const taken = await payer({ metadata: { tenant_id: linkedTo } });
    const newTwins = [await payer({ email: 'new@example.com' }), await payer({ email: 'NEW@example.com' })];
    const erased = await tenant({ erasure: { startedAt: new Date(), completedAt: new Date() } });
    const ofErased = await payer({ metadata: { tenant_id: erased } });
    const longId = await payer({ metadata: { external_id: 'x'.repeat(201) } });
    const contrary = await payer();
    const rows = file(
      'customer_id,tenant_id,external_id',
      `${contrary},${second},not-its-own`,
      'cus_nobody,,nobody',
    );
    const before = await both();
    const done = await run('--create', '--match', 'metadata,external-id,email', '--csv', rows);
    expect(done.code, done.stderr).toBe(1);
    const reasons = Object.fromEntries(
      done.findings.map(({ customer, kind, reason }) => [customer, `${kind}: ${reason}`]),
    );
    expect(reasons).toEqual({
      [linked]: `ambiguous: it is linked to ${linkedTo} already; its metadata names ${first}`,
      [twins[0] as string]: `ambiguous: several customers lead to ${third}`,
      [twins[1] as string]: `ambiguous: several customers lead to ${third}`,
      [sameEmail]: `ambiguous: ${first} and ${second} both have the address same@example.com`,
      [taken]: `ambiguous: ${linkedTo} has the customer ${linked} already`,
      [newTwins[0] as string]: 'ambiguous: several customers lead to the address new@example.com',
      [newTwins[1] as string]: 'ambiguous: several customers lead to the address new@example.com',
      [ofErased]: `failed: ${erased} was erased`,
      [longId]: expect.stringContaining('failed: external_id in its metadata is no external id'),
      [contrary]: `ambiguous: ${second}, which the csv names, does not have the external id not-its-own of the CSV`,
      cus_nobody: 'failed: the CSV has it, and Stripe does not list it',
    });
    expect(done.report).toMatchObject({ ambiguous: 8, failed: 3, linked: 0, created: 0 });
    const { here, atStripe } = await both();
    const { settings, ...others } = here;
    expect({ here: others, atStripe }).toEqual(before);
    // It remembers which Stripe the database belongs to.
    expect(settings).toHaveLength(1);
    // The CSV decides between two.
    const decided = file('customer_id,tenant_id', `${twins[1]},${third}`);
    const then = await run('--csv', decided);
    expect(then.findings).toContainEqual({
      kind: 'ambiguous',
      customer: twins[0],
      reason: `another customer leads to ${third}, by csv`,
    });
    expect(await linkOf(third)).toBe(twins[1]);
  }, 60_000);

  it('is imported while a server runs on the same database, which sees it at once', async () => {
    const env = {
      STRIPE_SECRET_KEY: 'sk_test_import',
      STRIPE_WEBHOOK_SECRET: 'whsec_1',
      STRIPE_API_BASE: bridge.url,
    };
    const prices = { STRIPE_PRICE_PRO: 'price_pro', STRIPE_PRICE_ENTERPRISE: 'price_enterprise' };
    const server = await startTestServer({ uri: database.uri, env: { ...env, ...prices } });
    try {
      const { id, key } = await server.createTenant('running');
      const tier = async () =>
        (await server.gql('{ subscription { tier { name } } }', { key })).data.subscription;
      expect(await tier()).toEqual({ tier: { name: 'FREE' } });
      await payer({ metadata: { tenant_id: id } });
      const done = await run();
      expect(done.report, done.stderr).toMatchObject({ linked: 1, changed: { subscriptions: 1 } });
      await expect.poll(tier).toEqual({ tier: { name: 'PRO' } });
    } finally {
      await server.stop();
    }
  }, 60_000);

  it('rejects arguments and files that it does not understand, before anything is done', async () => {
    const before = await both();
    const wrong = file('customer_id,tenant_id', 'cus_1,ten_x', 'cus_1,', ',');
    const cases: [number, string[], string][] = [
      [2, ['--match', 'name'], 'must be some of metadata,external-id,email'],
      [2, ['--tier', 'price_1'], 'must be PRICE=TIER'],
      [1, ['--csv', 'nowhere.csv'], 'nowhere.csv: ENOENT'],
      [1, ['--csv', file('id,name')], 'has no column customer_id; the columns are'],
      [1, ['--csv', wrong], "line 2: tenant_id ten_x is no tenant's id"],
      [1, ['--csv', wrong], 'line 3: customer_id cus_1 is in line 2 already'],
      [2, ['--unknown'], 'unknown'],
    ];
    for (const [expected, args, problem] of cases) {
      const { code, stderr, stdout } = await run(...args);
      expect(code).toBe(expected);
      expect(stderr).toContain(problem);
      expect(JSON.parse(stdout).error.message).toContain(problem);
    }
    expect(await both()).toEqual(before);
    expect((await run('--help')).code).toBe(0);
  }, 60_000);
});
