import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A lock that is older was left behind by a run that was killed. */
const MAX_HELD_MS = 120_000;
const POLL_MS = 100;

/**
 * Test files run side by side in processes of their own: while one is in `work`, the others wait.
 * @param path a directory that exists while the lock is held
 */
export async function withDirectoryLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  while (!(await taken(path))) await sleep(POLL_MS);
  try {
    return await work();
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

async function taken(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch {
    const made = await stat(path).catch(() => null);
    if (made && Date.now() - made.mtimeMs > MAX_HELD_MS) await rm(path, { recursive: true, force: true });
    return false;
  }
}
