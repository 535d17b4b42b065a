import { setTimeout as sleep } from 'node:timers/promises';
import type { Models } from '../../src/models/models.js';
import { WebhookEventStatus } from '../../src/models/webhookEvent.js';
import { createEventIntake, documentOf } from '../../src/services/stripe/eventIntake.js';
import { readEvent } from '../../src/services/stripe/receivedEvent.js';
import { createRefusals } from '../../src/services/stripe/refusals.js';
import { REQUESTS_PER_SECOND } from '../../src/services/stripe/requestRate.js';
import type { Bench } from '../bench.js';
import type { LoadRequest, LoadResult } from '../load/load.js';
import { quantile } from '../median.js';
import type { Findings, Row, Target } from '../report.js';
import { type Contestant, compete, type Measured, type Standing } from '../rounds.js';
import { type BenchServer, processorMs, startOurServer } from '../server.js';
import { eventOf, openStripeAccount, type StripeAccount, tenantIdOf } from '../stripeAccount.js';
import { CONNECTIONS } from '../underLoad.js';

const WHOLE = { subscriptions: 1_000, pacedSeconds: 10 };
const QUICK = { subscriptions: 100, pacedSeconds: 4 };
/** Posted in a round, for each of its seconds: a round lasts as long as they take. */
const POSTED_PER_SECOND = 3_000;
const PACE_PER_SECOND = 500;
const WAITING_EACH = 10;
const WANTED_PER_SECOND = 2_000;
const WANTED_P99_MS = 50;
const APPLY_MS = 300_000;

const { PENDING, APPLIED } = WebhookEventStatus;

/** What Stripe tells: on disk before it is answered, then applied within what Stripe lets us ask. */
export async function webhooks(bench: Bench): Promise<Findings> {
  const { mongod, quick, progress } = bench;
  const { subscriptions } = quick ? QUICK : WHOLE;
  const account = await openStripeAccount(await mongod.create('webhooks_stripe'), subscriptions, progress);
  try {
    const acknowledged = await measureAcknowledgement(bench, account);
    const applied = await measureApplication(bench, account);
    return {
      tables: [...acknowledged.tables, ...applied.tables],
      targets: [...acknowledged.targets, ...applied.targets],
      method: methodOf(bench),
    };
  } finally {
    await account.close();
  }
}

/** While what is acknowledged is applied, as it always is. */
async function measureAcknowledgement(bench: Bench, account: StripeAccount) {
  const { mongod, quick, progress } = bench;
  const models = await storeTenants(await mongod.create('webhooks'), account);
  const server = await startOurServer(mongod.uriOf('webhooks'), account.env);
  try {
    const posting = postingEvents(bench, server, account);
    const contestants = [bareInserts(await mongod.create('bare_webhooks'), account), posting.contestant];
    progress('warms up');
    for (const { round } of contestants) await round(1);
    const standings = await compete(contestants, bench);
    // What a burst left is another load: that of an outage, which is measured by itself.
    await untilApplied(models, progress);
    progress(`${PACE_PER_SECOND} events a second`);
    const paced = await posting.post(({ url, requests }) =>
      bench.load.run({ url, requests, perSecond: PACE_PER_SECOND }),
    )(PACE_PER_SECOND * (quick ? QUICK : WHOLE).pacedSeconds);
    const stored = await models.webhookEvents.countDocuments();
    const { throughput } = standings[1] as Standing;
    const rows: Row[] = standings.map(({ name, ...measured }) => ({ peer: name, ...measured }));
    return {
      tables: [
        { title: 'Webhook events acknowledged', unit: 'events/s', rows },
        { title: `Webhook events at ${PACE_PER_SECOND}/s`, unit: 'events/s', rows: [{ peer: US, ...paced }] },
      ],
      targets: [
        atLeast('webhooks acknowledged in a second, durable', WANTED_PER_SECOND, throughput),
        below(`webhooks at ${PACE_PER_SECOND}/s: p99 of the acknowledgement`, WANTED_P99_MS, paced.p99Ms),
        none('webhooks: acknowledged less stored', posting.acknowledged() - stored),
      ],
    };
  } finally {
    await server.end('SIGTERM');
  }
}

const US = 'Continuum, over HTTP';

function postingEvents({ load }: Bench, server: BenchServer, { deliveries }: StripeAccount) {
  const url = server.url.replace(/graphql$/, 'v1/billing/webhook');
  let acknowledged = 0;
  const post =
    (send: (to: { url: string; requests: LoadRequest[] }) => Promise<LoadResult>) =>
    async (count: number): Promise<Measured> => {
      const requests = deliveries(count);
      const usedMs = await processorMs(server.pid);
      const { succeeded, refused, failed, seconds, p50Ms, p99Ms } = await send({ url, requests });
      const nowMs = await processorMs(server.pid);
      if (refused + failed > 0) throw new Error(`Webhooks: ${refused} refused, ${failed} failed`);
      acknowledged += succeeded;
      const cpuMs = usedMs === null || nowMs === null ? undefined : (nowMs - usedMs) / succeeded;
      return { throughput: succeeded / seconds, p50Ms, p99Ms, ...(cpuMs && { cpuMs }) };
    };
  const postAll = post(({ url, requests }) =>
    load.run({ url, requests, connections: CONNECTIONS, until: { requests: requests.length } }),
  );
  const contestant: Contestant = {
    name: US,
    round: (seconds) => postAll(POSTED_PER_SECOND * seconds),
  };
  return { contestant, post, acknowledged: () => acknowledged };
}

/** What MongoDB itself takes: the same documents, each by a statement of its own. */
function bareInserts({ connection }: Models, { deliveries }: StripeAccount): Contestant {
  const collection = connection.collection('events');
  return {
    name: 'MongoDB, an insert for each',
    async round(seconds) {
      const docs = deliveries(POSTED_PER_SECOND * seconds).map(({ body }) =>
        documentOf(readEvent(body), Date.now()),
      );
      const tookMs: number[] = [];
      const startedMs = performance.now();
      let next = 0;
      async function client(): Promise<void> {
        while (next < docs.length) {
          const sentMs = performance.now();
          await collection.insertOne(docs[next++] as never);
          tookMs.push(performance.now() - sentMs);
        }
      }
      await Promise.all(Array.from({ length: CONNECTIONS }, client));
      const tookS = (performance.now() - startedMs) / 1000;
      return {
        throughput: docs.length / tookS,
        p50Ms: quantile(tookMs, 0.5),
        p99Ms: quantile(tookMs, 0.99),
      };
    },
  };
}

/** What waits when a server starts, as after an outage. */
async function measureApplication({ mongod, progress }: Bench, account: StripeAccount) {
  const models = await storeTenants(await mongod.create('webhooks_waiting'), account);
  await storeWaiting(models, account);
  const count = account.subscriptions.length;
  const events = count * WAITING_EACH;
  account.asked.clear();
  const startedMs = performance.now();
  const server = await startOurServer(mongod.uriOf('webhooks_waiting'), account.env);
  try {
    await untilApplied(models, progress);
    const tookS = (performance.now() - startedMs) / 1000;
    const applied = await models.webhookEvents.countDocuments({ state: APPLIED });
    const requests = [...account.asked.values()].reduce((sum, { length }) => sum + length, 0);
    const mostASecond = Math.max(...[...account.asked.values()].map(mostWithinASecond));
    const what = `${events.toLocaleString('en-US')} waiting webhooks of ${count.toLocaleString('en-US')} subscriptions`;
    return {
      tables: [
        {
          title: `Webhook events applied, ${WAITING_EACH} of each of ${count.toLocaleString('en-US')} subscriptions`,
          unit: 'events/s',
          rows: [{ peer: 'Continuum', throughput: applied / tookS }],
        },
      ],
      targets: [
        none(`${what}: not applied`, events - applied),
        atMost(`${what}: requests to Stripe`, count, requests),
        atMost('most requests to one endpoint of Stripe in a second', REQUESTS_PER_SECOND, mostASecond),
      ],
    };
  } finally {
    await server.end('SIGTERM');
  }
}

async function storeTenants(models: Models, { subscriptions }: StripeAccount): Promise<Models> {
  const createdAt = new Date();
  await models.tenants.insertMany(
    subscriptions.map((_, n) => ({
      _id: tenantIdOf(n),
      name: tenantIdOf(n),
      email: null,
      contract: { tier: null, limits: {} },
      createdAt,
    })),
  );
  return models;
}

/** As a server without a worker would have. */
async function storeWaiting(models: Models, { subscriptions }: StripeAccount): Promise<void> {
  const base = { models, clock: { now: Date.now }, refusals: createRefusals() };
  const intake = createEventIntake({ ...base, stored: () => undefined });
  for (let i = 0; i < WAITING_EACH; i++) {
    await Promise.all(
      subscriptions.map((subscription) => intake.receive(readEvent(JSON.stringify(eventOf(subscription))))),
    );
  }
}

async function untilApplied(models: Models, progress: Bench['progress']): Promise<void> {
  const deadline = performance.now() + APPLY_MS;
  for (;;) {
    const waiting = await models.webhookEvents.countDocuments({ state: PENDING });
    if (waiting === 0) return;
    if (performance.now() > deadline) throw new Error(`${waiting} webhook events were not applied`);
    progress(`${waiting} events wait to be applied`);
    await sleep(1_000);
  }
}

function mostWithinASecond(atMs: readonly number[]): number {
  return Math.max(
    ...atMs.map((beginMs) => atMs.filter((ms) => ms >= beginMs && ms < beginMs + 1_000).length),
  );
}

const atLeast = (what: string, wanted: number, measured: number): Target => ({
  what,
  wanted: `at least ${wanted}`,
  measured: measured.toFixed(0),
  met: measured >= wanted,
});

const below = (what: string, wantedMs: number, measuredMs: number): Target => ({
  what,
  wanted: `below ${wantedMs} ms`,
  measured: `${measuredMs.toFixed(1)} ms`,
  met: measuredMs < wantedMs,
});

const atMost = (what: string, wanted: number, measured: number): Target => ({
  what,
  wanted: `at most ${wanted}`,
  measured: String(measured),
  met: measured <= wanted,
});

const none = (what: string, count: number): Target => ({
  what,
  wanted: 'none',
  measured: String(count),
  met: count === 0,
});

const methodOf = ({ quick }: Bench) => {
  const { subscriptions, pacedSeconds } = quick ? QUICK : WHOLE;
  return `Signed snapshot events of ${subscriptions.toLocaleString('en-US')} subscriptions are posted to a server in live mode, which
applies them meanwhile: it asks a mock of Stripe that runs beside it. Throughput is of ${CONNECTIONS} connections, the peer's of as many
inserts at once. At ${PACE_PER_SECOND}/s, for ${pacedSeconds} s,
once all of that is applied, the load waits for no answer, and a latency counts from the moment when the event
was to be sent. What is applied waited before the server started; its time includes the start.`;
};
