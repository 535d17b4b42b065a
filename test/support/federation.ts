import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { TestServer } from './server.js';

const EXAMPLE = join(import.meta.dirname, '../../examples/federation');

/** A process of examples/federation that listens. */
export interface ExampleProcess {
  url: string;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
}

/** @throws with what it said, if it ends before it listens */
export async function startExample(file: string, env: Record<string, string>): Promise<ExampleProcess> {
  const child = spawn(process.execPath, [join(EXAMPLE, file)], {
    env: { ...process.env, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  child.stderr.on('data', (chunk) => said.push(String(chunk)));
  const exited = once(child, 'exit');
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      const listening = /^Listening on (\S+)/.exec(line);
      if (listening) resolve(listening[1] as string);
    });
    exited.then(([code]) => reject(new Error(`${file} ended with ${code}: ${said.join('')}`)));
  });
  return {
    url,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** What products.mjs needs of its environment: where billing is, and a key of its own. */
export async function productsEnv(billing: TestServer): Promise<Record<string, string>> {
  return { BILLING_API_URL: billing.url, BILLING_SERVICE_KEY: await createServiceKey(billing) };
}

/** A key that decides operations. */
export async function createServiceKey(billing: TestServer): Promise<string> {
  const { data, errors } = await billing.gql(
    'mutation { createApiKey(input: { name: "products", scopes: [ENFORCE] }) { secret } }',
  );
  if (errors[0]) throw new Error(errors[0].message);
  return data.createApiKey.secret;
}

export interface Supergraph {
  sdl: string;
  /** Where it is, for the gateways. */
  file: string;
  remove(): Promise<void>;
}

/** Composes billing and products as the example does. */
export async function composeExample(billingUrl: string, productsUrl: string): Promise<Supergraph> {
  const env = { ...process.env, BILLING_URL: billingUrl, PRODUCTS_URL: productsUrl };
  const { stdout: sdl } = await promisify(execFile)(process.execPath, [join(EXAMPLE, 'compose.mjs')], {
    env,
  });
  const directory = await mkdtemp(join(tmpdir(), 'continuum-supergraph-'));
  const file = join(directory, 'supergraph.graphql');
  await writeFile(file, sdl);
  return { sdl, file, remove: () => rm(directory, { recursive: true, force: true }) };
}
