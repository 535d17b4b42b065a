// The long soak of the fault tests. Plain JavaScript: it needs no build.
import { spawn } from 'node:child_process';
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
];

const HELP = `Kills real servers and a real mongod at random moments, and compares what was answered with what is stored.

  npm run faults                       70 rounds of each kind, about 20 minutes
  npm run faults -- --rounds 10        fewer
  npm run faults -- --seed 12345       repeats the choices of a run; every run prints its seed
  npm run faults -- --log FILE         what the servers printed is appended to the file
  npm run faults -- --only kill        one file: ${FILES.join(', ')}
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
    const options = { rounds: string, seed: string, log: string, only: string, help: { type: 'boolean' } };
    return parseArgs({ options }).values;
  } catch (error) {
    return fail(error.message);
  }
}

const { help, rounds = process.env.ROUNDS ?? '70', seed = process.env.SEED, log, only = '' } = read();
if (help) {
  process.stdout.write(HELP);
  process.exit(0);
}
if (!POSITIVE.test(rounds)) fail('--rounds must be a whole number, at least 1');
if (seed !== undefined && !POSITIVE.test(seed)) fail('--seed must be a whole number, at least 1');
if (only !== '' && !FILES.includes(only)) fail(`--only: there is no ${only}`);

const env = { ...process.env, ROUNDS: rounds };
if (seed !== undefined) env.SEED = seed;
if (log !== undefined) env.FAULTS_LOG = log;
const vitest = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', `test/faults/${only}`], {
  stdio: 'inherit',
  env,
});
vitest.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
