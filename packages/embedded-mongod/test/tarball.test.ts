import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildServer } from '../../../test/support/serverProcess.js';

const run = promisify(execFile);
const PACKAGE = resolve(import.meta.dirname, '..');
const MAX_PACKED_BYTES = 40_000;
const BUILD_MS = 180_000;

let directory: string;
let tarball: string;
let files: string[];

beforeAll(async () => {
  await buildServer();
  directory = await mkdtemp(join(tmpdir(), 'continuum-tarball-'));
  const options = ['--ignore-scripts', '--json', '--pack-destination', directory];
  const { stdout } = await run('npm', ['pack', ...options], { cwd: PACKAGE });
  const [packed] = JSON.parse(stdout);
  tarball = join(directory, packed.filename);
  files = packed.files.map(({ path }: { path: string }) => path);
  await run('tar', ['-xzf', tarball, '-C', directory]);
  await symlink(resolve('node_modules'), join(directory, 'node_modules'));
}, BUILD_MS);
afterAll(() => rm(directory, { recursive: true, force: true }));

it('the tarball is small, and contains the compiled code, the manifest and the README', async () => {
  expect((await stat(tarball)).size).toBeLessThan(MAX_PACKED_BYTES);
  const others = files.filter((file) => !/^dist\/.*\.(js|d\.ts)$/.test(file));
  expect(others.sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
});

it('each of its exports has code that loads and types', async () => {
  const manifest = JSON.parse(await readFile(join(directory, 'package', 'package.json'), 'utf8'));
  const names: Record<string, string[]> = {};
  for (const [path, entry] of Object.entries<{ types: string; default: string }>(manifest.exports)) {
    if (path === './package.json') continue;
    expect(files).toContain(entry.types.slice('./'.length));
    const code = `console.log(JSON.stringify(Object.keys(await import('./package/${entry.default}'))))`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { cwd: directory });
    names[path] = JSON.parse(stdout);
  }
  expect(names['.']).toEqual([
    'UnusableDirectory',
    'findMongod',
    'runningMongod',
    'startEmbeddedMongod',
    'startMongod',
    'userCacheDir',
    'withDatabase',
  ]);
  expect(names['./programs']).toEqual(expect.arrayContaining(['findProgram', 'spawnGuarded']));
});
