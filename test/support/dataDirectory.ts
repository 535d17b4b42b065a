import { mkdtemp, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MEMORY_DIRECTORY = '/dev/shm';
/** The data of a whole run, its oplog and its journal take a few hundred megabytes. */
const ENOUGH_BYTES = 2 ** 30;

/**
 * Makes a directory for a MongoDB of the tests: in memory where that has room, so that no commit waits for a disk. What a
 * process has written there outlives its kill -9, as on a disk; no test cuts the power.
 * @returns its path; the caller removes it
 */
export async function makeDataDirectory(prefix: string): Promise<string> {
  const free = await statfs(MEMORY_DIRECTORY).catch(() => null);
  const hasRoom = free !== null && free.bavail * free.bsize >= ENOUGH_BYTES;
  return mkdtemp(join(hasRoom ? MEMORY_DIRECTORY : tmpdir(), prefix));
}
