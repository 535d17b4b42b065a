import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { withDirectoryLock } from './directoryLock.js';

/** The built server as a process of its own, as `npm start` runs it. */
export interface ServerProcess {
  pid: number;
  url: string;
  /** All that it printed so far. */
  output(): string;
  /** @param timeoutMs then it rejects */
  gql(
    query: string,
    key: string,
    timeoutMs?: number,
  ): Promise<{ status: number; headers: Headers; body: GraphQLBody }>;
  /** Sends the signal, unless it has ended, and waits for the end. @returns the exit code, or the signal that killed it */
  end(signal: NodeJS.Signals): Promise<number | string | null>;
}

// biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
type GraphQLBody = any;

const START_MS = 30_000;

// With the benchmarks: one build for all tests, so that none writes what another one runs.
const BUILD = ['-b', 'tsconfig.bench.json'];

/** Builds what changed. Test files run side by side: one builds, the others wait and find it done. */
export async function buildServer(): Promise<void> {
  await withDirectoryLock('dist/.building', () =>
    promisify(execFile)(process.execPath, ['node_modules/typescript/bin/tsc', ...BUILD]),
  );
}

/**
 * Resolves when it answers. Build first; the flags are those of `npm start`.
 * @param checkout the directory of another version, which is built
 */
export async function spawnServer(
  env: Record<string, string>,
  checkout = process.cwd(),
): Promise<ServerProcess> {
  const child = spawn(process.execPath, ['--max-semi-space-size=8', 'dist/src/main.js'], {
    cwd: checkout,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  const listening = new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`The server did not start:\n${output}`)), START_MS);
    const read = (chunk: Buffer) => {
      output += chunk;
      // The welcome is printed whole, last of all.
      const url = /Continuum Billing\s+(http:\/\/\S+)\/graphql[\s\S]*\n\n$/.exec(output)?.[1];
      if (!url) return;
      clearTimeout(timer);
      resolve(url);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => reject(new Error(`The server ended with ${code}:\n${output}`)));
  });
  const url = await listening;
  return {
    pid: child.pid as number,
    url,
    output: () => output,
    async gql(query, key, timeoutMs = 60_000) {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': key },
        body: JSON.stringify({ query }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      return { status: response.status, headers: response.headers, body: await response.json() };
    },
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? child.signalCode;
      const ended = once(child, 'exit');
      child.kill(signal);
      const [code, killedBy] = await ended;
      return code ?? killedBy;
    },
  };
}
