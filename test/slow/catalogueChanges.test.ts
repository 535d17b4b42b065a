import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import builtIn from '../../catalogue.json' with { type: 'json' };
import type { Succession } from '../../src/services/billing/subscriptions/successions.js';
import {
  advance,
  askCheckout,
  beginCheckout,
  customerIdOf,
  press,
  settled,
  stripeOf,
  subscriptionOf,
} from '../support/billing.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { buildServer } from '../support/serverProcess.js';
import { catalogueFile } from '../support/teamCatalogue.js';

const DAY_S = 86_400;
const MONTH_MS = 31 * DAY_S * 1_000;
const [FREE, builtInPro, ENTERPRISE] = builtIn.tiers as [object, (typeof builtIn.tiers)[0], object];
const PRO = { ...builtInPro, overage: null };
const TEAM = { name: 'TEAM', extends: 'PRO', monthlyPriceCents: 9_900 };
const PLUS = { name: 'PLUS', extends: 'PRO', monthlyPriceCents: 12_900 };
const SECRET = { name: 'SECRET', extends: 'PRO', monthlyPriceCents: 1_900, hidden: true };

const catalogueOf = (...tiers: object[]) => ({ ...builtIn, tiers: [FREE, PRO, ...tiers, ENTERPRISE] });
const START = catalogueOf(TEAM, PLUS, SECRET);
const RENAMED = catalogueOf({ ...TEAM, name: 'CREW', renamedFrom: 'TEAM' }, PLUS, SECRET);
const RETIRED = catalogueOf({ ...TEAM, retired: true, successor: 'PLUS' }, PLUS, SECRET);

const clock = createFakeClock('2026-01-10T12:00:00Z');
let database: TestDatabase;
let server: TestServer;
let buyer: TestTenant;
let agreed: TestTenant;

async function restart(catalogue: object): Promise<void> {
  await server?.stop();
  const env = { CATALOG_FILE: catalogueFile(catalogue) };
  server = await startTestServer({ uri: database.uri, clock, env });
}

async function buy(tier: string, input: object = {}): Promise<TestTenant> {
  const tenant = await server.createTenant();
  expect((await press(await beginCheckout(server, tenant.key, { tier, ...input }), 'complete')).status).toBe(
    303,
  );
  await settled(server);
  return tenant;
}

const tierOf = async ({ key }: TestTenant): Promise<string> => {
  const { data, errors } = await server.gql('{ tenant { tier { name } } }', { key });
  expect(errors).toEqual([]);
  return data.tenant.tier.name;
};
const tierNames = async (key: string | null): Promise<string[]> =>
  (await server.gql('{ tiers { name } }', { key })).data.tiers.map(({ name }: { name: string }) => name);

/** @returns what `continuum-billing catalogue …` prints */
async function catalogueCommand(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, ['dist/src/cli/main.js', 'catalogue', ...args], {
    env: { PATH: process.env.PATH ?? '', MONGODB_URI: database.uri, ...env },
  }).then(
    (done) => ({ ...done, code: 0 }),
    (error) => error as { code: number; stdout: string; stderr: string },
  );
}

beforeAll(async () => {
  await buildServer();
  database = await connectTestDatabase();
  await restart(START);
  buyer = await buy('TEAM');
  agreed = await server.createTenant();
  await server.setLimits(agreed.id, null, 'TEAM');
}, 120_000);
afterAll(async () => {
  await server?.stop();
  await database?.dropAndClose();
});

describe('a tier that is renamed', () => {
  it('is the same tier for everybody who has it, under its new name, and again after a step back', async () => {
    await restart(RENAMED);
    expect([await tierOf(buyer), await tierOf(agreed)]).toEqual(['CREW', 'CREW']);
    expect((await subscriptionOf(server, buyer.key)).tier.name).toBe('CREW');
    const called = await server.gql('{ memories { pageInfo { hasNextPage } } }', { key: buyer.key });
    expect(called.headers.get('x-tier')).toBe('crew');
    const rest = await fetch(`${server.url}/v1/billing/subscription`, {
      headers: { 'x-api-key': buyer.key },
    });
    expect(await rest.json()).toMatchObject({ tier: 'crew', status: 'active' });
    await restart(START);
    expect([await tierOf(buyer), await tierOf(agreed)]).toEqual(['TEAM', 'TEAM']);
    await restart(RENAMED);
  });

  it('stays when Stripe reports it, and is read by its old name, which Stripe keeps', async () => {
    const customer = await customerIdOf(server, buyer.id);
    const [subscription] = (await stripeOf(server).subscriptions.list({ customer })).data;
    await stripeOf(server).subscriptions.update(subscription?.id as string, { metadata: { seen: 'yes' } });
    await server.app.models.billingSubscriptions.deleteMany({ _id: buyer.id });
    await stripeOf(server).customers.update(customer, { metadata: { touched: 'yes' } });
    await settled(server);
    expect(await tierOf(buyer)).toBe('CREW');
    expect(subscription?.metadata.tier).toBe('team');
  });

  it('is bought by its new name and, by clients that do not know it yet, by the old one', async () => {
    expect(await tierOf(await buy('CREW'))).toBe('CREW');
    expect(await tierOf(await buy('TEAM'))).toBe('CREW');
    const { data } = await server.gql('{ tier(name: TEAM) { name displayName } }', { key: null });
    expect(data.tier).toEqual({ name: 'CREW', displayName: 'Crew' });
  });

  it('has its new name in errors, and is found by it among the tenants', async () => {
    const again = await askCheckout(server, buyer.key, { tier: 'CREW' });
    expect(again.errors[0]?.message).toContain('a subscription to CREW already');
    const { data } = await server.gql('{ tenants(first: 10, tier: CREW) { edges { node { id } } } }');
    const ids = data.tenants.edges.map(({ node }: { node: { id: string } }) => node.id);
    expect(ids).toEqual(expect.arrayContaining([buyer.id, agreed.id]));
  });
});

describe('a hidden tier', () => {
  it('is listed for operators and for those who have it, and for nobody else', async () => {
    expect(await tierNames(null)).not.toContain('SECRET');
    expect(await tierNames(buyer.key)).not.toContain('SECRET');
    expect(await tierNames('operator-key-of-the-tests-0123456789')).toContain('SECRET');
    const { errors } = await server.gql('{ tier(name: SECRET) { monthlyPriceCents } }', { key: buyer.key });
    expect(errors[0]?.extensions.code).toBe('NOT_FOUND');
  });

  it('is sold by operators alone', async () => {
    const tenant = await server.createTenant();
    const refused = await askCheckout(server, tenant.key, { tier: 'SECRET' });
    expect(refused.errors[0]).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } });
    const { data, errors } = await server.gql(
      `mutation ($input: CreateCheckoutSessionInput!, $tenantId: ID!) {
        createCheckoutSession(input: $input, tenantId: $tenantId) { id url localUrl }
      }`,
      {
        variables: {
          tenantId: tenant.id,
          input: { tier: 'SECRET', successUrl: 'https://a.example', cancelUrl: 'https://a.example' },
        },
      },
    );
    expect(errors).toEqual([]);
    await press(data.createCheckoutSession, 'complete');
    await settled(server);
    expect(await tierNames(tenant.key)).toContain('SECRET');
    const preview = async (key?: string) =>
      server.gql(
        'query ($tenantId: ID!) { previewTierChange(tier: SECRET, tenantId: $tenantId) { tier nextInvoiceCents } }',
        { variables: { tenantId: buyer.id }, ...(key && { key }) },
      );
    expect((await preview(buyer.key)).errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    expect((await preview()).data.previewTierChange).toEqual({ tier: 'SECRET', nextInvoiceCents: 1_900 });
  });
});

describe('a tier that is retired', () => {
  const runs: Succession[][] = [];
  const run = async (dryRun: boolean) => {
    const found: Succession[] = [];
    await server.app.services.successions.run({
      dryRun,
      onProgress: ({ succession }) => void found.push(succession),
    });
    runs.push(found);
    return found;
  };
  let undecided: TestTenant;
  let leaving: TestTenant;

  beforeAll(async () => {
    await restart(START);
    [undecided, leaving] = [await buy('TEAM'), await buy('TEAM')];
    const { errors } = await server.gql('mutation { cancelSubscription { cancelAtPeriodEnd } }', {
      key: leaving.key,
    });
    expect(errors).toEqual([]);
    await restart(RETIRED);
  });

  it('stays with those who have it, and is neither listed nor sold, nor given by contract', async () => {
    expect(await tierOf(buyer)).toBe('TEAM');
    expect(await tierNames(null)).toEqual(['FREE', 'PRO', 'PLUS', 'ENTERPRISE']);
    expect(await tierNames(buyer.key)).toContain('TEAM');
    const { id, key } = await server.createTenant();
    const refused = await askCheckout(server, key, { tier: 'TEAM' });
    expect(refused.errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    expect(refused.errors[0]?.message).toContain('no longer sold; PLUS takes its place');
    const given = await server.gql(
      'mutation ($id: ID!) { setTenantLimits(input: { tenantId: $id, tier: TEAM }) { id } }',
      { variables: { id } },
    );
    expect(given.errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    const kept = await server.gql(
      'mutation ($id: ID!) { setTenantLimits(input: { tenantId: $id, reason: "as agreed" }) { id } }',
      { variables: { id: agreed.id } },
    );
    expect(kept.errors).toEqual([]);
  });

  it('is previewed to move to its successor when the period ends, which changes nothing', async () => {
    const found = await run(true);
    const mine = found.find(({ tenantId }) => tenantId === buyer.id);
    const { currentPeriodEnd } = await subscriptionOf(server, buyer.key);
    expect(mine).toMatchObject({
      from: 'TEAM',
      to: 'PLUS',
      problem: null,
      preview: { immediately: false, effectiveAt: new Date(currentPeriodEnd), nextInvoiceCents: 12_900 },
    });
    expect(found.map(({ tenantId }) => tenantId)).not.toContain(leaving.id);
    const scheduled = await server.gql('{ subscription { scheduledTier } }', { key: buyer.key });
    expect(scheduled.data.subscription.scheduledTier).toBeNull();
  });

  it('moves once, however often the job runs, and a tenant’s own choice stays', async () => {
    const own = await server.gql('mutation { changeTier(input: { tier: PRO }) { scheduledTier } }', {
      key: undecided.key,
    });
    expect(own.data.changeTier.scheduledTier).toBe('PRO');
    const moved = (await run(false)).map(({ tenantId }) => tenantId);
    expect(moved).toContain(buyer.id);
    expect(moved).not.toContain(undecided.id);
    expect(await run(false)).toEqual([]);
    expect(await tierOf(buyer)).toBe('TEAM');
    await advance(server, MONTH_MS / 1_000);
    clock.advance(MONTH_MS);
    await settled(server);
    expect([await tierOf(buyer), await tierOf(undecided), await tierOf(leaving)]).toEqual([
      'PLUS',
      'PRO',
      'FREE',
    ]);
    const customer = await customerIdOf(server, buyer.id);
    const [invoice] = (await stripeOf(server).invoices.list({ customer, limit: 1 })).data;
    expect(invoice).toMatchObject({ amount_due: 12_900, status: 'paid' });
  });
});

describe('npm run catalogue', () => {
  it('compares a catalogue with the one that runs, and says whom each change concerns', async () => {
    const limits = { apiCallsPerDay: 5 };
    const file = catalogueFile({
      ...catalogueOf({ ...TEAM, renamedFrom: 'NOBODY' }, { ...PLUS, limits }, SECRET),
      displayNames: { PLUS: 'Plus and more' },
    });
    const { code, stdout, stderr } = await catalogueCommand(['diff', file]);
    expect(stdout).toMatch(/- PLUS, version 1: apiCallsPerDay is 5 instead of 10000\n/);
    expect(stdout).toMatch(new RegExp(`concerns \\d+ tenants? by subscription: .*${buyer.id}`));
    expect(stdout).toContain('The display name of PLUS is Plus and more instead of Plus');
    // NOBODY is another tier, and TEAM is gone: agreed has it by contract.
    expect([code, stderr]).toEqual([1, expect.stringContaining('tier TEAM: 1 tenant by contract')]);
    const same = await catalogueCommand(['diff', catalogueFile(RETIRED)]);
    expect([same.code, same.stdout]).toEqual([0, 'Nothing changes.\n']);
  });

  it('does not move subscriptions while servers run with another catalogue', async () => {
    const apply = (content: object) =>
      catalogueCommand(['apply', '--dry-run'], {
        HOST: '127.0.0.1',
        CATALOG_FILE: catalogueFile(content),
      });
    const other = await apply({ ...RETIRED, displayNames: { PLUS: 'Plus and more' } });
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('restart them with this one')]);
    const same = await apply(RETIRED);
    expect([same.code, same.stderr, same.stdout]).toEqual([0, '', '0 to move\n']);
  });

  it('lists everything that is wrong with a file', async () => {
    const wrong = catalogueOf({ ...TEAM, successor: 'NOPE' }, { ...PLUS, renamedFrom: ['TEAM'] });
    const { code, stderr } = await catalogueCommand(['check', catalogueFile(wrong)]);
    expect(code).toBe(1);
    expect(stderr).toContain('tiers.2.successor: is only for a tier that is retired');
    expect(stderr).toContain('tiers.3.renamedFrom: TEAM is or was the name of another tier, too');
    expect((await catalogueCommand(['check', catalogueFile(RETIRED)])).code).toBe(0);
    expect((await catalogueCommand(['sell'])).code).toBe(2);
  });
});
