import type { Bench } from '../bench.js';
import { ALONE } from '../contenders.js';
import type { LoadRequest } from '../load/load.js';
import { startPeer } from '../peers/peerServer.js';
import { type Findings, ratioTarget } from '../report.js';
import { compete } from '../rounds.js';
import { type BenchServer, startOurServer } from '../server.js';
import { type BusyTenant, consumeCall, readBrand, storeBusyTenants } from '../stored/tenants.js';
import { CONNECTIONS, underLoad, warmUp } from '../underLoad.js';

const EMPTY = 'Apollo alone, empty resolver';

/** One operation, sent for a number of tenants, and the least ratio to Apollo alone that is wanted. */
interface Operation {
  title: string;
  requests: LoadRequest[];
  wanted: number;
}

function operationsOf({ quick, busyTenants }: Bench): Operation[] {
  const consumeOf = (tenants: readonly BusyTenant[], wanted: number): Operation => ({
    title: `consume, ${tenants.length === 1 ? 'one busy tenant' : `${tenants.length} busy tenants`}`,
    requests: consumeCall(tenants),
    wanted,
  });
  const unmetered: Operation = {
    title: 'A field without a limit',
    requests: readBrand(busyTenants),
    wanted: 0.7,
  };
  if (quick) return [consumeOf(busyTenants, 0.5), unmetered];
  return [
    consumeOf(busyTenants.slice(0, 1), 0.6),
    consumeOf(busyTenants.slice(0, 10), 0.6),
    consumeOf(busyTenants, 0.5),
    unmetered,
  ];
}

/** The cheapest operations, beside Apollo alone with resolvers that do nothing. */
export async function consume(bench: Bench): Promise<Findings> {
  const { mongod, load, busyTenants, progress } = bench;
  const findings: Findings = { tables: [], targets: [], method: METHOD };
  const serving: { name: string; server: BenchServer }[] = [];
  try {
    progress('the servers start');
    await storeBusyTenants(await mongod.create('consume'), busyTenants);
    serving.push({ name: EMPTY, server: await startPeer('emptyApollo') });
    serving.push({ name: ALONE.name, server: await startOurServer(mongod.uriOf('consume')) });
    for (const { title, requests, wanted } of operationsOf(bench)) {
      for (const { name, server } of serving) {
        progress(`${title}: ${name} warms up`);
        await warmUp(load, server, requests);
      }
      const contestants = serving.map(({ name, server }) => underLoad(name, load, server, requests));
      const standings = await compete(contestants, bench);
      const rows = standings.map(({ name, ...measured }) => ({ peer: name, ...measured }));
      findings.tables.push({ title, unit: 'requests/s', rows });
      findings.targets.push(
        ratioTarget(`${title}: ${ALONE.name} to ${EMPTY}`, wanted, standings[1]?.ratio ?? Number.NaN),
      );
    }
    return findings;
  } finally {
    await Promise.all(serving.map(({ server }) => server.end('SIGTERM')));
  }
}

const METHOD = `${CONNECTIONS} connections send \`consume\` with an endpoint and a cost, for all tenants in turn, and select all that it returns;
then two fields of \`brand\`, with the tenants' keys. Apollo alone (\`startStandaloneServer\`) has the same types, and resolvers
that return a constant. Continuum verifies the key, and has each call on disk before it responds. Each is one process. The load
and MongoDB run on the same machine, and Apollo alone needs no MongoDB. CPU is the time that the process itself uses for one
request.`;
