import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import catalogue from '../../catalogue.json' with { type: 'json' };
import { testBrowser } from '../support/browser.js';
import { openBilling, planCard } from '../support/customerPages.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { catalogueFile } from '../support/teamCatalogue.js';

const UNLIMITED = 9_007_199_254_740_991;
const UNLIMITED_INT = 2_147_483_647;

const [free, pro, enterprise] = catalogue.tiers;
const storing = { ...free, limits: { ...free?.limits, stored: { projects: 3 } } };
/** FREE has limits; PRO has none of calls, concurrency, memories and projects. */
const file = catalogueFile({
  ...catalogue,
  resources: ['projects'],
  displayNames: { retentionDays: 'Retention' },
  tiers: [
    { ...storing, settings: { retentionDays: 30, region: 'eu', sso: false } },
    {
      ...pro,
      extends: 'FREE',
      version: 2,
      former: [
        {
          version: 1,
          monthlyPriceCents: 2_900,
          features: ['FEDERATION'],
          limits: { ...pro?.limits, stored: { projects: 50 } },
          settings: { retentionDays: 60 },
        },
      ],
      settings: { retentionDays: 365, sso: true },
      limits: {
        ...pro?.limits,
        apiCallsPerDay: null,
        apiCallsPerMinute: null,
        concurrentRequests: null,
        maxMemories: null,
        maxExtractionBatchSize: null,
        stored: { projects: null },
      },
    },
    { ...enterprise, extends: 'FREE' },
  ],
});

const browser = testBrowser();
let server: TestServer;
let limited: TestTenant;
let unlimited: TestTenant;

beforeAll(async () => {
  server = await startTestServer({ env: { CATALOG_FILE: file } });
  limited = await server.createTenant('Limited');
  unlimited = await server.createTenant('Unlimited');
  await server.setLimits(unlimited.id, null, 'PRO');
});
afterAll(() => server?.stop());

const FIELDS = 'name kind limit used remaining window resetsAt value source';

async function listed(key: string, args = '') {
  const { data, errors } = await server.gql(`{ entitlements${args} { ${FIELDS} } }`, { key });
  expect(errors).toEqual([]);
  const all: { name: string }[] = data.entitlements;
  return Object.fromEntries(all.map(({ name, ...rest }) => [name, rest]));
}

const store = (key: string) =>
  server.gql('mutation { storeMemory(input: { content: "a" }) { id } }', { key });

describe('a tier without limits', () => {
  it('has the largest value of each type in TierLimits', async () => {
    const { data } = await server.gql(
      '{ tier(name: PRO) { limits { apiCallsPerDay apiCallsPerMinute concurrentRequests maxMemories maxEmbeddings stored { limit } } } }',
    );
    expect(data.tier.limits).toEqual({
      apiCallsPerDay: UNLIMITED,
      apiCallsPerMinute: UNLIMITED_INT,
      concurrentRequests: UNLIMITED_INT,
      maxMemories: UNLIMITED,
      maxEmbeddings: 100_000,
      stored: [{ limit: UNLIMITED }],
    });
  });

  it('counts, without limits in usage and in headers', async () => {
    const answers = await Promise.all(Array.from({ length: 150 }, () => store(unlimited.key)));
    expect(answers.filter(({ errors }) => errors.length > 0)).toEqual([]);
    const { headers } = answers[0] as (typeof answers)[number];
    expect([...headers.keys()].filter((name) => name.includes('ratelimit'))).toEqual([]);
    expect(headers.get('x-tier')).toBe('pro');
    const { data } = await server.gql(
      '{ day: usage { apiCalls limit remaining } minute: usage(period: MINUTE) { limit remaining } }',
      { key: unlimited.key },
    );
    expect(data).toEqual({
      day: { apiCalls: 150, limit: null, remaining: null },
      minute: { limit: null, remaining: null },
    });
    const consumed = await server.gql(
      'mutation { consume(input: { endpoint: "a", cost: 1000000 }) { allowed remaining } }',
      { key: unlimited.key },
    );
    expect(consumed.data.consume).toEqual({ allowed: true, remaining: UNLIMITED });
  });

  it('is limited again by an override, and a limited one is unlimited by one', async () => {
    await server.setLimits(unlimited.id, { apiCallsPerMinute: 5 }, 'PRO');
    await server.setLimits(limited.id, { apiCallsPerDay: UNLIMITED, concurrentRequests: UNLIMITED_INT });
    try {
      const { errors } = await store(unlimited.key);
      expect(errors[0]?.extensions).toMatchObject({ code: 'RATE_LIMITED', limit: 5, window: 'minute' });
      const { headers } = await store(limited.key);
      expect(headers.get('ratelimit-policy')).toBe('"minute";q=10;w=60');
      expect(headers.get('x-ratelimit-limit-day')).toBeNull();
      expect(headers.get('x-ratelimit-remaining-minute')).toBe('9');
      const { apiCallsPerDay, concurrentRequests } = await listed(limited.key);
      expect(apiCallsPerDay).toMatchObject({ limit: null, used: 1, remaining: null, source: 'OVERRIDE' });
      expect(concurrentRequests).toMatchObject({ limit: null, used: null, source: 'OVERRIDE' });
    } finally {
      await server.setLimits(unlimited.id, { apiCallsPerMinute: null }, 'PRO');
      await server.setLimits(limited.id, { apiCallsPerDay: null, concurrentRequests: null });
    }
  });

  it('is called unlimited on the pages', async () => {
    const html = await (await fetch(`${server.url}/upgrade`)).text();
    for (const line of ['unlimited calls a day', 'unlimited at once', 'Projects: unlimited'])
      expect(html).toContain(`<li>${line}</li>`);
    const page = await browser.newPage();
    await page.goto(`${server.url}/upgrade`);
    for (const line of ['unlimited calls a day', 'unlimited calls at once', 'Memories: unlimited'])
      await planCard(page, 'Pro').getByText(line).waitFor();
    const billing = await browser.newPage();
    await openBilling(billing, server, unlimited.id);
    const whole = await billing.locator('body').innerText();
    expect(whole).toContain(', unlimited');
    expect(whole).not.toMatch(/9,007|2,147/);
  });
});

describe('entitlements', () => {
  it('lists features, limits, what is stored, and settings, with where they come from', async () => {
    await server.gql(
      `mutation { setStored(input: { tenantId: "${limited.id}", resource: "projects", amount: 2 }) }`,
    );
    await server.setLimits(limited.id, { stored: [{ resource: 'projects', limit: 5 }] });
    const all = await listed(limited.key);
    const none = { limit: null, used: null, remaining: null, window: null, resetsAt: null, value: null };
    expect(all).toMatchObject({
      SEMANTIC_SEARCH: { ...none, kind: 'FEATURE', source: 'TIER' },
      apiCallsPerDay: { kind: 'LIMIT', limit: 100, window: 'DAY', source: 'TIER' },
      apiCallsPerMinute: { kind: 'LIMIT', limit: 10, window: 'MINUTE', source: 'TIER' },
      concurrentRequests: { ...none, kind: 'LIMIT', limit: 2, source: 'TIER' },
      bytes: { kind: 'STORED', limit: 104_857_600, source: 'TIER' },
      projects: { ...none, kind: 'STORED', limit: 5, used: 2, remaining: 3, source: 'OVERRIDE' },
      retentionDays: { ...none, kind: 'SETTING', value: 30, source: 'TIER' },
      region: { kind: 'SETTING', value: 'eu' },
      sso: { kind: 'SETTING', value: false },
    });
    expect(all).not.toHaveProperty('FEDERATION');
    const { usage } = (await server.gql('{ usage { apiCalls remaining resetsAt } }', { key: limited.key }))
      .data;
    expect(all.apiCallsPerDay).toMatchObject({
      used: usage.apiCalls,
      remaining: usage.remaining,
      resetsAt: usage.resetsAt,
    });
  });

  it('of a tier that extends another has its settings, one by one', async () => {
    const { retentionDays, region, sso } = await listed(unlimited.key);
    expect([retentionDays, region, sso]).toMatchObject([{ value: 365 }, { value: 'eu' }, { value: true }]);
  });

  it('of an earlier version says so, and has the settings of that version', async () => {
    const tenant = await server.createTenant('Early');
    const { billingSubscriptions } = server.app.models;
    await billingSubscriptions.create({
      _id: tenant.id,
      priceId: 'price_early',
      itemId: 'si_early',
      quantity: 1,
      cancelAtPeriodEnd: false,
      revision: 1,
      stripeCustomerId: 'cus_early',
      stripeSubscriptionId: 'sub_early',
      tier: 'PRO',
      tierVersion: 1,
      status: 'active',
    });
    server.app.services.entitlements.forget(tenant.id);
    const { retentionDays, region, projects } = await listed(tenant.key);
    expect(retentionDays).toMatchObject({ value: 60, source: 'TIER_VERSION' });
    expect(projects).toMatchObject({ limit: 50, source: 'TIER_VERSION' });
    expect(region).toBeUndefined();
  });

  it('is for the tenant itself and for operators, who name it', async () => {
    const byOperator = await server.gql(`{ entitlements(tenantId: "${limited.id}") { name } }`);
    expect(byOperator.data.entitlements.length).toBeGreaterThan(10);
    const other = await server.gql(`{ entitlements(tenantId: "${unlimited.id}") { name } }`, {
      key: limited.key,
    });
    expect(other).toMatchObject({ status: 403, errors: [{ extensions: { code: 'FORBIDDEN' } }] });
    const nobody = await server.gql('{ entitlements { name } }', { key: null });
    expect(nobody.status).toBe(401);
    const unnamed = await server.gql('{ entitlements { name } }');
    expect(unnamed.errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });
});

it('a catalogue with a setting that is none is an error with its place', async () => {
  const [first, ...others] = catalogue.tiers;
  const wrong = { ...first, settings: { Retention: 1, nested: { a: 1 } } };
  const start = startTestServer({
    env: { CATALOG_FILE: catalogueFile({ ...catalogue, tiers: [wrong, ...others] }) },
  });
  await expect(start).rejects.toThrow(/tiers\.0\.settings\.Retention.*[\s\S]*tiers\.0\.settings\.nested/);
});
