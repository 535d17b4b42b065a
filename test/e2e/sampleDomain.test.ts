import { buildClientSchema, getIntrospectionQuery, printSchema } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { welcome } from '../../src/welcome.js';
import { testBrowser } from '../support/browser.js';
import { openBilling, planCard } from '../support/customerPages.js';
import { settled, signIn } from '../support/dashboard.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { catalogueFile } from '../support/teamCatalogue.js';

const SECRET = 'gateway-secret-of-the-tests-0123456789';
const SAMPLE = /memor(y|ies)|embedding|semantic|federation ?(shares|priority)/i;

/** A team's own, which mentions nothing of the sample domain. */
const CATALOGUE = {
  currency: 'usd',
  defaultTier: 'STARTER',
  features: ['EXPORTS'],
  resources: ['projects'],
  tiers: [
    {
      name: 'STARTER',
      monthlyPriceCents: 0,
      checkout: 'NONE',
      features: [],
      limits: {
        apiCallsPerDay: 1_000,
        apiCallsPerMinute: 100,
        concurrentRequests: 5,
        maxStorageBytes: 1_000_000,
        maxExtractionBatchSize: 10,
        stored: { projects: 3 },
      },
      overage: null,
      support: 'community',
    },
    {
      name: 'TEAM',
      extends: 'STARTER',
      monthlyPriceCents: 4_900,
      checkout: 'SELF_SERVICE',
      features: ['EXPORTS'],
      limits: { apiCallsPerDay: 50_000, stored: { projects: 100 } },
    },
  ],
};

const browser = testBrowser();
let server: TestServer;
let tenant: TestTenant;

beforeAll(async () => {
  server = await startTestServer({
    env: {
      SAMPLE_DOMAIN: 'false',
      CATALOG_FILE: catalogueFile(CATALOGUE),
      GATEWAY_SECRET: SECRET,
    },
  });
  tenant = await server.createTenant('Acme');
});
afterAll(() => server?.stop());

const expectNoSample = (text: string) =>
  expect(text.split('\n').filter((line) => SAMPLE.test(line))).toEqual([]);

describe('without the sample domain', () => {
  it('neither the schema, the subgraph nor the description of the routes mentions it', async () => {
    const { data } = await server.gql(getIntrospectionQuery());
    expectNoSample(printSchema(buildClientSchema(data)));
    const subgraph = await fetch(`${server.url}/subgraph`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-api-key': OPERATOR_KEY,
        'x-gateway-secret': SECRET,
      },
      body: JSON.stringify({ query: '{ _service { sdl } }' }),
    });
    const { data: service } = (await subgraph.json()) as { data: { _service: { sdl: string } } };
    expect(service._service.sdl).toContain('type BillingTenant');
    expectNoSample(service._service.sdl);
    expectNoSample(JSON.stringify(await (await fetch(`${server.url}/docs/json`)).json(), null, 1));
  });

  it.each([
    'mutation { storeMemory(input: { content: "a" }) { id } }',
    '{ storage { memories } }',
    '{ tiers { limits { maxEmbeddings } } }',
  ])('%s does not exist', async (query) => {
    const { status, errors } = await server.gql(query, { key: tenant.key });
    expect(status).toBe(400);
    expect(errors[0]?.extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
  });

  it('limits, storage and contracts are those of the catalogue', async () => {
    const { data, errors } = await server.gql(
      `mutation ($tenantId: ID!) {
        setTenantLimits(input: { tenantId: $tenantId, limits: { apiCallsPerDay: 7 } }) { tier { name limits { apiCallsPerDay } } }
        setStored(input: { resource: "projects", amount: 2, tenantId: $tenantId })
      }`,
      { variables: { tenantId: tenant.id } },
    );
    expect(errors).toEqual([]);
    expect(data.setTenantLimits.tier).toEqual({ name: 'STARTER', limits: { apiCallsPerDay: 7 } });
    const own = await server.gql(
      '{ usage { apiCalls limit } storage { bytes resources { resource stored limit } } alerts { edges { node { kind } } } entitlements { name } }',
      { key: tenant.key },
    );
    expect(own.errors).toEqual([]);
    expect(own.data.usage.limit).toBe(7);
    expect(own.data.entitlements.map(({ name }: { name: string }) => name)).toEqual([
      'apiCallsPerDay',
      'apiCallsPerMinute',
      'concurrentRequests',
      'maxExtractionBatchSize',
      'bytes',
      'projects',
    ]);
    expect(own.data.storage.resources).toEqual([{ resource: 'projects', stored: 2, limit: 3 }]);
  });

  it('alerts about memories that were raised before are not shown, and take no place of others', async () => {
    const { id, key } = await server.createTenant('Former');
    const at = new Date();
    const raised = (kind: string, day: string, level: number) => ({
      _id: `${id}:${day}:${kind}:${String(level).padStart(3, '0')}`,
      kind,
      level,
      window: day,
      used: level,
      limit: 100,
      at,
      expiresAt: new Date(at.getTime() + 86_400_000),
    });
    await server.app.models.usageAlerts.collection.insertMany([
      raised('API_CALLS_PER_DAY', '2026-01-01', 80),
      raised('API_CALLS_PER_DAY', '2026-01-02', 80),
      raised('MEMORIES', '2026-02', 80),
      raised('MEMORIES', '2026-02', 90),
      raised('EMBEDDINGS', '2026-02', 100),
      // biome-ignore lint/suspicious/noExplicitAny: the ids are ours
    ] as any[]);
    const query =
      'query ($after: String) { alerts(first: 1, after: $after) { edges { node { kind } } pageInfo { hasNextPage endCursor } } }';
    const first = (await server.gql(query, { key })).data.alerts;
    expect(first).toMatchObject({
      edges: [{ node: { kind: 'API_CALLS_PER_DAY' } }],
      pageInfo: { hasNextPage: true },
    });
    const variables = { after: first.pageInfo.endCursor };
    expect((await server.gql(query, { key, variables })).data.alerts).toMatchObject({
      edges: [{ node: { kind: 'API_CALLS_PER_DAY' } }],
      pageInfo: { hasNextPage: false },
    });
  });

  it('the query of the first start is one that the server has', async () => {
    const { app } = await startTestServer({ env: { SAMPLE_DOMAIN: 'false' } });
    try {
      const config = { publicUrl: null, mongodbUri: null, adminApiKeys: [], mockIsPublic: false };
      const text = await welcome(app, { ...config, openApiDocs: true, sampleDomain: false });
      expectNoSample(text);
      const [, key = ''] = /x-api-key: (\S+)'/.exec(text) ?? [];
      const [, body = ''] = /-d '(.*)'/.exec(text) ?? [];
      const headers = { 'content-type': 'application/json', 'x-api-key': key };
      const response = await fetch(`${app.url}/graphql`, { method: 'POST', headers, body });
      expect(await response.json()).toEqual({ data: { consume: { allowed: true, remaining: 9 } } });
    } finally {
      await app.stop();
    }
  });

  it('the pages of customers show the plans without it', async () => {
    const html = await (await fetch(`${server.url}/upgrade`)).text();
    expect(html).toContain('<li>Projects: 100</li>');
    expectNoSample(html);
    const page = await browser.newPage();
    await page.goto(`${server.url}/upgrade`);
    await planCard(page, 'Team').waitFor();
    expectNoSample(await page.locator('body').innerText());

    const billing = await browser.newPage();
    await openBilling(billing, server, tenant.id);
    const text = await billing.locator('body').innerText();
    expect(text).toContain('Projects');
    expectNoSample(text);
  });

  it('so does the dashboard, whose pages of a tenant, its limits and the catalogue work', async () => {
    const page = await browser.newPage();
    await signIn(page, server.url, `/admin/tenants/${tenant.id}`);
    for (const path of ['', '?tab=usage', '?tab=limits', '?tab=keys']) {
      await page.goto(`${server.url}/admin/tenants/${tenant.id}${path}`);
      await page.getByRole('heading', { level: 1, name: 'Acme' }).waitFor();
      await settled(page);
      const text = await page.getByRole('main').innerText();
      expect(text, path).toContain('Acme');
      expectNoSample(text);
    }
    await page.goto(`${server.url}/admin/tenants/${tenant.id}?tab=limits`);
    await page.getByRole('button', { name: 'Override…' }).click();
    expectNoSample(await page.getByRole('dialog').innerText());
    await page.goto(`${server.url}/admin/catalogue`);
    const main = page.getByRole('main');
    await main.getByText('Projects').first().waitFor();
    expectNoSample(await main.innerText());
  });
});

it('by default a catalogue has to set the limits of the sample domain', async () => {
  await expect(startTestServer({ env: { CATALOG_FILE: catalogueFile(CATALOGUE) } })).rejects.toThrow(
    'tiers.0.limits.maxMemories: is missing',
  );
});
