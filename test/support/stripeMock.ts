import { openSync } from 'node:fs';
import { choosePort, listening, spawnGuarded } from '@continuum-billing/embedded-mongod/programs';
import { findStripeMock } from './stripeMockBinary.js';

/**
 * Stripe's own checker of requests. It remembers nothing: whatever is well formed gets an answer with made-up ids,
 * and the rest 400.
 */
export interface StripeMock {
  url: string;
  stop(): Promise<void>;
}

const START_MS = 30_000;

/** Ends by itself with the process that started it; stop it in afterAll besides. */
export async function startStripeMock(): Promise<StripeMock> {
  const binary = await findStripeMock((line) => console.log(line));
  const address = `127.0.0.1:${await choosePort(undefined, () => undefined)}`;
  // Without an address for HTTPS it would take a port of its own choice that may be in use.
  const args = ['-http-addr', address, '-https-addr', '127.0.0.1:'];
  const program = await spawnGuarded([binary, ...args], openSync('/dev/null', 'w'));
  await listening(Number(address.split(':')[1]), AbortSignal.timeout(START_MS));
  return {
    url: `http://${address}`,
    async stop() {
      program.end();
      await program.exited;
    },
  };
}
