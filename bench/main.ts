import { writeFile } from 'node:fs/promises';
import type { Bench } from './bench.js';
import { startLoadProcess } from './load/loadProcess.js';
import { describeMachine } from './machine.js';
import { startBenchMongod } from './mongod.js';
import { type Options, readOptions } from './options.js';
import { createProgress } from './progress.js';
import { findingsText } from './report.js';
import { SECTIONS } from './sections/sections.js';
import { makeBusyTenants } from './stored/tenants.js';

const ROUNDS = 5;
const QUICK_ROUNDS = 3;
const BUSY_TENANTS = 1_000;
const QUICK_BUSY_TENANTS = 200;

async function run(options: Options): Promise<void> {
  const { quick, seconds, sections, output } = options;
  const progress = createProgress('start');
  progress('a fresh MongoDB, and the keys of the tenants');
  const mongod = await startBenchMongod();
  const load = startLoadProcess();
  const heading = [
    `Measured on ${new Date().toISOString().slice(0, 10)}: ${describeMachine(mongod.version)}.`,
    `Medians of ${quick ? QUICK_ROUNDS : ROUNDS} rounds of ${seconds} s, everybody in turn.`,
  ].join(' ');
  const parts = ['# Benchmarks', INTRODUCTION, heading];
  try {
    const base: Omit<Bench, 'progress'> = {
      mongod,
      load,
      quick,
      seconds,
      rounds: quick ? QUICK_ROUNDS : ROUNDS,
      busyTenants: await makeBusyTenants(quick ? QUICK_BUSY_TENANTS : BUSY_TENANTS),
    };
    for (const name of sections) {
      const findings = await SECTIONS[name]({ ...base, progress: createProgress(name) });
      const text = findingsText(findings);
      process.stdout.write(`${text}\n\n`);
      parts.push(text);
    }
  } finally {
    load.end();
    await mongod.remove();
  }
  if (output !== null) {
    await writeFile(output, `${parts.join('\n\n')}\n`);
    process.stderr.write(`Written to ${output}\n`);
  }
}

const INTRODUCTION =
  '`npm run bench` writes this file: the server and its peers, side by side in one run, on a fresh MongoDB.';

try {
  const options = readOptions(process.argv.slice(2));
  if (typeof options === 'string') process.stdout.write(options);
  else await run(options);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
