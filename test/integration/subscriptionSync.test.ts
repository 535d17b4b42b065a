import { pino } from 'pino';
import type Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import catalogue from '../../catalogue.json' with { type: 'json' };
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { createCustomers } from '../../src/services/stripe/customers.js';
import { createSubscriptionSync, type SubscriptionSync } from '../../src/services/stripe/subscriptionSync.js';
import { parseCatalogue } from '../../src/services/tiers/catalogue.js';
import { createTiers } from '../../src/services/tiers/tiers.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';

const TENANT = 'ten_1';
const CUSTOMER = 'cus_1';

let database: TestDatabase;
let models: Models;
let sync: SubscriptionSync;
/** What Stripe has now. */
let listed: Stripe.Subscription[];
let metadata: Record<string, string>;
/** Runs once, after Stripe has answered and before the answer is here. */
let onTheWay: (() => Promise<unknown>) | null;

const subscription = (id: string, status: string, price = 'price_pro') =>
  ({
    id,
    status,
    customer: CUSTOMER,
    cancel_at_period_end: false,
    metadata: {},
    items: { data: [{ price: { id: price }, current_period_start: 1, current_period_end: 2 }] },
  }) as unknown as Stripe.Subscription;

beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
  const stripe = {
    customers: { retrieve: async () => ({ id: CUSTOMER, email: null, metadata }) },
    subscriptions: {
      async list() {
        const data = listed;
        const interrupt = onTheWay;
        onTheWay = null;
        await interrupt?.();
        return { data };
      },
    },
  } as unknown as Stripe;
  const tiers = createTiers(parseCatalogue(catalogue), { PRO: 'price_pro' }, { PRO: 'price_pro_overage' });
  const clock = createFakeClock('2026-11-22T12:00:00Z');
  const customers = createCustomers({ models, stripe, clock });
  const log = pino({ level: 'silent' });
  sync = createSubscriptionSync({ models, stripe, tiers, customers, clock, log, changed: () => undefined });
  await models.tenants.collection.insertOne({ _id: TENANT } as never);
});
afterAll(() => database.dropAndClose());

beforeEach(async () => {
  await Promise.all([models.billingSubscriptions.deleteMany({}), models.billingCustomers.deleteMany({})]);
  await models.billingCustomers.create({ _id: TENANT, stripeCustomerId: CUSTOMER });
  metadata = { tenant_id: TENANT };
  onTheWay = null;
});

const stored = () => models.billingSubscriptions.findById(TENANT).lean();

describe('of several parts', () => {
  const metered = (price: string, metadata: object = {}) => ({
    id: `si_${price}`,
    created: 60,
    price: { id: price, metadata, recurring: { usage_type: 'metered' } },
    current_period_start: 7,
    current_period_end: 8,
  });
  const inParts = (first: object, changes: object = {}) => {
    const one = subscription('sub_1', 'active');
    return {
      ...one,
      items: { data: [first, ...one.items.data] },
      ...changes,
    } as unknown as Stripe.Subscription;
  };

  it('the one with the tier’s price is what is bought, wherever it stands', async () => {
    listed = [
      inParts(metered('price_pro_overage'), {
        schedule: {
          id: 'sub_sched_1',
          current_phase: { end_date: 2 },
          phases: [{ start_date: 2, items: [{ price: 'price_pro_overage' }, { price: 'price_pro' }] }],
        },
      }),
    ];
    await sync.sync(CUSTOMER);
    expect(await stored()).toMatchObject({
      tier: 'PRO',
      priceId: 'price_pro',
      currentPeriodEnd: new Date(2_000),
      scheduledTier: 'PRO',
      overageItems: [{ id: 'si_price_pro_overage', priceId: 'price_pro_overage', since: new Date(60_000) }],
    });
    expect(await sync.difference(CUSTOMER)).toBeNull();
  });

  it('of a contract the one that is not metered is', async () => {
    const contract = { contract: 'c', tier: 'pro', contract_limits: '{}' };
    const first = inParts(metered('price_pro_overage'), { metadata: contract });
    const [overage] = first.items.data;
    listed = [
      { ...first, items: { data: [overage, subscription('', '', 'price_own').items.data[0]] } } as never,
    ];
    await sync.sync(CUSTOMER);
    expect(await stored()).toMatchObject({ tier: 'PRO', priceId: 'price_own' });
  });

  it('one that bills overage is known by its mark at a price that is no longer ours; another’s is not ours', async () => {
    listed = [inParts(metered('price_before', { overage: 'true' }))];
    await sync.sync(CUSTOMER);
    expect((await stored())?.overageItems).toMatchObject([{ priceId: 'price_before' }]);
    listed = [inParts(metered('price_of_another_system'))];
    await sync.sync(CUSTOMER);
    expect((await stored())?.overageItems).toBeNull();
  });
});

describe('an answer of Stripe that is overtaken by a newer one', () => {
  /** Asks while the subscription is active; it ends, and that is written, before the answer has come. */
  async function overtaken() {
    listed = [subscription('sub_1', 'active')];
    onTheWay = async () => {
      listed = [subscription('sub_1', 'canceled')];
      await sync.sync(CUSTOMER);
    };
    await sync.sync(CUSTOMER);
  }

  it('is not written over it, when the subscription is known', async () => {
    listed = [subscription('sub_1', 'active')];
    await sync.sync(CUSTOMER);
    await overtaken();
    expect((await stored())?.status).toBe('canceled');
  });

  it('is not written over it, when nothing was stored before', async () => {
    await overtaken();
    expect((await stored())?.status).toBe('canceled');
  });

  it('is not written over it, when it is of a subscription that is new to us', async () => {
    listed = [subscription('sub_0', 'canceled')];
    await sync.sync(CUSTOMER);
    await overtaken();
    expect(await stored()).toMatchObject({ stripeSubscriptionId: 'sub_1', status: 'canceled' });
  });

  it('is not written over it, when the customer is new to us', async () => {
    await models.billingCustomers.deleteMany({});
    await overtaken();
    expect((await stored())?.status).toBe('canceled');
  });
});

describe('a fetch that brings nothing new', () => {
  beforeEach(async () => {
    listed = [subscription('sub_1', 'active')];
    await sync.sync(CUSTOMER);
    await models.billingSubscriptions.collection.updateOne({}, { $unset: { unannounced: '' } });
  });

  it('changes nothing and has nothing announced', async () => {
    const before = await stored();
    await sync.sync(CUSTOMER);
    expect({ ...(await stored()), revision: 0 }).toEqual({ ...before, revision: 0 });
  });

  it('still keeps an older answer from being written: Stripe went there and back', async () => {
    listed = [subscription('sub_1', 'past_due')];
    onTheWay = async () => {
      listed = [subscription('sub_1', 'active')];
      await sync.sync(CUSTOMER);
    };
    await sync.sync(CUSTOMER);
    expect((await stored())?.status).toBe('active');
  });
});

describe('of several subscriptions of a customer', () => {
  it.each([
    ['the one that is active', [subscription('sub_2', 'canceled'), subscription('sub_1', 'active')], 'sub_1'],
    ['the newer of two', [subscription('sub_2', 'active'), subscription('sub_1', 'trialing')], 'sub_2'],
    [
      'one that is paid before one that is not',
      [subscription('sub_2', 'past_due'), subscription('sub_1', 'active')],
      'sub_1',
    ],
    [
      'one that gives a tier',
      [subscription('sub_2', 'active', 'price_of_a_book'), subscription('sub_1', 'past_due')],
      'sub_1',
    ],
    [
      'the last that ended',
      [subscription('sub_2', 'canceled'), subscription('sub_1', 'incomplete_expired')],
      'sub_2',
    ],
  ])('%s counts, whichever was stored before', async (_which, found, expected) => {
    for (const before of [null, ...found]) {
      await models.billingSubscriptions.deleteMany({});
      if (before && before.items.data[0]?.price.id === 'price_pro') {
        listed = [before];
        await sync.sync(CUSTOMER);
      }
      listed = found;
      await sync.sync(CUSTOMER);
      expect((await stored())?.stripeSubscriptionId).toBe(expected);
    }
  });

  it('none that gives a tier leaves nothing stored', async () => {
    listed = [subscription('sub_1', 'active', 'price_of_a_book')];
    expect(await sync.sync(CUSTOMER)).toBeNull();
    expect(await stored()).toBeNull();
  });
});

describe('a subscription', () => {
  it('keeps its tier when its price is no longer for sale, and its end is written', async () => {
    listed = [subscription('sub_1', 'active')];
    await sync.sync(CUSTOMER);
    await models.billingSubscriptions.updateOne({ _id: TENANT }, { $set: { priceId: 'price_of_2025' } });
    listed = [subscription('sub_1', 'past_due', 'price_of_2025')];
    await sync.sync(CUSTOMER);
    expect(await stored()).toMatchObject({ tier: 'PRO', status: 'past_due' });
    listed = [subscription('sub_1', 'canceled', 'price_of_2025')];
    await sync.sync(CUSTOMER);
    expect((await stored())?.status).toBe('canceled');
  });

  it('that moves to a price of no tier is an error for a person to see, and changes nothing', async () => {
    listed = [subscription('sub_1', 'active')];
    await sync.sync(CUSTOMER);
    listed = [subscription('sub_1', 'active', 'price_of_a_book')];
    await expect(sync.sync(CUSTOMER)).rejects.toThrow('no price of a tier');
    expect((await stored())?.tier).toBe('PRO');
    listed = [subscription('sub_1', 'canceled', 'price_of_a_book')];
    await sync.sync(CUSTOMER);
    expect((await stored())?.status).toBe('canceled');
  });

  it('with a status that is unknown here is an error, and changes nothing', async () => {
    listed = [subscription('sub_1', 'hibernating')];
    await expect(sync.sync(CUSTOMER)).rejects.toThrow('hibernating');
    expect(await stored()).toBeNull();
  });
});
