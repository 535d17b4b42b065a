import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Models } from '../../src/models/models.js';
import type { Bench } from '../bench.js';
import type { Findings, Table, Target } from '../report.js';
import { type Contestant, compete, type Standing } from '../rounds.js';
import { startOurServer } from '../server.js';
import { storeHistory, storeQuietTenants } from '../stored/history.js';
import { storeAsCounted } from '../stored/standings.js';
import { readMemory, storeBusyTenants } from '../stored/tenants.js';
import { underLoad, warmUp } from '../underLoad.js';
import { startInstances, stopAll, takesOf, takingCalls, withSeldomTenants } from './admission.js';

const WHOLE = { quietTenants: 999_000, historyDays: 400, tenantsOfDay: 100_000 };
const QUICK = { quietTenants: 50_000, historyDays: 40, tenantsOfDay: 10_000 };
/** So much slower at most. */
const MAX_FACTOR = 1.2;
/** How long no other work of the process may wait. */
const MAX_STALL_MS = 100;

interface Stored {
  name: string;
  models: Models;
  uri: string;
}

/** The same figures with few tenants stored, and with very many. */
export async function growth(bench: Bench): Promise<Findings> {
  const stored = [await storeFew(bench), await storeMany(bench)];
  const comparisons: [string, string, (bench: Bench, stored: readonly Stored[]) => Promise<Standing[]>][] = [
    ['A metered operation', 'requests/s', overHttp],
    ['Admission', 'decisions/s', deciding],
  ];
  const tables: Table[] = [];
  const targets: Target[] = [];
  for (const [title, unit, measure] of comparisons) {
    const standings = await measure(bench, stored);
    tables.push({ title, unit, rows: standings.map(({ name, ...rest }) => ({ peer: name, ...rest })) });
    targets.push(factorTarget(title, 1 / (standings[1] as Standing).ratio));
  }
  const { table, targets: ofDay } = await manyInADay(bench, stored[1] as Stored);
  tables.push(table);
  targets.push(...ofDay);
  return { tables, targets, method: methodOf(bench) };
}

async function storeFew({ mongod, busyTenants }: Bench): Promise<Stored> {
  const models = await mongod.create('growth_few');
  await storeBusyTenants(models, busyTenants);
  const name = `${busyTenants.length.toLocaleString('en-US')} tenants stored`;
  return { name, models, uri: mongod.uriOf('growth_few') };
}

const sizeOf = ({ quick }: Bench) => (quick ? QUICK : WHOLE);

async function storeMany(bench: Bench): Promise<Stored> {
  const { mongod, busyTenants, progress } = bench;
  const { quietTenants, historyDays } = sizeOf(bench);
  const models = await mongod.create('growth_many');
  await storeBusyTenants(models, busyTenants);
  await storeQuietTenants(models, quietTenants, progress);
  const ids = busyTenants.map(({ id }) => id);
  await storeHistory(models, ids, historyDays, progress);
  await storeAsCounted(models);
  // What was stored in haste is on disk before anything is measured.
  await models.connection.db?.admin().command({ fsync: 1 });
  const name = `${(busyTenants.length + quietTenants).toLocaleString('en-US')} tenants stored`;
  return { name, models, uri: mongod.uriOf('growth_many') };
}

async function overHttp(bench: Bench, stored: readonly Stored[]): Promise<Standing[]> {
  const { load, progress } = bench;
  const requests = readMemory(bench.busyTenants);
  const servers = await Promise.all(stored.map(({ uri }) => startOurServer(uri)));
  try {
    for (const server of servers) {
      progress('a server warms up');
      await warmUp(load, server, requests);
    }
    const contestants = servers.map((server, i) =>
      underLoad((stored[i] as Stored).name, load, server, requests),
    );
    return await compete(contestants, bench);
  } finally {
    await Promise.all(servers.map((server) => server.end('SIGTERM')));
  }
}

async function deciding(bench: Bench, stored: readonly Stored[]): Promise<Standing[]> {
  const instances = await Promise.all(stored.map(({ models }) => startInstances(models, 1)));
  try {
    return await warmAndCompete(
      instances.map((own, i) => takingCalls((stored[i] as Stored).name, takesOf(own))),
      bench,
    );
  } finally {
    await stopAll(instances.flat());
  }
}

/** The same calls, and among them those of very many tenants that call now and then. */
async function manyInADay(bench: Bench, { models }: Stored): Promise<{ table: Table; targets: Target[] }> {
  const { tenantsOfDay } = sizeOf(bench);
  const own = await startInstances(models, 1);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  try {
    const few = takingCalls('1,000 tenants call', takesOf(own));
    const many = takingCalls(
      `${tenantsOfDay.toLocaleString('en-US')} more call now and then`,
      takesOf(own),
      withSeldomTenants(tenantsOfDay),
    );
    await few.round(1);
    delay.enable();
    const standings = await compete([few, many], bench);
    delay.disable();
    const title = 'Admission, tenants of one day';
    const stallMs = delay.max / 1e6;
    return {
      table: {
        title,
        unit: 'decisions/s',
        rows: standings.map(({ name, ...rest }) => ({ peer: name, ...rest })),
      },
      targets: [
        factorTarget(title, 1 / (standings[1] as Standing).ratio),
        {
          what: `${title}: the longest that the process answered nobody`,
          wanted: `at most ${MAX_STALL_MS} ms`,
          measured: `${stallMs.toFixed(0)} ms`,
          met: stallMs <= MAX_STALL_MS,
        },
      ],
    };
  } finally {
    await stopAll(own);
  }
}

async function warmAndCompete(contestants: readonly Contestant[], bench: Bench): Promise<Standing[]> {
  for (const { round } of contestants) await round(1);
  return compete(contestants, bench);
}

const factorTarget = (what: string, factor: number): Target => ({
  what: `${what}, slowdown factor with many tenants stored`,
  wanted: `at most ${MAX_FACTOR}`,
  measured: factor.toFixed(2),
  met: factor <= MAX_FACTOR,
});

const methodOf = (
  bench: Bench,
) => `The same tenants are busy in both databases. The larger one also has quiet tenants between
them, and each busy tenant has a history of ${sizeOf(bench).historyDays} days. Of the tenants of one day, the same thousand make nine of ten
calls; all others make the tenth in turn.`;
