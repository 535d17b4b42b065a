/**
 * Ports on 127.0.0.1: choosing one, and waiting until a program listens there.
 */
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from './source.js';

const POLL_INTERVAL_MS = 20;
const RELEASE_WAIT_MS = 300;

/** @returns the previous port if no other program has taken it, else a free one */
export async function choosePort(kept: number | undefined, log: Log): Promise<number> {
  if (kept !== undefined) {
    // The first failure is not final: the sockets of a process that has just ended close a moment later.
    for (
      const deadline = Date.now() + RELEASE_WAIT_MS;
      Date.now() < deadline;
      await sleep(POLL_INTERVAL_MS)
    ) {
      if ((await bindable(kept)) !== undefined) return kept;
    }
    log(`port ${kept} is taken by another program, moving to a free one`);
  }
  const free = await bindable(0);
  if (free === undefined) throw new Error('there is no free port on 127.0.0.1');
  return free;
}

/** @returns the port if a program can listen on it (0 asks for any), else undefined */
function bindable(port: number): Promise<number | undefined> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' ? address?.port : undefined));
    });
  });
}

/** Resolves when a program listens on the port, and rejects when the signal is aborted. */
export async function listening(port: number, signal: AbortSignal): Promise<void> {
  while (!(await accepts(port))) await sleep(POLL_INTERVAL_MS, undefined, { signal });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
    // Only the handshake matters; without this the probe would keep a connection open.
    socket.once('connect', () => socket.destroy());
  });
}
