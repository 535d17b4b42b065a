import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { BenchServer } from '../server.js';
import type { PeerSettings } from './memoryServer.js';

export type PeerName = 'bareApollo' | 'emptyApollo' | 'rateLimiterFlexible' | 'graphqlRateLimit' | 'library';

/** Resolves when it listens. @param settings of a peer that serves memories */
export async function startPeer(name: PeerName, settings?: PeerSettings): Promise<BenchServer> {
  const child = fork(new URL(`./${name}.js`, import.meta.url), [JSON.stringify(settings ?? null)], {
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const exited = once(child, 'exit');
  const ended = exited.then(([code]) => ({ error: `${name} ended with ${code}` }));
  const [message] = await Promise.race([once(child, 'message'), ended.then((end) => [end])]);
  const { url, error } = message as { url?: string; error?: string };
  if (!url) throw new Error(error);
  return {
    pid: child.pid as number,
    url,
    async end(signal) {
      child.kill(signal);
      await exited;
    },
  };
}
