import type { Bench } from '../bench.js';
import { ALONE, APOLLO, CONTENDERS, type Contender, FLEXIBLE, SHARED } from '../contenders.js';
import { type Findings, ratioTarget, type Table, type Target } from '../report.js';
import { compete, type Standing } from '../rounds.js';
import { type BenchServer, peakMemoryBytes } from '../server.js';
import { PLENTY, readMemory, storeBusyTenants } from '../stored/tenants.js';
import { CONNECTIONS, underLoad, warmUp } from '../underLoad.js';

const FEW_TENANTS = 10;
const MAX_MEMORY_MB = 400;

interface Serving {
  contender: Contender;
  /** The first is loaded. */
  servers: [BenchServer, ...BenchServer[]];
}

/** A metered, limited, authenticated operation over HTTP. */
export async function http(bench: Bench): Promise<Findings> {
  const { progress, busyTenants, quick } = bench;
  const serving: Serving[] = [];
  try {
    for (const contender of CONTENDERS) {
      progress(`${contender.name} starts`);
      serving.push(await serve(bench, contender));
    }
    const tables: Table[] = [];
    const targets: Target[] = [];
    for (const count of quick ? [busyTenants.length] : [FEW_TENANTS, busyTenants.length]) {
      const standings = await measure(bench, serving, count);
      const rows = standings.map(({ name, ...measured }) => ({ peer: name, ...measured }));
      tables.push({ title: `A metered operation, ${count} busy tenants`, unit: 'requests/s', rows });
      targets.push(...targetsOf(standings, count));
    }
    targets.push(...(await memoryTargets(serving)));
    return { tables, targets, method: METHOD };
  } finally {
    const servers = serving.flatMap((each) => each.servers);
    await Promise.all(servers.map((server) => server.end('SIGTERM')));
  }
}

async function serve({ mongod, busyTenants }: Bench, contender: Contender): Promise<Serving> {
  const database = `http_${CONTENDERS.indexOf(contender)}`;
  await storeBusyTenants(await mongod.create(database), busyTenants);
  const start = () => contender.start(mongod.uriOf(database), PLENTY);
  return { contender, servers: contender === SHARED ? [await start(), await start()] : [await start()] };
}

async function measure(bench: Bench, serving: readonly Serving[], count: number): Promise<Standing[]> {
  const requests = readMemory(bench.busyTenants.slice(0, count));
  for (const { contender, servers } of serving) {
    bench.progress(`${count} tenants: ${contender.name} warms up`);
    await warmUp(bench.load, servers[0], requests);
  }
  const contestants = serving.map(({ contender, servers }) =>
    underLoad(contender.name, bench.load, servers[0], requests),
  );
  return compete(contestants, bench);
}

function targetsOf(standings: readonly Standing[], count: number): Target[] {
  const of = ({ name }: Contender) => standings.find((standing) => standing.name === name) as Standing;
  const toFlexible = of(ALONE).throughput / of(FLEXIBLE).throughput;
  const title = (contender: Contender, to: Contender) => `${contender.name} to ${to.name}, ${count} tenants`;
  return [
    ratioTarget(title(ALONE, APOLLO), 1, of(ALONE).ratio),
    ratioTarget(title(SHARED, APOLLO), 0.7, of(SHARED).ratio),
    ratioTarget(title(ALONE, FLEXIBLE), 3, toFlexible),
  ];
}

async function memoryTargets(serving: readonly Serving[]): Promise<Target[]> {
  const targets: Target[] = [];
  for (const { contender, servers } of serving) {
    if (contender !== ALONE && contender !== SHARED) continue;
    const bytes = await peakMemoryBytes(servers[0].pid);
    if (bytes === null) continue;
    const megabytes = Math.round(bytes / 2 ** 20);
    targets.push({
      what: `${contender.name}: most memory resident`,
      wanted: `under ${MAX_MEMORY_MB} MB`,
      measured: `${megabytes} MB`,
      met: megabytes < MAX_MEMORY_MB,
    });
  }
  return targets;
}

const METHOD = `${CONNECTIONS} connections send \`memory(id)\` for all tenants in turn, each of which has a stored memory. All servers have
the same type and the same resolver, which reads MongoDB. Each is one process with a database of its own. Continuum verifies the
key, checks the tenant's limits and counts the call on disk before it responds. Apollo alone (\`startStandaloneServer\`) does none
of this; it is 1.0. rate-limiter-flexible consumes a point on the same MongoDB, with the same write concern, before the resolver
runs. graphql-rate-limit counts in the memory of its process. Neither authenticates. When two instances share a database, one of
them is loaded. CPU is the time that the loaded process itself uses for one request.`;
