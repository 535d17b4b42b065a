import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildServer } from '../../../test/support/serverProcess.js';

const run = promisify(execFile);
const DIRECTORY = 'packages/mock-stripe';
const MAX_PACKED_BYTES = 150_000;

let packed: { size: number; files: { path: string }[] };
// biome-ignore lint/suspicious/noExplicitAny: the test reads fields of any package.json
let manifest: any;

beforeAll(async () => {
  await buildServer();
  const { stdout } = await run('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], {
    cwd: DIRECTORY,
  });
  [packed] = JSON.parse(stdout);
  manifest = JSON.parse(await readFile(`${DIRECTORY}/package.json`, 'utf8'));
}, 200_000);

describe('the packed package', () => {
  it('is small, and contains the compiled code, its README and nothing else', () => {
    expect(packed.size).toBeLessThan(MAX_PACKED_BYTES);
    const others = packed.files
      .map(({ path }) => path)
      .filter((path) => !/^dist\/.*\.(js|d\.ts)$/.test(path));
    expect(others.sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
  });

  it('contains whatever its manifest names', () => {
    const paths = packed.files.map(({ path }) => `./${path}`);
    const { types, default: code } = manifest.exports['.'];
    for (const path of [types, code, `./${manifest.bin['mock-stripe']}`]) expect(paths).toContain(path);
  });

  it('declares every package that it imports', async () => {
    const imported = new Set<string>();
    for (const { path } of packed.files.filter(({ path }) => /\.(js|d\.ts)$/.test(path))) {
      const text = await readFile(`${DIRECTORY}/${path}`, 'utf8');
      for (const [, name = ''] of text.matchAll(/(?:from |import\()['"]((?:@[\w-]+\/)?[\w-]+)['"]/g))
        imported.add(name);
    }
    expect([...imported].sort()).toEqual(Object.keys(manifest.dependencies).sort());
  });

  it('exports what its README names', async () => {
    const program = `console.log(JSON.stringify(Object.keys(await import('${manifest.name}'))))`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program]);
    expect(JSON.parse(stdout)).toEqual([
      'MockStripeError',
      'createMockStripe',
      'pageRoutes',
      'serveMockStripe',
    ]);
    const readme = await readFile(`${DIRECTORY}/README.md`, 'utf8');
    for (const name of JSON.parse(stdout)) expect(readme).toContain(`\`${name}\``);
  });
});
