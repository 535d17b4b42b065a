import { readFile } from 'node:fs/promises';
import { spawnServer } from '../test/support/serverProcess.js';

/** A process that answers GraphQL. */
export interface BenchServer {
  pid: number;
  /** The GraphQL endpoint. */
  url: string;
  /** Sends the signal, and waits for the end. */
  end(signal: NodeJS.Signals): Promise<void>;
}

export const OPERATOR_KEY = 'operator-key-of-the-bench-0123456789';

/**
 * Our server, built and started as `npm start` does it.
 * @param settings other than the mock of Stripe inside the server
 * @param nodeOptions e.g. how much memory it may use
 */
export async function startOurServer(
  mongodbUri: string,
  settings: Record<string, string> = { STRIPE_MOCK_MODE: 'true' },
  nodeOptions: readonly string[] = [],
): Promise<BenchServer> {
  const server = await spawnServer({
    NODE_OPTIONS: nodeOptions.join(' '),
    NODE_ENV: 'production',
    LOG_LEVEL: 'warn',
    ...settings,
    HOST: '127.0.0.1',
    ADMIN_API_KEY: OPERATOR_KEY,
    MONGODB_URI: mongodbUri,
  });
  // It has a session of its own: without this it would outlive a bench that fails or is interrupted.
  const kill = () => process.kill(server.pid, 'SIGKILL');
  process.once('exit', kill);
  return {
    pid: server.pid,
    url: `${server.url}/graphql`,
    async end(signal) {
      process.off('exit', kill);
      await server.end(signal);
    },
  };
}

/** Linux counts them in hundredths of a second. */
const TICK_MS = 10;

/** Milliseconds of processor time that a process has used; null where the system does not tell. */
export async function processorMs(pid: number): Promise<number | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  // After the name, which may hold anything, in parentheses: user time is the 12th, system time the 13th.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields ? (Number(fields[11]) + Number(fields[12])) * TICK_MS : null;
}

/** The most memory that a process has had resident, in bytes; null where the system does not tell. */
export async function peakMemoryBytes(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}
