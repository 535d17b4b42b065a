import { Agent, request as open } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../median.js';
import type { LoadRequest, LoadResult, PacedPlan } from './load.js';

const TIMEOUT_MS = 30_000;
/** More would be refused by the system, and tried again by it a second later, before the server saw them. */
const CONNECTIONS = 100;

/**
 * An open loop: each request has its moment, and its latency counts from then. Of a server that stalls, what had to be
 * sent meanwhile is slow, too; a load that waits for answers would not have sent it.
 */
export async function runPaced({ url, requests, perSecond }: PacedPlan): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const tookMs: number[] = [];
  const counts = { succeeded: 0, refused: 0, failed: 0 };
  const startMs = performance.now();

  async function send(request: LoadRequest, dueMs: number): Promise<void> {
    const status = await post(url, agent, request).catch(() => null);
    tookMs.push(performance.now() - dueMs);
    counts[status === null ? 'failed' : status === 200 ? 'succeeded' : 'refused'] += 1;
  }

  const sent: Promise<void>[] = [];
  for (const [i, request] of requests.entries()) {
    const dueMs = startMs + (i * 1000) / perSecond;
    // A timer fires after its time, never before; what has become due meanwhile is sent at once.
    while (performance.now() < dueMs) await sleep(Math.max(1, dueMs - performance.now()));
    sent.push(send(request, dueMs));
  }
  await Promise.all(sent);
  const seconds = (performance.now() - startMs) / 1000;
  agent.destroy();
  return { seconds, ...counts, p50Ms: quantile(tookMs, 0.5), p99Ms: quantile(tookMs, 0.99) };
}

function post(url: string, agent: Agent, { headers, body }: LoadRequest): Promise<number> {
  return new Promise((resolve, reject) => {
    const length = String(Buffer.byteLength(body));
    const options = { agent, method: 'POST', headers: { ...headers, 'content-length': length } };
    const request = open(url, { ...options, timeout: TIMEOUT_MS }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', reject);
    request.end(body);
  });
}
