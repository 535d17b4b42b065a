import { setTimeout as sleep } from 'node:timers/promises';
import type { Models } from '../../src/models/models.js';
import type { Bench } from '../bench.js';
import { quantile } from '../median.js';
import type { Findings } from '../report.js';
import { type Contestant, compete, type Standing } from '../rounds.js';
import { startOurServer } from '../server.js';
import { type BusyTenant, storeBusyTenants } from '../stored/tenants.js';

const BATCH = 500;
const SENDERS = 16;
const TENANTS = 100;
const ENDPOINTS = 5;
const EVENTS_PER_SECOND = 10_000;
/** One batch in so many is sent twice. */
const REPEATED = 10;
const SETTLE_MS = 30_000;

const OPERATION =
  'mutation Record($events: [UsageEventInput!]!) { recordUsage(events: $events) { id status } }';

interface UsageEvent {
  id: string;
  endpoint: string;
  quantity: number;
}

/** What other services report: durable, each event once. */
export async function usageEvents(bench: Bench): Promise<Findings> {
  const { mongod, progress } = bench;
  const tenants = bench.busyTenants.slice(0, TENANTS);
  const models = await mongod.create('usage_events');
  await storeBusyTenants(models, tenants);
  const server = await startOurServer(mongod.uriOf('usage_events'));
  try {
    const sender = createSender(server.url, tenants);
    const contestants = [bareInserts(await mongod.create('bare_inserts')), sendingBatches(sender)];
    progress('warms up');
    for (const { round } of contestants) await round(1);
    const standings = await compete(contestants, bench);
    const rows = standings.map(({ name, ...measured }) => ({ peer: name, ...measured }));
    progress('the sums are compared');
    const lost = sender.accepted() - (await storedCalls(models, sender.accepted()));
    const { throughput } = standings[1] as Standing;
    return {
      tables: [{ title: `Usage events in batches of ${BATCH}`, unit: 'events/s', rows }],
      targets: [
        {
          what: 'recordUsage over HTTP, events in a second',
          wanted: `at least ${EVENTS_PER_SECOND}`,
          measured: throughput.toFixed(0),
          met: throughput >= EVENTS_PER_SECOND,
        },
        {
          what: 'recordUsage: quantity accepted less quantity stored',
          wanted: '0',
          measured: String(lost),
          met: lost === 0,
        },
      ],
      method: METHOD,
    };
  } finally {
    await server.end('SIGTERM');
  }
}

interface Sender {
  /** A batch of new events of some tenant, answered; some of them are sent a second time. */
  send(): Promise<void>;
  /** The sum of the quantities of all events that were accepted. */
  accepted(): number;
}

function createSender(url: string, tenants: readonly BusyTenant[]): Sender {
  let batches = 0;
  let accepted = 0;

  async function post({ key }: BusyTenant, events: UsageEvent[]): Promise<string[]> {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: JSON.stringify({ query: OPERATION, variables: { events } }),
    });
    const { data, errors } = (await response.json()) as {
      data?: { recordUsage: { status: string }[] };
      errors?: { message: string }[];
    };
    if (!data) throw new Error(`recordUsage: ${errors?.[0]?.message}`);
    return data.recordUsage.map(({ status }) => status);
  }

  return {
    async send() {
      const batch = batches++;
      const tenant = tenants[batch % tenants.length] as BusyTenant;
      const events = newEvents(batch);
      expectAll(await post(tenant, events), 'ACCEPTED');
      accepted += events.reduce((sum, { quantity }) => sum + quantity, 0);
      if (batch % REPEATED === 0) expectAll(await post(tenant, events), 'DUPLICATE');
    },
    accepted: () => accepted,
  };
}

const newEvents = (batch: number): UsageEvent[] =>
  Array.from({ length: BATCH }, (_, i) => ({
    id: `${batch}-${i}`,
    endpoint: `endpoint${i % ENDPOINTS}`,
    quantity: 1 + (i % 3),
  }));

function expectAll(statuses: readonly string[], wanted: string): void {
  const other = statuses.find((status) => status !== wanted);
  if (other || statuses.length !== BATCH) throw new Error(`an event is ${other}, not ${wanted}`);
}

const sendingBatches = (sender: Sender): Contestant => sending('Continuum, recordUsage', () => sender.send());

/** What MongoDB itself takes: the same events, each a document under its id, nothing counted. */
function bareInserts({ connection }: Models): Contestant {
  const collection = connection.collection<{ _id: string }>('events');
  let batches = 0;
  return sending('MongoDB, insertMany alone', async () => {
    const docs = newEvents(batches++).map(({ id, ...event }) => ({ _id: id, ...event, at: new Date() }));
    await collection.insertMany(docs, { ordered: false });
  });
}

function sending(name: string, send: () => Promise<void>): Contestant {
  return {
    name,
    async round(seconds) {
      const tookMs: number[] = [];
      const startedMs = performance.now();
      async function client(): Promise<void> {
        while (performance.now() < startedMs + seconds * 1000) {
          const sentMs = performance.now();
          await send();
          tookMs.push(performance.now() - sentMs);
        }
      }
      await Promise.all(Array.from({ length: SENDERS }, client));
      const tookS = (performance.now() - startedMs) / 1000;
      return {
        throughput: (tookMs.length * BATCH) / tookS,
        p50Ms: quantile(tookMs, 0.5),
        p99Ms: quantile(tookMs, 0.99),
      };
    },
  };
}

/** Accepted events are on disk; they are counted in their day right after. */
async function storedCalls({ ledgers }: Models, wanted: number): Promise<number> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const [sum] = await ledgers.aggregate<{ calls: number }>([
      { $group: { _id: null, calls: { $sum: '$windows.day.used' } } },
    ]);
    const calls = sum?.calls ?? 0;
    if (calls === wanted || performance.now() > deadline) return calls;
    await sleep(200);
  }
}

const METHOD = `${SENDERS} clients post batches of ${BATCH} new events of ${TENANTS} tenants. p50 and p99 are those of a batch. One batch in
${REPEATED} is sent twice, and must come back as duplicates only. At the end the sum of the accepted quantities is compared with the
ledgers.`;
