import fc from 'fast-check';
import type { ClientSession } from 'mongoose';
import type Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BillingSubscriptionDoc } from '../../src/models/billingSubscription.js';
import type { Models } from '../../src/models/models.js';
import { WebhookEventStatus } from '../../src/models/webhookEvent.js';
import type { Inbox } from '../../src/services/billing/inbox/inbox.js';
import { soon } from '../support/soon.js';
import { openStripeSide, received, type StripeSide } from '../support/stripeSide.js';

/**
 * Whatever happens to a subscription, however its events come, on two instances, with crashes between any two steps:
 * what is stored in the end is what Stripe has.
 */

let side: StripeSide;
beforeAll(async () => {
  side = await openStripeSide();
});
afterAll(() => side.close());

/** What a person, an operator or time does to a subscription. */
const CHANGES = {
  cancelAtEnd: (id: string) => side.stripe.subscriptions.update(id, { cancel_at_period_end: true }),
  keep: (id: string) => side.stripe.subscriptions.update(id, { cancel_at_period_end: false }),
  async upgrade(id: string) {
    const [item] = (await side.stripe.subscriptions.retrieve(id)).items.data;
    return side.stripe.subscriptions.update(id, {
      items: [{ id: item?.id ?? '', price: 'price_enterprise' }],
    });
  },
  pause: (id: string) => side.stripe.rawRequest('POST', `/v1/subscriptions/${id}/pause`),
  resume: (id: string) => side.stripe.subscriptions.resume(id),
  cancel: (id: string) => side.stripe.subscriptions.cancel(id),
  async forgetCustomer(id: string) {
    return side.stripe.customers.del(String((await side.stripe.subscriptions.retrieve(id)).customer));
  },
} as const;
type ChangeName = keyof typeof CHANGES;

interface Plan {
  changes: ChangeName[];
  /** Each event's places in the order of delivery; as many as it is delivered times. */
  places: number[][];
  /** Which instance each delivery goes to. */
  targets: boolean[];
  /** After how many steps an instance dies, and whether its last step was done. */
  crashes: { afterSteps: number; isDone: boolean }[];
}

const plans: fc.Arbitrary<Plan> = fc.record({
  changes: fc.array(fc.constantFrom(...(Object.keys(CHANGES) as ChangeName[])), { maxLength: 4 }),
  places: fc.array(fc.array(fc.nat(1_000), { minLength: 1, maxLength: 3 }), { minLength: 40, maxLength: 40 }),
  targets: fc.array(fc.boolean(), { minLength: 120, maxLength: 120 }),
  crashes: fc.array(fc.record({ afterSteps: fc.integer({ min: 1, max: 40 }), isDone: fc.boolean() }), {
    maxLength: 4,
  }),
});

let count = 0;

/** @returns the subscription's id, and every event of its life, in their order */
async function live(changes: readonly ChangeName[]) {
  count += 1;
  const tenantId = `ten_${count}`;
  await side.addTenant(tenantId);
  const customer = await side.stripe.customers.create({ metadata: { tenant_id: tenantId } });
  const { id } = await side.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: 'price_pro' }],
    default_payment_method: 'pm_card_visa',
  });
  // What Stripe refuses, such as to cancel twice, is no change.
  for (const change of changes) await CHANGES[change](id).catch(() => undefined);
  const all = side.database.connection.collection('mock_stripe_events');
  const events = await all
    .find({ $or: [{ 'body.data.object.customer': customer.id }, { 'body.data.object.id': customer.id }] })
    .sort({ seq: 1 })
    .toArray();
  return { tenantId, id, customerId: customer.id, events: events.map(({ body }) => received(body)) };
}

/** An instance that dies at a step: nothing that it asks is answered any more, as if it was killed. */
function mortalInstance(crash: Plan['crashes'][number] | undefined) {
  let steps = 0;
  let isDead = false;
  const { promise: died, resolve: die } = Promise.withResolvers<void>();

  async function step<T>(run: () => Promise<T>): Promise<T> {
    if (isDead) return new Promise(() => {});
    steps += 1;
    if (!crash || steps < crash.afterSteps) return run();
    isDead = true;
    if (crash.isDone) await run().catch(() => undefined);
    die();
    return new Promise(() => {});
  }

  /** MongoDB aborts the open transaction of a process that is gone, after a minute; here at once. */
  const transaction: Transaction = (run, work) =>
    isDead
      ? new Promise(() => {})
      : run((session) =>
          Promise.race([
            work(session),
            died.then(() => {
              throw new Error('The instance is dead');
            }),
          ]),
        );

  const instance = side.instance({
    models: watched(side.models, step, transaction),
    fetch: (input, init) => step(() => side.mock.fetch(input, init)),
  });
  return { inbox: instance.inbox, died, isDead: () => isDead };
}

type Step = <T>(run: () => Promise<T>) => Promise<T>;
type Work<T> = (session: ClientSession) => Promise<T>;
type Transaction = <T>(run: (work: Work<T>) => Promise<T>, work: Work<T>) => Promise<T>;

const STATEMENTS = new Set([
  'insertMany',
  'bulkWrite',
  'updateOne',
  'updateMany',
  'deleteOne',
  'deleteMany',
  'toArray',
  'lean',
  'findByIdAndUpdate',
  'exists',
]);
const BUILDERS = new Set(['find', 'findOne', 'findById', 'findOneAndUpdate', 'sort', 'limit', 'collection']);

/** The same models, each statement a step. */
function watched(models: Models, step: Step, transaction: Transaction): Models {
  // biome-ignore lint/suspicious/noExplicitAny: every class of mongoose and the driver passes through
  const watch = (target: any): any =>
    new Proxy(target, {
      get(inner, name) {
        const value = inner[name];
        const isModel = typeof value === 'function' && 'modelName' in value;
        if (typeof value === 'function' && !isModel) {
          // biome-ignore lint/suspicious/noExplicitAny: see above
          return (...args: any[]) => {
            if (name === 'transaction') return transaction((work) => value.call(inner, work), args[0]);
            if (BUILDERS.has(String(name))) return watch(value.apply(inner, args));
            if (!STATEMENTS.has(String(name))) return value.apply(inner, args);
            return step(async () => value.apply(inner, args));
          };
        }
        return isModel || (typeof value === 'object' && value !== null) ? watch(value) : value;
      },
    });
  return watch(models);
}

/** Starts again what died until everything is applied; the leases of the dead run out at once. */
async function settle(instances: { inbox: Inbox; isDead(): boolean }[]): Promise<void> {
  const { webhookEvents, leases } = side.models;
  const open = { state: WebhookEventStatus.PENDING };
  await leases.updateMany({}, { $set: { until: new Date(0) } });
  await soon(async () => {
    for (const [i, { isDead }] of instances.entries()) {
      if (!isDead()) continue;
      await leases.updateMany({}, { $set: { until: new Date(0) } });
      instances[i] = mortalInstance(undefined);
      instances[i]?.inbox.start();
    }
    await webhookEvents.updateMany(open, { $set: { nextAttemptAt: new Date(0) } });
    for (const { inbox, isDead } of instances) if (!isDead()) inbox.start();
    expect(await webhookEvents.find(open, { lane: 1, attempts: 1, lastError: 1 }).lean()).toEqual([]);
  });
}

function stateAtStripe(subscription: Stripe.Subscription): Partial<BillingSubscriptionDoc> {
  const [item] = subscription.items.data;
  return {
    stripeSubscriptionId: subscription.id,
    status: subscription.status as BillingSubscriptionDoc['status'],
    priceId: item?.price.id ?? '',
    currentPeriodEnd: new Date((item?.current_period_end ?? 0) * 1000),
    cancelAtPeriodEnd: subscription.cancel_at_period_end,
  };
}

describe("a lifecycle's events", () => {
  it('in any order, any number of times, on two instances that crash, end in the state that Stripe has', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async ({ changes, places, targets, crashes }) => {
        const { tenantId, id, customerId, events } = await live(changes);
        const deliveries = events
          .flatMap((event, i) => (places[i % places.length] ?? [0]).map((place) => ({ event, place })))
          .sort((a, b) => a.place - b.place);
        // As many crashes as there are, one after the other.
        const left = [...crashes];
        const instances = [mortalInstance(left.shift()), mortalInstance(left.shift())];
        for (const [i, { event }] of deliveries.entries()) {
          const at = targets[i % targets.length] ? 1 : 0;
          const { inbox, died } = instances[at] as ReturnType<typeof mortalInstance>;
          const outcome = await Promise.race([
            inbox.receive(event).then(() => 'taken'),
            died.then(() => 'died'),
          ]);
          if (outcome === 'taken') continue;
          // Not acknowledged: the instance comes back, and Stripe sends the event again.
          instances[at] = mortalInstance(left.shift());
          deliveries.push({ event, place: 0 });
        }
        await settle(instances);
        const stored = await side.models.billingSubscriptions.findById(tenantId).lean();
        const customer = await side.stripe.customers.retrieve(customerId);
        if (customer.deleted) {
          expect(stored?.status ?? 'canceled').toBe('canceled');
          expect(
            (await side.models.billingCustomers.findById(tenantId).lean())?.stripeCustomerId ?? null,
          ).toBeNull();
        } else {
          expect(stored).toMatchObject(stateAtStripe(await side.stripe.subscriptions.retrieve(id)));
        }
        for (const { inbox, isDead, died } of instances)
          if (!isDead()) await Promise.race([inbox.stop(), died]);
      }),
      { numRuns: 40, endOnFailure: true },
    );
  }, 180_000);
});
