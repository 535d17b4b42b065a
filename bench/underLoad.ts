import type { LoadRequest } from './load/load.js';
import type { LoadProcess } from './load/loadProcess.js';
import type { Contestant } from './rounds.js';
import { type BenchServer, processorMs } from './server.js';

export const CONNECTIONS = 100;
/** Until V8 has compiled what is hot. */
const WARM_UP_SECONDS = 2;

/**
 * A server that is asked as fast as it answers. Before each round every tenant calls once: what is remembered of it for
 * a minute ran out while others had their turn, and all at once, as it would not in steady use.
 */
export function underLoad(
  name: string,
  load: LoadProcess,
  { url, pid }: BenchServer,
  requests: LoadRequest[],
  connections = CONNECTIONS,
): Contestant {
  return {
    name,
    async round(seconds) {
      await callOnce(load, url, requests);
      const usedMs = await processorMs(pid);
      const measured = await load.run({ url, connections, requests, until: { seconds } });
      const { succeeded, refused, failed, p50Ms, p99Ms } = measured;
      if (refused + failed > 0) throw new Error(`${name}: ${refused} refused, ${failed} failed`);
      const nowMs = await processorMs(pid);
      const cpuMs = usedMs === null || nowMs === null ? undefined : (nowMs - usedMs) / succeeded;
      return { throughput: succeeded / measured.seconds, p50Ms, p99Ms, ...(cpuMs && { cpuMs }) };
    },
  };
}

async function callOnce(load: LoadProcess, url: string, requests: LoadRequest[]): Promise<void> {
  const connections = Math.min(requests.length, CONNECTIONS);
  await load.run({ url, connections, requests, until: { requests: requests.length } });
}

/** Each tenant calls once, so that its key is verified; then all of them for a while. */
export async function warmUp(
  load: LoadProcess,
  { url }: BenchServer,
  requests: LoadRequest[],
): Promise<void> {
  await callOnce(load, url, requests);
  await load.run({ url, connections: CONNECTIONS, requests, until: { seconds: WARM_UP_SECONDS } });
}
