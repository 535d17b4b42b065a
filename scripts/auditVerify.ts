import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { ConfigError, readDatabaseConfig } from '../src/config/config.js';
import { connectDatabase } from '../src/database.js';
import { runningMongodb, startEmbeddedMongodb } from '../src/embeddedMongodb.js';
import { createModels } from '../src/models/models.js';
import { chainOf } from '../src/services/audit/auditChain.js';
import {
  type AuditVerification,
  type ChainHead,
  createAuditVerification,
} from '../src/services/audit/auditVerification.js';

const HELP = `Compares the entries of the audit log with their hashes. It only reads, and is safe while servers run.

  npm run audit:verify                            all chains: one for each tenant, and one for the operators
  npm run audit:verify -- --tenant ten_…          the chain of one tenant
  npm run audit:verify -- --tenant operators      the operators' chain
  npm run --silent audit:verify -- --json         one JSON object a line for each chain, with its last hash
  npm run audit:verify -- --expect heads.jsonl    also compares with the output of an earlier --json
  npm run audit:verify -- --help                  print this text

An entry that was changed, removed or moved breaks its chain, and is named. Someone who can write to the database could cut
off the newest entries together with the end of the chain, or write a whole chain again. Only --expect finds that: keep the
output of --json where nobody who can write to the database can change it. Entries that retention deleted are not missing.

Environment: MONGODB_URI, or DATA_DIR for the embedded database. Exit code: 0 when nothing was found; 1 otherwise.
`;

const PROGRESS_MS = 1_000;

const printError = (line: string) => process.stderr.write(`${line}\n`);

interface Options {
  help: boolean;
  json: boolean;
  tenant: string | null;
  expect: string | null;
}

function read(): Options {
  const flag = { type: 'boolean', default: false } as const;
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { help: flag, json: flag, tenant: text, expect: text } });
  const { help, json, tenant = null, expect = null } = values;
  return { help, json, tenant, expect };
}

async function verifyAll(verification: AuditVerification, { json, tenant, expect }: Options): Promise<void> {
  const progress = startProgress();
  const total = { chains: 0, entries: 0, problems: 0 };
  const problem = (text: string) => {
    total.problems += 1;
    process.exitCode = 1;
    if (!json) console.log(text);
  };
  for await (const chain of tenant ? [chainOf(tenant)] : verification.chains()) {
    const report = await verification.verify(chain, (verified) =>
      progress(`${total.chains} chains, ${total.entries + verified} entries, ${total.problems} problems`),
    );
    total.chains += 1;
    total.entries += report.verified;
    if (json) console.log(JSON.stringify(report));
    for (const found of report.problems) problem(`${found.entry}: ${found.problem}`);
  }
  for await (const head of expect ? headsOf(expect) : []) {
    if (tenant && head.chain !== tenant) continue;
    const found = await verification.compare(head);
    if (found && json) console.log(JSON.stringify({ chain: head.chain, expected: head, problem: found }));
    if (found) problem(`${head.chain}: ${found}`);
  }
  const summary = `${total.chains} chains with ${total.entries} entries: ${total.problems} problems`;
  if (json) printError(summary);
  else console.log(summary);
}

/** Reads line by line, because there may be a chain for each of many tenants. */
async function* headsOf(file: string): AsyncIterable<ChainHead> {
  for await (const line of createInterface({ input: createReadStream(file, 'utf8') })) {
    if (line.trim() === '') continue;
    const { chain, sequence, hash } = JSON.parse(line) as ChainHead;
    if (typeof chain !== 'string' || !Number.isInteger(sequence) || typeof hash !== 'string')
      throw new Error(`${file} is not the output of --json: ${line.slice(0, 100)}`);
    yield { chain, sequence, hash };
  }
}

/** @returns a function that prints how far it is, at most once a second */
function startProgress(): (text: string) => void {
  let printedMs = performance.now();
  return (text) => {
    if (performance.now() < printedMs + PROGRESS_MS) return;
    printedMs = performance.now();
    printError(text);
  };
}

async function run(options: Options): Promise<void> {
  const { mongodbUri, dataDir } = readDatabaseConfig();
  const found = mongodbUri ?? (await runningMongodb(dataDir));
  const mongod = found ? null : await startEmbeddedMongodb(dataDir, printError);
  try {
    const uri = found ?? (mongod?.uri as string);
    const connection = await connectDatabase(uri, pino({ level: 'silent' }));
    try {
      await verifyAll(createAuditVerification(createModels(connection)), options);
    } finally {
      await connection.close();
    }
  } finally {
    await mongod?.stop();
  }
}

try {
  const options = read();
  if (options.help) process.stdout.write(HELP);
  else await run(options);
} catch (error) {
  const { message } = error as Error;
  printError(error instanceof ConfigError ? message : `The audit log was not verified: ${message}`);
  process.exitCode = 1;
}
