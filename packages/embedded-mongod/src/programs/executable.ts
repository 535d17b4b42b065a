/**
 * Executables on this machine: where they are, and whether their version is recent enough.
 */
import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Program } from './source.js';

const VERSION_TIMEOUT_MS = 15_000;

/** @returns the first executable of that name in PATH */
export async function onPath(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const directory of (env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const file = join(directory, name);
    if (await isExecutable(file)) return file;
  }
  return undefined;
}

/** @throws when the executable does not run on this machine, or is too old */
export async function checkVersion(
  binary: string,
  { versionPattern, minMajorVersion }: Program,
): Promise<void> {
  const { stdout } = await promisify(execFile)(binary, ['--version'], { timeout: VERSION_TIMEOUT_MS });
  const version = versionPattern.exec(stdout);
  if (!version) throw new Error(`${binary} --version prints no version`);
  if (Number(version[2]) < minMajorVersion) {
    throw new Error(`${binary} is version ${version[1]}; version ${minMajorVersion} or later is required`);
  }
}

export function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
