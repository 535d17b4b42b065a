import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import defaultCatalogue from '../../catalogue.json' with { type: 'json' };
import { parseCatalogue } from '../../src/catalogue/catalogue.js';
import { ConfigError, readConfig } from '../../src/config/config.js';
import { buildServer } from '../support/serverProcess.js';

const LIVE = {
  STRIPE_SECRET_KEY: 'sk_test_1',
  STRIPE_WEBHOOK_SECRET: 'whsec_1',
  STRIPE_PRICE_PRO: 'price_1PRO',
};

/** Every variable that the server reads and that has a form, each with a value that it cannot have. */
const ALL_BAD = {
  PORT: '70000',
  PUBLIC_URL: 'ftp://example.com',
  MONGODB_URI: 'postgres://localhost',
  REDIS_URL: 'localhost:6379',
  ADMIN_API_KEY: 'short',
  GATEWAY_SECRET: 'with a space',
  SUBGRAPH_TYPE_PREFIX: '1Billing',
  SUBGRAPH_FIELD_PREFIX: 'billing__',
  STRIPE_SECRET_KEY: 'pk_test_public',
  STRIPE_WEBHOOK_SECRET: 'secret',
  STRIPE_MOCK_MODE: 'maybe',
  STRIPE_API_BASE: 'localhost:12111',
  STRIPE_AUTOMATIC_TAX: 'stripe',
  STRIPE_TAX_BEHAVIOR: 'both',
  STRIPE_TAX_ID_COLLECTION: 'ask',
  STRIPE_BILLING_ADDRESS_COLLECTION: 'never',
  STRIPE_INVOICE_DESCRIPTION: 'a'.repeat(1_501),
  STRIPE_INVOICE_FOOTER: 'a'.repeat(5_001),
  STRIPE_INVOICE_CUSTOM_FIELDS: 'VAT ID',
  STRIPE_MOCK_TAX_PERCENT: '110',
  CONTINUUM_CORS_ORIGINS: 'https://good.example, https://bad.example/path',
  LOG_LEVEL: 'loud',
  APOLLO_SANDBOX: 'yes please',
  INTROSPECTION: 'sometimes',
  OPENAPI_DOCS: 'on',
  TRUST_PROXY: 'true',
  GRACE_DAYS: '-1',
  WEBHOOK_ALLOWED_NETWORKS: '10.0.0.0/33',
  CATALOG_FILE: '/no/such/file.json',
  BRAND_FILE: '/no/such/brand.json',
  UPGRADE_URL: 'app.example/plans',
};

function errorsOf(env: Record<string, string>): string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.errors;
    throw error;
  }
  return [];
}

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'continuum-config-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('tax and invoices', () => {
  const field = (name: string, value = 'a') => ({ name, value });
  const fields = (all: unknown) => ({ STRIPE_INVOICE_CUSTOM_FIELDS: JSON.stringify(all) });

  it('are as Stripe has them unless something is set', () => {
    expect(readConfig({}).stripe).toMatchObject({
      tax: { automatic: false, behavior: null, collectsIds: false, addressCollection: 'auto' },
      invoices: { description: null, footer: null, customFields: [] },
    });
  });

  it('take lines of a text as \\n, and custom fields as JSON', () => {
    const { invoices, tax } = readConfig({
      STRIPE_INVOICE_FOOTER: ' Zebra Ltd\\nDublin ',
      STRIPE_TAX_BEHAVIOR: 'inclusive',
      ...fields([field(' VAT ID ', 'IE6388047V')]),
    }).stripe;
    expect(invoices).toEqual({
      description: null,
      footer: 'Zebra Ltd\nDublin',
      customFields: [field('VAT ID', 'IE6388047V')],
    });
    expect(tax.behavior).toBe('inclusive');
  });

  it.each([
    [{ ...field('a'), more: 1 }, 'STRIPE_INVOICE_CUSTOM_FIELDS.0: must be objects with a name and a value'],
    [field('a'.repeat(41)), 'STRIPE_INVOICE_CUSTOM_FIELDS.0.name: a name must have 1 to 40 characters'],
    [field('a', 'a'.repeat(141)), 'STRIPE_INVOICE_CUSTOM_FIELDS.0.value: a value must have 1 to 140'],
    [field(' '), 'STRIPE_INVOICE_CUSTOM_FIELDS.0.name: a name must have 1 to 40 characters'],
    [{ name: 'a' }, 'STRIPE_INVOICE_CUSTOM_FIELDS.0.value: a value must have 1 to 140 characters'],
  ])('reject the custom field %j, which Stripe would reject', (wrong, message) => {
    expect(errorsOf(fields([wrong]))).toEqual([expect.stringContaining(message)]);
  });

  it('reject more custom fields than Stripe takes', () => {
    expect(errorsOf(fields(Array(5).fill(field('a'))))).toEqual([
      'STRIPE_INVOICE_CUSTOM_FIELDS: must be at most 4 fields',
    ]);
  });
});

function catalogueFile(content: string): string {
  const file = join(directory, 'catalogue.json');
  writeFileSync(file, content);
  return file;
}

describe('without any variable', () => {
  it('the server listens on port 4000 of this machine alone, with the embedded MongoDB and the mock of Stripe', () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      production: false,
      port: 4000,
      host: '127.0.0.1',
      publicUrl: null,
      mongodbUri: null,
      adminApiKeys: [],
      corsOrigins: [],
      logLevel: 'info',
      sandbox: true,
      introspection: true,
      openApiDocs: true,
      mockIsPublic: false,
      trustedProxies: null,
      graceDays: 14,
      subgraph: { gatewaySecrets: [], typePrefix: 'Billing', fieldPrefix: '' },
      stripe: { mode: 'mock', secretKey: null, webhookSecrets: [], apiBase: null },
    });
    expect(isAbsolute(config.dataDir)).toBe(true);
    expect(config.catalogue).toEqual(parseCatalogue(defaultCatalogue));
    expect(config.stripe.priceIds).toEqual({
      FREE: 'price_free',
      PRO: 'price_pro',
      ENTERPRISE: 'price_enterprise',
    });
    expect(config.stripe.overagePriceIds).toEqual({ PRO: 'price_pro_overage' });
  });

  it('an empty variable is one that is absent', () => {
    const empty = Object.fromEntries([...Object.keys(ALL_BAD), 'HOST', 'DATA_DIR'].map((name) => [name, '']));
    expect(readConfig(empty)).toEqual(readConfig({}));
    const blank = Object.fromEntries(Object.keys(empty).map((name) => [name, '  ']));
    expect(readConfig(blank)).toEqual(readConfig({}));
  });
});

describe('what the variables say', () => {
  it('the host is every address when MongoDB is elsewhere, unless HOST names one', () => {
    const own = { MONGODB_URI: 'mongodb://db.example/billing', ...LIVE };
    expect(readConfig(own).host).toBe('0.0.0.0');
    expect(readConfig({ ...own, HOST: '10.1.2.3' }).host).toBe('10.1.2.3');
    expect(readConfig({ ...LIVE, HOST: '0.0.0.0' }).host).toBe('0.0.0.0');
  });

  it.each([
    'redis://localhost',
    'redis://user:pass@redis.example:6380/2',
    'rediss://redis.example/',
    'redis://[::1]:6379',
  ])('Redis may be %s', (REDIS_URL) => {
    expect(readConfig({ REDIS_URL }).redisUrl).toBe(REDIS_URL);
  });

  it.each(['http://localhost', 'redis://', 'redis://localhost/first', 'redis://localhost:70000'])(
    'Redis may not be %s',
    (REDIS_URL) => {
      expect(errorsOf({ REDIS_URL })).toEqual([expect.stringMatching(/^REDIS_URL: must be a redis:/)]);
    },
  );

  describe('JWTs', () => {
    const JWT = {
      JWT_ISSUER: 'https://id.example/',
      JWT_AUDIENCE: 'billing, shop',
      JWT_JWKS_URL: 'https://id.example/keys',
      JWT_TENANT_CLAIM: 'https://app.example/tenant',
    };

    it('need an issuer, an audience, keys and the claim of the tenant', () => {
      expect(readConfig(JWT).jwt).toEqual({
        issuer: 'https://id.example/',
        audience: ['billing', 'shop'],
        jwksUrl: new URL('https://id.example/keys'),
        tenantClaim: 'https://app.example/tenant',
        scopesClaim: null,
        createTenants: false,
      });
      const missing = errorsOf({ JWT_CREATE_TENANTS: 'true' });
      expect(missing.map((line) => line.split(':')[0])).toEqual(Object.keys(JWT));
    });

    it('have their keys at an https URL in production, except on this machine', () => {
      const errorsAt = (JWT_JWKS_URL: string, NODE_ENV = 'production') =>
        errorsOf({ ...JWT, JWT_JWKS_URL, NODE_ENV, STRIPE_MOCK_MODE: 'true', HOST: '127.0.0.1' });
      expect(errorsAt('http://id.example/keys')).toHaveLength(1);
      expect(errorsAt('http://id.example/keys', 'development')).toEqual([]);
      for (const url of ['http://127.0.0.1:80/keys', 'http://[::1]/keys', 'https://id.example/keys'])
        expect(errorsAt(url)).toEqual([]);
      for (const url of ['keys', 'file:///keys', 'https://user:pass@id.example/keys'])
        expect(errorsAt(url)).toEqual([expect.stringMatching(/^JWT_JWKS_URL: must/)]);
    });
  });

  it.each([
    ['APOLLO_SANDBOX', 'sandbox'],
    ['INTROSPECTION', 'introspection'],
    ['OPENAPI_DOCS', 'openApiDocs'],
  ] as const)('%s is false in production unless it is set to true', (name, setting) => {
    const production = { NODE_ENV: 'production', STRIPE_MOCK_MODE: 'true' };
    expect(readConfig(production)[setting]).toBe(false);
    expect(readConfig({ ...production, [name]: 'true' })[setting]).toBe(true);
    expect(readConfig({ [name]: 'false' })[setting]).toBe(false);
  });

  it.each(['ADMIN_API_KEY', 'GATEWAY_SECRET'])('%s has at least 32 characters, or is two such', (name) => {
    const [one, two] = ['1'.repeat(32), 'two-'.repeat(8)];
    const read = (value: string) => {
      const { adminApiKeys, subgraph } = readConfig({ [name]: value });
      return name === 'ADMIN_API_KEY' ? adminApiKeys : subgraph.gatewaySecrets;
    };
    expect(read(one)).toEqual([one]);
    expect(read(`${one}, ${two}`)).toEqual([one, two]);
    for (const bad of ['1'.repeat(31), `${one},`, `${one},short`, `${one},${two},${one}`, `${one} ${two}`])
      expect(errorsOf({ [name]: bad })).toEqual([expect.stringContaining(`${name}: must have 32`)]);
  });

  it.each<[string, unknown]>([
    ['1', 1],
    ['10', 10],
    ['0', null],
    ['false', null],
    ['127.0.0.1', ['127.0.0.1']],
    ['10.0.0.0/8, 2001:db8::/32', ['10.0.0.0/8', '2001:db8::/32']],
    ['loopback, uniquelocal', ['loopback', 'uniquelocal']],
  ])('TRUST_PROXY may be %s', (TRUST_PROXY, expected) => {
    expect(readConfig({ TRUST_PROXY }).trustedProxies).toEqual(expected);
  });

  it.each([
    'true',
    '11',
    '-1',
    '1.5',
    '*',
    '0.0.0.0/0',
    '::/0',
    '0.0.0.0/1',
    '10.0.0.0/33',
    'proxy.example',
    '1, 2',
  ])(
    'TRUST_PROXY may not be %s: that would believe what any client writes, or says nothing',
    (TRUST_PROXY) => {
      expect(errorsOf({ TRUST_PROXY })).toEqual([
        expect.stringMatching(/^TRUST_PROXY: must be the number of proxies/),
      ]);
    },
  );

  it('lists of origins are split, and the public URL ends without a slash', () => {
    const config = readConfig({
      CONTINUUM_CORS_ORIGINS: ' https://a.example , http://localhost:3000,',
      PUBLIC_URL: 'https://billing.example/api//',
    });
    expect(config.corsOrigins).toEqual(['https://a.example', 'http://localhost:3000']);
    expect(config.publicUrl).toBe('https://billing.example/api');
    expect(readConfig({ CONTINUUM_CORS_ORIGINS: '*' }).corsOrigins).toEqual(['*']);
  });
});

describe('Stripe', () => {
  it('production does not start without STRIPE_SECRET_KEY, unless STRIPE_MOCK_MODE=true', () => {
    const faults = errorsOf({ NODE_ENV: 'production' });
    expect(faults).toContainEqual(expect.stringMatching(/^STRIPE_SECRET_KEY: .*STRIPE_MOCK_MODE=true/));
    expect(readConfig({ NODE_ENV: 'production', STRIPE_MOCK_MODE: 'true' }).stripe.mode).toBe('mock');
    expect(readConfig({ NODE_ENV: 'production', ...LIVE }).stripe.mode).toBe('live');
  });

  it.each([
    '0.0.0.0',
    '::',
    '10.1.2.3',
    '::ffff:10.1.2.3',
    'billing.example',
    '127.1',
    '0',
    'localhost.example',
  ])('on %s, which others reach, the mock starts only with STRIPE_MOCK_MODE=true', (HOST) => {
    const expected = [expect.stringMatching(/^STRIPE_MOCK_MODE: must be true .* on /)];
    expect(errorsOf({ HOST })).toEqual(expected);
    expect(errorsOf({ HOST, NODE_ENV: 'test' })).toEqual(expected);
    expect(readConfig({ HOST, STRIPE_MOCK_MODE: 'true' }).mockIsPublic).toBe(true);
    expect(readConfig({ HOST, ...LIVE }).mockIsPublic).toBe(false);
  });

  it.each([
    '127.0.0.1',
    '127.8.9.10',
    'localhost',
    'LocalHost',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
  ])('on %s, which only this machine reaches, the mock starts by itself', (HOST) => {
    expect(readConfig({ HOST })).toMatchObject({ mockIsPublic: false, stripe: { mode: 'mock' } });
    expect(readConfig({ HOST, MONGODB_URI: 'mongodb://db.example' }).mockIsPublic).toBe(false);
  });

  it('with MONGODB_URI alone the server would listen on every address: no mock then, unless it is asked for', () => {
    const MONGODB_URI = 'mongodb://db.example/billing';
    const [error] = errorsOf({ MONGODB_URI });
    expect(error).toMatch(/^STRIPE_MOCK_MODE: .* on 0\.0\.0\.0/);
    expect(readConfig({ MONGODB_URI, STRIPE_MOCK_MODE: 'true' }).host).toBe('0.0.0.0');
  });

  it('STRIPE_MOCK_MODE=false asks for a key outside production too', () => {
    expect(errorsOf({ STRIPE_MOCK_MODE: 'false' })).toContainEqual(
      expect.stringMatching(/^STRIPE_SECRET_KEY: is missing/),
    );
  });

  it('live mode does not start without the webhook secret or the price of a tier that is sold, and says so at once', () => {
    expect(errorsOf({ STRIPE_SECRET_KEY: LIVE.STRIPE_SECRET_KEY })).toEqual([
      expect.stringMatching(/^STRIPE_WEBHOOK_SECRET: /),
      expect.stringMatching(/^STRIPE_PRICE_PRO: /),
    ]);
    const { STRIPE_PRICE_PRO: _, ...withoutPrice } = LIVE;
    expect(errorsOf(withoutPrice)).toEqual([expect.stringMatching(/^STRIPE_PRICE_PRO: /)]);
    const { STRIPE_WEBHOOK_SECRET: __, ...withoutSecret } = LIVE;
    expect(errorsOf(withoutSecret)).toEqual([expect.stringMatching(/^STRIPE_WEBHOOK_SECRET: /)]);
  });

  it('live mode has the prices that are given and makes none up', () => {
    const { stripe } = readConfig({ ...LIVE, STRIPE_API_BASE: 'http://127.0.0.1:12111' });
    expect(stripe).toMatchObject({
      mode: 'live',
      secretKey: 'sk_test_1',
      webhookSecrets: ['whsec_1'],
      priceIds: { PRO: 'price_1PRO' },
    });
    expect(Object.keys(stripe.priceIds)).toEqual(['PRO']);
    expect(stripe.overagePriceIds).toEqual({});
    const { stripe: selling } = readConfig({ ...LIVE, STRIPE_PRICE_PRO_OVERAGE: 'price_2PRO' });
    expect(selling.overagePriceIds).toEqual({ PRO: 'price_2PRO' });
    expect(() => readConfig({ ...LIVE, STRIPE_PRICE_PRO_OVERAGE: 'price_1PRO' })).toThrow('STRIPE_PRICE_*');
    expect(stripe.apiBase?.port).toBe('12111');
  });

  it('a key and STRIPE_MOCK_MODE=true together stay in mock mode', () => {
    expect(readConfig({ ...LIVE, STRIPE_MOCK_MODE: 'true' }).stripe.mode).toBe('mock');
    expect(readConfig({ ...LIVE, STRIPE_MOCK_MODE: '1' }).stripe.mode).toBe('mock');
  });

  it('two tiers with one price are rejected: a payment could not show what was bought', () => {
    expect(errorsOf({ ...LIVE, STRIPE_PRICE_ENTERPRISE: LIVE.STRIPE_PRICE_PRO })).toEqual([
      expect.stringMatching(/^STRIPE_PRICE_\*: /),
    ]);
  });

  it('a former price of one tier is not the price of another', () => {
    const [free, pro, enterprise] = defaultCatalogue.tiers;
    const was = { version: 1, monthlyPriceCents: 1_900, features: [], limits: pro?.limits };
    const former = [{ ...was, stripePriceIds: ['price_old'] }];
    const tiers = [free, { ...pro, version: 2, former }, enterprise];
    const live = { ...LIVE, CATALOG_FILE: catalogueFile(JSON.stringify({ ...defaultCatalogue, tiers })) };
    expect(errorsOf({ ...live, STRIPE_PRICE_ENTERPRISE: 'price_old' })).toEqual([
      expect.stringMatching(/^STRIPE_PRICE_\*: .*price_old.*former price of PRO/),
    ]);
    expect(readConfig({ ...live, STRIPE_PRICE_PRO: 'price_old' }).stripe.priceIds.PRO).toBe('price_old');
  });
});

describe('errors', () => {
  it.each(Object.entries(ALL_BAD))('%s=%s is one error that names the variable', (name, value) => {
    // Mock mode, where it is not the variable at hand: live mode would add faults of its own.
    const faults = errorsOf({ STRIPE_MOCK_MODE: 'true', [name]: value });
    expect(faults).toHaveLength(1);
    expect(faults[0]?.startsWith(name)).toBe(true);
  });

  it('are listed all at once, each on a line of its own', () => {
    const faults = errorsOf(ALL_BAD);
    for (const name of Object.keys(ALL_BAD))
      expect(faults.filter((fault) => fault.startsWith(name))).toHaveLength(1);
    expect(new ConfigError(faults).message.split('\n')).toHaveLength(faults.length + 1);
  });

  it('name a port of the metrics that is the port of the API', () => {
    const errors = errorsOf({ PORT: '4000', METRICS_PORT: '4000' });
    expect(errors).toEqual([expect.stringMatching(/^METRICS_PORT: must be another port than PORT/)]);
    expect(readConfig({ PORT: '0', METRICS_PORT: '0' }).metrics).toEqual({ port: 0 });
    expect(readConfig({ METRICS: 'false' }).metrics).toBeNull();
  });

  it('never repeat a secret', () => {
    const env = {
      STRIPE_SECRET_KEY: 'hunter2',
      ADMIN_API_KEY: 'pass word of the operator',
      GATEWAY_SECRET: 'swordfish',
    };
    expect(errorsOf(env).join()).not.toMatch(/hunter2|pass word|swordfish/);
  });

  it('of the catalogue file are all listed, beside those of the variables', () => {
    const [free, ...others] = defaultCatalogue.tiers;
    const tiers = [{ ...free, monthlyPriceCents: -1, support: 5 }, ...others];
    const file = catalogueFile(JSON.stringify({ ...defaultCatalogue, currency: 'US$', tiers }));
    const faults = errorsOf({ CATALOG_FILE: file, PORT: 'http' });
    expect(faults).toEqual([
      expect.stringMatching(/^PORT: /),
      expect.stringMatching(/^CATALOG_FILE .*currency: /),
      expect.stringMatching(/^CATALOG_FILE .*tiers\.0\.monthlyPriceCents: /),
      expect.stringMatching(/^CATALOG_FILE .*tiers\.0\.support: /),
    ]);
    expect(faults[1]).toContain(file);
  });

  it('a catalogue file that is no JSON, or is not there, is an error like any other', () => {
    expect(errorsOf({ CATALOG_FILE: catalogueFile('{ tiers: [') })).toHaveLength(1);
    expect(errorsOf({ CATALOG_FILE: join(directory, 'none.json') })[0]).toContain('no such file');
  });

  it('another catalogue file takes the place of the default one, its live prices included', () => {
    const [free, pro] = defaultCatalogue.tiers;
    const tiers = [free, { ...pro, name: 'TEAM' }];
    const CATALOG_FILE = catalogueFile(JSON.stringify({ ...defaultCatalogue, tiers }));
    expect(readConfig({ CATALOG_FILE }).catalogue.tiers.map(({ name }) => name)).toEqual(['FREE', 'TEAM']);
    expect(errorsOf({ CATALOG_FILE, ...LIVE })).toEqual([expect.stringMatching(/^STRIPE_PRICE_TEAM: /)]);
  });

  it('a catalogue without the features of the sample domain names them, and how to do without', () => {
    const tiers = defaultCatalogue.tiers.map((tier) => ({ ...tier, features: ['FEDERATION'] }));
    const content = { ...defaultCatalogue, features: ['FEDERATION'], tiers };
    const CATALOG_FILE = catalogueFile(JSON.stringify(content));
    expect(errorsOf({ CATALOG_FILE })).toEqual([
      expect.stringMatching(
        /^CATALOG_FILE .*features: lacks SEMANTIC_SEARCH, REALTIME_SYNC, .*SAMPLE_DOMAIN=false/,
      ),
    ]);
    expect(readConfig({ CATALOG_FILE, SAMPLE_DOMAIN: 'false' }).catalogue.features).toEqual(['FEDERATION']);
  });
});

describe('the process', () => {
  beforeAll(buildServer, 120_000);

  it('ends with 1 and lists every error on stderr, without starting anything', () => {
    const { PATH = '', HOME = '' } = process.env;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/src/main.js'], {
      env: { PATH, HOME, NODE_ENV: 'production', ...ALL_BAD },
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(status).toBe(1);
    for (const name of Object.keys(ALL_BAD)) expect(stderr).toContain(`  - ${name}`);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout).toBe('');
  });
});
