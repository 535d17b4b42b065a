import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findMongod, userCacheDir, withDatabase } from '@continuum-billing/embedded-mongod';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { codeBlocks } from '../support/documents.js';
import { buildServer } from '../support/serverProcess.js';
import { soon } from '../support/soon.js';

// The commands of docs/mock-stripe.md that start a server in live mode, with the mock as a program in the place of Stripe.

const START_MS = 300_000;
const PAID_MS = 60_000;
const blocks = codeBlocks('docs/mock-stripe.md').filter(({ language }) => language === 'sh');
const commandsWith = (part: string): string =>
  blocks.find(({ code }) => code.includes(part))?.code ?? expect.fail(`no command has ${part}`);

let directory: string;
let port: { mock: number; server: number };
let environment: Record<string, string>;
const mockUri = withDatabase(inject('mongodbUri'), `rehearsal-${process.pid}`);
const started: ChildProcess[] = [];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : expect.fail('no port');
}

/** The commands with ports, files and a database of this test. */
const own = (commands: string): string =>
  commands
    .replaceAll(/:(4000|12111)\b/g, (_, shown) => `:${shown === '4000' ? port.server : port.mock}`)
    .replaceAll(/(?:\.\/)?rehearsal\.env/g, join(directory, 'rehearsal.env'))
    .replaceAll('.data-rehearsal', join(directory, 'data'))
    .replace('npm run build:server\n', '')
    .replace('bin.js', `bin.js --port ${port.mock} --mongodb-uri '${mockUri}'`);

/** @returns what a pattern finds in the output of commands, which go on */
function startAndFind(commands: string, pattern: RegExp): Promise<string> {
  const child = spawn('bash', ['-euc', own(commands)], {
    env: environment,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let output = '';
  return new Promise((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk;
      const found = pattern.exec(output);
      if (found) resolve(found[1] as string);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => reject(new Error(`It ended with ${code}:\n${output}`)));
  });
}

/** Whether any process of the group runs. */
function isRunning(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
}

beforeAll(async () => {
  await buildServer();
  directory = await mkdtemp(join(tmpdir(), 'continuum-rehearsal-'));
  port = { mock: await freePort(), server: await freePort() };
  // The mongod of the test run is put on the path, so that none is downloaded.
  const mongod = await findMongod({ cacheDir: userCacheDir('continuum-billing'), log: () => undefined });
  environment = {
    PATH: `${dirname(mongod)}${delimiter}${process.env.PATH}`,
    HOME: process.env.HOME ?? '',
    PORT: String(port.server),
  };
}, START_MS);
afterAll(async () => {
  for (const { pid } of started.reverse()) {
    if (!pid || !isRunning(pid)) continue;
    process.kill(-pid, 'SIGTERM');
    // The server outlives its shell until its MongoDB has stopped, which writes until then.
    await soon(() => expect(isRunning(pid)).toBe(false));
  }
  await rm(directory, { recursive: true, force: true });
}, START_MS);

it(
  'live mode is rehearsed against the mock: prices are created, a checkout is paid, and the doctor has no error',
  async () => {
    await startAndFind(commandsWith('mock-stripe/dist/bin.js'), /listens on (http:\S+)/);
    const commands = commandsWith('rehearsal.env');
    const key = await startAndFind(commands, /demo tenant's key\s+(ctm_live_\S+)/);
    const ask = async (query: string) => {
      const response = await fetch(`http://127.0.0.1:${port.server}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': key },
        body: JSON.stringify({ query }),
      });
      const { data } = (await response.json()) as {
        data: { createCheckoutSession: { url: string }; subscription: { tier: { name: string } } };
      };
      return data;
    };
    const { createCheckoutSession } = await ask(
      `mutation { createCheckoutSession(input: { tier: PRO, successUrl: "https://app.example.com/ok",
        cancelUrl: "https://app.example.com/no" }) { url } }`,
    );
    await fetch(`${createCheckoutSession.url}/complete`, { method: 'POST', redirect: 'manual' });
    await expect
      .poll(async () => (await ask('{ subscription { tier { name } } }')).subscription.tier.name, {
        timeout: PAID_MS,
      })
      .toBe('PRO');
    const examined = commands
      .replace(/^npm run .*stripe:setup.*\n/m, '')
      .replace('npm start', 'npm run doctor');
    const { stdout } = await promisify(execFile)('bash', ['-euc', own(examined)], { env: environment });
    expect(stdout).toMatch(/ 0 errors, /);
  },
  START_MS,
);
