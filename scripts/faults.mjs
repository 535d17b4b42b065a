// The long soak of the fault tests. Plain JavaScript: it needs no build.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const FILES = [
  'kill',
  'exact',
  'outage',
  'replicaSet',
  'redis',
  'clock',
  'disk',
  'liveUpdates',
  'usageEvents',
  'versions',
];

const HELP = `Kills real servers and a real mongod at random moments, and compares what was answered with what is stored.

  npm run faults                       70 rounds of each kind, about 20 minutes
  npm run faults -- --rounds 10        fewer
  npm run faults -- --seed 12345       repeats the choices of a run; every run prints its seed
  npm run faults -- --log FILE         what the servers printed is appended to the file
  npm run faults -- --only kill        one file: ${FILES.join(', ')}
  npm run faults -- --only versions --with REF
                                       beside an earlier version: a commit, branch or tag of this repository
  npm run faults -- --help             this text
`;

const POSITIVE = /^[1-9]\d{0,8}$/;

function fail(message) {
  process.stderr.write(`${message}\n\n${HELP}`);
  process.exit(1);
}

function read() {
  const string = { type: 'string' };
  try {
    const options = {
      rounds: string,
      seed: string,
      log: string,
      only: string,
      with: string,
      help: { type: 'boolean' },
    };
    return parseArgs({ options }).values;
  } catch (error) {
    return fail(error.message);
  }
}

const {
  help,
  rounds = process.env.ROUNDS ?? '70',
  seed = process.env.SEED,
  log,
  only = '',
  with: ref,
} = read();
if (help) {
  process.stdout.write(HELP);
  process.exit(0);
}
if (!POSITIVE.test(rounds)) fail('--rounds must be a whole number, at least 1');
if (seed !== undefined && !POSITIVE.test(seed)) fail('--seed must be a whole number, at least 1');
if (only !== '' && !FILES.includes(only)) fail(`--only: there is no ${only}`);

if (ref !== undefined && only !== 'versions') fail('--with REF belongs to --only versions');

/** Builds an earlier version beside this one, with the dependencies of this one. @returns its directory */
function checkOut(ref) {
  const directory = mkdtempSync(join(tmpdir(), 'continuum-earlier-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  process.stderr.write(`building ${ref} in ${directory}\n`);
  const archive = execFileSync('git', ['archive', '--end-of-options', ref], { maxBuffer: 2 ** 30 });
  execFileSync('tar', ['-x', '-C', directory], { input: archive });
  const modules = join(directory, 'node_modules');
  const own = join(modules, '@continuum-billing');
  mkdirSync(own, { recursive: true });
  for (const name of readdirSync('node_modules'))
    if (name !== '@continuum-billing') symlinkSync(resolve('node_modules', name), join(modules, name));
  for (const name of readdirSync(join(directory, 'packages')))
    symlinkSync(join(directory, 'packages', name), join(own, name));
  const tsc = ['node_modules/typescript/bin/tsc', '-b', 'tsconfig.build.json'];
  execFileSync(process.execPath, tsc, { cwd: directory, stdio: 'inherit' });
  return directory;
}

const env = { ...process.env, ROUNDS: rounds };
if (ref !== undefined) env.EARLIER_CHECKOUT = checkOut(ref);
if (seed !== undefined) env.SEED = seed;
if (log !== undefined) env.FAULTS_LOG = log;
const vitest = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', `test/faults/${only}`], {
  stdio: 'inherit',
  env,
});
vitest.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
