import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { SECTIONS } from '../../bench/sections/sections.js';
import { buildServer } from '../support/serverProcess.js';

const run = (...args: string[]) => promisify(execFile)(process.execPath, ['dist/bench/main.js', ...args]);

beforeAll(buildServer);

it('measures admission and every peer of it in one run', async () => {
  const { stdout } = await run('--quick', '--only', 'admission', '--seconds', '1');
  const peers = [
    'rate-limiter-flexible, MongoDB',
    'graphql-rate-limit, in memory',
    'Continuum, one instance',
    'Continuum, two instances',
  ];
  for (const peer of peers) {
    const [, throughput = '', ratio] =
      new RegExp(`^\\| ${peer} +\\| +([\\d,]+) \\| +(\\d+\\.\\d\\d) \\|`, 'm').exec(stdout) ?? [];
    expect(Number(throughput.replaceAll(',', '')), `decisions/s of ${peer}`).toBeGreaterThan(0);
    expect(Number(ratio), `ratio of ${peer}`).toBeGreaterThan(0);
  }
  expect(stdout).toMatch(/^\| Continuum, one instance: p99 of one idle call .* ms \| +(met|missed) \|$/m);
}, 120_000);

it('says what is wrong with the arguments, and measures nothing', async () => {
  const failed = (...args: string[]) => run(...args).catch((error) => error);
  expect(await failed('--only', 'htpp')).toMatchObject({
    code: 2,
    stdout: '',
    stderr: `--only: there is no htpp; there is ${Object.keys(SECTIONS).join(', ')}\n`,
  });
  expect((await failed('--seconds', '0')).stderr).toBe('--seconds must be a whole number from 1 to 999\n');
  expect((await run('--help')).stdout).toContain('npm run bench -- --quick');
});
