import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { choosePort } from '@continuum-billing/embedded-mongod/programs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settled, subscribe } from '../support/billing.js';
import { type CodeBlock, codeBlocks, DOCUMENTS } from '../support/documents.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { buildServer } from '../support/serverProcess.js';
import { outputDifferences } from '../support/shownOutput.js';
import { startProgram } from '../support/startedProgram.js';

const run = promisify(execFile);

/** Commands that cannot be run here, and why. */
const EXCEPTIONS: readonly [part: string, reason: string][] = [
  ['$JWT', "a token of the reader's identity provider; test/e2e/jwt.test.ts has one"],
  ['curl -N', 'a stream, which does not end; test/e2e/realtime.test.ts has some'],
];

const GATEWAY_SECRET = 'gateway-secret-of-the-documents-0123456789';

const buyPro = async (server: TestServer, { key }: TestTenant) => {
  await subscribe(server, key);
  await settled(server);
};

/** What a tenant has done before it runs the commands of a page. */
const EARLIER: Record<string, (server: TestServer, tenant: TestTenant) => Promise<unknown>> = {
  'docs/invoices.md': buyPro,
  // Stripe sends the events of a purchase in no order; a cancellation is one event.
  'docs/stripe-webhooks.md': async (server, tenant) => {
    await buyPro(server, tenant);
    await server.gql('mutation { cancelSubscription { status } }', { key: tenant.key });
    await settled(server);
  },
  'docs/tier-changes.md': buyPro,
  'docs/usage.md': async ({ setLimits, gql }, { id }) => {
    await setLimits(id, null, 'PRO');
    await gql(`mutation { consume(input: { tenantId: "${id}", endpoint: "render", cost: 3 }) { allowed }
      recordUsage(tenantId: "${id}", events: [{ id: "thumb-1", endpoint: "thumbnail", quantity: 20 }]) { id } }`);
  },
};

const isRun = ({ language, code }: CodeBlock): boolean =>
  language === 'sh' &&
  /curl[^|]*localhost:400[01]/s.test(code) &&
  !EXCEPTIONS.some(([part]) => code.includes(part));

const isOutput = ({ follows, language }: CodeBlock): boolean => follows && ['', 'json'].includes(language);

const pages = DOCUMENTS.filter((document) => codeBlocks(document).some(isRun));

let shared: TestServer;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'continuum-documents-'));
  await symlink(resolve('node_modules'), join(directory, 'node_modules'));
  [shared] = await Promise.all([startTestServer({ env: { GATEWAY_SECRET } }), buildServer()]);
}, 120_000);
afterAll(async () => {
  await shared?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** A page that has a catalogue of its own is about a server with it. */
async function serverOf(blocks: readonly CodeBlock[]): Promise<TestServer> {
  const catalogue = blocks.find(({ code }) => code.includes('"$schema": "./catalogue.schema.json"'));
  if (!catalogue) return shared;
  const file = join(directory, 'catalogue.json');
  await writeFile(file, catalogue.code);
  return startTestServer({ env: { CATALOG_FILE: file, SAMPLE_DOMAIN: 'false' } });
}

/** The reader's own API, if a page has one. */
async function apiOf(blocks: readonly CodeBlock[], { url, gql }: TestServer) {
  const shown = blocks.find(({ language, code }) => language === 'js' && code.includes('port: 4001'));
  if (!shown) return null;
  const { data } = await gql(
    'mutation { createApiKey(input: { name: "API", scopes: [ENFORCE] }) { secret } }',
  );
  const port = await choosePort(undefined, () => undefined);
  const code = shown.code.replaceAll('http://127.0.0.1:4000', url).replaceAll('4001', String(port));
  const file = join(directory, 'api.mjs');
  await writeFile(file, `${code}\nconsole.log('It listens');`);
  const { end } = await startProgram(process.execPath, [file], {
    ready: 'It listens',
    env: { BILLING_SERVICE_KEY: data.createApiKey.secret, NODE_ENV: 'production' },
  });
  return { host: `127.0.0.1:${port}`, end };
}

/** The page says to press the button. */
async function pay(printed: string): Promise<void> {
  const [, page] = /"localUrl":"([^"]+\/mock\/checkout\/[^"]+)"/.exec(printed) ?? [];
  if (page) await fetch(`${page}/complete`, { method: 'POST', redirect: 'manual' });
}

describe('the commands in the documentation', () => {
  it.each(pages)('print what %s says', async (page) => {
    const blocks = codeBlocks(page);
    const server = await serverOf(blocks);
    const api = await apiOf(blocks, server);
    try {
      const tenant = await server.createTenant('Demo');
      await EARLIER[page]?.(server, tenant);
      const env = {
        ...process.env,
        KEY: tenant.key,
        OPERATOR_KEY,
        ADMIN_API_KEY: OPERATOR_KEY,
        GATEWAY_SECRET,
      };
      // Pages share a server, and each has a tenant of its own with this id, unless the page itself creates it.
      const externalId = `org_${basename(page, '.md')}`;
      const own = (text: string) => text.replaceAll('org_42', externalId);
      if (!blocks.some((block) => isRun(block) && block.code.includes('createTenant')))
        await server.gql(
          `mutation { updateTenant(tenantId: "${tenant.id}", input: { externalId: "${externalId}" }) { id } }`,
        );
      const wrong: string[] = [];
      for (const [index, block] of blocks.entries()) {
        if (!isRun(block)) continue;
        const command = own(block.code)
          .replaceAll(/^export \w+=\S*….*$/gm, '')
          .replaceAll('localhost:4000', new URL(server.url).host)
          .replaceAll('localhost:4001', api?.host ?? 'there is no API')
          .replaceAll('ten_…', tenant.id);
        const { stdout } = await run('bash', ['-euc', `curl() { command curl -w '\\n' "$@"; }\n${command}`], {
          env,
        });
        const next = blocks[index + 1];
        const failures = stdout.includes('"errors":') ? [stdout] : [];
        const differences = next && isOutput(next) ? outputDifferences(own(next.code), stdout) : failures;
        if (api) {
          await pay(stdout);
          await settled(server);
        }
        wrong.push(...differences.map((difference) => `${block.place}: ${difference}`));
      }
      expect(wrong).toEqual([]);
    } finally {
      await api?.end();
      if (server !== shared) await server.stop();
    }
  });
});
