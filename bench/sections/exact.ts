import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.js';
import { ALONE, type Contender, FLEXIBLE, SHARED, SHIPPED } from '../contenders.js';
import type { LoadRequest } from '../load/load.js';
import { startLoadProcess } from '../load/loadProcess.js';
import type { Findings, Row, Target } from '../report.js';
import type { BenchServer } from '../server.js';
import { PLENTY, readMemory, storeBusyTenants } from '../stored/tenants.js';

const CONNECTIONS = 64;
const WHOLE = { limit: 1_000, kills: 3, killAfterMs: 2_000 };
const QUICK = { limit: 300, kills: 1, killAfterMs: 800 };
const TENANTS = 10;

/** Calls past the limit, and calls that a kill -9 loses. */
export async function exact(bench: Bench): Promise<Findings> {
  const rows: Row[] = [];
  const targets: Target[] = [];
  for (const contender of [FLEXIBLE, SHIPPED, ALONE, SHARED]) {
    bench.progress(`${contender.name}: a race for the last calls`);
    const overshoot = await race(bench, contender);
    bench.progress(`${contender.name}: kill -9`);
    const lost = await kill(bench, contender);
    rows.push({ peer: contender.name, overshoot, lost });
    if (contender !== ALONE && contender !== SHARED) continue;
    targets.push(noneTarget(`${contender.name}: calls past the limit`, overshoot));
    targets.push(noneTarget(`${contender.name}: acknowledged calls lost`, lost));
  }
  const tables = [{ title: 'Calls past the limit, and calls lost', unit: '', rows }];
  return { tables, targets, method: methodOf(bench) };
}

const noneTarget = (what: string, count: number): Target => ({
  what,
  wanted: 'none',
  measured: String(count),
  met: count === 0,
});

const sizeOf = ({ quick }: Bench) => (quick ? QUICK : WHOLE);

/** @returns how many calls of one tenant were admitted past its limit */
async function race(bench: Bench, contender: Contender): Promise<number> {
  const { mongod, busyTenants } = bench;
  const { limit } = sizeOf(bench);
  const tenants = busyTenants.slice(0, 1);
  const database = `race_${contender.name.replace(/\W+/g, '_')}`;
  await storeBusyTenants(await mongod.create(database), tenants, limit);
  const count = contender === ALONE ? 1 : 2;
  const servers: BenchServer[] = [];
  for (let i = 0; i < count; i++) servers.push(await contender.start(mongod.uriOf(database), limit));
  const requests = readMemory(tenants);
  const until = { requests: 2 * limit };
  // One load for each process, at the same time.
  const admitted = await Promise.all(
    servers.map(async ({ url }) => {
      const load = startLoadProcess();
      const { succeeded } = await load.run({ url, connections: CONNECTIONS, requests, until });
      load.end();
      return succeeded;
    }),
  );
  await Promise.all(servers.map((server) => server.end('SIGTERM')));
  const sum = admitted.reduce((a, b) => a + b, 0);
  if (sum < limit) throw new Error(`${contender.name} admitted ${sum} of ${limit} calls`);
  return sum - limit;
}

/** @returns how many calls were answered with success, and are not stored after the next start */
async function kill(bench: Bench, contender: Contender): Promise<number> {
  const { mongod, busyTenants } = bench;
  const tenants = busyTenants.slice(0, TENANTS);
  const database = `kill_${contender.name.replace(/\W+/g, '_')}`;
  const models = await mongod.create(database);
  await storeBusyTenants(models, tenants);
  const start = () => contender.start(mongod.uriOf(database), PLENTY);
  const other = contender === SHARED ? await start() : null;
  let acknowledged = 0;
  for (let i = 0; i < sizeOf(bench).kills; i++)
    acknowledged += await loadUntilKilled(bench, await start(), readMemory(tenants));
  // The next start settles what the killed process left.
  await (await start()).end('SIGTERM');
  await other?.end('SIGTERM');
  return Math.max(0, acknowledged - (await contender.stored(models)));
}

/** @returns how many calls were answered with success */
async function loadUntilKilled(bench: Bench, server: BenchServer, requests: LoadRequest[]): Promise<number> {
  const plan = { url: server.url, connections: CONNECTIONS, requests, until: { seconds: 60 } };
  const [{ succeeded }] = await Promise.all([
    bench.load.run(plan),
    sleep(sizeOf(bench).killAfterMs).then(() => server.end('SIGKILL')),
  ]);
  if (succeeded === 0) throw new Error('no call was answered before the kill');
  return succeeded;
}

function methodOf(bench: Bench): string {
  const { limit, kills } = sizeOf(bench);
  return `Overshoot: two processes (for Continuum also one) each receive ${2 * limit} requests of one tenant that may make ${limit} calls,
on ${CONNECTIONS} connections each. Lost calls: a process under load is killed with SIGKILL (${kills} times in all). After the last
start, calls that were answered with 200 are compared with calls stored. graphql-rate-limit stores none, and each process has a
limit of its own.`;
}
