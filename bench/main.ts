import { writeFile } from 'node:fs/promises';
import { startLoadProcess } from './load/loadProcess.js';
import { describeMachine } from './machine.js';
import { startBenchMongod } from './mongod.js';
import { type Options, readOptions } from './options.js';
import { createProgress } from './progress.js';
import { type Findings, findingsText, summaryText, targetsText } from './report.js';
import { SECTIONS, type SectionName } from './sections/sections.js';
import { makeBusyTenants } from './stored/tenants.js';

const INTRODUCTION = `\`npm run bench\` writes this file: it measures the server and its peers in one run, on a fresh
MongoDB. Compare the ratios; absolute figures depend on the machine.`;

async function run({ quick, rounds, seconds, busyTenants, sections, output }: Options): Promise<void> {
  createProgress('start')('a fresh MongoDB, and the keys of the tenants');
  const mongod = await startBenchMongod();
  const load = startLoadProcess();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void mongod.remove().finally(() => process.exit(1)));
  }
  const heading = `Measured on ${new Date().toISOString().slice(0, 10)}: ${describeMachine(mongod.version)}.
Medians of ${rounds} rounds of ${seconds} s each, all peers in turn; p50 and p99 are latencies in milliseconds.`;
  const found = new Map<SectionName, Findings>();
  try {
    const base = { mongod, load, quick, seconds, rounds, busyTenants: await makeBusyTenants(busyTenants) };
    for (const name of sections) {
      const findings = await SECTIONS[name]({ ...base, progress: createProgress(name) });
      process.stdout.write(`${findingsText(findings)}\n\n`);
      found.set(name, findings);
    }
  } finally {
    load.end();
    await mongod.remove();
  }
  const overall = overallText(found);
  process.stdout.write(`${overall}\n`);
  if (output === null) return;
  const parts = ['# Benchmarks', INTRODUCTION, heading, overall, '## In detail'];
  await writeFile(output, `${[...parts, ...[...found.values()].map(findingsText)].join('\n\n')}\n`);
  process.stderr.write(`Written to ${output}\n`);
}

function overallText(found: ReadonlyMap<SectionName, Findings>): string {
  const targets = [...found.values()].flatMap((findings) => findings.targets);
  const speed = found.get('http')?.tables.at(-1);
  const exactness = found.get('exact')?.tables[0];
  const summary = speed && exactness ? [summaryText(speed, exactness)] : [];
  return [...summary, targetsText(targets)].join('\n\n');
}

/** @returns null for wrong usage */
function optionsOf(args: readonly string[]): Options | string | null {
  try {
    return readOptions(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return null;
  }
}

try {
  const options = optionsOf(process.argv.slice(2));
  if (options === null) process.exitCode = 2;
  else if (typeof options === 'string') process.stdout.write(options);
  else await run(options);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
