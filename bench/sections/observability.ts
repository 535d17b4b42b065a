import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Bench } from '../bench.js';
import type { Findings, Target } from '../report.js';
import { compete, type Standing } from '../rounds.js';
import { type BenchServer, startOurServer } from '../server.js';
import { readMemory, storeBusyTenants } from '../stored/tenants.js';
import { CONNECTIONS, underLoad, warmUp } from '../underLoad.js';

/** What one server observes of itself. */
interface Observed {
  name: string;
  settings: Record<string, string>;
  /** The most that it may cost, as a part of the processor time without it. */
  maxCost?: number;
}

/** The first is what the others are compared with. @param receiver takes events and traces, and discards them */
const observedBy = (receiver: string): [Observed, ...Observed[]] => [
  { name: 'nothing', settings: { METRICS: 'false' } },
  { name: 'metrics', settings: {} },
  { name: 'access log', settings: { METRICS: 'false', LOG_LEVEL: 'info' } },
  { name: 'metrics and access log', settings: { LOG_LEVEL: 'info' }, maxCost: 0.05 },
  { name: 'Sentry', settings: { METRICS: 'false', SENTRY_DSN: `http://key@${receiver}/1` } },
  {
    name: 'traces of all',
    settings: { METRICS: 'false', OTEL_EXPORTER_OTLP_ENDPOINT: `http://${receiver}` },
  },
  {
    name: 'traces of 1 %',
    settings: {
      METRICS: 'false',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://${receiver}`,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.01',
    },
  },
];

/** A server that takes all and keeps nothing. */
async function startReceiver(): Promise<{ address: string; close(): void }> {
  const server = createServer((request, response) => {
    request
      .resume()
      .once('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What observation costs: the metered operation, with each part on and off. */
export async function observability(bench: Bench): Promise<Findings> {
  const { progress, load, busyTenants } = bench;
  const requests = readMemory(busyTenants);
  const receiver = await startReceiver();
  const allObserved = observedBy(receiver.address);
  const serving: { observed: Observed; server: BenchServer }[] = [];
  try {
    for (const [i, observed] of allObserved.entries()) {
      progress(`${observed.name} starts`);
      const database = `observability_${i}`;
      await storeBusyTenants(await bench.mongod.create(database), busyTenants);
      const settings = { STRIPE_MOCK_MODE: 'true', ...observed.settings };
      const server = await startOurServer(bench.mongod.uriOf(database), settings);
      serving.push({ observed, server });
      await warmUp(load, server, requests);
    }
    const contestants = serving.map(({ observed, server }) =>
      underLoad(observed.name, load, server, requests),
    );
    const standings = await compete(contestants, bench);
    const rows = standings.map(({ name, ...measured }) => ({ peer: name, ...measured }));
    const table = { title: 'A metered operation, by what is observed', unit: 'requests/s', rows };
    return { tables: [table], targets: targetsOf(standings, allObserved), method: METHOD };
  } finally {
    await Promise.all(serving.map(({ server }) => server.end('SIGTERM')));
    receiver.close();
  }
}

/** By processor time, which depends less than throughput on what else the machine does. */
function targetsOf(standings: readonly Standing[], allObserved: readonly Observed[]): Target[] {
  const base = standings[0]?.cpuMs;
  return allObserved.flatMap(({ name, maxCost }) => {
    const cpuMs = standings.find((standing) => standing.name === name)?.cpuMs;
    if (maxCost === undefined || base === undefined || cpuMs === undefined) return [];
    const cost = cpuMs / base - 1;
    const percent = (part: number) => `${(part * 100).toFixed(1)} %`;
    return {
      what: `Processor time of a metered operation that is added by ${name}`,
      wanted: `at most ${percent(maxCost)}`,
      measured: percent(cost),
      met: cost <= maxCost,
    };
  });
}

const METHOD = `The server of the first section, one instance, with one part of observation on in each row; the first row has none.
${CONNECTIONS} connections send \`memory(id)\` for all tenants in turn. Nobody scrapes the metrics
meanwhile; a receiver in the process of the benchmark takes traces, and keeps none.`;
