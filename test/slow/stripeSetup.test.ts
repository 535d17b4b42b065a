import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Harness, openHarness } from '../../packages/mock-stripe/test/support/harness.js';
import { buildServer } from '../support/serverProcess.js';
import { openStripeBridge } from '../support/stripeBridge.js';
import { AMOUNTS, catalogueFile, pricedCatalogue, teamCatalogueFile } from '../support/teamCatalogue.js';

let harness: Harness;
let bridge: Awaited<ReturnType<typeof openStripeBridge>>;

beforeAll(async () => {
  await buildServer();
  harness = await openHarness({ prices: [] });
  bridge = await openStripeBridge(harness.mock.fetch);
}, 120_000);
afterAll(async () => {
  await bridge?.close();
  await harness?.close();
});

interface Ran {
  code: number;
  env: Record<string, string>;
  stderr: string;
}

async function run(env: Record<string, string> = {}, args: string[] = []): Promise<Ran> {
  const all = {
    STRIPE_SECRET_KEY: 'sk_test_1',
    STRIPE_API_BASE: bridge.url,
    PUBLIC_URL: 'https://billing.example',
    ...env,
  };
  const result = await promisify(execFile)(
    process.execPath,
    ['dist/src/cli/main.js', 'stripe', 'setup', ...args],
    {
      env: { PATH: process.env.PATH ?? '', ...all },
    },
  ).then(
    (done) => ({ ...done, code: 0 }),
    (error) => error as { stdout: string; stderr: string; code: number },
  );
  const lines = result.stdout.split('\n').filter((line) => /^[A-Z0-9_]+=/.test(line));
  return {
    code: result.code,
    stderr: result.stderr,
    env: Object.fromEntries(lines.map((line) => line.split('=') as [string, string])),
  };
}

describe('npm run stripe:setup', () => {
  it('makes what the server needs, prints its environment, and run again makes nothing', async () => {
    const first = await run();
    expect(first.stderr).not.toContain('sk_test');
    expect(first.code).toBe(0);
    expect(Object.keys(first.env)).toEqual([
      'STRIPE_PRICE_PRO',
      'STRIPE_PRICE_PRO_OVERAGE',
      'STRIPE_PRICE_ENTERPRISE',
      'STRIPE_PORTAL_CONFIGURATION',
      'STRIPE_WEBHOOK_SECRET',
    ]);
    const { stripe } = harness;
    const pro = await stripe.prices.retrieve(first.env.STRIPE_PRICE_PRO as string);
    expect(pro).toMatchObject({ unit_amount: 2_900, currency: 'usd', product: 'continuum_pro' });
    expect(pro.recurring?.interval).toBe('month');
    const overage = await stripe.prices.retrieve(first.env.STRIPE_PRICE_PRO_OVERAGE as string);
    const meters = (await stripe.billing.meters.list()).data;
    const meter = meters.find(({ event_name: name }) => name === 'continuum_overage_calls');
    expect(overage).toMatchObject({
      unit_amount: null,
      product: 'continuum_pro_overage',
      recurring: { interval: 'month', usage_type: 'metered', meter: meter?.id },
    });
    expect(String(overage.unit_amount_decimal)).toBe('0.01');

    const requests = harness.mock.requestsSince();
    const second = await run();
    const { STRIPE_WEBHOOK_SECRET: told, ...rest } = first.env;
    expect(told).toMatch(/^whsec_/);
    expect(second.env).toEqual(rest);
    expect(requests().filter((request) => !request.startsWith('GET'))).toEqual([]);
    expect(second.stderr).not.toContain('created');
    expect((await stripe.webhookEndpoints.list()).data).toHaveLength(1);
    expect((await stripe.billing.meters.list()).data.map(({ event_name: name }) => name).sort()).toEqual([
      'continuum_api_calls',
      'continuum_overage_calls',
    ]);
  });

  it('says in a dry run what it would do, and does none of it', async () => {
    const requests = harness.mock.requestsSince();
    const team = teamCatalogueFile({
      pro: { monthlyPriceCents: 4_900, description: 'For people.' },
      team: { hidden: true },
    });
    const { code, env, stderr } = await run({ CATALOG_FILE: team }, ['--dry-run']);
    expect(code, stderr).toBe(0);
    expect(requests().filter((request) => !request.startsWith('GET'))).toEqual([]);
    expect(env).not.toHaveProperty('STRIPE_PRICE_PRO');
    expect(env).toHaveProperty('STRIPE_PRICE_PRO_OVERAGE');
    expect(stderr).toContain('product continuum_pro: description would be updated');
    expect(stderr).toContain('price continuum_pro_monthly: would be created, replacing the previous one');
    expect(stderr).toContain('product continuum_team: would be created');
    expect(stderr).toMatch(/portal configuration bpc_\w+: would be updated/);
  });

  it('gives a price that changed another one, which takes its place in the portal too', async () => {
    const before = await run();
    const changed = await run({ CATALOG_FILE: teamCatalogueFile({ pro: { monthlyPriceCents: 3_900 } }) });
    expect(changed.env.STRIPE_PRICE_PRO).not.toBe(before.env.STRIPE_PRICE_PRO);
    expect(changed.env.STRIPE_PRICE_TEAM).toMatch(/^price_/);
    expect(changed.env.STRIPE_PORTAL_CONFIGURATION).toBe(before.env.STRIPE_PORTAL_CONFIGURATION);
    const id = changed.env.STRIPE_PORTAL_CONFIGURATION as string;
    const { features } = await harness.stripe.billingPortal.configurations.retrieve(id);
    expect(features.subscription_update).toMatchObject({
      enabled: true,
      products: [{ prices: [changed.env.STRIPE_PRICE_PRO] }, { prices: [changed.env.STRIPE_PRICE_TEAM] }],
    });
    // Those who bought at the old price keep it.
    expect((await harness.stripe.prices.retrieve(before.env.STRIPE_PRICE_PRO as string)).active).toBe(true);
  });

  it('makes one price for each interval, with further currencies, and adds a currency to the price that there is', async () => {
    const { stripe } = harness;
    const expand = { expand: ['currency_options'] };
    const dollars = pricedCatalogue({
      pro: { overage: null, prices: [{ interval: 'year', amounts: { usd: 29_000 } }] },
      team: { overage: null },
    });
    const before = await run({ CATALOG_FILE: catalogueFile(dollars) });
    expect(before.code, before.stderr).toBe(0);
    expect(before.env).not.toHaveProperty('STRIPE_PRICE_PRO');
    const CATALOG_FILE = catalogueFile(pricedCatalogue());
    const { env, stderr } = await run({ CATALOG_FILE });
    expect(stderr).toContain('price continuum_pro_yearly: found, eur added');
    expect(env.STRIPE_PRICE_PRO_YEARLY).toBe(before.env.STRIPE_PRICE_PRO_YEARLY);
    const yearly = await stripe.prices.retrieve(env.STRIPE_PRICE_PRO_YEARLY as string, expand);
    expect(yearly).toMatchObject({
      currency: 'usd',
      unit_amount: AMOUNTS.PRO.year.usd,
      lookup_key: 'continuum_pro_yearly',
      recurring: { interval: 'year', interval_count: 1 },
      currency_options: { eur: { unit_amount: AMOUNTS.PRO.year.eur } },
    });
    const quarterly = await stripe.prices.retrieve(env.STRIPE_PRICE_TEAM_3_MONTHS as string, expand);
    expect(quarterly).toMatchObject({
      product: 'continuum_team',
      recurring: { interval: 'month', interval_count: 3 },
    });
    const overage = await stripe.prices.retrieve(env.STRIPE_PRICE_PRO_OVERAGE as string, expand);
    expect(String(overage.currency_options?.eur?.unit_amount_decimal)).toBe('0.009');
    const again = await run({ CATALOG_FILE });
    expect(again.stderr).not.toMatch(/created|added/);
    const portal = await stripe.billingPortal.configurations.retrieve(
      env.STRIPE_PORTAL_CONFIGURATION as string,
    );
    expect(portal.features.subscription_update.products?.map(({ prices }) => prices.length)).toEqual([2, 3]);
  });

  it('renames products when the brand file has another product name, and leaves them alone without one', async () => {
    const nameOf = async (id: string) => (await harness.stripe.products.retrieve(id)).name;
    const BRAND_FILE = join(mkdtempSync(join(tmpdir(), 'brand-')), 'brand.json');
    writeFileSync(BRAND_FILE, JSON.stringify({ productName: 'Zebra' }));
    await run();
    expect(await nameOf('continuum_pro')).toBe('Continuum PRO');
    const renamed = await run({ BRAND_FILE });
    expect(renamed.stderr).toContain('product continuum_pro: renamed to Zebra PRO');
    expect(await nameOf('continuum_pro')).toBe('Zebra PRO');
    expect(await nameOf('continuum_pro_overage')).toBe('Zebra PRO: calls past the daily quota');
    for (const env of [{ BRAND_FILE }, {}])
      expect((await run(env)).stderr).toContain('product continuum_pro: found');
    expect(await nameOf('continuum_pro')).toBe('Zebra PRO');
    writeFileSync(BRAND_FILE, '{}');
    const wrong = await run({ BRAND_FILE });
    expect(wrong).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('productName: must be a string'),
    });
  });

  it('adds the events that an endpoint made by hand lacks', async () => {
    const url = 'https://other.example/v1/billing/webhook';
    const { id } = await harness.stripe.webhookEndpoints.create({ url, enabled_events: ['charge.refunded'] });
    const { stderr, env } = await run({ PUBLIC_URL: 'https://other.example' });
    expect(stderr).toContain('updated');
    expect(env.STRIPE_WEBHOOK_SECRET).toBeUndefined();
    const { enabled_events: events } = await harness.stripe.webhookEndpoints.retrieve(id);
    expect(events).toEqual(expect.arrayContaining(['charge.refunded', 'customer.subscription.updated']));
  });

  it('lists every error of its environment, and reports what Stripe rejects without the key', async () => {
    const faulty = await run({ STRIPE_SECRET_KEY: '', STRIPE_API_BASE: 'nowhere' });
    expect(faulty.code).toBe(1);
    expect(faulty.stderr).toContain('STRIPE_SECRET_KEY: is missing');
    expect(faulty.stderr).toContain('STRIPE_API_BASE');
    const refused = await run({ STRIPE_SECRET_KEY: 'sk_live_secretsecretsecret' });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('Stripe: GET /v1/billing/meters: Invalid API Key');
    expect(refused.stderr).not.toContain('secretsecret');
    expect((await run({}, ['--help'])).code).toBe(0);
    expect((await run({}, ['--wrong'])).code).toBe(2);
  });
});
