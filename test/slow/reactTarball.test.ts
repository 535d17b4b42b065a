import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { codeIn } from '../support/documents.js';
import { createProject, outcomeOfRender, pack, RENDER, type Tarball } from '../support/tarballs.js';

const INSTALL_MS = 300_000;
let folder: string;
let react: Tarball;
let client: Tarball;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'continuum-react-'));
  await promisify(execFile)('node_modules/.bin/tsc', ['-b', 'packages/react']);
  [react, client] = [await pack('./packages/react', folder), await pack('./packages/client', folder)];
}, INSTALL_MS);
afterAll(() => rm(folder, { recursive: true, force: true }));

it('the page about the parts shows code', () => {
  expect(DOCUMENTED.length).toBeGreaterThan(5);
});

it('the tarball of @continuum-billing/react is small, and holds the compiled code and the styles alone', () => {
  expect(react.bytes).toBeLessThan(45_000);
  const others = react.files.filter((file) => !/^dist\/.*\.(js|d\.ts)$/.test(file));
  expect(others.sort()).toEqual(['LICENSE', 'README.md', 'package.json', 'styles.css', 'styles.css.d.ts']);
});

const APP = `
  import { BillingProvider, CurrentPlan, PricingTable, type TextOverrides, UsageMeter, useBilling, useBillingQuery, useTiers, useUsage } from '@continuum-billing/react';
  const texts: TextOverrides = { calls: (_count, shown) => shown + ' Aufrufe', errors: { NETWORK_ERROR: ['Keine Verbindung', 'Später noch einmal.'] } };
  export const App = () => (
    <BillingProvider url="https://billing.example.com" token={async () => ({ token: 't', expiresAt: new Date() })} texts={texts}>
      <CurrentPlan onChangePlan={() => undefined} />
      <UsageMeter entitlement="bytes" />
      <PricingTable highlightedTier="PRO" onCheckout={({ url }) => open(url)} tierDetails={({ name }) => (name === 'PRO' ? { badge: 'New' } : null)} />
      <Own />
    </BillingProvider>
  );
  function Own() {
    const { data } = useUsage();
    const invoices = useBillingQuery('invoices', (client, tenant) => client.invoices(tenant));
    const tiers = useTiers();
    const { createPortal } = useBilling();
    const calls: number | undefined = data?.apiCalls;
    // @ts-expect-error no such part of a tier
    tiers.data?.[0]?.colour;
    return <button onClick={() => createPortal()}>{calls} {invoices.data?.edges.length}</button>;
  }
  // @ts-expect-error where the server is must be said
  export const without = <BillingProvider><PricingTable /></BillingProvider>;
`;

/** What the documentation shows. */
const DOCUMENTED = [
  ...codeIn('docs/react.md', 'ts'),
  ...codeIn('docs/react.md', 'tsx'),
  ...codeIn('packages/react/README.md', 'tsx'),
];
/** What the code of the page takes for granted. */
const OF_THE_PAGE = `
  declare global { function signedInOrganization(request: Request): Promise<{ id: string; isAdmin: boolean } | null>; }
  export {};
`;

it.each(['18', '19'])(
  'it renders with React %s, and has types that a strict compiler takes',
  async (major) => {
    const project = await createProject();
    try {
      const libraries = ['react', 'react-dom', '@types/react'].map((name) => `${name}@${major}`);
      await project.install(react.file, client.file, ...libraries);
      expect(await project.evaluate(RENDER)).toEqual(outcomeOfRender(major));
      expect(await project.compile(APP, OF_THE_PAGE, ...DOCUMENTED)).toBe('');
      await project.check();
    } finally {
      await project.remove();
    }
  },
  INSTALL_MS,
);
