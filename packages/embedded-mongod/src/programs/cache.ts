/**
 * The directory of executables we have downloaded. An executable appears in it whole or not at all.
 */
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { isExecutable } from './executable.js';
import type { SourceContext } from './source.js';

const INCOMING_PREFIX = 'incoming-';
/** No download takes longer, so anything older was left behind by a process that was killed. */
const INCOMING_MAX_AGE_MS = 60 * 60 * 1000;

/** @returns `$XDG_CACHE_HOME/<name>`, or `~/.cache/<name>` where that is not set */
export function userCacheDir(name: string, env: NodeJS.ProcessEnv = process.env): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), name);
}

/** @throws when the cache has no executable of the program */
export async function cached({ program, cacheDir }: SourceContext): Promise<string> {
  for (const version of program.cachedVersions) {
    const file = cachePath(cacheDir, program.name, version);
    if (await isExecutable(file)) return file;
  }
  throw new Error(`nothing in ${cacheDir}`);
}

/**
 * Runs `work` with a temporary directory, which is removed afterwards. It is on the cache's file system, so that the last
 * step is one rename.
 */
export async function withIncoming<T>(cacheDir: string, work: (directory: string) => Promise<T>): Promise<T> {
  await mkdir(cacheDir, { recursive: true, mode: 0o700 });
  await removeAbandoned(cacheDir);
  const directory = await mkdtemp(join(cacheDir, INCOMING_PREFIX));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * Puts a complete, checked executable in its place. Two processes may do so at the same time: the second rename replaces
 * the first file with an identical one, and a process that is already running keeps the file it was started from.
 * @returns its path in the cache
 */
export async function keep(
  file: string,
  { program, cacheDir }: SourceContext,
  version: string,
): Promise<string> {
  const target = cachePath(cacheDir, program.name, version);
  await chmod(file, 0o755);
  await mkdir(dirname(target), { recursive: true });
  await rename(file, target);
  return target;
}

function cachePath(cacheDir: string, name: string, version: string): string {
  return join(cacheDir, `${name}-${version}-${process.arch}`, name);
}

async function removeAbandoned(cacheDir: string): Promise<void> {
  const names = (await readdir(cacheDir)).filter((name) => name.startsWith(INCOMING_PREFIX));
  for (const name of names) {
    const directory = join(cacheDir, name);
    // It may be gone already: another process is finishing or cleaning up too.
    const modified = await stat(directory).catch(() => undefined);
    if (modified && Date.now() - modified.mtimeMs > INCOMING_MAX_AGE_MS) {
      await rm(directory, { recursive: true, force: true });
    }
  }
}
