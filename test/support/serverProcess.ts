import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

/** The built server as a process of its own, as `npm start` runs it. */
export interface ServerProcess {
  pid: number;
  url: string;
  /** All that it printed so far. */
  output(): string;
  gql(query: string, key: string): Promise<{ status: number; headers: Headers; body: GraphQLBody }>;
  /** Sends the signal and waits for the end. @returns the exit code, or the signal that killed it */
  end(signal: NodeJS.Signals): Promise<number | string | null>;
}

// biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
type GraphQLBody = any;

const START_MS = 30_000;

export function buildServer(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']);
}

/** Resolves when it answers. Build first. */
export async function spawnServer(env: Record<string, string>): Promise<ServerProcess> {
  const child = spawn(process.execPath, ['dist/src/main.js'], {
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
    async gql(query, key) {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': key },
        body: JSON.stringify({ query }),
      });
      return { status: response.status, headers: response.headers, body: await response.json() };
    },
    async end(signal) {
      const ended = once(child, 'exit');
      child.kill(signal);
      const [code, killedBy] = await ended;
      return code ?? killedBy;
    },
  };
}
