import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { scrape } from './scrape.js';
import type { ServerProcess } from './serverProcess.js';

const POLL_MS = 20;

/** What only a database that takes writes can answer. */
const NEED_WRITES = [
  'mutation { storeMemory(input: { content: "x" }) { id } }',
  '{ memories { pageInfo { hasNextPage } } }',
  'mutation { consume(input: { endpoint: "jobs", cost: 1 }) { allowed } }',
];
const NEED_DATABASE = [
  ...NEED_WRITES,
  '{ usage { apiCalls } }',
  '{ subscription { status } }',
  '{ apiKeys { id } }',
  'mutation { deleteMemory(id: "mem_none") }',
];

/** What a client sees of a server whose database is away. */
export async function expectAway(server: ServerProcess, key: string, answerMs: number): Promise<void> {
  await Promise.all([
    ...NEED_DATABASE.map((query) => expectUnavailable(server, key, query, answerMs)),
    expectRouteUnavailable(server, key),
  ]);
  const tiers = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"query":"{ tiers { name } }"}',
  });
  expect(tiers.status).toBe(200);
  expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
  const { result: metrics, tookMs } = await timed(scrape(`${server.url}/metrics`));
  expect(metrics.status).toBe(200);
  expect(tookMs).toBeLessThan(answerMs);
  const known = metrics.samples.map(({ name }) => name);
  expect(known).toContain('continuum_database_up');
  expect(metrics.value('continuum_database_up')).toBe(0);
  expect(metrics.value('continuum_decision_duration_seconds_count', { outcome: 'failed' })).toBeGreaterThan(
    0,
  );
  expect(known).not.toContain('continuum_webhook_inbox_pending');
}

/** What a client sees of a server whose database answers, and takes no writes. */
export async function expectReadsOnly(server: ServerProcess, key: string, answerMs: number): Promise<void> {
  await Promise.all(NEED_WRITES.map((query) => expectUnavailable(server, key, query, answerMs)));
  const read = await server.gql('{ usage { apiCalls } subscription { status } }', key);
  expect(read.body.errors).toBeUndefined();
}

async function expectUnavailable(
  server: ServerProcess,
  key: string,
  query: string,
  answerMs: number,
): Promise<void> {
  const { result, tookMs } = await timed(server.gql(query, key));
  expect(result.status, query).toBe(503);
  expect(result.body.errors[0].extensions.code, query).toBe('SERVICE_UNAVAILABLE');
  expect(Number(result.headers.get('retry-after')), query).toBeGreaterThan(0);
  expect(tookMs, query).toBeLessThan(answerMs);
}

async function expectRouteUnavailable(server: ServerProcess, key: string): Promise<void> {
  const response = await fetch(`${server.url}/v1/billing/subscription`, { headers: { 'x-api-key': key } });
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ error: { code: 'SERVICE_UNAVAILABLE' } });
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
}

async function timed<T>(work: Promise<T>): Promise<{ result: T; tookMs: number }> {
  const startedMs = performance.now();
  return { result: await work, tookMs: performance.now() - startedMs };
}

/** @throws if the server's readiness has another status for so long */
export async function untilReady({ url }: ServerProcess, wanted: 200 | 503, maxMs: number): Promise<void> {
  for (const untilMs = performance.now() + maxMs; ; await sleep(POLL_MS)) {
    const answer = await fetch(`${url}/health/ready`).catch(() => null);
    if (answer?.status === wanted) return;
    if (performance.now() > untilMs) throw new Error(`/health/ready is not ${wanted} within ${maxMs} ms`);
  }
}
