import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.js';
import { buildServer } from '../support/serverProcess.js';

const run = promisify(execFile);
/** What `npm pack` makes: who installs the library fetches as much. */
const MAX_PACKED_BYTES = 550_000;
const INSTALL_MS = 300_000;
/** The oldest that docs/library.md promises, and that the MongoDB driver takes. */
const OLDEST_NODE = '20.19.0';

/** A project of a team's own, with nothing but the packed library, graphql and the oldest Node. */
let project: string;
let billing: TestServer;
let tarball: string;
let files: string[];

beforeAll(async () => {
  await buildServer();
  project = await mkdtemp(join(tmpdir(), 'continuum-package-'));
  const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', project]);
  const [{ filename, files: entries }] = JSON.parse(packed.stdout);
  tarball = join(project, filename);
  files = entries.map(({ path }: { path: string }) => path);
  await writeFile(join(project, 'package.json'), '{ "name": "lamps", "private": true, "type": "module" }');
  const packages = [tarball, 'graphql@16', `node@${OLDEST_NODE}`];
  await run('npm', ['install', '--no-audit', '--no-fund', ...packages], { cwd: project });
  billing = await startTestServer();
}, INSTALL_MS);
afterAll(async () => {
  await billing?.stop();
  await rm(project, { recursive: true, force: true });
});

/** @returns what a program of the project prints, as JSON */
async function evaluate(program: string, env: Record<string, string> = {}): Promise<unknown> {
  const file = join(project, 'program.mjs');
  await writeFile(file, program);
  const node = join(project, 'node_modules', 'node', 'bin', 'node');
  const { stdout } = await run(node, [file], { cwd: project, env: { ...process.env, ...env } });
  return JSON.parse(stdout);
}

describe('the packed library', () => {
  it('runs on the oldest Node that is promised', async () => {
    expect(await evaluate('console.log(JSON.stringify(process.versions.node))')).toBe(OLDEST_NODE);
  });

  it('is small, and holds the compiled code alone', async () => {
    expect((await stat(tarball)).size).toBeLessThan(MAX_PACKED_BYTES);
    const others = files.filter((file) => !/^dist\/(src|scripts)\/.*\.(js|d\.ts)$/.test(file));
    expect(others.sort()).toEqual([
      'LICENSE',
      'README.md',
      'catalogue.schema.json',
      'dist/catalogue.json',
      'package.json',
      'schema.graphql',
      'subgraph.graphql',
    ]);
  });

  it('exports what docs/library.md names', async () => {
    expect(
      await evaluate(`console.log(JSON.stringify(Object.keys(await import('continuum-billing'))))`),
    ).toEqual([
      'BillingError',
      'ErrorCode',
      'apolloLimits',
      'beginOperation',
      'directLimits',
      'enforceLimits',
      'limitDirectives',
      'limitDirectivesSdl',
      'remoteLimits',
      'tenantOf',
      'yogaLimits',
    ]);
  });

  it('loads neither the server nor its database before they are asked for', async () => {
    const loaded = await evaluate(`
      import Module from 'node:module';
      await import('continuum-billing');
      const names = Object.keys(Module._cache).map((file) => /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(file)?.[1]);
      console.log(JSON.stringify([...new Set(names)]));
    `);
    for (const heavy of [
      'mongoose',
      'type-graphql',
      'stripe',
      'fastify',
      '@apollo/server',
      'graphql-rate-limit',
    ]) {
      expect(loaded, heavy).not.toContain(heavy);
    }
  });

  it.each([
    [
      'directly',
      'directLimits({ mongodbUri: process.env.MONGODB_URI, upgradeUrl: "http://localhost/upgrade" })',
    ],
    [
      'by asking',
      'remoteLimits({ url: process.env.BILLING_URL, serviceKey: process.env.SERVICE_KEY, whenAway: "refuse" })',
    ],
  ])('enforces a schema of the project %s', async (_, connect) => {
    const tenant = await billing.createTenant();
    await billing.setLimits(tenant.id, { apiCallsPerDay: 2 });
    const { data } = await billing.gql(
      'mutation { createApiKey(input: { name: "lamps", scopes: [ENFORCE] }) { secret } }',
    );
    const answers = await evaluate(
      `
      import { directLimits, enforceLimits, limitDirectives, remoteLimits } from 'continuum-billing';
      import { buildASTSchema, concatAST, graphql, parse } from 'graphql';
      const limits = await ${connect};
      const typeDefs = concatAST([limitDirectives, parse('type Query { lamp: Int @rateLimited }')]);
      const schema = enforceLimits(buildASTSchema(typeDefs), { limits });
      const answers = [];
      for (let i = 0; i < 3; i++) {
        answers.push(await graphql({ schema, source: '{ lamp }', rootValue: { lamp: 5 }, contextValue: { apiKey: process.env.KEY } }));
      }
      await limits.close();
      console.log(JSON.stringify(answers.map(({ data, errors }) => errors?.[0].extensions.code ?? data.lamp)));
    `,
      {
        MONGODB_URI: billing.uri,
        BILLING_URL: billing.url,
        SERVICE_KEY: data.createApiKey.secret,
        KEY: tenant.key,
      },
    );
    expect(answers).toEqual([5, 5, 'RATE_LIMITED']);
  });

  it('has types that a strict compiler takes', async () => {
    await writeFile(
      join(project, 'lamps.ts'),
      `
      import { apolloLimits, beginOperation, directLimits, enforceLimits, type Limits, limitDirectives, type AdmittedOperation, remoteLimits, tenantOf, yogaLimits } from 'continuum-billing';
      import { buildASTSchema, type GraphQLSchema, parse } from 'graphql';
      const limits: Limits = await remoteLimits({ url: 'http://localhost', serviceKey: '', whenAway: 'allow' });
      const own: Limits = await directLimits({ mongodbUri: '', upgradeUrl: '' });
      const schema: GraphQLSchema = enforceLimits(buildASTSchema(limitDirectives), { limits, apiKey: () => null });
      const admitted: AdmittedOperation = await beginOperation(schema, { document: parse('{ lamp }'), context: {} });
      const tenant: string | undefined = tenantOf({}, { schema })?.id;
      const plugins = [apolloLimits<{ userId: string }>(), yogaLimits()];
      // @ts-expect-error what is answered while the server is away must be said
      await remoteLimits({ url: 'http://localhost', serviceKey: '' });
      export { own, admitted, plugins, tenant };
    `,
    );
    const tsc = resolve('node_modules/typescript/bin/tsc');
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck'];
    const types = ['--types', 'node', '--typeRoots', resolve('node_modules/@types')];
    const outcome = await run(process.execPath, [tsc, ...options, ...types, 'lamps.ts'], {
      cwd: project,
    }).then(
      () => '',
      ({ stdout }) => stdout,
    );
    expect(outcome).toBe('');
  });
});
