import { once } from 'node:events';
import { openSync } from 'node:fs';
import { createConnection } from 'node:net';
import { choosePort, listening, spawnGuarded } from '@continuum-billing/embedded-mongod/programs';
import { findRedisServer } from './redisBinary.js';

/** A real redis-server on a free port of 127.0.0.1, which forgets everything when it ends. */
export interface TestRedis {
  url: string;
  /** Sends one command of plain words. @returns the answer as it came over the wire */
  ask(command: string): Promise<string>;
  /** kill -9. Resolves when it has ended. */
  kill(): Promise<void>;
  /** It hangs: connections stay open and nothing is answered. */
  pause(): void;
  resume(): void;
  /** Again, empty, on the same port. */
  start(): Promise<void>;
}

const START_MS = 10_000;

/** Ends by itself with the process that started it; `kill` it in afterAll besides. */
export async function startRedis(): Promise<TestRedis> {
  const binary = await findRedisServer((line) => console.log(line));
  const port = await choosePort(undefined, () => undefined);
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  let running = await start();

  async function start() {
    const program = await spawnGuarded([binary, ...args], openSync('/dev/null', 'w'));
    await listening(port, AbortSignal.timeout(START_MS));
    return program;
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    async ask(command) {
      const socket = createConnection(port, '127.0.0.1');
      socket.write(`${command}\r\n`);
      const [answer] = await once(socket, 'data');
      socket.destroy();
      return String(answer).trim();
    },
    async kill() {
      // ESRCH: it has ended already.
      try {
        process.kill(running.pid, 'SIGKILL');
      } catch {}
      await running.exited;
    },
    pause: () => void process.kill(running.pid, 'SIGSTOP'),
    resume: () => void process.kill(running.pid, 'SIGCONT'),
    async start() {
      running = await start();
    },
  };
}
