import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { findMongod, userCacheDir } from '@continuum-billing/embedded-mongod';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtDashboard } from '../support/browser.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { buildServer } from '../support/serverProcess.js';
import { startProgram } from '../support/startedProgram.js';
import {
  createProject,
  METERED_CALLS,
  OUTCOME_OF_METERED_CALLS,
  OUTCOME_OF_THREE_CALLS,
  outcomeOfRender,
  type Project,
  packAll,
  RENDER,
  THREE_REMOTE_CALLS,
} from '../support/tarballs.js';

const run = promisify(execFile);
const INSTALL_MS = 300_000;
const TEST_MS = 90_000;

/** Nodes that are installed: the oldest that the packages promise, and the oldest that gets fixes. */
const OLDER_NODES = ['20.19.0', '22'];

let billing: TestServer;
let folder: string;
let tarballs: string[];
/** All packages, installed as docs/support.md says. */
let project: Project;
/** In a folder of their own: npx prefers what the project has on its path. */
let nodes: Project;
let mongodFolder: string;

beforeAll(async () => {
  await buildServer();
  await builtDashboard();
  await run('node_modules/.bin/tsc', ['-b', 'packages/react']);
  folder = await mkdtemp(join(tmpdir(), 'continuum-packed-'));
  project = await createProject();
  nodes = await createProject();
  tarballs = await packAll(folder);
  await project.install(...tarballs, 'graphql@16', 'react-dom@19');
  await nodes.install(...OLDER_NODES.map((version) => `node-${version}@npm:node@${version}`));
  // The mongod of the test run is put on the path, so that none is downloaded.
  mongodFolder = dirname(
    await findMongod({ cacheDir: userCacheDir('continuum-billing'), log: () => undefined }),
  );
  billing = await startTestServer();
}, INSTALL_MS);
afterAll(async () => {
  await billing?.stop();
  await Promise.all([project?.remove(), nodes?.remove()]);
  await rm(folder, { recursive: true, force: true });
});

it('publint finds nothing wrong with the tarballs', async () => {
  expect(tarballs).toHaveLength(6);
  for (const file of tarballs) {
    const tarball = Uint8Array.from(await readFile(file)).buffer;
    expect((await publint({ pack: { tarball }, strict: true })).messages, file).toEqual([]);
  }
});

describe.each([...OLDER_NODES, '24'])('on Node %s', (version) => {
  const node = () =>
    OLDER_NODES.includes(version)
      ? join(nodes.folder, `node_modules/node-${version}/bin/node`)
      : resolve('node_modules/node/bin/node');
  /** Programs of the project, mongod and a data directory of this Node's own. */
  const environment = () => ({
    PATH: [dirname(node()), mongodFolder, process.env.PATH].join(delimiter),
    DATA_DIR: join(folder, `data-${version}`),
    PORT: '0',
  });
  /** Starts a command of an installed package as the only process, which gets the signals. */
  const start = (name: string, args: readonly string[], ready: string) =>
    startProgram(node(), [join(project.folder, 'node_modules/.bin', name), ...args], {
      ready,
      env: environment(),
      cwd: project.folder,
    });
  const npx = async (...args: string[]) =>
    (await run('npx', args, { cwd: project.folder, env: { ...process.env, ...environment() } })).stdout;

  it('which is what runs', async () => {
    const running = await project.evaluate('console.log(JSON.stringify(process.versions.node))', {
      node: node(),
    });
    expect(`${running}.`).toMatch(new RegExp(`^${version.replaceAll('.', '\\.')}\\.`));
  });

  it(
    '@continuum-billing/limits enforces a schema, and @continuum-billing/client meters and listens',
    async () => {
      const tenant = await billing.createTenant();
      await billing.setLimits(tenant.id, { apiCallsPerDay: 2 });
      const { data } = await billing.gql(
        'mutation { createApiKey(input: { name: "lamps", scopes: [ENFORCE] }) { secret } }',
      );
      const env = { BILLING_URL: billing.url, SERVICE_KEY: data.createApiKey.secret, KEY: tenant.key };
      expect(await project.evaluate(THREE_REMOTE_CALLS, { node: node(), env })).toEqual(
        OUTCOME_OF_THREE_CALLS,
      );
      const other = await billing.createTenant();
      expect(
        await project.evaluate(METERED_CALLS, { node: node(), env: { ...env, KEY: other.key } }),
      ).toEqual(OUTCOME_OF_METERED_CALLS);
    },
    TEST_MS,
  );

  it('@continuum-billing/react renders on a server', async () => {
    expect(await project.evaluate(RENDER, { node: node() })).toEqual(outcomeOfRender('19'));
  });

  it(
    'continuum-billing has help, starts with a MongoDB, meters, and ends with 0 when it is asked to',
    async () => {
      expect(await npx('continuum-billing', '--help')).toContain('Usage: continuum-billing');
      const server = await start('continuum-billing', ['start'], 'Try it:');
      try {
        const url = server.read(/Continuum Billing +(\S+)\/graphql/);
        expect((await fetch(`${url}/health/ready`)).status).toBe(200);
        const response = await fetch(`${url}/graphql`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'x-api-key': server.read(/demo tenant's key +(\S+)/),
          },
          body: JSON.stringify({ query: '{ memories { edges { cursor } } }' }),
        });
        expect(await response.json()).toEqual({ data: { memories: { edges: [] } } });
        expect(response.headers.get('x-tier')).toBe('free');
        expect((await fetch(`${url}/admin`)).status).toBe(200);
        // The same process has the small young generation, where Node can replace a process.
        const { stdout: command } = await run('ps', ['-o', 'args=', '-p', String(server.pid)]);
        expect(command.includes('--max-semi-space-size=8')).toBe(version !== '20.19.0');
      } finally {
        expect(await server.end()).toBe(0);
      }
    },
    TEST_MS,
  );

  it(
    '@continuum-billing/mock-stripe has help, answers as Stripe does, and ends with 0 when it is asked to',
    async () => {
      expect(await npx('mock-stripe', '--help')).toContain('--webhook-url');
      const stripe = await start('mock-stripe', ['--port', '0'], 'listens on');
      try {
        const response = await fetch(`${stripe.read(/listens on (http:\S+)/)}/v1/customers`, {
          method: 'POST',
          headers: { authorization: 'Bearer sk_test_any' },
          body: new URLSearchParams({ email: 'ada@example.com' }),
        });
        expect(await response.json()).toMatchObject({ object: 'customer', email: 'ada@example.com' });
      } finally {
        expect(await stripe.end()).toBe(0);
      }
    },
    TEST_MS,
  );

  it(
    '@continuum-billing/embedded-mongod starts a replica set, and stops it',
    async () => {
      const program = `
        import { runningMongod, startEmbeddedMongod } from '@continuum-billing/embedded-mongod';
        const [dataDir, database] = [process.env.DATA_DIR + '-alone', 'shop'];
        const mongod = await startEmbeddedMongod({ dataDir, database, cacheDir: dataDir, log: () => {} });
        const isFound = (await runningMongod(dataDir, database)) === mongod.uri;
        await mongod.stop();
        console.log(JSON.stringify({ isFound, uri: mongod.uri, left: await runningMongod(dataDir, database) }));
      `;
      expect(await project.evaluate(program, { node: node(), env: environment() })).toEqual({
        isFound: true,
        uri: expect.stringMatching(/^mongodb:\/\/127\.0\.0\.1:\d+\/shop\?.*replicaSet=/),
        left: null,
      });
    },
    TEST_MS,
  );
});
