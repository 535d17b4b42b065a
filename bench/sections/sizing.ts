import { setTimeout as sleep } from 'node:timers/promises';
import type { Model } from 'mongoose';
import { startRedis } from '../../test/support/redis.js';
import type { Bench } from '../bench.js';
import type { LoadRequest } from '../load/load.js';
import type { BenchMongod } from '../mongod.js';
import type { Findings, Row, Table } from '../report.js';
import { type BenchServer, OPERATOR_KEY, peakMemoryBytes, processorMs, startOurServer } from '../server.js';
import { storeHistory, storeQuietTenants } from '../stored/history.js';
import { storeAsCounted } from '../stored/standings.js';
import { consumeCall, readMemory, storeBusyTenants, storeMemory } from '../stored/tenants.js';
import { CONNECTIONS, warmUp } from '../underLoad.js';

const WHOLE = { createdTenants: 200, quietTenants: 50_000, historyDays: 100 };
const QUICK = { createdTenants: 20, quietTenants: 5_000, historyDays: 20 };
/** At this pace hardly any calls share a batch, so that each costs most. */
const SLOW_PER_SECOND = 100;
const RATES = [10, 100, 1_000, 5_000];
/** The part of a core that an instance uses at most, so that the others can take over its load. */
const MAX_USE = 0.6;
const MIN_INSTANCES = 2;
const BYTES_PER_MB = 1e6;

interface Use {
  serverMs: number;
  mongodMs: number;
  writes: number;
  journalBytes: number;
  syncs: number;
}

/** What one call costs, beside what the processes use anyway. */
interface Costs {
  name: string;
  slow: Use;
  full: Use;
}

/** What a call and what is stored cost, and what follows for the cores and the disk of a rate. */
export async function sizing(bench: Bench): Promise<Findings> {
  const { mongod, busyTenants, progress } = bench;
  const stored = await storedSizes(bench);
  const models = await mongod.create('sizing');
  await storeBusyTenants(models, busyTenants);
  await storeAsCounted(models);
  const redis = await startRedis();
  const plain = await startOurServer(mongod.uriOf('sizing'));
  const operations: [string, LoadRequest[]][] = [
    ['`memory`, a metered read', readMemory(busyTenants)],
    ['`consume`', consumeCall(busyTenants)],
    ['`storeMemory`, 200 characters', storeMemory(busyTenants)],
  ];
  let withRedis: BenchServer | null = null;
  try {
    progress('warms up');
    await warmUp(bench.load, plain, readMemory(busyTenants));
    const idle = await idleUse(bench, plain);
    const costs: Costs[] = [];
    for (const [name, requests] of operations) costs.push(await costsOf(bench, plain, name, requests, idle));
    const memoryBytes = await peakMemoryBytes(plain.pid);
    stored.rows.push(await documentRow('the ledger of a tenant that calls', models.ledgers));
    await plain.end('SIGTERM');
    withRedis = await startOurServer(mongod.uriOf('sizing'), {
      STRIPE_MOCK_MODE: 'true',
      REDIS_URL: redis.url,
    });
    const [[, reads]] = operations as [[string, LoadRequest[]]];
    costs.push(await costsOf(bench, withRedis, '`memory`, with `REDIS_URL`', reads, idle));
    progress('done');
    return {
      tables: [sizingTable(costs[0] as Costs, idle), ...costTables(costs), stored],
      targets: [],
      method: methodOf(bench, memoryBytes),
    };
  } finally {
    await plain.end('SIGTERM');
    await withRedis?.end('SIGTERM');
    await redis.kill();
  }
}

async function useBetween(
  server: BenchServer,
  mongod: BenchMongod,
  work: () => Promise<unknown>,
): Promise<Use> {
  const before = await readUse(server, mongod);
  await work();
  const after = await readUse(server, mongod);
  return mapUse(after, (value, key) => value - before[key]);
}

async function readUse(server: BenchServer, mongod: BenchMongod): Promise<Use> {
  const { metrics, wiredTiger } = await mongod.status();
  const { inserted, updated, deleted } = metrics.document;
  return {
    serverMs: (await processorMs(server.pid)) ?? Number.NaN,
    mongodMs: (await processorMs(mongod.pid)) ?? Number.NaN,
    writes: Number(inserted) + Number(updated) + Number(deleted),
    journalBytes: Number(wiredTiger.log['log bytes written']),
    syncs: Number(wiredTiger.log['log sync operations']),
  };
}

const mapUse = (use: Use, change: (value: number, key: keyof Use) => number): Use => ({
  serverMs: change(use.serverMs, 'serverMs'),
  mongodMs: change(use.mongodMs, 'mongodMs'),
  writes: change(use.writes, 'writes'),
  journalBytes: change(use.journalBytes, 'journalBytes'),
  syncs: change(use.syncs, 'syncs'),
});

/** @returns what both processes use in a second without any call */
async function idleUse({ mongod, seconds, progress }: Bench, server: BenchServer): Promise<Use> {
  progress('idle');
  const idleSeconds = 2 * seconds;
  const use = await useBetween(server, mongod, () => sleep(idleSeconds * 1000));
  return mapUse(use, (value) => value / idleSeconds);
}

async function costsOf(
  bench: Bench,
  server: BenchServer,
  name: string,
  requests: LoadRequest[],
  idle: Use,
): Promise<Costs> {
  const { mongod, load, progress } = bench;
  const seconds = 2 * bench.seconds;
  const { url } = server;
  progress(`${name}: warms up`);
  await warmUp(load, server, requests);
  async function perCall(run: () => ReturnType<typeof load.run>): Promise<Use> {
    let calls = 0;
    let tookS = 0;
    const use = await useBetween(server, mongod, async () => {
      const { succeeded, refused, failed, seconds: took } = await run();
      if (refused + failed > 0) throw new Error(`${name}: ${refused} refused, ${failed} failed`);
      calls = succeeded;
      tookS = took;
    });
    return mapUse(use, (value, key) => Math.max(0, value - idle[key] * tookS) / calls);
  }
  progress(`${name}: ${SLOW_PER_SECOND} a second`);
  const paced = Array.from(
    { length: SLOW_PER_SECOND * seconds },
    (_, n) => requests[n % requests.length] as LoadRequest,
  );
  const slow = await perCall(() => load.run({ url, requests: paced, perSecond: SLOW_PER_SECOND }));
  progress(`${name}: under full load`);
  const full = await perCall(() => load.run({ url, connections: CONNECTIONS, requests, until: { seconds } }));
  return { name, slow, full };
}

const costTables = (costs: readonly Costs[]): Table[] =>
  (['slow', 'full'] as const).map((pace) => ({
    title: `What one call costs, ${pace === 'slow' ? `at ${SLOW_PER_SECOND} a second` : 'under full load'}`,
    of: 'operation',
    unit: '',
    rows: costs.map(({ name, [pace]: use }) => ({
      peer: name,
      cpuMs: use.serverMs,
      mongodCpuMs: use.mongodMs,
      writes: use.writes,
      journalBytes: use.journalBytes,
      syncs: use.syncs,
    })),
  }));

/** A call costs least under full load. Up to the slow pace it costs as much as there, and a higher rate costs no less in all. */
function sizingTable({ slow, full }: Costs, idle: Use): Table {
  return {
    title: 'What a rate of metered reads needs',
    of: 'calls/s',
    unit: '',
    rows: RATES.map((rate): Row => {
      const use = mapUse(
        idle,
        (value, key) => value + Math.max(Math.min(rate, SLOW_PER_SECOND) * slow[key], rate * full[key]),
      );
      const cores = use.serverMs / 1000;
      return {
        peer: rate.toLocaleString('en-US'),
        cores,
        instances: Math.max(MIN_INSTANCES, Math.ceil(cores / MAX_USE)),
        mongodCores: use.mongodMs / 1000,
        journalMbPerSecond: use.journalBytes / BYTES_PER_MB,
        syncsPerSecond: use.syncs,
      };
    }),
  };
}

async function storedSizes(bench: Bench): Promise<Table> {
  const { createdTenants, quietTenants, historyDays } = bench.quick ? QUICK : WHOLE;
  const models = await bench.mongod.create('sizing_stored');
  const rows: Row[] = [await createdRow(bench, createdTenants)];
  await storeQuietTenants(models, quietTenants, bench.progress);
  const ids = bench.busyTenants.map(({ id }) => id);
  await storeHistory(models, ids, historyDays, bench.progress);
  await models.connection.db?.admin().command({ fsync: 1 });
  rows.push(await documentRow('its document alone', models.tenants));
  rows.push(await documentRow('a day of usage, 4 endpoints in 24 hours', models.usageDays));
  return { title: 'What is stored', of: 'stored', unit: '', rows };
}

/** With the key, the entries of the audit log, and what lists and searches need: by the API, as in production. */
async function createdRow({ mongod, progress }: Bench, count: number): Promise<Row> {
  progress(`${count} tenants are created`);
  const { connection } = await mongod.create('sizing_created');
  const server = await startOurServer(mongod.uriOf('sizing_created'));
  const dataBytes = async () => Number((await connection.db?.stats())?.dataSize);
  try {
    const before = await dataBytes();
    for (let n = 0; n < count; n++) {
      const input = `{ name: "Customer ${n}", email: "${n}@tenant.example", externalId: "org_${n}" }`;
      const response = await fetch(server.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': OPERATOR_KEY },
        body: JSON.stringify({ query: `mutation { createTenant(input: ${input}) { tenant { id } } }` }),
      });
      if (!response.ok) throw new Error(`createTenant: ${response.status} ${await response.text()}`);
    }
    return {
      peer: 'a tenant with its key and its audit log',
      bytes: ((await dataBytes()) - before) / count,
    };
  } finally {
    await server.end('SIGTERM');
  }
}

/** With few documents, on disk most is the pages that are not full. */
const MIN_ON_DISK = 4_000;

async function documentRow<T>(what: string, model: Model<T>): Promise<Row> {
  const [stats] = await model.collection.aggregate([{ $collStats: { storageStats: {} } }]).toArray();
  const { count, size, storageSize, freeStorageSize = 0, totalIndexSize } = stats?.storageStats ?? {};
  return {
    peer: what,
    bytes: size / count,
    ...(count >= MIN_ON_DISK && { diskBytes: (storageSize - freeStorageSize + totalIndexSize) / count }),
  };
}

const methodOf = (
  { busyTenants }: Bench,
  memoryBytes: number | null,
) => `One server, and ${busyTenants.length} tenants that call in turn: at ${SLOW_PER_SECOND} a second, where hardly any calls share a batch, then on ${CONNECTIONS} connections
as fast as it answers. From the processor time of both processes, and from what MongoDB counts, what they use when idle is
subtracted. Writes are documents that change. A server has used ${memoryBytes === null ? 'an unknown amount' : `${Math.round(memoryBytes / 2 ** 20)} MB`} of memory at most. What a rate needs is computed from these costs: up to ${SLOW_PER_SECOND} a
second from those at that pace, above from those under full load. An instance uses at most ${MAX_USE} of a core. On disk, documents are compressed, and their indexes are included. Calls add nothing to what is stored
but to their ledger and, from the next day on, a day of usage.`;
