import { enforceLimits, limitDirectivesSdl, remoteLimits } from '@continuum-billing/limits';
import { ApiKeyScope, type Limits } from '@continuum-billing/limits/core';
import { buildSchema } from 'graphql';
import type { Bench } from '../bench.js';
import { APOLLO, FLEXIBLE, LIBRARY } from '../contenders.js';
import { measuredAtPace } from '../load/pace.js';
import { median, quantile } from '../median.js';
import { bareInsertsAtPace } from '../peers/bareInserts.js';
import { durableTarget, type Findings, type Row, ratioTarget, type Target } from '../report.js';
import { compete, type Standing } from '../rounds.js';
import { type BenchServer, OPERATOR_KEY, startOurServer } from '../server.js';
import { type BusyTenant, PLENTY, readMemory, storeBusyTenants } from '../stored/tenants.js';
import { CONNECTIONS, underLoad, warmUp } from '../underLoad.js';

const CONTENDERS = [APOLLO, FLEXIBLE, LIBRARY];
const WANTED_DECISIONS = 3_000;
const PACE_PER_SECOND = 500;
const NEW_KEYS_AT_ONCE = 100;
const WANTED_P99_MS = 10;
const FIELDS = 1_000;
const WANTED_START_MS = 50;
const STARTS = 9;

/** A team's own schema, enforced by the library. */
export async function library(bench: Bench): Promise<Findings> {
  const enforced = await measureDirect(bench);
  const asked = await measureRemote(bench);
  return {
    tables: [
      { title: "A team's own Apollo Server", unit: 'requests/s', rows: enforced.rows },
      { title: 'Decisions of remoteLimits', unit: 'decisions/s', rows: asked.rows },
    ],
    targets: [...enforced.targets, ...asked.targets, startTarget(asked.limits)],
    method: METHOD,
  };
}

async function measureDirect(bench: Bench): Promise<{ rows: Row[]; targets: Target[] }> {
  const { mongod, busyTenants, load, progress } = bench;
  const requests = readMemory(busyTenants);
  const servers: BenchServer[] = [];
  try {
    for (const [i, contender] of CONTENDERS.entries()) {
      progress(`${contender.name} starts`);
      const database = `library_${i}`;
      await storeBusyTenants(await mongod.create(database), busyTenants);
      const server = await contender.start(mongod.uriOf(database), PLENTY);
      servers.push(server);
      await warmUp(load, server, requests);
    }
    const standings = await compete(
      CONTENDERS.map(({ name }, i) => underLoad(name, load, servers[i] as BenchServer, requests)),
      bench,
    );
    const [, flexible, ours] = standings as [Standing, Standing, Standing];
    return {
      rows: standings.map(({ name, ...measured }) => ({ peer: name, ...measured })),
      targets: [
        ratioTarget(`${LIBRARY.name} to ${APOLLO.name}`, 0.7, ours.ratio),
        ratioTarget(`${LIBRARY.name} to ${FLEXIBLE.name}`, 1, ours.throughput / flexible.throughput),
      ],
    };
  } finally {
    await Promise.all(servers.map((server) => server.end('SIGTERM')));
  }
}

async function measureRemote(bench: Bench): Promise<{ rows: Row[]; targets: Target[]; limits: Limits }> {
  const { mongod, busyTenants, seconds, rounds, progress } = bench;
  await storeBusyTenants(await mongod.create('library_remote'), busyTenants);
  const server = await startOurServer(mongod.uriOf('library_remote'));
  try {
    const serviceKey = await makeServiceKey(server.url);
    const url = new URL('/', server.url).href;
    const limits = await remoteLimits({ url, serviceKey, whenAway: 'refuse', timeoutMs: 30_000 });
    const decide = createDecider(limits, busyTenants);
    progress('each tenant asks once');
    // The server verifies only so many new keys at once.
    for (let asked = 0; asked < busyTenants.length; asked += NEW_KEYS_AT_ONCE)
      await Promise.all(Array.from({ length: NEW_KEYS_AT_ONCE }, () => decide()));
    const throughputs: number[] = [];
    const tookMs: number[] = [];
    for (let round = 0; round < rounds; round++) {
      progress(`round ${round + 1} of ${rounds}: as many decisions as it takes`);
      const measured = await asFastAsPossible(decide, seconds);
      throughputs.push(measured.length / seconds);
      tookMs.push(...measured);
    }
    const { connection } = await mongod.create('library_bare');
    const paced = await compete(
      [
        bareInsertsAtPace(connection.collection('decisions'), PACE_PER_SECOND, (roundSeconds) =>
          Array.from({ length: PACE_PER_SECOND * roundSeconds }, (_, n) => ({ calls: n })),
        ),
        {
          name: `at ${PACE_PER_SECOND} a second`,
          round: (roundSeconds) => measuredAtPace(PACE_PER_SECOND, roundSeconds, decide),
        },
      ],
      bench,
    );
    const [insert, decision] = paced as [Standing, Standing];
    const rows: Row[] = [
      {
        peer: `${CONNECTIONS} at once`,
        throughput: median(throughputs),
        p50Ms: median(tookMs),
        p99Ms: quantile(tookMs, 0.99),
      },
      ...paced.map(({ name, ratio: _, ...row }) => ({ peer: name, ...row })),
    ];
    return {
      limits,
      rows,
      targets: [
        ratioTarget(
          'remoteLimits: decisions in a second, from one process',
          WANTED_DECISIONS,
          median(throughputs),
        ),
        durableTarget(
          `remoteLimits, at ${PACE_PER_SECOND}/s: p99 of a decision`,
          WANTED_P99_MS,
          decision.p99Ms,
          insert.p99Ms,
        ),
      ],
    };
  } finally {
    await server.end('SIGTERM');
  }
}

async function makeServiceKey(url: string): Promise<string> {
  const query = 'mutation { createApiKey(input: { name: "bench", scopes: [ENFORCE] }) { secret } }';
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': OPERATOR_KEY },
    body: JSON.stringify({ query }),
  });
  const { data } = (await response.json()) as { data: { createApiKey: { secret: string } } };
  return data.createApiKey.secret;
}

/** @returns a function that asks for one call of each tenant in turn, and returns how long that took */
function createDecider(limits: Limits, tenants: readonly BusyTenant[]): () => Promise<number> {
  let asked = 0;
  return async () => {
    const { key: apiKey } = tenants[asked++ % tenants.length] as BusyTenant;
    const caller = { apiKey, address: null, scope: ApiKeyScope.READ };
    const startedMs = performance.now();
    const taken = await limits.take(caller, {
      charges: [{ endpoint: 'lamps', calls: 1 }],
      features: [],
      fieldLimits: [],
      stores: new Map(),
      concurrent: true,
    });
    if (taken.kind === 'refused') throw taken.error;
    await taken.end({ failed: false, returned: [], notStored: new Set() });
    return performance.now() - startedMs;
  };
}

async function asFastAsPossible(decide: () => Promise<number>, seconds: number): Promise<number[]> {
  const tookMs: number[] = [];
  const untilMs = performance.now() + seconds * 1000;
  async function client(): Promise<void> {
    while (performance.now() < untilMs) tookMs.push(await decide());
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  return tookMs;
}

/** What a large schema adds to a service's start. */
function startTarget(limits: Limits): Target {
  const fields = Array.from(
    { length: FIELDS },
    (_, i) => `f${i}(id: ID): Int @rateLimited(cost: ${(i % 9) + 1})`,
  );
  const types = Array.from(
    { length: FIELDS / 10 },
    (_, i) => `type T${i} { ${fields.slice(i * 10, i * 10 + 10).join(' ')} }`,
  );
  const roots = types.map((_, i) => `t${i}: T${i}`);
  const sdl = `${limitDirectivesSdl} ${types.join(' ')} type Query { ${roots.join(' ')} }`;
  const tookMs = Array.from({ length: STARTS }, () => {
    const schema = buildSchema(sdl);
    const startedMs = performance.now();
    enforceLimits(schema, { limits });
    return performance.now() - startedMs;
  });
  // The first has not been compiled yet: that is the start of a service.
  const [first = Number.NaN] = tookMs;
  return {
    what: `The library: a schema of ${FIELDS} fields is enforced in`,
    wanted: `under ${WANTED_START_MS} ms`,
    measured: `${first.toFixed(1)} ms`,
    met: first < WANTED_START_MS,
  };
}

const METHOD = `The peers are those of the metered operation. Ours is the same Apollo Server, with its schema enforced by \`directLimits\`, without
our server. For \`remoteLimits\` one client process asks a server process over loopback: ${CONNECTIONS} operations at once, for all
tenants in turn, then ${PACE_PER_SECOND} a second, each measured from the moment when it was due, alternating with as many bare
inserts. The large schema is enforced for the first time in its process.`;
