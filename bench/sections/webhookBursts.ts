import { setTimeout as sleep } from 'node:timers/promises';
import type { mongo } from 'mongoose';
import type Stripe from 'stripe';
import type { Models } from '../../src/models/models.js';
import { WebhookEventStatus } from '../../src/models/webhookEvent.js';
import { REQUESTS_PER_SECOND } from '../../src/services/billing/stripe/requestRate.js';
import { createRandom, type Random } from '../../test/support/random.js';
import type { Bench } from '../bench.js';
import { median } from '../median.js';
import type { Target } from '../report.js';
import { type BenchServer, startOurServer } from '../server.js';
import { eventOf, LARGER_PRICE, type StripeAccount } from '../stripeAccount.js';
import { CONNECTIONS } from '../underLoad.js';

/** Every tenth subscription ends, every third is for a larger tier, the others are cancelled at the end of their period. */
const ENDS_EVERY = 10;
const GROWS_EVERY = 3;
const SEED = 1;
const RIGHT_S = 10;
const SINGLE_EVENTS = 20;
const SINGLE_MS = 300;
/** Of Stripe's limit for one endpoint. */
const DRAIN_SHARE = 0.9;
/** These can only be fetched one by one. */
const FAILED_PAYMENTS = { whole: 300, quick: 100 };
const LOOK_MS = 100;
const DEADLINE_MS = 120_000;

const { PENDING } = WebhookEventStatus;

interface Burst {
  bench: Bench;
  account: StripeAccount;
  models: Models;
  server: BenchServer;
}

/** A server that knows all subscriptions: what it does with single events, a burst, and events that lists cannot apply. */
export async function measureBursts(
  bench: Bench,
  account: StripeAccount,
  storeTenants: (models: Models) => Promise<Models>,
): Promise<Target[]> {
  const { mongod, progress } = bench;
  const models = await storeTenants(await mongod.create('webhooks_burst'));
  const server = await startOurServer(mongod.uriOf('webhooks_burst'), account.env);
  const burst = { bench, account, models, server };
  try {
    progress('learns all subscriptions');
    await post(
      burst,
      account.subscriptions.map((one) => eventOf(one, 'customer.subscription.created')),
    );
    await untilNoneWaits(models);
    return [await singleEvents(burst), await shuffled(burst), await drained(burst)];
  } finally {
    await server.end('SIGTERM');
  }
}

async function post({ bench, account, server }: Burst, events: readonly object[]): Promise<void> {
  const requests = events.map(account.deliveryOf);
  const url = server.url.replace(/graphql$/, 'v1/billing/webhook');
  const connections = Math.min(CONNECTIONS, requests.length);
  const { succeeded } = await bench.load.run({
    url,
    requests,
    connections,
    until: { requests: requests.length },
  });
  if (succeeded < requests.length) throw new Error(`${requests.length - succeeded} webhooks were not stored`);
}

async function untilNoneWaits(models: Models): Promise<void> {
  await until(async () => (await models.webhookEvents.countDocuments({ state: PENDING })) === 0);
}

async function until(isDone: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await isDone())) {
    if (performance.now() > deadline) throw new Error('Webhook events were not applied');
    await sleep(LOOK_MS);
  }
}

/** One event after the other, each of a change at Stripe, from Stripe's answer to the stored state. */
async function singleEvents(burst: Burst): Promise<Target> {
  const { account, models, bench } = burst;
  bench.progress('single events');
  const changes = models.billingSubscriptions.collection.watch([], { fullDocument: 'updateLookup' });
  const tookMs: number[] = [];
  // Opens it.
  await changes.tryNext();
  for (const { id } of account.subscriptions.slice(-SINGLE_EVENTS)) {
    const changed = await account.stripe.subscriptions.update(id, { cancel_at_period_end: true });
    const stored = storedAtMs(changes, id);
    await post(burst, [eventOf(changed, undefined, { cancel_at_period_end: false })]);
    const atMs = await stored;
    tookMs.push(atMs - account.answeredAtMs());
    await untilNoneWaits(models);
  }
  await changes.close();
  const slowest = Math.max(...tookMs);
  return {
    what: `one webhook on an idle server: applied after Stripe's answer (slowest of ${SINGLE_EVENTS})`,
    wanted: `below ${SINGLE_MS} ms`,
    measured: `${slowest.toFixed(0)} ms, median ${median(tookMs).toFixed(0)} ms`,
    met: slowest < SINGLE_MS,
  };
}

/** @returns when the next change of a subscription was on disk, in milliseconds */
async function storedAtMs(changes: mongo.ChangeStream, id: string): Promise<number> {
  for (;;) {
    const change = await changes.next();
    if ('fullDocument' in change && change.fullDocument?.stripeSubscriptionId === id)
      return performance.now();
  }
}

/** Every subscription changes; for each, an event from before and one from after the change come, in any order. */
async function shuffled(burst: Burst): Promise<Target> {
  const { account, models, bench } = burst;
  const { stripe, subscriptions } = account;
  const nowS = Math.floor(Date.now() / 1000);
  const events: object[] = [];
  const expected = new Map<string, Stripe.Subscription>();
  for (const [i, before] of subscriptions.entries()) {
    if (i % 50 === 0) bench.progress(`${i} of ${subscriptions.length} subscriptions changed`);
    const after = await changed(stripe, before, i);
    const type = `customer.subscription.${after.status === 'canceled' ? 'deleted' : 'updated'}`;
    events.push(eventOf(before, undefined, {}, nowS - 60), eventOf(after, type, previousOf(before, after)));
    expected.set(after.id, after);
  }
  bench.progress('shuffled events');
  account.asked.clear();
  const startedMs = performance.now();
  await post(burst, shuffle(events, createRandom(SEED)));
  await until(async () => (await wrong(models, expected)) === 0);
  const tookS = (performance.now() - startedMs) / 1000;
  const requests = [...account.asked.values()].reduce((sum, { length }) => sum + length, 0);
  await untilNoneWaits(models);
  const count = (n: number) => n.toLocaleString('en-US');
  return {
    what: `${count(events.length)} shuffled webhooks of ${count(subscriptions.length)} customers: all right`,
    wanted: `within ${RIGHT_S} s`,
    measured: `${tookS.toFixed(1)} s, ${requests} requests to Stripe`,
    met: tookS <= RIGHT_S,
  };
}

function changed(
  stripe: Stripe,
  { id, items }: Stripe.Subscription,
  i: number,
): Promise<Stripe.Subscription> {
  if (i % ENDS_EVERY === 0) return stripe.subscriptions.cancel(id);
  if (i % GROWS_EVERY === 0)
    return stripe.subscriptions.update(id, { items: [{ id: items.data[0]?.id ?? '', price: LARGER_PRICE }] });
  return stripe.subscriptions.update(id, { cancel_at_period_end: true });
}

function previousOf(before: Stripe.Subscription, after: Stripe.Subscription): object {
  if (after.status !== before.status) return { status: before.status };
  return after.cancel_at_period_end ? { cancel_at_period_end: false } : { items: before.items };
}

/** @returns how many subscriptions are stored in another state than Stripe has */
async function wrong(models: Models, expected: ReadonlyMap<string, Stripe.Subscription>): Promise<number> {
  const fields = { stripeSubscriptionId: 1, status: 1, priceId: 1, cancelAtPeriodEnd: 1 };
  const stored = await models.billingSubscriptions.find({}, fields).lean();
  const right = stored.filter(({ stripeSubscriptionId, status, priceId, cancelAtPeriodEnd }) => {
    const theirs = expected.get(stripeSubscriptionId);
    return (
      theirs?.status === status &&
      theirs.items.data[0]?.price.id === priceId &&
      theirs.cancel_at_period_end === cancelAtPeriodEnd
    );
  });
  return expected.size - right.length;
}

function shuffle<T>(items: readonly T[], random: Random): T[] {
  const placed = items.map((item) => ({ item, place: random.next() }));
  return placed.toSorted((a, b) => a.place - b.place).map(({ item }) => item);
}

/** Payments that failed are fetched customer by customer. */
async function drained(burst: Burst): Promise<Target> {
  const { account, models, bench } = burst;
  bench.progress('failed payments');
  const count = FAILED_PAYMENTS[bench.quick ? 'quick' : 'whole'];
  account.asked.clear();
  await post(
    burst,
    account.subscriptions
      .slice(0, count)
      .map(({ customer }, i) =>
        eventOf({ id: `in_${i}`, object: 'invoice', customer }, 'invoice.payment_failed', {}),
      ),
  );
  await untilNoneWaits(models);
  const asked = account.asked.get('GET /v1/subscriptions') ?? [];
  const seconds = ((asked.at(-1) ?? 0) - (asked[0] ?? 0)) / 1000;
  const perSecond = (asked.length - 1) / seconds;
  const wanted = DRAIN_SHARE * REQUESTS_PER_SECOND;
  return {
    what: `${count} webhooks that lists cannot apply: requests to Stripe in a second, of ${REQUESTS_PER_SECOND}`,
    wanted: `at least ${wanted}`,
    measured: perSecond.toFixed(1),
    met: perSecond >= wanted,
  };
}
