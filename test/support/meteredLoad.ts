import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type mongoose from 'mongoose';
import { expect, vi } from 'vitest';
import type { LedgerDoc } from '../../src/models/ledger.js';
import { createModels } from '../../src/models/models.js';
import { createStorage } from '../../src/services/limits/storage/storage.js';
import { createFakeClock } from './fakeClock.js';
import { storedDays } from './ledger.js';
import type { Random } from './random.js';
import type { ServerProcess } from './serverProcess.js';

/** A tenant under load, with all that its clients were told. */
export interface LoadedTenant extends TenantLimits {
  id: string;
  key: string;
  /** Answered with 200, or known to have run. */
  calls: number;
  memories: number;
  /** No answer, or one that says that the server failed: stored or not. */
  unknownCalls: number;
  unknownMemories: number;
  /** Requests with an idempotency key that nobody knows the end of. */
  unanswered: KeyedRequest[];
}

/** An operation that is sent again as it is. */
interface KeyedRequest {
  query: string;
  calls: number;
  memories: number;
  wasSent?: true;
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
  /**
   * Until every request with an idempotency key is answered: what its tenant has is known to the call then.
   * @returns how many had no answer
   */
  askAgain(servers: readonly ServerProcess[]): Promise<number>;
  /** Compares what was told with what is stored. */
  check(connection: mongoose.Connection, context: string): Promise<void>;
}

export const FAULTS_OPERATOR = 'operator-key-of-the-faults-0123456789';
const PLENTY = 100_000_000;
/** A refused tenant is asked again at once: a pause keeps it from being all the load. */
const PAUSE_MS = 2;
const REQUEST_MS = 15_000;
const MAX_TRIES = 20;
const MAX_SWEEPS = 100;
const SWEEP_PAUSE_MS = 50;
/** A statement whose server got no answer may still be carried out for as long as it was given. */
const LATE_MS = 5_000;

export interface TenantLimits {
  callLimit: number;
  memoryLimit: number;
  /** Whether all that it sends has an idempotency key. */
  keyed?: boolean;
}

/** @param limits of each tenant; every other limit is far away */
export async function createLoadedTenants(
  server: ServerProcess,
  limits: readonly TenantLimits[],
): Promise<LoadedTenant[]> {
  const tenants: LoadedTenant[] = [];
  for (const { callLimit, memoryLimit, keyed = false } of limits) {
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
    const who = { id: tenant.id, key: apiKey.secret };
    tenants.push({ ...who, callLimit, memoryLimit, keyed, ...told, unanswered: [] });
  }
  return tenants;
}

export const farAway = { callLimit: PLENTY, memoryLimit: PLENTY };

/**
 * Random operations of 1 to 4 calls: they store, or read, under aliases; with an idempotency key they store one memory,
 * or consume.
 */
export function createMeteredLoad(tenants: LoadedTenant[], random: Random): MeteredLoad {
  const surprises: string[] = [];

  function keyedRequest(): KeyedRequest {
    const key = `idempotencyKey: "${randomUUID()}"`;
    const cost = random.between(1, 4);
    const text = 'x'.repeat(random.between(1, 60));
    return random.next() < 0.5
      ? { query: `storeMemory(input: { content: "${text}", ${key} }) { id }`, calls: 1, memories: 1 }
      : {
          query: `consume(input: { endpoint: "jobs", cost: ${cost}, ${key} }) { allowed }`,
          calls: cost,
          memories: 0,
        };
  }

  /** Counts what is answered, and keeps what is not. */
  async function askOnce(server: ServerProcess, tenant: LoadedTenant, request: KeyedRequest): Promise<void> {
    const answer = await server
      .gql(`mutation { ${request.query} }`, tenant.key, REQUEST_MS)
      .catch(() => null);
    const [error] = answer?.body.errors ?? [];
    if (answer && !error) {
      const isTaken = answer.body.data.consume?.allowed ?? true;
      tenant.calls += isTaken ? request.calls : 0;
      tenant.memories += request.memories;
      if (isTaken) return;
    } else if (answer?.status === 507) {
      // What a crash ended may have been charged; it stays so until there is room for it.
      tenant.unknownCalls += request.wasSent ? request.calls : 0;
    } else if (answer?.status !== 429) {
      tenant.unanswered.push({ ...request, wasSent: true });
      if (answer && error?.extensions?.code !== 'SERVICE_UNAVAILABLE')
        surprises.push(`${answer.status} ${error?.extensions?.code} ${error?.message}`);
    }
    await sleep(PAUSE_MS);
  }

  async function callOnce(server: ServerProcess, tenant: LoadedTenant): Promise<void> {
    if (tenant.keyed) return askOnce(server, tenant, keyedRequest());
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
      await sleep(PAUSE_MS);
    } else {
      // The fields of a mutation that did not fail have run, and are charged.
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
      await sleep(PAUSE_MS);
    }
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
    async askAgain(servers) {
      const unanswered = () => sum(tenants.map((tenant) => tenant.unanswered.length));
      const lost = unanswered();
      for (let tries = 0; tries < MAX_TRIES && unanswered() > 0; tries++) {
        const requests = tenants.flatMap((tenant) =>
          tenant.unanswered.splice(0).map((request) => askOnce(random.pick(servers), tenant, request)),
        );
        await Promise.all(requests);
      }
      expect(unanswered(), 'requests with an idempotency key that are never answered').toBe(0);
      return lost;
    },
    async check(connection, context) {
      await vi.waitFor(
        async () => {
          await sweep(connection);
          for (const tenant of tenants) await compare(tenant, connection, context);
        },
        { timeout: LATE_MS, interval: SWEEP_PAUSE_MS },
      );
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

const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0);

async function compare(
  tenant: LoadedTenant,
  connection: mongoose.Connection,
  context: string,
): Promise<void> {
  const of = (words: string) => `${context}, tenant ${tenant.id}: ${words}`;
  const open = (of: 'calls' | 'memories') => sum(tenant.unanswered.map((request) => request[of]));
  const days = await storedDays(connection, tenant.id);
  const calls = sum(days.map((day) => day.calls));
  expect(calls, of('an acknowledged call is lost')).toBeGreaterThanOrEqual(tenant.calls);
  expect(calls, of('a call is counted that nobody made')).toBeLessThanOrEqual(
    tenant.calls + tenant.unknownCalls + open('calls'),
  );
  for (const day of days) {
    expect(day.calls, of(`the limit was passed on ${day._id}`)).toBeLessThanOrEqual(tenant.callLimit);
    expect(sum(Object.values(day.endpoints ?? {})), of('the sum of the endpoints')).toBe(day.calls);
    expect(sum(Object.values(day.hours ?? {})), of('the sum of the hours')).toBe(day.calls);
  }

  const memories = await connection
    .collection('memories')
    .find({ tenantId: tenant.id }, { projection: { bytes: 1 } })
    .toArray();
  expect(memories.length, of('an acknowledged memory is lost')).toBeGreaterThanOrEqual(tenant.memories);
  expect(memories.length, of('a memory is stored twice')).toBeLessThanOrEqual(
    tenant.memories + tenant.unknownMemories + open('memories'),
  );
  expect(memories.length, of('the storage limit was passed')).toBeLessThanOrEqual(tenant.memoryLimit);
  const ledger = await connection.collection<LedgerDoc>('ledgers').findOne({ _id: tenant.id });
  const counters = {
    memories: ledger?.levels?.memories ?? 0,
    bytes: ledger?.levels?.bytes ?? 0,
    reservations: ledger?.reservations ?? [],
  };
  expect(counters, of('the storage counters')).toEqual({
    memories: memories.length,
    bytes: sum(memories.map(({ bytes }) => bytes as number)),
    reservations: [],
  });
}
