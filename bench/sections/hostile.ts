import { type Attack, anonymousAttacks, storeMuch, tenantAttacks } from '../attacks.js';
import type { Bench } from '../bench.js';
import type { LoadRequest } from '../load/load.js';
import { type LoadProcess, startLoadProcess } from '../load/loadProcess.js';
import { measuredAtPace } from '../load/pace.js';
import { quantile } from '../median.js';
import type { Findings, Row, Table, Target } from '../report.js';
import type { Measured } from '../rounds.js';
import { type BenchServer, peakMemoryBytes, processorMs, startOurServer } from '../server.js';
import { readMemory, storeBusyTenants } from '../stored/tenants.js';

const HEAP_MB = 512;
const ATTACKERS = 20;
const ATTACK_SECONDS = { whole: 60, quick: 10 };
/** Calls of a tenant that has nothing to do with it. */
const CALLS_PER_SECOND = 20;
const ONE_BY_ONE = 5;
const WANTED = { p99Ms: 250, liveP99Ms: 100, memoryMb: 700 };

/** What others notice while somebody sends the most expensive requests that we could think of. */
export async function hostile(bench: Bench): Promise<Findings> {
  const { mongod, busyTenants, progress, quick } = bench;
  const [attacker, bystander] = busyTenants.slice(0, 2) as [(typeof busyTenants)[0], (typeof busyTenants)[0]];
  const models = await mongod.create('hostile');
  await storeBusyTenants(models, [attacker, bystander]);
  await storeMuch(models, attacker, progress);
  const attacks = [...anonymousAttacks(), ...tenantAttacks(attacker.key)];
  const settings = { STRIPE_MOCK_MODE: 'true', INTROSPECTION: 'true' };
  const server = await startOurServer(mongod.uriOf('hostile'), settings, [`--max-old-space-size=${HEAP_MB}`]);
  const attackers = startLoadProcess();
  try {
    const [call] = readMemory([bystander]) as [LoadRequest];
    const costs: Row[] = [];
    for (const attack of attacks) {
      progress(`one at a time: ${attack.name}`);
      costs.push(await costOf(server, attack));
    }
    const seconds = ATTACK_SECONDS[quick ? 'quick' : 'whole'];
    const calm = await bystanders(server, call, Math.min(seconds, 10));
    progress(`${ATTACKERS} connections attack for ${seconds} s`);
    // Handing over hundreds of megabytes of requests blocks this process, which is not the server's doing.
    const attacking = attack(attackers, server, attacks, seconds);
    const [attacked, result] = await Promise.all([bystanders(server, call, seconds), attacking]);
    const peak = await peakMemoryBytes(server.pid);
    return {
      tables: [
        { title: 'The most expensive requests, one at a time', unit: 'requests/s', rows: costs },
        bystandersTable(calm, attacked),
      ],
      targets: targetsOf(attacked, peak),
      method: methodOf(seconds, result),
    };
  } finally {
    attackers.end();
    await server.end('SIGTERM');
  }
}

async function costOf(server: BenchServer, { name, requests }: Attack): Promise<Row> {
  const tookMs: number[] = [];
  let bytes = 0;
  const statuses = new Set<number>();
  const usedMs = await processorMs(server.pid);
  for (let n = 0; n < ONE_BY_ONE; n++) {
    const startedMs = performance.now();
    const answer = await send(server.url, requests[n % requests.length] as LoadRequest);
    tookMs.push(performance.now() - startedMs);
    bytes = Math.max(bytes, answer.bytes);
    statuses.add(answer.status);
  }
  const nowMs = await processorMs(server.pid);
  const cpuMs = usedMs === null || nowMs === null ? undefined : (nowMs - usedMs) / ONE_BY_ONE;
  return {
    peer: `${name} (${[...statuses].join(', ')})`,
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    bytes,
    ...(cpuMs !== undefined && { cpuMs }),
  };
}

interface Bystanders {
  calls: Measured;
  /** Calls of the tenant that were not answered with 200. */
  failed: number;
  live: Measured;
}

async function bystanders({ url }: BenchServer, call: LoadRequest, seconds: number): Promise<Bystanders> {
  let failed = 0;
  const live = new URL('/health/live', url);
  const [calls, health] = await Promise.all([
    measuredAtPace(CALLS_PER_SECOND, seconds, async () => {
      const { status } = await send(url, call).catch(() => ({ status: 0 }));
      if (status !== 200) failed++;
    }),
    measuredAtPace(CALLS_PER_SECOND, seconds, () =>
      fetch(live)
        .then((response) => response.text())
        .catch(() => undefined),
    ),
  ]);
  return { calls, failed, live: health };
}

/** Half of the connections have a key. */
async function attack(
  attackers: LoadProcess,
  { url }: BenchServer,
  attacks: readonly Attack[],
  seconds: number,
) {
  const requests = Array.from({ length: ATTACKERS }, (_, connection) =>
    attacks.map((_, n) => {
      const { requests } = attacks[(n + connection) % attacks.length] as Attack;
      return requests[connection % requests.length] as LoadRequest;
    }),
  );
  // Connection c takes every ATTACKERS-th request, so each has all of them, in an order of its own.
  const interleaved = attacks.flatMap((_, n) => requests.map((own) => own[n] as LoadRequest));
  return attackers.run({
    url,
    connections: ATTACKERS,
    requests: interleaved,
    until: { seconds },
    persistent: true,
  });
}

async function send(url: string, { headers, body }: LoadRequest): Promise<{ status: number; bytes: number }> {
  const response = await fetch(url, { method: 'POST', headers, body });
  return { status: response.status, bytes: (await response.arrayBuffer()).byteLength };
}

function bystandersTable(calm: Bystanders, attacked: Bystanders): Table {
  const rows = (when: string, { calls, live }: Bystanders): Row[] => [
    { peer: `a tenant's metered call, ${when}`, ...calls },
    { peer: `/health/live, ${when}`, ...live },
  ];
  return {
    title: 'What others notice',
    unit: 'requests/s',
    rows: [...rows('in peace', calm), ...rows('under attack', attacked)],
  };
}

function targetsOf({ calls, failed, live }: Bystanders, peak: number | null): Target[] {
  const below = (what: string, wanted: number, unit: string, measured: number): Target => ({
    what,
    wanted: `below ${wanted} ${unit}`,
    measured: `${measured.toFixed(0)} ${unit}`,
    met: measured < wanted,
  });
  return [
    below("under attack: p99 of another tenant's call", WANTED.p99Ms, 'ms', calls.p99Ms),
    below('under attack: p99 of /health/live', WANTED.liveP99Ms, 'ms', live.p99Ms),
    ...(peak === null
      ? []
      : [below(`under attack, with a heap of ${HEAP_MB} MB: memory`, WANTED.memoryMb, 'MB', peak / 2 ** 20)]),
    {
      what: "under attack: another tenant's calls that failed",
      wanted: 'none',
      measured: String(failed),
      met: failed === 0,
    },
  ];
}

function methodOf(
  seconds: number,
  { succeeded, refused, failed }: { succeeded: number; refused: number; failed: number },
): string {
  return `The server may use ${HEAP_MB} MB of heap. For ${seconds} s ${ATTACKERS} connections send these requests one after the
other, with and without a key (${succeeded} got 200, ${refused} another status, ${failed} no response), while another
tenant makes ${CALLS_PER_SECOND} metered calls a second and as many requests to \`/health/live\`. Latencies count from the moment when
a request was due.`;
}
