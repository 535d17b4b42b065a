import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findMongod } from '@continuum-billing/embedded-mongod';
import { CACHE_DIR } from '../../src/embeddedMongodb.js';

/** A disk of a test's own for one mongod, which fills up. */
export interface SmallDisk {
  /** A directory on it. */
  directory: string;
  /** A directory with the `mongod` to use. */
  bin: string;
  /** From now on there is no room. @param mongodPid the mongod that runs on it */
  fill(mongodPid: number): Promise<void>;
  /** There is room again. */
  clear(): Promise<void>;
  /** Once its mongod has ended. */
  remove(): Promise<void>;
}

/** WiredTiger makes two files of 100 MB for its journal before it starts. */
const DISK_MB = 400;
const CHUNK_BYTES = 65_536;
/** mongod can still log why it ends; its journal, which is longer than its log, cannot grow. */
const LOG_ROOM_BYTES = 65_536;

/**
 * A file system in memory, mounted where only this user's processes find it. Where that is not allowed, as in a container
 * without privileges, a limit for the size of mongod's files takes its place: writes fail in the same calls.
 * LIMITED_FILES=true asks for that.
 */
export async function makeSmallDisk(): Promise<SmallDisk> {
  const home = await mkdtemp(join(tmpdir(), 'continuum-disk-'));
  const bin = join(home, 'bin');
  const isFull = join(home, 'full');
  await mkdir(bin);
  const binary = await findMongod({ cacheDir: CACHE_DIR, log: () => undefined });
  const wrapper = join(bin, 'mongod');
  // Without the signal for a file that grows too large, which ends a process, the write fails.
  const start = `trap '' XFSZ\n[ -e ${isFull} ] && exec prlimit --fsize=${LOG_ROOM_BYTES} ${binary} "$@"\nexec ${binary} "$@"`;
  await writeFile(wrapper, `#!/bin/sh\n${start}\n`);
  await chmod(wrapper, 0o755);
  const remove = () => rm(home, { recursive: true, force: true });
  const mounted = process.env.LIMITED_FILES === 'true' ? null : await mount(join(home, 'disk'));
  if (mounted) {
    const ballast = join(mounted.directory, 'ballast');
    return {
      directory: join(mounted.directory, 'data'),
      bin,
      fill: () => writeUntilFull(ballast),
      clear: () => rm(ballast, { force: true }),
      async remove() {
        await mounted.unmount();
        await remove();
      },
    };
  }
  console.log('no file system can be mounted here: the disk is a limit for the size of files');
  return {
    directory: join(home, 'data'),
    bin,
    async fill(mongodPid) {
      await writeFile(isFull, '');
      // Its standard output is its log.
      const { size } = await stat(`/proc/${mongodPid}/fd/1`);
      const limit = `--fsize=${size + LOG_ROOM_BYTES}`;
      await promisify(execFile)('prlimit', [limit, '--pid', String(mongodPid)]);
    },
    clear: () => rm(isFull, { force: true }),
    remove,
  };
}

/** @returns null where it is not allowed */
async function mount(at: string): Promise<{ directory: string; unmount(): Promise<void> } | null> {
  await mkdir(at);
  // The mount is the namespace's, and ends with its only process, which ends with this one; others reach it through that
  // process's root.
  const script = `mount -t tmpfs -o size=${DISK_MB}m,mode=0700 tmpfs "$0" && echo mounted && exec cat`;
  const holder = spawn('unshare', ['-rm', 'sh', '-c', script, at], { stdio: ['pipe', 'pipe', 'ignore'] });
  const failed = Promise.race([once(holder, 'error'), once(holder, 'exit')]).then(() => null);
  const said = await Promise.race([once(holder.stdout, 'data'), failed]);
  if (said === null) return null;
  return {
    directory: `/proc/${holder.pid}/root${at}`,
    async unmount() {
      holder.stdin.end();
      await failed;
    },
  };
}

async function writeUntilFull(file: string): Promise<void> {
  const handle = await open(file, 'w');
  const chunk = Buffer.alloc(CHUNK_BYTES, 'x');
  try {
    for (;;) await handle.write(chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    await handle.close();
  }
}
