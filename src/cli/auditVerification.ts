import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { readDatabaseConfig } from '../config/config.js';
import { silentLog } from '../log.js';
import { createModels } from '../models/models.js';
import { chainOf } from '../services/audit/auditChain.js';
import {
  type AuditVerification,
  type ChainHead,
  createAuditVerification,
} from '../services/audit/auditVerification.js';
import { CommandError, type Output, type Result } from './output.js';
import { withDatabase } from './services.js';

interface Options {
  /** The only chain to verify. */
  tenant?: string;
  /** A file for the last hashes. */
  heads?: string;
  /** A file of an earlier run. */
  expect?: string;
}

/** Verifies all chains, or one. It is not done if there is a problem. */
export async function verifyAuditLog(output: Output, options: Options): Promise<Result> {
  const database = { ...readDatabaseConfig(output.env), log: silentLog(null), note: output.note };
  return withDatabase(database, (connection) =>
    verify(createAuditVerification(createModels(connection)), output, options),
  );
}

async function verify(
  verification: AuditVerification,
  output: Output,
  { tenant, heads, expect }: Options,
): Promise<Result> {
  const total = { chains: 0, entries: 0, count: 0 };
  const problem = (chain: string, entry: string | null, text: string) => {
    total.count += 1;
    output.item({ chain, entry, problem: text }, `${entry ?? chain}: ${text}`);
  };
  const kept = heads === undefined ? null : createWriteStream(heads);
  // A file that cannot be written ends the command before it begins.
  if (kept) await once(kept, 'open');
  for await (const chain of tenant ? [chainOf(tenant)] : verification.chains()) {
    const report = await verification.verify(chain, (verified) =>
      output.progress(
        null,
        `chains: ${total.chains + 1}, entries: ${total.entries + verified}, problems: ${total.count}`,
      ),
    );
    total.chains += 1;
    total.entries += report.verified;
    kept?.write(`${JSON.stringify({ chain, sequence: report.sequence, hash: report.hash })}\n`);
    for (const found of report.problems) problem(chain, found.entry, found.problem);
  }
  if (kept) await finished(kept.end());
  for await (const head of expect ? headsOf(expect) : []) {
    if (tenant && head.chain !== tenant) continue;
    const found = await verification.compare(head);
    if (found) problem(head.chain, null, found);
  }
  const text = `chains: ${total.chains}, entries: ${total.entries}, problems: ${total.count}`;
  return { json: total, text, ok: total.count === 0 };
}

/** Reads line by line, because there may be a chain for each of many tenants. */
async function* headsOf(file: string): AsyncIterable<ChainHead> {
  for await (const line of createInterface({ input: createReadStream(file, 'utf8') })) {
    if (line.trim() === '') continue;
    const { chain, sequence, hash } = parsed(line) ?? {};
    if (typeof chain !== 'string' || !Number.isInteger(sequence) || typeof hash !== 'string')
      throw new CommandError('WRONG_INPUT', `${file} was not written by --heads: ${line.slice(0, 100)}`);
    yield { chain, sequence: Number(sequence), hash };
  }
}

function parsed(line: string): Partial<ChainHead> | null {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
