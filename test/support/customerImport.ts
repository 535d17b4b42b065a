/** Runs `continuum-billing stripe import`, and reads what it stored. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Connection } from 'mongoose';

import type { ImportReport } from '../../src/services/billing/customerImport/importReport.js';
import { runCli, written } from './cli.js';

export interface ImportRun {
  code: number | null;
  stdout: string;
  stderr: string;
  findings: Record<string, unknown>[];
  report: ImportReport;
}

export interface ImportTarget {
  /** The database. */
  uri: string;
  apiBase: string;
  env?: Record<string, string>;
}

const variables = ({ uri, apiBase, env }: ImportTarget): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  MONGODB_URI: uri,
  STRIPE_SECRET_KEY: 'sk_test_import',
  STRIPE_WEBHOOK_SECRET: 'whsec_import',
  STRIPE_API_BASE: apiBase,
  STRIPE_PRICE_PRO: 'price_pro',
  STRIPE_PRICE_ENTERPRISE: 'price_enterprise',
  STRIPE_REQUESTS_PER_SECOND: '10000',
  ...env,
});

/** As a process of its own, with `--json`. Build first. */
export const startImport = (target: ImportTarget, args: readonly string[] = []): ChildProcess =>
  spawn(process.execPath, ['dist/src/cli/main.js', 'stripe', 'import', '--json', ...args], {
    env: variables(target),
    stdio: ['ignore', 'pipe', 'pipe'],
  });

/** With `--json`, inside of this process. */
export async function runImport(target: ImportTarget, args: readonly string[] = []): Promise<ImportRun> {
  const { code, stdout, stderr } = await runCli(['stripe', 'import', '--json', ...args], variables(target));
  return { code, ...outputOf(stdout, stderr) };
}

/** With `--json`, as a process of its own. */
export async function endOf(child: ChildProcess): Promise<ImportRun & { signal: NodeJS.Signals | null }> {
  const [out, err] = [written(), written()];
  child.stdout?.on('data', out.write);
  child.stderr?.on('data', err.write);
  const [code, signal] = await once(child, 'close');
  return { code, signal, ...outputOf(out.text(), err.text()) };
}

/** The document of a process that was killed is not complete: its findings are, line by line, but for the last one. */
function outputOf(stdout: string, stderr: string): Omit<ImportRun, 'code'> {
  const { findings, report } = parsed(stdout) ?? {
    findings: stdout.split('\n').flatMap((line) => parsed(line.replace(/,$/, '')) ?? []),
  };
  return { stdout, stderr, findings, report };
}

function parsed(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Everything in a database, by collection that is not empty, without what only times requests to Stripe. */
export async function contentOf(connection: Connection): Promise<Record<string, unknown[]>> {
  const collections = (await connection.db?.collections()) ?? [];
  const content: Record<string, unknown[]> = {};
  for (const collection of collections) {
    const { collectionName } = collection;
    if (collectionName === 'stripe_rates' || collectionName.startsWith('system.')) continue;
    const documents = await collection.find().sort({ _id: 1 }).toArray();
    if (documents.length > 0) content[collectionName] = documents;
  }
  return content;
}
