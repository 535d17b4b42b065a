#!/usr/bin/env node
// The command. In a clone of the repository it compiles what changed first; a published package is compiled.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const MAIN = 'dist/src/cli/main.js';
const [command] = process.argv.slice(2);
const YOUNG_GENERATION = '--max-semi-space-size';

/**
 * With Node's default, the young generation takes some 100 MB under load and makes nothing faster. Its size is fixed once
 * Node has started, so this process is replaced, with the same id, by one that has the flag. A size that was chosen stays.
 * Node before 22.15 cannot do this, and its default is smaller.
 */
function limitYoungGeneration() {
  const flags = `${process.execArgv} ${process.env.NODE_OPTIONS}`.replaceAll('_', '-');
  if (!process.execve || flags.includes(YOUNG_GENERATION)) return;
  const [node, ...program] = process.argv;
  process.execve(node, [node, `${YOUNG_GENERATION}=8`, ...process.execArgv, ...program], process.env);
}

/** What it prints goes to standard error, because standard output belongs to the command. */
function build(script, ...args) {
  const { status } = spawnSync(process.execPath, [join(ROOT, script), ...args], {
    cwd: ROOT,
    stdio: ['ignore', 2, 'inherit'],
  });
  if (status !== 0) process.exit(1);
}

if (command === 'start') limitYoungGeneration();
if (existsSync(join(ROOT, 'tsconfig.build.json'))) {
  const compiler = 'node_modules/typescript/bin/tsc';
  if (!existsSync(join(ROOT, compiler))) {
    process.stderr.write(`Nothing is installed yet: run npm ci in ${ROOT}\n`);
    process.exit(1);
  }
  if (!existsSync(join(ROOT, MAIN))) process.stderr.write('Building for the first time…\n');
  build(compiler, '-b', command === 'bench' ? 'tsconfig.bench.json' : 'tsconfig.build.json');
  if (command === 'start') build('scripts/buildDashboard.mjs');
}
await import(`../${MAIN}`);
