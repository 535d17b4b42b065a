import { Agent, request as open } from 'node:http';
import { quantile } from '../median.js';
import type { LoadRequest, LoadResult, PacedPlan } from './load.js';
import { atPace } from './pace.js';

const TIMEOUT_MS = 30_000;
/** The system would reject more, and retry them a second later, before the server saw them. */
const CONNECTIONS = 100;

/** What is due is sent, whatever became of what was sent before. */
export async function runPaced({ url, requests, perSecond }: PacedPlan): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const counts = { succeeded: 0, refused: 0, failed: 0 };
  const startMs = performance.now();
  const tookMs = await atPace(perSecond, requests.length, async (n) => {
    const status = await post(url, agent, requests[n] as LoadRequest).catch(() => null);
    counts[status === null ? 'failed' : status === 200 ? 'succeeded' : 'refused'] += 1;
  });
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
