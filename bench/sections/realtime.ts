import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Bench } from '../bench.js';
import type { Findings, Target } from '../report.js';
import { type Contestant, compete, type Standing } from '../rounds.js';
import { type BenchServer, startOurServer } from '../server.js';
import { type BusyTenant, readMemory, storeBusyTenants } from '../stored/tenants.js';
import { CONNECTIONS, underLoad, warmUp } from '../underLoad.js';

const CLIENTS = 1_000;
const OPENED_AT_ONCE = 40;
/** The part of the metered throughput that live clients may cost. */
const MAX_COST = 0.1;
const SUBSCRIBE = JSON.stringify({
  id: '1',
  type: 'subscribe',
  payload: { query: 'subscription { usageChanged { period from apiCalls limit remaining resetsAt } }' },
});

/** Clients that take what they get, and do nothing with it. */
interface LiveClients {
  /** Messages so far. */
  messages(): number;
  close(): void;
}

/** What clients listen to while the tenants make calls. The first has none. */
const LISTENING: readonly { name: string; tenants: number | null }[] = [
  { name: 'nobody listens', tenants: null },
  { name: `${CLIENTS} clients, each with its own tenant`, tenants: CLIENTS },
  { name: `${CLIENTS} clients of 10 tenants`, tenants: 10 },
];

/** What live clients cost: the metered operation, with and without clients that receive each tenant's usage. */
export async function realtime(bench: Bench): Promise<Findings> {
  const { progress, load, busyTenants } = bench;
  const requests = readMemory(busyTenants);
  const serving: { server: BenchServer; clients: LiveClients | null }[] = [];
  try {
    const contestants: Contestant[] = [];
    const sent: number[] = [];
    for (const [i, { name, tenants }] of LISTENING.entries()) {
      progress(`${name}: starts`);
      const database = `realtime_${i}`;
      await storeBusyTenants(await bench.mongod.create(database), busyTenants);
      const server = await startOurServer(bench.mongod.uriOf(database));
      await warmUp(load, server, requests);
      const clients = tenants === null ? null : await listen(server, busyTenants.slice(0, tenants));
      serving.push({ server, clients });
      sent.push(0);
      contestants.push(counted(underLoad(name, load, server, requests), clients, (rate) => (sent[i] = rate)));
    }
    const standings = await compete(contestants, bench);
    const rows = standings.map(({ name, ...measured }) => ({ peer: name, ...measured }));
    const table = {
      title: `A metered operation, ${busyTenants.length} busy tenants`,
      unit: 'requests/s',
      rows,
    };
    const rates = LISTENING.map(({ name }, i) => `${name}: ${Math.round(sent[i] ?? 0)}`).join('; ');
    return {
      tables: [table],
      targets: targetsOf(standings),
      method: `${METHOD} Messages/s in the last round: ${rates}.`,
    };
  } finally {
    for (const { clients } of serving) clients?.close();
    await Promise.all(serving.map(({ server }) => server.end('SIGTERM')));
  }
}

/** The same contestant, which also says how many messages a second its clients got. */
function counted(
  contestant: Contestant,
  clients: LiveClients | null,
  note: (rate: number) => void,
): Contestant {
  return {
    name: contestant.name,
    async round(seconds) {
      const before = clients?.messages() ?? 0;
      const startedAt = performance.now();
      const measured = await contestant.round(seconds);
      note((((clients?.messages() ?? 0) - before) / (performance.now() - startedAt)) * 1_000);
      return measured;
    },
  };
}

async function listen({ url }: BenchServer, tenants: readonly BusyTenant[]): Promise<LiveClients> {
  const sockets: WebSocket[] = [];
  let messages = 0;
  async function open({ key }: BusyTenant): Promise<void> {
    const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws');
    sockets.push(socket);
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: { apiKey: key } }));
    await once(socket, 'message');
    socket.on('message', () => messages++);
    socket.send(SUBSCRIBE);
  }
  for (let i = 0; i < CLIENTS; i += OPENED_AT_ONCE) {
    const slice = Array.from({ length: Math.min(OPENED_AT_ONCE, CLIENTS - i) }, (_, n) => i + n);
    await Promise.all(slice.map((n) => open(tenants[n % tenants.length] as BusyTenant)));
  }
  return {
    messages: () => messages,
    close() {
      for (const socket of sockets) socket.terminate();
    },
  };
}

/** By throughput, which includes what the clients and MongoDB take of the machine, and by the server's own processor time. */
function targetsOf([base, ...listening]: readonly Standing[]): Target[] {
  const percent = (part: number) => `${(part * 100).toFixed(1)} %`;
  return listening.flatMap(({ name, ratio, cpuMs }): Target[] => {
    const lost = 1 - ratio;
    const wanted = `under ${percent(MAX_COST)}`;
    const byThroughput = {
      what: `${name}: throughput that they cost`,
      wanted,
      measured: percent(lost),
      met: lost < MAX_COST,
    };
    if (cpuMs === undefined || base?.cpuMs === undefined) return [byThroughput];
    const more = cpuMs / base.cpuMs - 1;
    return [
      byThroughput,
      {
        what: `${name}: processor time of a metered operation that they add`,
        wanted,
        measured: percent(more),
        met: more < MAX_COST,
      },
    ];
  });
}

const METHOD = `The server of the first section, one instance, with WebSockets that subscribe to \`usageChanged\` in the second and third row.
${CONNECTIONS} connections send \`memory(id)\` for all tenants in turn, so the usage of each changes all the time, and each client gets a
message a second. The clients run on the same machine, and their processor time is part of what the throughput loses.`;
