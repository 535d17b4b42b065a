import type { Bench } from '../bench.js';
import type { LoadRequest } from '../load/load.js';
import { type PeerName, startPeer } from '../peers/peerServer.js';
import { type Findings, ratioTarget, type Table, type Target } from '../report.js';
import { type Contestant, compete, type Standing } from '../rounds.js';
import { type BenchServer, peakMemoryBytes, startOurServer } from '../server.js';
import { PLENTY, readMemory, storeBusyTenants } from '../stored/tenants.js';

const CONNECTIONS = 100;
const FEW_TENANTS = 10;
const WARM_UP_SECONDS = 2;
const MAX_MEMORY_BYTES = 400 * 2 ** 20;

const PEERS: [name: string, program: PeerName][] = [
  ['Apollo alone', 'bareApollo'],
  ['Apollo, rate-limiter-flexible', 'rateLimiterFlexible'],
  ['Apollo, graphql-rate-limit', 'graphqlRateLimit'],
];
const ALONE = 'Continuum, one instance';
const SHARED = 'Continuum, two instances';

interface Competitor {
  name: string;
  server: BenchServer;
}

/** A metered, limited, authenticated operation over HTTP. */
export async function http(bench: Bench): Promise<Findings> {
  const { progress, busyTenants } = bench;
  progress('the servers start');
  const { competitors, others } = await startServers(bench);
  try {
    const counts = [FEW_TENANTS, busyTenants.length];
    const tables: Table[] = [];
    const targets: Target[] = [];
    for (const count of counts) {
      const requests = readMemory(busyTenants.slice(0, count));
      const standings = await measure(bench, competitors, requests);
      const title = `A metered operation, ${count} busy tenants`;
      tables.push({
        title,
        unit: 'requests/s',
        rows: standings.map(({ name, ...measured }) => ({ peer: name, ...measured })),
      });
      targets.push(...targetsOf(standings, count));
    }
    targets.push(...(await memoryTargets(competitors)));
    return { tables, targets, method: METHOD };
  } finally {
    await Promise.all([...competitors.map(({ server }) => server), ...others].map((s) => s.end('SIGTERM')));
  }
}

async function startServers({ mongod, busyTenants }: Bench) {
  const databaseOf = async (name: string) => {
    await storeBusyTenants(await mongod.create(name), busyTenants);
    return mongod.uriOf(name);
  };
  const competitors: Competitor[] = [];
  for (const [name, program] of PEERS) {
    const mongodbUri = await databaseOf(`http_${program}`);
    competitors.push({ name, server: await startPeer(program, { mongodbUri, limit: PLENTY }) });
  }
  competitors.push({ name: ALONE, server: await startOurServer(await databaseOf('http_alone')) });
  const shared = await databaseOf('http_shared');
  competitors.push({ name: SHARED, server: await startOurServer(shared) });
  return { competitors, others: [await startOurServer(shared)] };
}

async function measure(
  { load, rounds, seconds, progress }: Bench,
  competitors: readonly Competitor[],
  requests: LoadRequest[],
): Promise<Standing[]> {
  const contestants = competitors.map(({ name, server: { url } }): Contestant => {
    return {
      name,
      async round(forSeconds) {
        const plan = { url, connections: CONNECTIONS, requests, until: { seconds: forSeconds } };
        const { succeeded, refused, failed, ...measured } = await load.run(plan);
        if (refused + failed > 0) throw new Error(`${name}: ${refused} refused, ${failed} failed`);
        return { ...measured, throughput: succeeded / measured.seconds };
      },
    };
  });
  for (const [i, { name, server }] of competitors.entries()) {
    progress(`${requests.length} tenants: ${name} warms up`);
    // Every key is verified once.
    const until = { requests: Math.max(requests.length, CONNECTIONS) };
    await load.run({ url: server.url, connections: Math.min(requests.length, CONNECTIONS), requests, until });
    await contestants[i]?.round(WARM_UP_SECONDS);
  }
  return compete(contestants, { rounds, seconds }, progress);
}

function targetsOf(standings: readonly Standing[], count: number): Target[] {
  const of = (name: string) => standings.find((standing) => standing.name === name) as Standing;
  const flexible = of('Apollo, rate-limiter-flexible').throughput;
  return [
    ratioTarget(`one instance to Apollo alone, ${count} tenants`, 1, of(ALONE).ratio),
    ratioTarget(`two instances to Apollo alone, ${count} tenants`, 0.7, of(SHARED).ratio),
    ratioTarget(
      `one instance to rate-limiter-flexible, ${count} tenants`,
      3,
      of(ALONE).throughput / flexible,
    ),
  ];
}

async function memoryTargets(competitors: readonly Competitor[]): Promise<Target[]> {
  const targets: Target[] = [];
  for (const { name, server } of competitors) {
    const bytes = name.startsWith('Continuum') ? await peakMemoryBytes(server.pid) : null;
    if (bytes === null) continue;
    targets.push({
      what: `${name}: most memory resident`,
      wanted: 'under 400 MB',
      measured: `${Math.round(bytes / 2 ** 20)} MB`,
      met: bytes < MAX_MEMORY_BYTES,
    });
  }
  return targets;
}

const METHOD = `${CONNECTIONS} connections ask \`memory(id)\` of tenants with a stored memory, by turns. All servers
have the same type and the same resolver, which reads MongoDB; each is one process, with a database of its own. Ours
verifies the key, decides by the tenant's limits and counts the call on disk before it answers. Apollo alone
(\`startStandaloneServer\`) does nothing of it, and is 1.0. rate-limiter-flexible consumes a point on the same MongoDB
with the same write concern before the resolver; graphql-rate-limit counts in the memory of its process; neither
authenticates. With two instances on one database, one is loaded.`;
