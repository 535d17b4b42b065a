import { getGraphQLRateLimiter } from 'graphql-rate-limit';
import { pino } from 'pino';
import { RateLimiterMongo } from 'rate-limiter-flexible';
import type { Models } from '../../src/models/models.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';
import type { Taken, TakenLimits } from '../../src/services/limits/ledger/admission.js';
import { createAdmission, type RunningAdmission } from '../../src/services/limits/ledger/createAdmission.js';
import type { Bench } from '../bench.js';
import { quantile } from '../median.js';
import { type Findings, ratioTarget, type Target } from '../report.js';
import { type Contestant, compete, type Standing } from '../rounds.js';
import { busyTenantId, PLENTY, tenantId } from '../stored/tenants.js';

const TENANTS = 1_000;
const WAITING = 512;
const WINDOW_S = 86_400;
const IDLE_CALLS = 400;
const QUICK_IDLE_CALLS = 50;
const MAX_IDLE_MS = 3;

const LIMITS: TakenLimits = {
  calls: { apiCallsPerDay: PLENTY, apiCallsPerMinute: PLENTY, overageCallsPerMonth: 0 },
  storage: { maxMemories: 0, maxEmbeddings: 0, maxStorageBytes: 0 },
};
const TAKEN: Taken = { charges: [{ endpoint: 'memory', calls: 1 }] };
const IDS = Array.from({ length: TENANTS }, (_, n) => busyTenantId(n));
/** Of calls of many tenants, one of so many is of a tenant that calls seldom. */
const SELDOM = 10;
const log = pino({ level: 'silent' });
const clock = { now: Date.now };

/** Takes one call of a tenant. */
type Take = (tenant: string) => Promise<unknown>;

const FLEXIBLE = 'rate-limiter-flexible, MongoDB';
const SHIPPED = 'graphql-rate-limit, in memory';
const ALONE = 'Continuum, one instance';
const SHARED = 'Continuum, two instances';

/** Decisions alone, without HTTP and GraphQL: all in this process. */
export async function admission(bench: Bench): Promise<Findings> {
  const { mongod, progress } = bench;
  const alone = await startInstances(await mongod.create('admission_alone'), 1);
  const shared = await startInstances(await mongod.create('admission_shared'), 2);
  try {
    const takes: [string, Take][] = [
      [FLEXIBLE, flexible(await mongod.create('admission_flexible'))],
      [SHIPPED, shipped()],
      [ALONE, takesOf(alone)],
      [SHARED, takesOf(shared)],
    ];
    const contestants = takes.map(([name, take]) => takingCalls(name, take));
    for (const { name, round } of contestants) {
      progress(`${name} warms up`);
      await round(1);
    }
    const standings = await compete(contestants, bench);
    const rows = standings.map(({ name, ...measured }) => ({ peer: name, ...measured }));
    const of = (name: string) => standings.find((standing) => standing.name === name) as Standing;
    return {
      tables: [
        {
          title: `Admission without HTTP, ${TENANTS} tenants, ${WAITING} waiting`,
          unit: 'decisions/s',
          rows,
        },
      ],
      targets: [
        ratioTarget(`${ALONE} to ${FLEXIBLE}`, 10, of(ALONE).ratio),
        ratioTarget(`${SHARED} to ${FLEXIBLE}`, 10, of(SHARED).ratio),
        ...(await idleTargets(bench, [
          [ALONE, takesOf(alone)],
          [SHARED, takesOf(shared)],
        ])),
      ],
      method: METHOD,
    };
  } finally {
    await stopAll([...alone, ...shared]);
  }
}

export async function startInstances(models: Models, count: number): Promise<RunningAdmission[]> {
  const instances = Array.from({ length: count }, () =>
    createAdmission({ models, clock, log, metrics: noMetrics }),
  );
  for (const instance of instances) await instance.start();
  return instances;
}

export async function stopAll(instances: readonly RunningAdmission[]): Promise<void> {
  for (const instance of instances) await instance.stop();
}

/** Calls that reach the instances in turn. */
export function takesOf(instances: readonly RunningAdmission[]): Take {
  let next = 0;
  return (tenant) => (instances[next++ % instances.length] as RunningAdmission).admit(tenant, LIMITS, TAKEN);
}

function flexible({ connection }: Models): Take {
  const limiter = new RateLimiterMongo({
    storeClient: connection.getClient(),
    dbName: connection.name,
    keyPrefix: 'flexible',
    points: PLENTY,
    duration: WINDOW_S,
  });
  return (tenant) => limiter.consume(tenant);
}

function shipped(): Take {
  const limiter = getGraphQLRateLimiter({ identifyContext: ({ tenant }: { tenant: string }) => tenant });
  const call = { parent: null, args: {}, info: { fieldName: 'memory' } as never };
  return (tenant) => limiter({ ...call, context: { tenant } }, { max: PLENTY, window: '1m' });
}

/** Tenants by turns. */
const inTurn = (call: number): string => IDS[call % TENANTS] as string;

/** `WAITING` at a time. @param tenantOf whose call each is */
export function takingCalls(name: string, take: Take, tenantOf = inTurn): Contestant {
  let next = 0;
  return {
    name,
    async round(seconds) {
      const tookMs: number[] = [];
      const startedMs = performance.now();
      const endMs = startedMs + seconds * 1000;
      async function client(): Promise<void> {
        for (let atMs = startedMs; atMs < endMs; ) {
          await take(tenantOf(next++));
          const doneMs = performance.now();
          tookMs.push(doneMs - atMs);
          atMs = doneMs;
          // A store in memory never lets go of the thread.
          if (tookMs.length % YIELD_EVERY === 0) await new Promise(setImmediate);
        }
      }
      await Promise.all(Array.from({ length: WAITING }, client));
      return {
        throughput: (tookMs.length / (performance.now() - startedMs)) * 1000,
        p50Ms: quantile(tookMs, 0.5),
        p99Ms: quantile(tookMs, 0.99),
      };
    },
  };
}

const YIELD_EVERY = 1_000;

/** Most calls are of tenants that are busy all day, and some of many others, each of which calls now and then. */
export const withSeldomTenants =
  (tenants: number) =>
  (call: number): string =>
    call % SELDOM === 0 ? tenantId(Math.floor(call / SELDOM) % tenants) : inTurn(call);

/** One call after the other, in turn with a bare update. */
async function idleTargets(
  { mongod, quick, progress }: Bench,
  takes: readonly [string, Take][],
): Promise<Target[]> {
  progress('one call at a time');
  const { usageDays } = await mongod.create('admission_idle');
  const filter = (tenant: string) => ({ _id: tenant as never });
  const bare: Take = (tenant) =>
    usageDays.collection.updateOne(filter(tenant), { $inc: { calls: 1 } }, { upsert: true });
  const tookMs = [bare, ...takes.map(([, take]) => take)].map((take) => ({ take, ms: [] as number[] }));
  for (let call = 0; call < (quick ? QUICK_IDLE_CALLS : IDLE_CALLS); call++) {
    for (const { take, ms } of tookMs) {
      const startedMs = performance.now();
      await take(IDS[call % TENANTS] as string);
      ms.push(performance.now() - startedMs);
    }
  }
  const [bareMs = Number.NaN, ...ownMs] = tookMs.map(({ ms }) => quantile(ms, 0.99));
  return takes.map(([name], i) => {
    const moreMs = (ownMs[i] ?? Number.NaN) - bareMs;
    return {
      what: `${name}: p99 of one idle call over a bare update's (${bareMs.toFixed(1)} ms)`,
      wanted: `at most ${MAX_IDLE_MS} ms`,
      measured: `${moreMs.toFixed(1)} ms`,
      met: moreMs <= MAX_IDLE_MS,
    };
  });
}

const METHOD = `Calls of ${TENANTS} tenants are decided in one process, ${WAITING} at a time, those of two instances in turn. Continuum checks a minute and a day, and counts by
endpoint and hour; the peers have one window. All but graphql-rate-limit have every call on disk (\`w: majority\`, journaled) before
they decide.`;
