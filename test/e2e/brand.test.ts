import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contrastOf } from '../../src/common/contrast.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { teamCatalogueFile } from '../support/teamCatalogue.js';

const SVG =
  '<?xml version="1.0"?><!-- ours --><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
const UPGRADE_URL = 'https://app.example/plans';
const BRAND =
  '{ brand { productName logoUrl accentColor supportEmail supportUrl upgradeUrl upgradesInProduct } }';

let server: TestServer;
let plain: TestServer;

beforeAll(async () => {
  const directory = mkdtempSync(join(tmpdir(), 'brand-'));
  writeFileSync(join(directory, 'logo.svg'), SVG);
  const file = join(directory, 'brand.json');
  const brand = {
    productName: 'Zebra & <b>Sons</b>',
    logo: 'logo.svg',
    accentColor: '#B3261E',
    supportEmail: 'help@zebra.example',
    supportUrl: 'https://zebra.example/help',
  };
  writeFileSync(file, JSON.stringify(brand));
  [server, plain] = await Promise.all([
    startTestServer({ env: { BRAND_FILE: file, UPGRADE_URL, CATALOG_FILE: teamCatalogueFile() } }),
    startTestServer(),
  ]);
});
afterAll(() => Promise.all([server.stop(), plain.stop()]));

describe('the brand', () => {
  it('is read without a key', async () => {
    const { data } = await server.gql(BRAND, { key: null });
    expect(data.brand).toEqual({
      productName: 'Zebra & <b>Sons</b>',
      logoUrl: expect.stringMatching(new RegExp(`^${server.url}/brand/logo\\?v=[\\da-f]{16}$`)),
      accentColor: '#b3261e',
      supportEmail: 'help@zebra.example',
      supportUrl: 'https://zebra.example/help',
      upgradeUrl: UPGRADE_URL,
      upgradesInProduct: true,
    });
  });

  it('is Continuum’s without a file, with this server’s price page', async () => {
    const { data } = await plain.gql(BRAND, { key: null });
    expect(data.brand).toEqual({
      productName: 'Continuum',
      logoUrl: null,
      accentColor: null,
      supportEmail: null,
      supportUrl: null,
      upgradeUrl: `${plain.url}/upgrade`,
      upgradesInProduct: false,
    });
    expect(await (await fetch(`${plain.url}/brand.css`)).text()).toBe('');
    expect((await fetch(`${plain.url}/brand/logo`)).status).toBe(404);
  });

  it('has a logo that runs nothing, and that browsers keep by its digest', async () => {
    const { data } = await server.gql(BRAND, { key: null });
    const logo = await fetch(data.brand.logoUrl);
    expect(await logo.text()).toBe(SVG);
    expect(logo.headers.get('content-type')).toBe('image/svg+xml');
    expect(logo.headers.get('x-content-type-options')).toBe('nosniff');
    expect(logo.headers.get('content-security-policy')).toMatch(/^default-src 'none';.*sandbox/);
    expect(logo.headers.get('cache-control')).toContain('immutable');
    const { headers } = await fetch(`${server.url}/brand/logo`);
    expect(headers.get('cache-control')).toBe('no-cache');
  });

  it('colours the pages, so that text can be read in both themes', async () => {
    const style = await fetch(`${server.url}/brand.css`);
    expect(style.headers.get('content-type')).toBe('text/css; charset=utf-8');
    const text = await style.text();
    expect(text).toContain('--accent: #b3261e');
    const [, inLight = '', inDark = ''] = /--accent-text: light-dark\((.{7}), (.{7})\)/.exec(text) ?? [];
    expect(contrastOf(inLight, '#f2f2f0')).toBeGreaterThanOrEqual(4.5);
    expect(contrastOf(inDark, '#222226')).toBeGreaterThanOrEqual(4.5);
  });

  it('names the products at Stripe', async () => {
    const tenant = await server.createTenant();
    const { data, errors } = await server.gql(
      'mutation { createCheckoutSession(input: { tier: TEAM, successUrl: "https://a.example", cancelUrl: "https://a.example" }) { localUrl } }',
      { key: tenant.key },
    );
    expect(errors).toEqual([]);
    const page = await (await fetch(data.createCheckoutSession.localUrl)).text();
    expect(page).toContain('Zebra &amp; &lt;b&gt;Sons&lt;/b&gt; TEAM');
  });
});

describe('UPGRADE_URL', () => {
  it('is where rejections lead', async () => {
    const tenant = await server.createTenant();
    await server.setLimits(tenant.id, { apiCallsPerMinute: 0 });
    const { errors } = await server.gql('{ memories { edges { node { id } } } }', { key: tenant.key });
    expect(errors[0]?.extensions).toMatchObject({ code: 'RATE_LIMITED', upgradeUrl: UPGRADE_URL });
    expect(errors[0]?.message).toContain(`upgrade at ${UPGRADE_URL}`);
  });
});
