import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Terminal } from './output.js';

/** Built from the repository only: it compares with peers that a package does not install. */
const PROGRAM = fileURLToPath(new URL('../../bench/main.js', import.meta.url));

/** Runs the benchmarks. @returns the exit code */
export async function runBench(args: readonly string[], { stderr }: Terminal): Promise<number> {
  if (!existsSync(PROGRAM)) {
    stderr.write(
      'The benchmarks are not in the published package: clone the repository, and run npm ci and npm run bench there\n',
    );
    return 1;
  }
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  return code ?? 1;
}
