import type { Models } from '../../src/models/models.js';
import type { Bench } from '../bench.js';
import { ALONE, APOLLO, type Contender, SHARED } from '../contenders.js';
import { type Findings, ratioTarget, type Table, type Target } from '../report.js';
import { compete, type Standing } from '../rounds.js';
import type { BenchServer } from '../server.js';
import { storeBusyTenants, storeMemory } from '../stored/tenants.js';
import { underLoad, warmUp } from '../underLoad.js';

const CONTENDERS = [APOLLO, ALONE, SHARED];
/** How many tenants store at a time, and by how many connections. */
const LOADS = [
  { tenants: 1, connections: 40, wanted: { alone: 0.8, shared: 0.5 } },
  { tenants: 40, connections: 40, wanted: { alone: 0.8, shared: 0.5 } },
  { tenants: 1_000, connections: 100, wanted: { alone: 0.8, shared: 0.5 } },
] as const;
/** How much slower than Apollo alone the slowest responses may be. */
const MAX_P99 = 2;

interface Serving {
  contender: Contender;
  models: Models;
  /** The first is loaded. */
  servers: [BenchServer, ...BenchServer[]];
}

/** A metered operation that stores a document within a quota. */
export async function storing(bench: Bench): Promise<Findings> {
  const { progress, quick } = bench;
  const serving: Serving[] = [];
  const tables: Table[] = [];
  const targets: Target[] = [];
  try {
    for (const contender of CONTENDERS) {
      progress(`${contender.name} starts`);
      serving.push(await serve(bench, contender));
    }
    for (const { tenants, connections, wanted } of quick ? LOADS.slice(0, 1) : LOADS) {
      const title = tenants === 1 ? 'one busy tenant' : `${tenants} busy tenants`;
      const standings = await measure(bench, serving, tenants, connections);
      const rows = standings.map(({ name, ...measured }) => ({ peer: name, ...measured }));
      tables.push({ title: `Storing a memory, ${title}, ${connections} at once`, unit: 'requests/s', rows });
      targets.push(...targetsOf(standings, title, wanted));
    }
    for (const each of serving.slice(1)) targets.push(await exactTarget(bench, each));
    return { tables, targets, method: METHOD };
  } finally {
    const servers = serving.flatMap((each) => each.servers);
    await Promise.all(servers.map((server) => server.end('SIGTERM')));
  }
}

async function serve({ mongod, busyTenants }: Bench, contender: Contender): Promise<Serving> {
  const database = `storing_${CONTENDERS.indexOf(contender)}`;
  const models = await mongod.create(database);
  await storeBusyTenants(models, busyTenants);
  const start = () => contender.start(mongod.uriOf(database), 0);
  return {
    contender,
    models,
    servers: contender === SHARED ? [await start(), await start()] : [await start()],
  };
}

async function measure(
  bench: Bench,
  serving: readonly Serving[],
  tenants: number,
  connections: number,
): Promise<Standing[]> {
  const requests = storeMemory(bench.busyTenants.slice(0, tenants));
  for (const { contender, servers } of serving) {
    bench.progress(`${tenants} tenants: ${contender.name} warms up`);
    await warmUp(bench.load, servers[0], requests);
  }
  const contestants = serving.map(({ contender, servers }) =>
    underLoad(contender.name, bench.load, servers[0], requests, connections),
  );
  return compete(contestants, bench);
}

function targetsOf(
  standings: readonly Standing[],
  title: string,
  wanted: { alone: number; shared: number },
): Target[] {
  const of = ({ name }: Contender) => standings.find((standing) => standing.name === name) as Standing;
  const slower = of(ALONE).p99Ms / of(APOLLO).p99Ms;
  return [
    ratioTarget(`${ALONE.name} to ${APOLLO.name}, ${title}`, wanted.alone, of(ALONE).ratio),
    ratioTarget(`${SHARED.name} to ${APOLLO.name}, ${title}`, wanted.shared, of(SHARED).ratio),
    {
      what: `${ALONE.name}: p99 to that of ${APOLLO.name}, ${title}`,
      wanted: `at most ${MAX_P99}`,
      measured: slower.toFixed(2),
      met: slower <= MAX_P99,
    },
  ];
}

/** What the ledgers say is what is stored. The tenants' first memories are in no ledger. */
async function exactTarget({ busyTenants }: Bench, { contender, models }: Serving): Promise<Target> {
  const [stored, [counted]] = await Promise.all([
    models.memories.countDocuments(),
    models.ledgers.aggregate<{ memories: number; held: number }>([
      {
        $group: {
          _id: null,
          memories: { $sum: '$levels.memories' },
          held: { $sum: { $size: { $ifNull: ['$reservations', []] } } },
        },
      },
    ]),
  ]);
  const { memories = 0, held = 0 } = counted ?? {};
  const difference = memories - held - (stored - busyTenants.length);
  return {
    what: `${contender.name}: memories counted and not stored, or stored and not counted`,
    wanted: '0',
    measured: `${difference}`,
    met: difference === 0,
  };
}

const METHOD = `\`storeMemory\` stores 200 characters. All servers acknowledge when a majority has it on disk: their connections have the
same write concern. Apollo alone inserts the document, and does nothing else. Continuum verifies the key, counts the call, and
checks the quota before the resolver runs. When two instances share a database, one of them is loaded.`;
