import { setTimeout as sleep } from 'node:timers/promises';
import type { Models } from '../../src/models/models.js';
import { WebhookEventStatus } from '../../src/models/webhookEvent.js';
import { createEventIntake, documentOf } from '../../src/services/billing/inbox/eventIntake.js';
import { readEvent } from '../../src/services/billing/inbox/receivedEvent.js';
import { createRejections } from '../../src/services/billing/inbox/rejections.js';
import { REQUESTS_PER_SECOND } from '../../src/services/billing/stripe/requestRate.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';
import type { Bench } from '../bench.js';
import type { LoadRequest, LoadResult } from '../load/load.js';
import { bareInserts, bareInsertsAtPace } from '../peers/bareInserts.js';
import { durableTarget, type Findings, type Row, type Table, type Target } from '../report.js';
import { type Contestant, compete, type Measured, type Standing } from '../rounds.js';
import { type BenchServer, processorMs, startOurServer } from '../server.js';
import { eventOf, nthTenantId, openStripeAccount, type StripeAccount } from '../stripeAccount.js';
import { CONNECTIONS } from '../underLoad.js';
import { measureBursts } from './webhookBursts.js';

const SUBSCRIPTIONS = { whole: 1_000, quick: 100 };
/** Posted in a round, for each of its seconds: a round lasts as long as they take. */
const POSTED_PER_SECOND = 3_000;
const PACE_PER_SECOND = 500;
const WAITING_EACH = 10;
const WANTED_PER_SECOND = 2_000;
const WANTED_APPLIED_PER_SECOND = 1_000;
/** As if Stripe had no limit. */
const LIFTED = '10000';
const WANTED_P99_MS = 50;
const APPLY_MS = 300_000;
const LOOK_MS = 200;

const { PENDING, APPLIED } = WebhookEventStatus;

/** Stripe's events: on disk before they are answered, then applied within Stripe's rate limits. */
export async function webhooks(bench: Bench): Promise<Findings> {
  const { mongod, quick, progress } = bench;
  const subscriptions = SUBSCRIPTIONS[quick ? 'quick' : 'whole'];
  const account = await openStripeAccount(await mongod.create('webhooks_stripe'), subscriptions, progress);
  try {
    const acknowledged = await measureAcknowledgement(bench, account);
    const applied = await measureApplication(bench, account);
    const lifted = await measureLifted(bench, account);
    const bursts = await measureBursts(bench, account, (models) => storeTenants(models, account));
    return {
      tables: [...acknowledged.tables, appliedTable(subscriptions, applied.row, lifted.row)],
      targets: [...acknowledged.targets, ...applied.targets, ...lifted.targets, ...bursts],
      method: methodOf(bench),
    };
  } finally {
    await account.close();
  }
}

/** While what is acknowledged is applied, as it always is. */
async function measureAcknowledgement(bench: Bench, account: StripeAccount) {
  const { mongod, progress } = bench;
  const models = await storeTenants(await mongod.create('webhooks'), account);
  const server = await startOurServer(mongod.uriOf('webhooks'), account.env);
  try {
    const posting = postingEvents(bench, server, account);
    const { connection } = await mongod.create('bare_webhooks');
    const inserted = connection.collection('events');
    const docsFor = (perSecond: number) => (roundSeconds: number) =>
      account
        .deliveries(perSecond * roundSeconds)
        .map(({ body }) => documentOf(readEvent(body), Date.now(), null));
    const contestants = [
      bareInserts(inserted, CONNECTIONS, docsFor(POSTED_PER_SECOND)),
      posting.asFastAsPossible,
    ];
    progress('warms up');
    for (const { round } of contestants) await round(1);
    const standings = await compete(contestants, bench);
    // What a burst left is another load: that of an outage, which is measured by itself.
    await untilApplied(models, progress);
    const paced = await compete(
      [bareInsertsAtPace(inserted, PACE_PER_SECOND, docsFor(PACE_PER_SECOND)), posting.atPace],
      bench,
    );
    const stored = await models.webhookEvents.countDocuments();
    const { throughput } = standings[1] as Standing;
    const [insert, acknowledgement] = paced as [Standing, Standing];
    const rowsOf = (all: readonly Standing[]) => all.map(({ name, ...row }): Row => ({ peer: name, ...row }));
    return {
      tables: [
        { title: 'Webhook events acknowledged', unit: 'events/s', rows: rowsOf(standings) },
        { title: `Webhook events at ${PACE_PER_SECOND}/s`, unit: 'events/s', rows: rowsOf(paced) },
      ],
      targets: [
        atLeast('webhooks acknowledged in a second, durable', WANTED_PER_SECOND, throughput),
        durableTarget(
          `webhooks at ${PACE_PER_SECOND}/s: p99 of the acknowledgement`,
          WANTED_P99_MS,
          acknowledgement.p99Ms,
          insert.p99Ms,
        ),
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
  const postPaced = post(({ url, requests }) => load.run({ url, requests, perSecond: PACE_PER_SECOND }));
  const contestant = (postMany: typeof postAll, perSecond: number): Contestant => ({
    name: US,
    round: (seconds) => postMany(perSecond * seconds),
  });
  return {
    asFastAsPossible: contestant(postAll, POSTED_PER_SECOND),
    atPace: contestant(postPaced, PACE_PER_SECOND),
    acknowledged: () => acknowledged,
  };
}

/** What waits when a server starts, as after an outage. */
async function measureApplication(bench: Bench, account: StripeAccount) {
  const { length: count } = account.subscriptions;
  const { events, applied, perSecond } = await applyWaiting(bench, account, 'webhooks_waiting', {});
  const requests = [...account.asked.values()].reduce((sum, { length }) => sum + length, 0);
  const mostASecond = Math.max(...[...account.asked.values()].map(mostWithinASecond));
  const what = waiting(events, count);
  return {
    row: { peer: 'Continuum', throughput: perSecond },
    targets: [
      none(`${what}: not applied`, events - applied),
      atMost(`${what}: requests to Stripe`, count, requests),
      atMost('most requests to one endpoint of Stripe in a second', REQUESTS_PER_SECOND, mostASecond),
    ],
  };
}

/** The same with a Stripe that has no limit: how fast the server and its database are. */
async function measureLifted(bench: Bench, account: StripeAccount) {
  const limit = { STRIPE_REQUESTS_PER_SECOND: LIFTED };
  const { events, perSecond } = await applyWaiting(bench, account, 'webhooks_lifted', limit);
  const what = `${waiting(events, account.subscriptions.length)}, no limit: applied in a second`;
  return {
    row: { peer: 'Continuum, without a limit of Stripe', throughput: perSecond },
    targets: [atLeast(what, WANTED_APPLIED_PER_SECOND, perSecond)],
  };
}

const waiting = (events: number, count: number) =>
  `${events.toLocaleString('en-US')} waiting webhooks of ${count.toLocaleString('en-US')} subscriptions`;

async function applyWaiting(
  { mongod, progress }: Bench,
  account: StripeAccount,
  database: string,
  env: Record<string, string>,
) {
  const models = await storeTenants(await mongod.create(database), account);
  await storeWaiting(models, account);
  account.asked.clear();
  const startedMs = performance.now();
  const server = await startOurServer(mongod.uriOf(database), { ...account.env, ...env });
  try {
    await untilApplied(models, progress);
    const tookS = (performance.now() - startedMs) / 1000;
    const applied = await models.webhookEvents.countDocuments({ state: APPLIED });
    const events = account.subscriptions.length * WAITING_EACH;
    return { events, applied, perSecond: applied / tookS };
  } finally {
    await server.end('SIGTERM');
  }
}

const appliedTable = (count: number, ...rows: Row[]): Table => ({
  title: `Webhook events applied, ${WAITING_EACH} of each of ${count.toLocaleString('en-US')} subscriptions`,
  unit: 'events/s',
  rows,
});

async function storeTenants(models: Models, { subscriptions }: StripeAccount): Promise<Models> {
  const createdAt = new Date();
  await models.tenants.insertMany(
    subscriptions.map((_, n) => ({
      _id: nthTenantId(n),
      name: nthTenantId(n),
      email: null,
      contract: { tier: null, limits: {} },
      createdAt,
    })),
  );
  // As their checkouts did.
  await models.billingCustomers.insertMany(
    subscriptions.map(({ customer }, n) => ({ _id: nthTenantId(n), stripeCustomerId: customer })),
  );
  return models;
}

/** As a server without a worker would have. */
async function storeWaiting(models: Models, { subscriptions }: StripeAccount): Promise<void> {
  const intake = createEventIntake({
    models,
    clock: { now: Date.now },
    metrics: noMetrics,
    rejections: createRejections(),
    isLive: null,
    stored: () => undefined,
  });
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
    await sleep(LOOK_MS);
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
  const subscriptions = SUBSCRIPTIONS[quick ? 'quick' : 'whole'].toLocaleString('en-US');
  return `Signed snapshot events of ${subscriptions} subscriptions are posted to a server in live mode, which applies them at the same time and
sends its requests to a mock Stripe that runs beside it. Throughput is measured with ${CONNECTIONS} connections, the peer's with as
many inserts at once. At ${PACE_PER_SECOND}/s, once all of these are applied, events are sent without waiting for responses, and a
latency counts from the moment when the event was due. In the last table the events waited before the server started, and its time
includes the start. The shuffled events are two of each subscription, from before and after a change: a tenth of them end, about a
third move to a larger tier, the others are cancelled at the end of their period. The subscriptions were created one after the other, so that lists
bring many at once; the fewer of an account's neighbouring subscriptions change, the nearer a burst is to one request for each.`;
};
