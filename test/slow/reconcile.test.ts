import { pino } from 'pino';
import Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Models } from '../../src/models/models.js';
import { createAuditLog } from '../../src/services/audit/auditLog.js';
import { createReconcile, type ReconcileProgress } from '../../src/services/billing/reconcile/reconcile.js';
import { createLease } from '../../src/services/infrastructure/lease.js';
import { type Instance, openStripeSide, type StripeSide } from '../support/stripeSide.js';
import { systemClock } from '../support/systemClock.js';

let side: StripeSide;
let instance: Instance;
let models: Models;
beforeAll(async () => {
  side = await openStripeSide();
  models = side.models;
  instance = side.instance();
});
afterAll(async () => {
  await instance.inbox.stop();
  await side.close();
});
/** Each test begins with everything as Stripe has it. */
beforeEach(async () => {
  await run();
});

const server = (key: { stripe: Stripe; instance: Instance } = { stripe: side.stripe, instance }) =>
  createReconcile({
    models,
    stripe: key.stripe,
    ...key.instance,
    auditLog: createAuditLog({ models, clock: systemClock }),
    lease: createLease({ models, name: 'reconcile', ttlMs: 60_000 }),
    clock: systemClock,
    log: pino({ level: 'silent' }),
  });

async function run(
  options: { dryRun?: boolean; force?: boolean; onProgress?: (progress: ReconcileProgress) => void } = {},
) {
  const done = await server().run({ dryRun: false, ...options });
  await instance.inbox.idle(30_000);
  return done;
}

let count = 0;
async function subscribed() {
  count += 1;
  const tenantId = `ten_${count}`;
  await side.addTenant(tenantId);
  const customer = await side.stripe.customers.create({ metadata: { tenant_id: tenantId } });
  const subscription = await side.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: 'price_pro' }],
    default_payment_method: 'pm_card_visa',
  });
  return { tenantId, customerId: customer.id, id: subscription.id };
}

async function known() {
  const made = await subscribed();
  await run();
  expect(await storedOf(made.tenantId)).toMatchObject({ status: 'active' });
  return made;
}

const storedOf = (tenantId: string) => models.billingSubscriptions.findById(tenantId).lean();
const withoutEvents = ({ mended }: { mended: { kind: string }[] }) =>
  mended.filter(({ kind }) => kind !== 'event');

/** The entries of a customer and its subscription that a comparison brings. */
const FOUND = ['customer.linked', 'subscription.created'];

/** The actions that an author's entries of a tenant name, oldest first. */
const auditedBy = async (actor: string, tenantId: string) =>
  (await models.auditEntries.find({ chain: tenantId, actor }).sort({ _id: 1 }).lean()).map(
    ({ action }) => action,
  );

describe('a comparison with Stripe', () => {
  it('that finds everything as Stripe has it mends nothing', async () => {
    await known();
    expect(await run()).toMatchObject({ mended: [], mendedCount: 0, finishedAt: expect.any(Date) });
  });

  it('brings a subscription and a customer that were never heard of', async () => {
    const { tenantId, customerId, id } = await subscribed();
    const done = await run();
    expect(withoutEvents(done)).toEqual([
      { kind: 'customer', object: customerId, tenantId, found: 'the customer is not linked to its tenant' },
    ]);
    expect(await storedOf(tenantId)).toMatchObject({
      stripeSubscriptionId: id,
      status: 'active',
      tier: 'PRO',
    });
  });

  it('brings a change that was missed, and says what it was', async () => {
    const { tenantId, id } = await known();
    await side.stripe.subscriptions.cancel(id);
    const found = expect.stringContaining('status active, Stripe has canceled');
    expect(withoutEvents(await run())).toEqual([{ kind: 'subscription', object: id, tenantId, found }]);
    expect(await storedOf(tenantId)).toMatchObject({ status: 'canceled' });
    expect(withoutEvents(await run())).toEqual([]);
    expect(await auditedBy('system:reconcile', tenantId)).toEqual([...FOUND, 'subscription.changed']);
  });

  it('ends what belongs to a customer that Stripe does not have any more', async () => {
    const { tenantId, customerId } = await known();
    await side.stripe.customers.del(customerId);
    await run();
    expect(await storedOf(tenantId)).toMatchObject({ status: 'canceled' });
    expect(await models.billingCustomers.findById(tenantId).lean()).toMatchObject({ stripeCustomerId: null });
    const ended = [...FOUND, 'subscription.changed', 'customer.deleted'];
    expect(await auditedBy('system:reconcile', tenantId)).toEqual(ended);
  });

  it('brings the e-mail of a customer', async () => {
    const { tenantId, customerId } = await known();
    await side.stripe.customers.update(customerId, { email: 'new@example.com' });
    expect(withoutEvents(await run())).toMatchObject([{ kind: 'customer', object: customerId }]);
    expect(await models.billingCustomers.findById(tenantId).lean()).toMatchObject({
      email: 'new@example.com',
    });
    expect(await auditedBy('system:reconcile', tenantId)).toEqual([...FOUND, 'customer.changed']);
  });

  it('puts events that were never received into the inbox, where they are applied', async () => {
    const { customerId } = await subscribed();
    const { mended } = await run();
    const events = mended.filter(({ kind }) => kind === 'event');
    expect(events.map(({ found }) => found)).toContain('customer.subscription.created was never received');
    const ids = events.map(({ object }) => object);
    const stored = await models.webhookEvents.find({ _id: { $in: ids } }).lean();
    expect(stored).toHaveLength(ids.length);
    expect(
      stored.filter(({ lane }) => lane === `customer:${customerId}`).map(({ state }) => state),
    ).not.toContain('PENDING');
  });

  it('with dryRun says the same and changes nothing', async () => {
    const { tenantId, id } = await known();
    await side.stripe.subscriptions.update(id, { cancel_at_period_end: true });
    const events = await models.webhookEvents.countDocuments();
    const dry = await run({ dryRun: true });
    expect(withoutEvents(dry)).toMatchObject([
      { object: id, found: expect.stringContaining('cancelAtPeriodEnd false') },
    ]);
    expect(dry.mended.some(({ kind }) => kind === 'event')).toBe(true);
    expect(await storedOf(tenantId)).toMatchObject({ cancelAtPeriodEnd: false });
    expect(await models.webhookEvents.countDocuments()).toBe(events);
    expect((await run()).mended).toEqual(dry.mended);
    expect(await storedOf(tenantId)).toMatchObject({ cancelAtPeriodEnd: true });
  });

  it('looks at the others although one cannot be compared', async () => {
    const [odd, missed] = [await known(), await known()];
    const setStatus = (status: string) =>
      side.database.connection
        .collection<{ _id: string }>('mock_stripe_objects')
        .updateOne({ _id: odd.id }, { $set: { 'body.status': status } });
    await setStatus('hibernating');
    await side.stripe.subscriptions.cancel(missed.id);
    const found = withoutEvents(await run());
    expect(found).toContainEqual({
      kind: 'customer',
      object: odd.customerId,
      tenantId: null,
      found: expect.stringContaining('hibernating'),
    });
    expect(await storedOf(missed.tenantId)).toMatchObject({ status: 'canceled' });
    await setStatus('active');
  });

  it('that was interrupted is resumed, and reports all its repairs', async () => {
    const { id } = await known();
    await side.stripe.subscriptions.cancel(id);
    const cut = server();
    const phases: string[] = [];
    const begun = cut.run({
      dryRun: false,
      onProgress: ({ phase }) => {
        phases.push(phase);
        void cut.stop();
      },
    });
    await expect(begun).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect(phases).toEqual(['endings']);
    const resumed: string[] = [];
    const done = await run({ onProgress: ({ phase }) => resumed.push(phase) });
    expect([...new Set(resumed)]).toEqual(['unseen', 'subscriptions', 'customers', 'gone', 'events']);
    expect(withoutEvents(done)).toMatchObject([{ kind: 'subscription', object: id }]);
  });

  it('restarts a phase when the object at which it was interrupted was deleted', async () => {
    const { id } = await known();
    await side.stripe.subscriptions.cancel(id);
    await models.reconcileRuns.create({
      _id: 'rec_cut',
      dryRun: false,
      startedAt: new Date(),
      phase: 'subscriptions',
      cursor: 'sub_gone',
      seen: { subscriptions: 100, customers: 0, gone: 0, events: 0 },
      mendedCount: 0,
      mended: [],
    });
    const done = await run();
    expect(done._id).toBe('rec_cut');
    expect(withoutEvents(done)).toMatchObject([{ object: id }]);
  });

  it('is made by one server at a time', async () => {
    const other = createLease({ models, name: 'reconcile', ttlMs: 60_000 });
    await other.acquire();
    await expect(server().run({ dryRun: false })).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    await other.release();
  });
});

describe('a comparison with a key that is not the right one', () => {
  /** Stripe as a key sees it that belongs to another account: no lists have anything, and no object is there. */
  const foreign: typeof fetch = async (input, init) => {
    const { pathname } = new URL(input instanceof Request ? input.url : input);
    if (/^\/v1\/(subscriptions|customers|events)$/.test(pathname) && (init?.method ?? 'GET') === 'GET')
      return Response.json({ object: 'list', data: [], has_more: false, url: pathname });
    const error = { type: 'invalid_request_error', code: 'resource_missing', message: 'No such object' };
    return Response.json({ error }, { status: 404 });
  };
  const keyOf = (fetch: typeof globalThis.fetch) => ({
    stripe: new Stripe('sk_test_other', {
      httpClient: Stripe.createFetchHttpClient(fetch),
      maxNetworkRetries: 0,
    }),
    instance: side.instance({ fetch }),
  });
  const active = () => models.billingSubscriptions.countDocuments({ status: 'active' });

  it.each([false, true])(
    'stops before it changes anything, says why, and with force keeps them: %s',
    async (force) => {
      for (let i = 0; i < 7; i++) await known();
      const before = await active();
      const [customers, events] = [
        await models.billingCustomers.find().lean(),
        await models.webhookEvents.countDocuments(),
      ];
      const other = keyOf(foreign);
      const done = await server(other).run({ dryRun: false, force });
      await other.instance.inbox.stop();
      expect(done).toMatchObject({ giving: before, ends: 0, endedCount: 0, finishedAt: expect.any(Date) });
      expect(done.unseen).toBeGreaterThan(5);
      if (force) expect(done.stopReason).toBeNull();
      else expect(done.stopReason).toMatch(/right account.*--force/);
      expect(await active()).toBe(before);
      expect(await models.webhookEvents.countDocuments()).toBe(events);
      const idsOf = (docs: { stripeCustomerId: string | null }[]) =>
        docs.map(({ stripeCustomerId }) => stripeCustomerId);
      expect(idsOf(await models.billingCustomers.find().lean())).toEqual(idsOf(customers));
    },
  );

  it('says the same as a dry run, and goes on comparing', async () => {
    await known();
    const other = keyOf(foreign);
    const done = await server(other).run({ dryRun: true });
    await other.instance.inbox.stop();
    expect(done).toMatchObject({
      stopReason: expect.stringContaining('not shown by Stripe'),
      phase: 'events',
    });
    expect(done.mended[0]?.found).toContain('belong to another account');
  });
});

describe('a comparison in which many subscriptions have ended at Stripe', () => {
  async function endedUnheard(count: number) {
    const made = [];
    for (let i = 0; i < count; i++) made.push(await known());
    for (const { id } of made) await side.stripe.subscriptions.cancel(id);
    return made;
  }
  const tiers = (made: { tenantId: string }[]) =>
    models.billingSubscriptions.distinct('status', { _id: { $in: made.map(({ tenantId }) => tenantId) } });

  it('ends five without a question', async () => {
    const made = await endedUnheard(5);
    expect(await run()).toMatchObject({ stopReason: null, endedCount: 5 });
    expect(await tiers(made)).toEqual(['canceled']);
  });

  it('ends none of six, and all with force', async () => {
    const made = await endedUnheard(6);
    await server()
      .run({ dryRun: false })
      .then((done) =>
        expect(done).toMatchObject({ stopReason: expect.stringContaining('6 would end'), mended: [] }),
      );
    expect(await tiers(made)).toEqual(['active']);
    expect(await run({ force: true })).toMatchObject({ stopReason: null, endedCount: 6 });
    expect(await tiers(made)).toEqual(['canceled']);
  });
});
