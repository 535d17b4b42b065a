import { execFile } from 'node:child_process';
import { cp, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** @returns a new directory with the project's files, as a clone has them */
export async function copyProject(): Promise<string> {
  const project = await mkdtemp(join(tmpdir(), 'continuum-project-'));
  const { stdout } = await promisify(execFile)('git', [
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
  ]);
  for (const file of stdout.split('\0').filter(Boolean)) {
    // A file that was deleted and not yet committed is still listed.
    await cp(file, join(project, file)).catch((error) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
  return project;
}
