import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtDashboard } from '../support/browser.js';
import { codeIn } from '../support/documents.js';
import { OPERATOR_KEY, startTestServer, type TestServer } from '../support/server.js';
import { buildServer } from '../support/serverProcess.js';
import {
  createProject,
  METERED_CALLS,
  OUTCOME_OF_METERED_CALLS,
  OUTCOME_OF_THREE_CALLS,
  type Project,
  pack,
  type Tarball,
  THREE_REMOTE_CALLS,
  threeCalls,
} from '../support/tarballs.js';

const INSTALL_MS = 300_000;

let billing: TestServer;
let packed: string;
let limits: Tarball;

beforeAll(async () => {
  await buildServer();
  packed = await mkdtemp(join(tmpdir(), 'continuum-packed-'));
  limits = await pack('./packages/limits', packed);
  billing = await startTestServer();
}, INSTALL_MS);
afterAll(async () => {
  await billing?.stop();
  await rm(packed, { recursive: true, force: true });
});

/** A tenant with two calls a day, and a service key. */
async function environment(): Promise<Record<string, string>> {
  const tenant = await billing.createTenant();
  await billing.setLimits(tenant.id, { apiCallsPerDay: 2 });
  const { data } = await billing.gql(
    'mutation { createApiKey(input: { name: "lamps", scopes: [ENFORCE] }) { secret } }',
  );
  return {
    MONGODB_URI: billing.uri,
    BILLING_URL: billing.url,
    SERVICE_KEY: data.createApiKey.secret,
    KEY: tenant.key,
  };
}

describe('the tarball of @continuum-billing/limits', () => {
  /** Beside Apollo Server, as most projects have it. */
  let project: Project;
  let before: Awaited<ReturnType<Project['installed']>>;

  beforeAll(async () => {
    project = await createProject();
    await project.install('@apollo/server@5', 'graphql@16');
    before = await project.installed();
    await project.install(limits.file);
  }, INSTALL_MS);
  afterAll(() => project?.remove());

  it('is small, and holds the compiled code alone', () => {
    expect(limits.bytes).toBeLessThan(60_000);
    const others = limits.files.filter((file) => !/^dist\/.*\.(js|d\.ts)$/.test(file));
    expect(others.sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
  });

  it('adds at most 12 packages and 3 MB to an Apollo Server project, and npm ls is clean', async () => {
    const after = await project.installed();
    expect(after.packages.length).toBeGreaterThan(before.packages.length);
    expect(after.packages.length - before.packages.length).toBeLessThanOrEqual(12);
    expect(after.kilobytes - before.kilobytes).toBeLessThanOrEqual(3 * 1_024);
    await project.check();
  });

  it('exports what its README names', async () => {
    expect(
      await project.evaluate(
        `console.log(JSON.stringify(Object.keys(await import('@continuum-billing/limits'))))`,
      ),
    ).toEqual([
      'BillingError',
      'ErrorCode',
      'apolloLimits',
      'beginOperation',
      'enforceLimits',
      'expressLimits',
      'fastifyLimits',
      'limitDirectives',
      'limitDirectivesSdl',
      'remoteLimits',
      'tenantOf',
      'tenantOfRequest',
      'yogaLimits',
    ]);
  });

  it('has types that a strict compiler takes, and plugins that fit Apollo Server', async () => {
    expect(
      await project.compile(`
        import { ApolloServer } from '@apollo/server';
        import { type AdmittedOperation, apolloLimits, beginOperation, enforceLimits, type Limits, limitDirectives, remoteLimits, tenantOf, yogaLimits } from '@continuum-billing/limits';
        import { buildASTSchema, type GraphQLSchema, parse } from 'graphql';
        const limits: Limits = await remoteLimits({ url: 'http://localhost', serviceKey: '', whenAway: 'allow' });
        const schema: GraphQLSchema = enforceLimits(buildASTSchema(limitDirectives), { limits, apiKey: () => null });
        const admitted: AdmittedOperation = await beginOperation(schema, { document: parse('{ lamp }'), context: {} });
        const tenant: string | undefined = tenantOf({}, { schema })?.id;
        const server = new ApolloServer<{ userId: string }>({ schema, plugins: [apolloLimits<{ userId: string }>()] });
        // @ts-expect-error what happens while the server is away must be chosen
        await remoteLimits({ url: 'http://localhost', serviceKey: '' });
        export { admitted, server, tenant, yogaLimits };
      `),
    ).toBe('');
  });

  it(
    'imports nothing but its own dependencies, and enforces a schema',
    async () => {
      const bare = await createProject();
      try {
        // Without Apollo Server: an import of what the package does not depend on would fail.
        await bare.install(limits.file, 'graphql@16');
        const { packages } = await bare.installed();
        expect(packages.length).toBeLessThanOrEqual(12);
        expect(await bare.evaluate(THREE_REMOTE_CALLS, { env: await environment() })).toEqual(
          OUTCOME_OF_THREE_CALLS,
        );
      } finally {
        await bare.remove();
      }
    },
    INSTALL_MS,
  );
});

describe('the tarball of @continuum-billing/client', () => {
  let client: Tarball;
  let project: Project;

  beforeAll(async () => {
    client = await pack('./packages/client', packed);
    project = await createProject();
    await project.install(client.file);
  }, INSTALL_MS);
  afterAll(() => project?.remove());

  it('is small, holds the compiled code alone, and installs nothing else', async () => {
    expect(client.bytes).toBeLessThan(40_000);
    const others = client.files.filter((file) => !/^dist\/.*\.(js|d\.ts)$/.test(file));
    expect(others.sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
    expect((await project.installed()).packages).toHaveLength(1);
    await project.check();
  });

  it('meters, charges and listens', async () => {
    const { id, key } = await billing.createTenant();
    expect(id).toMatch(/^ten_/);
    const env = { BILLING_URL: billing.url, KEY: key };
    expect(await project.evaluate(METERED_CALLS, { env })).toEqual(OUTCOME_OF_METERED_CALLS);
  });

  it('does what its README shows', async () => {
    const [example = ''] = codeIn('packages/client/README.md', 'js');
    const { key } = await billing.createTenant();
    const program = `
      const said = [];
      console.log = (...values) => said.push(values);
      ${example.replace('http://127.0.0.1:4000', billing.url)}
      process.stdout.write(JSON.stringify(said));`;
    expect(await project.evaluate(program, { env: { BILLING_KEY: key } })).toEqual([
      [true, 7],
      ['BAD_USER_INPUT', expect.stringContaining('createCheckoutSession')],
      [5, 95],
    ]);
  });

  it('fits what the documentation shows', async () => {
    const blocks = codeIn('docs/client.md', 'ts').map((block) => block.replace(/^import .*$/gm, ''));
    expect(blocks.length).toBeGreaterThan(5);
    expect(
      await project.compile(`
        import { type BillingClient, createBillingClient, type FieldError, isBillingError } from '@continuum-billing/client';
        declare const billing: BillingClient;
        declare const [successUrl, cancelUrl]: [string, string];
        declare const show: (...numbers: (number | null)[]) => void;
        declare const showFields: (fields: readonly FieldError[]) => void;
        declare const showUpgrade: (url: string | undefined, resetsAt: string) => void;
        export { createBillingClient, isBillingError, successUrl, cancelUrl, show, showFields, showUpgrade, billing };
        ${blocks.map((block) => `export const run${blocks.indexOf(block)} = async () => {${block}};`).join('\n')}
      `),
    ).toBe('');
  });

  it('has types that a strict compiler takes', async () => {
    expect(
      await project.compile(`
        import { type BillingClient, createBillingClient, isBillingError, type RejectedEvent, type Subscription, type Tier, type Usage } from '@continuum-billing/client';
        const billing: BillingClient = createBillingClient({ url: 'http://localhost', token: async () => ({ token: 't', expiresAt: new Date() }) });
        const tiers: Tier[] = await billing.tiers();
        const subscription: Subscription = await billing.changeTier({ tier: tiers[0]?.name ?? 'PRO', externalId: 'org_42' });
        const calls: number = (await billing.usage()).apiCalls;
        const rejected: RejectedEvent[] = [];
        billing.meter({ onRejected: (events) => rejected.push(...events) }).record({ endpoint: 'x', at: new Date() });
        for await (const usage of billing.live.usageChanged({ period: 'DAY' })) usage satisfies Usage;
        try {
          await billing.consume({ endpoint: 'x' });
        } catch (error) {
          if (isBillingError(error, 'RATE_LIMITED')) error.details.resetsAt satisfies string;
        }
        // @ts-expect-error the endpoint is missing
        await billing.consume({ cost: 3 });
        // @ts-expect-error no such period
        await billing.usage({ period: 'YEAR' });
        export { calls, subscription };
      `),
    ).toBe('');
  });
});

describe('the tarball of the server', () => {
  let server: Tarball;
  let project: Project;

  beforeAll(async () => {
    await builtDashboard();
    server = await pack('.', packed);
    const others = [
      await pack('./packages/client', packed),
      await pack('./packages/mock-stripe', packed),
      await pack('./packages/embedded-mongod', packed),
    ];
    project = await createProject();
    await project.install(server.file, limits.file, ...others.map(({ file }) => file), 'graphql@16');
  }, INSTALL_MS);
  afterAll(() => project?.remove());

  it('is small, and holds the compiled code and the built pages alone', () => {
    // The pages are half of it: they are in it as they are, and compressed for browsers by gzip and Brotli.
    expect(server.bytes).toBeLessThan(2_500_000);
    const isPage = (file: string) => /^dashboard\/dist\/(assets\/[\w.-]+|\w+\.html)$/.test(file);
    expect(server.files.filter(isPage).length).toBeGreaterThan(10);
    const others = server.files.filter((file) => !/^dist\/src\/.*\.(js|d\.ts)$/.test(file) && !isPage(file));
    expect(others.sort()).toEqual([
      'LICENSE',
      'README.md',
      'bin/continuum-billing.mjs',
      'catalogue.schema.json',
      'dist/catalogue.json',
      'package.json',
      'schema.graphql',
      'subgraph.graphql',
    ]);
  });

  it('has the command, which says of the benchmarks that they need the repository', async () => {
    expect(await project.command('continuum-billing', ['catalogue', 'check', '--json'])).toEqual({
      code: 0,
      stdout: expect.stringContaining('"ENTERPRISE"'),
      stderr: '',
    });
    expect(await project.command('continuum-billing', ['tenat'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Did you mean tenant?'),
    });
    expect(await project.command('continuum-billing', ['bench'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('clone the repository'),
    });
    const env = { CONTINUUM_URL: billing.url, CONTINUUM_API_KEY: OPERATOR_KEY };
    const listed = await project.command('continuum-billing', ['tenant', 'list', '--json'], { env });
    expect(JSON.parse(listed.stdout)).toMatchObject({ tenants: expect.any(Array), hasMore: false });
  });

  it('exports directLimits, which enforces a schema on the database', async () => {
    const program = threeCalls(
      "import { directLimits } from 'continuum-billing/direct';",
      'directLimits({ mongodbUri: process.env.MONGODB_URI, upgradeUrl: "http://localhost/upgrade" })',
    );
    expect(await project.evaluate(program, { env: await environment() })).toEqual(OUTCOME_OF_THREE_CALLS);
  });

  it('loads neither the API nor the mock Stripe with directLimits', async () => {
    const loaded = await project.evaluate(`
      import Module, { registerHooks } from 'node:module';
      const urls = [];
      registerHooks({ load(url, context, next) { urls.push(url); return next(url, context); } });
      await import('continuum-billing/direct');
      const files = [...urls, ...Object.keys(Module._cache)];
      const names = files.map((file) => /.*node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(file)?.[1]);
      console.log(JSON.stringify([...new Set(names)]));
    `);
    expect(loaded).toContain('mongoose');
    for (const heavy of ['type-graphql', 'fastify', '@apollo/server', '@continuum-billing/mock-stripe'])
      expect(loaded, heavy).not.toContain(heavy);
  });

  it('has types that a strict compiler takes', async () => {
    expect(
      await project.compile(`
        import type { Limits } from '@continuum-billing/limits';
        import { directLimits } from 'continuum-billing/direct';
        const limits: Limits = await directLimits({ mongodbUri: '', upgradeUrl: '' });
        // @ts-expect-error where a person upgrades must be given
        await directLimits({ mongodbUri: '' });
        export { limits };
      `),
    ).toBe('');
  });
});
