import { setTimeout as sleep } from 'node:timers/promises';
import type mongoose from 'mongoose';
import { expect } from 'vitest';
import { createModels } from '../../src/models/models.js';
import { createStorage } from '../../src/services/storage/storage.js';
import { createFakeClock } from './fakeClock.js';
import type { Random } from './random.js';
import type { ServerProcess } from './serverProcess.js';

/** A tenant under load, with all that its clients were told. */
export interface LoadedTenant {
  id: string;
  key: string;
  callLimit: number;
  memoryLimit: number;
  /** Answered with 200, or known to have run. */
  calls: number;
  memories: number;
  /** No answer, or one that says that the server failed: stored or not. */
  unknownCalls: number;
  unknownMemories: number;
}

export interface MeteredLoad {
  tenants: LoadedTenant[];
  /** Answers that no fault explains. */
  surprises: string[];
  /** Sends mixed calls of random tenants to random servers until `stop`, which waits for what is under way. */
  run(
    servers: readonly ServerProcess[],
    clients: number,
    answered?: (tookMs: number) => void,
  ): { stop(): Promise<void> };
  /** Who asks for usage is shown all that is decided: the documents have it then. */
  settle(servers: readonly ServerProcess[]): Promise<void>;
  /** Compares what was told with what is stored. @param servers that run, one at least */
  check(servers: readonly ServerProcess[], connection: mongoose.Connection, context: string): Promise<void>;
}

export const FAULTS_OPERATOR = 'operator-key-of-the-faults-0123456789';
const PLENTY = 100_000_000;
/** A refused tenant is asked again at once: a pause keeps it from being all the load. */
const PAUSE_MS = 2;
const REQUEST_MS = 15_000;
const MAX_SWEEPS = 100;
const SWEEP_PAUSE_MS = 50;

export interface TenantLimits {
  callLimit: number;
  memoryLimit: number;
}

/** @param limits of each tenant; every other limit is far away */
export async function createLoadedTenants(
  server: ServerProcess,
  limits: readonly TenantLimits[],
): Promise<LoadedTenant[]> {
  const tenants: LoadedTenant[] = [];
  for (const { callLimit, memoryLimit } of limits) {
    const { body } = await server.gql(
      'mutation { createTenant(input: { name: "loaded" }) { tenant { id } apiKey { secret } } }',
      FAULTS_OPERATOR,
    );
    const { tenant, apiKey } = body.data.createTenant;
    const set = await server.gql(
      `mutation { setTenantLimits(input: { tenantId: "${tenant.id}", limits: {
        apiCallsPerDay: ${callLimit}, apiCallsPerMinute: ${PLENTY}, concurrentRequests: 100000,
        maxMemories: ${memoryLimit}, maxEmbeddings: ${PLENTY}, maxStorageBytes: ${PLENTY}
      } }) { id } }`,
      FAULTS_OPERATOR,
    );
    expect(set.body.errors).toBeUndefined();
    const told = { calls: 0, memories: 0, unknownCalls: 0, unknownMemories: 0 };
    tenants.push({ id: tenant.id, key: apiKey.secret, callLimit, memoryLimit, ...told });
  }
  return tenants;
}

export const farAway = { callLimit: PLENTY, memoryLimit: PLENTY };

/** Random operations of 1 to 4 calls: they store, or read, under aliases. */
export function createMeteredLoad(tenants: LoadedTenant[], random: Random): MeteredLoad {
  const surprises: string[] = [];

  async function callOnce(server: ServerProcess, tenant: LoadedTenant): Promise<void> {
    const cost = random.between(1, 4);
    const stores = random.next() < 0.6;
    const aliases = Array.from({ length: cost }, (_, i) =>
      stores
        ? `a${i}: storeMemory(input: { content: "${'x'.repeat(random.between(1, 60))}" }) { id }`
        : `a${i}: memories(first: 1) { pageInfo { hasNextPage } }`,
    );
    const query = `${stores ? 'mutation' : 'query'} { ${aliases.join(' ')} }`;
    const memories = stores ? cost : 0;
    const answer = await server.gql(query, tenant.key, REQUEST_MS).catch(() => null);
    const errors = answer?.body.errors ?? [];
    const codes = errors.map((error: { extensions?: { code?: string } }) => error.extensions?.code);
    if (answer?.status === 200 && errors.length === 0) {
      tenant.calls += cost;
      tenant.memories += memories;
    } else if (answer && (answer.status === 429 || answer.status === 507)) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    } else {
      // Of a mutation the fields that did not fail did run, and cost what they cost.
      const ran = stores
        ? Object.values(answer?.body.data ?? {}).filter((stored) => stored !== null).length
        : 0;
      tenant.calls += ran;
      tenant.memories += ran;
      tenant.unknownCalls += cost - ran;
      tenant.unknownMemories += stores ? cost - ran : 0;
      const isAway = codes.every((code: unknown) => code === 'SERVICE_UNAVAILABLE');
      const status = ran > 0 && isAway ? 200 : 503;
      if (answer && answer.status !== status)
        surprises.push(`${answer.status} ${codes} ${errors[0]?.message}`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async function settle(servers: readonly ServerProcess[]): Promise<void> {
    await Promise.all(
      tenants.flatMap(({ key }) => servers.map((server) => server.gql('{ usage { apiCalls } }', key))),
    );
  }

  return {
    tenants,
    surprises,
    run(servers, clients, answered) {
      let running = true;
      const client = async () => {
        while (running) {
          const startedMs = performance.now();
          await callOnce(random.pick(servers), random.pick(tenants));
          answered?.(performance.now() - startedMs);
        }
      };
      const all = Array.from({ length: clients }, client);
      return {
        async stop() {
          running = false;
          await Promise.all(all);
        },
      };
    },
    settle,
    async check(servers, connection, context) {
      await settle(servers);
      await sweep(connection);
      for (const tenant of tenants) await compare(tenant, connection, context);
      expect(surprises.splice(0), `${context}: answers that no fault explains`).toEqual([]);
    },
  };
}

/**
 * As the server does it, once all holds are old; again for one that came late: MongoDB may still carry out what a killed
 * server asked of it, when a transaction of that server ends that stood in its way.
 */
async function sweep(connection: mongoose.Connection): Promise<void> {
  const models = createModels(connection);
  const storage = createStorage({ models, clock: createFakeClock(Date.now() + 3_600_000) });
  let quietSweeps = 0;
  for (let tries = 0; quietSweeps < 2 && tries < MAX_SWEEPS; tries++) {
    quietSweeps = (await storage.sweep()) === 0 ? quietSweeps + 1 : 0;
    await sleep(SWEEP_PAUSE_MS);
  }
}

async function compare(
  tenant: LoadedTenant,
  connection: mongoose.Connection,
  context: string,
): Promise<void> {
  const of = (words: string) => `${context}, tenant ${tenant.id}: ${words}`;
  const days = await connection
    .collection<{ _id: string; calls: number; endpoints: object; hours: object }>('usage_days')
    .find({ _id: { $gt: `${tenant.id}:`, $lt: `${tenant.id};` } })
    .toArray();
  const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0);
  const calls = sum(days.map((day) => day.calls));
  expect(calls, of('an acknowledged call is lost')).toBeGreaterThanOrEqual(tenant.calls);
  expect(calls, of('a call is counted that nobody made')).toBeLessThanOrEqual(
    tenant.calls + tenant.unknownCalls,
  );
  for (const day of days) {
    expect(day.calls, of(`the limit was passed on ${day._id}`)).toBeLessThanOrEqual(tenant.callLimit);
    expect(sum(Object.values(day.endpoints)), of('the sum of the endpoints')).toBe(day.calls);
    expect(sum(Object.values(day.hours)), of('the sum of the hours')).toBe(day.calls);
  }

  const memories = await connection
    .collection('memories')
    .find({ tenantId: tenant.id }, { projection: { bytes: 1 } })
    .toArray();
  expect(memories.length, of('an acknowledged memory is lost')).toBeGreaterThanOrEqual(tenant.memories);
  expect(memories.length, of('a memory is stored twice')).toBeLessThanOrEqual(
    tenant.memories + tenant.unknownMemories,
  );
  expect(memories.length, of('the storage limit was passed')).toBeLessThanOrEqual(tenant.memoryLimit);
  const account = await connection
    .collection<{ _id: string; memories: number; bytes: number; holds: unknown[] }>('storage_accounts')
    .findOne({ _id: tenant.id });
  const counters = {
    memories: account?.memories ?? 0,
    bytes: account?.bytes ?? 0,
    holds: account?.holds ?? [],
  };
  expect(counters, of('the storage counters')).toEqual({
    memories: memories.length,
    bytes: sum(memories.map(({ bytes }) => bytes as number)),
    holds: [],
  });
}
