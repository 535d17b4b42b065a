import { pino } from 'pino';
import Stripe from 'stripe';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import catalogue from '../../catalogue.json' with { type: 'json' };
import { parseCatalogue } from '../../src/catalogue/catalogue.js';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { createAuditLog } from '../../src/services/audit/auditLog.js';
import { stripeAuthor } from '../../src/services/audit/author.js';
import { createCustomers } from '../../src/services/billing/customers/customers.js';
import {
  createSubscriptionSync,
  type SubscriptionSync,
} from '../../src/services/billing/sync/subscriptionSync.js';
import { createTiers } from '../../src/services/tiers/tiers.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';

const TENANT = 'ten_1';
const AUTHOR = stripeAuthor('evt_1');
const CUSTOMER = 'cus_1';

let database: TestDatabase;
let models: Models;
let sync: SubscriptionSync;
/** What Stripe has now. */
let listed: Stripe.Subscription[];
let metadata: Record<string, string>;
/** Of the customer. */
let openInvoices: object[];
let knowsSchedules: boolean;
/** Metadata of products, by id; any other is not shown. */
let productMetadata: Record<string, Record<string, string>>;
/** What happens when the customer is fetched by itself. */
let customer: () => object;
/** Runs once, after Stripe has answered and before the answer is here. */
let onTheWay: (() => Promise<unknown>) | null;

const missing = () =>
  new Stripe.errors.StripeInvalidRequestError({
    type: 'invalid_request_error',
    code: 'resource_missing',
    message: 'No such object',
  });

const badExpand = () =>
  new Stripe.errors.StripeInvalidRequestError({
    type: 'invalid_request_error',
    message: "Bad expand 'schedule'",
  });

const subscription = (id: string, status: string, price = 'price_pro', created = 0) =>
  ({
    id,
    status,
    created,
    customer: CUSTOMER,
    cancel_at_period_end: false,
    metadata: {},
    items: {
      data: [
        { price: { id: price, product: `prod_of_${price}` }, current_period_start: 1, current_period_end: 2 },
      ],
    },
  }) as unknown as Stripe.Subscription;

beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
  const stripe = {
    customers: { retrieve: async () => customer() },
    invoices: { list: async () => ({ data: openInvoices }) },
    prices: {
      retrieve: async (id: string) => ({ id, product: `prod_of_${id}` }),
    },
    products: {
      async retrieve(id: string) {
        if (productMetadata[id]) return { id, metadata: productMetadata[id] };
        throw missing();
      },
    },
    subscriptions: {
      async retrieve() {
        throw missing();
      },
      async list({ expand }: { expand: string[] }) {
        if (!knowsSchedules && expand.includes('data.schedule')) throw badExpand();
        const data = listed;
        const interrupt = onTheWay;
        onTheWay = null;
        await interrupt?.();
        return { data };
      },
    },
  } as unknown as Stripe;
  const tiers = createTiers(
    parseCatalogue(catalogue),
    { PRO: 'price_pro', ENTERPRISE: 'price_enterprise' },
    { PRO: 'price_pro_overage' },
  );
  const clock = createFakeClock('2026-11-22T12:00:00Z');
  const auditLog = createAuditLog({ models, clock });
  const customers = createCustomers({ models, stripe, terms: {}, clock, auditLog });
  const log = pino({ level: 'silent' });
  sync = createSubscriptionSync({
    models,
    stripe,
    tiers,
    customers,
    clock,
    log,
    auditLog,
    changed: () => undefined,
  });
  await models.tenants.collection.insertOne({ _id: TENANT } as never);
});
afterAll(() => database.dropAndClose());

beforeEach(async () => {
  await Promise.all([models.billingSubscriptions.deleteMany({}), models.billingCustomers.deleteMany({})]);
  await models.billingCustomers.create({ _id: TENANT, stripeCustomerId: CUSTOMER });
  metadata = { tenant_id: TENANT };
  openInvoices = [];
  knowsSchedules = true;
  productMetadata = {};
  customer = () => ({ id: CUSTOMER, email: null, metadata });
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
    await sync.sync(CUSTOMER, AUTHOR);
    expect(await stored()).toMatchObject({
      tier: 'PRO',
      priceId: 'price_pro',
      currentPeriodEnd: new Date(2_000),
      scheduledTier: 'PRO',
      overageItems: [{ id: 'si_price_pro_overage', priceId: 'price_pro_overage', since: new Date(60_000) }],
    });
    expect(await sync.diff(CUSTOMER)).toBeNull();
  });

  it('of a contract the one that is not metered is', async () => {
    const contract = { contract: 'c', tier: 'pro', contract_limits: '{}' };
    const first = inParts(metered('price_pro_overage'), { metadata: contract });
    const [overage] = first.items.data;
    listed = [
      { ...first, items: { data: [overage, subscription('', '', 'price_own').items.data[0]] } } as never,
    ];
    await sync.sync(CUSTOMER, AUTHOR);
    expect(await stored()).toMatchObject({ tier: 'PRO', priceId: 'price_own' });
  });

  it('one that bills overage is known by its mark at a price that is no longer ours; another’s is not ours', async () => {
    listed = [inParts(metered('price_before', { overage: 'true' }))];
    await sync.sync(CUSTOMER, AUTHOR);
    expect((await stored())?.overageItems).toMatchObject([{ priceId: 'price_before' }]);
    listed = [inParts(metered('price_of_another_system'))];
    await sync.sync(CUSTOMER, AUTHOR);
    expect((await stored())?.overageItems).toBeNull();
  });
});

describe('an answer of Stripe that is overtaken by a newer one', () => {
  /** Asks while the subscription is active; it ends, and that is written, before the answer has come. */
  async function overtaken() {
    listed = [subscription('sub_1', 'active')];
    onTheWay = async () => {
      listed = [subscription('sub_1', 'canceled')];
      await sync.sync(CUSTOMER, AUTHOR);
    };
    await sync.sync(CUSTOMER, AUTHOR);
  }

  it('is not written over it, when the subscription is known', async () => {
    listed = [subscription('sub_1', 'active')];
    await sync.sync(CUSTOMER, AUTHOR);
    await overtaken();
    expect((await stored())?.status).toBe('canceled');
  });

  it('is not written over it, when nothing was stored before', async () => {
    await overtaken();
    expect((await stored())?.status).toBe('canceled');
  });

  it('is not written over it, when it is of a subscription that is new to us', async () => {
    listed = [subscription('sub_0', 'canceled')];
    await sync.sync(CUSTOMER, AUTHOR);
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
    await sync.sync(CUSTOMER, AUTHOR);
    await models.billingSubscriptions.collection.updateOne({}, { $unset: { unannounced: '' } });
  });

  it('changes nothing and has nothing announced', async () => {
    const before = await stored();
    await sync.sync(CUSTOMER, AUTHOR);
    expect({ ...(await stored()), revision: 0 }).toEqual({ ...before, revision: 0 });
  });

  it('still keeps an older answer from being written: Stripe went there and back', async () => {
    listed = [subscription('sub_1', 'past_due')];
    onTheWay = async () => {
      listed = [subscription('sub_1', 'active')];
      await sync.sync(CUSTOMER, AUTHOR);
    };
    await sync.sync(CUSTOMER, AUTHOR);
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
    [
      'the one with the tier that comes last in the catalogue',
      [subscription('sub_2', 'active'), subscription('sub_1', 'active', 'price_enterprise')],
      'sub_1',
    ],
    [
      'one that gives a tier, not a larger one that ended or was never paid,',
      [
        subscription('sub_3', 'canceled', 'price_enterprise'),
        subscription('sub_2', 'incomplete', 'price_enterprise'),
        subscription('sub_1', 'active'),
      ],
      'sub_1',
    ],
    [
      'of two of one tier the newer, however Stripe lists them,',
      [subscription('sub_1', 'active', 'price_pro', 1), subscription('sub_2', 'active', 'price_pro', 2)],
      'sub_2',
    ],
  ])('%s counts, whichever was stored before', async (_which, found, expected) => {
    for (const before of [null, ...found]) {
      await models.billingSubscriptions.deleteMany({});
      if (before) {
        listed = [before];
        await sync.sync(CUSTOMER, AUTHOR);
      }
      listed = found;
      await sync.sync(CUSTOMER, AUTHOR);
      expect((await stored())?.stripeSubscriptionId).toBe(expected);
    }
  });

  it('that is one with several prices the largest tier counts', async () => {
    const [small, large] = [subscription('sub_1', 'active'), subscription('', '', 'price_enterprise')];
    listed = [{ ...small, items: { data: [...small.items.data, ...large.items.data] } } as never];
    await sync.sync(CUSTOMER, AUTHOR);
    expect(await stored()).toMatchObject({ tier: 'ENTERPRISE', priceId: 'price_enterprise' });
  });
});

describe('a price outside the catalogue', () => {
  const BOOK = 'price_of_a_book';
  const outside = { kind: 'written', note: expect.stringContaining(`has the price ${BOOK}`) };

  it('of a new subscription buys no tier, and is named in the event and to the operator', async () => {
    listed = [subscription('sub_1', 'active', BOOK)];
    expect(await sync.sync(CUSTOMER, AUTHOR)).toEqual(outside);
    expect(await stored()).toMatchObject({
      tier: 'FREE',
      status: 'active',
      priceId: BOOK,
      outsideCatalogue: true,
    });
    expect((await sync.diff(CUSTOMER))?.found).toContain(BOOK);
    expect(await sync.outOfSync(listed)).toEqual([CUSTOMER]);
  });

  it('keeps the tier that was bought before, and whatever else changes is written', async () => {
    listed = [subscription('sub_1', 'active')];
    await sync.sync(CUSTOMER, AUTHOR);
    const moved = { cancel_at_period_end: true, cancel_at: 60 };
    listed = [{ ...subscription('sub_1', 'trialing', BOOK), ...moved } as never];
    expect(await sync.sync(CUSTOMER, AUTHOR)).toEqual(outside);
    expect(await stored()).toMatchObject({
      tier: 'PRO',
      status: 'trialing',
      priceId: BOOK,
      cancelAtPeriodEnd: true,
      cancelAt: new Date(60_000),
      currentPeriodEnd: new Date(2_000),
      outsideCatalogue: true,
    });
    listed = [subscription('sub_1', 'canceled', BOOK)];
    await sync.sync(CUSTOMER, AUTHOR);
    expect((await stored())?.status).toBe('canceled');
  });

  it.each([
    [
      'a tier that its product’s metadata names',
      () => {
        productMetadata[`prod_of_${BOOK}`] = { tier: 'enterprise' };
      },
      {},
    ],
    ['a tier that its own metadata names', () => undefined, { metadata: { tier: 'ENTERPRISE' } }],
    ['the tier whose price has the same product', () => undefined, { product: 'prod_of_price_enterprise' }],
  ])('buys %s', async (_which, prepare, price) => {
    prepare();
    const one = subscription('sub_1', 'active');
    listed = [one];
    await sync.sync(CUSTOMER, AUTHOR);
    const [item] = one.items.data;
    const moved = { ...item, price: { id: BOOK, product: `prod_of_${BOOK}`, ...price } };
    // Products are remembered for a while.
    const id = `${BOOK}_${JSON.stringify(price)}`;
    if (productMetadata[`prod_of_${BOOK}`]) {
      productMetadata = { [`prod_of_${id}`]: { tier: 'enterprise' } };
      moved.price.product = `prod_of_${id}`;
    }
    listed = [{ ...one, items: { data: [moved] } } as never];
    expect(await sync.sync(CUSTOMER, AUTHOR)).toEqual({ kind: 'written', note: null });
    expect(await stored()).toMatchObject({ tier: 'ENTERPRISE', priceId: BOOK, outsideCatalogue: null });
  });

  it('of a metered item buys nothing, though its product is of a tier', async () => {
    const metered = subscription('sub_1', 'active', BOOK);
    const [item] = metered.items.data;
    const price = { id: BOOK, product: 'prod_of_price_pro', recurring: { usage_type: 'metered' } };
    listed = [{ ...metered, items: { data: [{ ...item, price }] } } as never];
    await sync.sync(CUSTOMER, AUTHOR);
    expect(await stored()).toMatchObject({ tier: 'FREE', outsideCatalogue: true });
  });

  it('that the catalogue names again is inside it', async () => {
    listed = [subscription('sub_1', 'active', BOOK)];
    await sync.sync(CUSTOMER, AUTHOR);
    listed = [subscription('sub_1', 'active')];
    expect(await sync.sync(CUSTOMER, AUTHOR)).toEqual({ kind: 'written', note: null });
    expect(await stored()).toMatchObject({ tier: 'PRO', outsideCatalogue: null });
  });
});

describe('a Stripe of an older API version', () => {
  it('has plans instead of prices, periods of whole subscriptions, and no schedules', async () => {
    knowsSchedules = false;
    const { items: _, ...rest } = subscription('sub_1', 'active');
    const older = {
      id: 'si_1',
      plan: { id: 'price_pro', product: 'prod_1', usage_type: 'licensed' },
      quantity: 1,
    };
    listed = [
      {
        ...rest,
        metadata: null,
        current_period_start: 3,
        current_period_end: 4,
        items: { data: [older] },
      } as never,
    ];
    await sync.sync(CUSTOMER, AUTHOR);
    expect(await stored()).toMatchObject({
      tier: 'PRO',
      status: 'active',
      priceId: 'price_pro',
      currentPeriodStart: new Date(3_000),
      currentPeriodEnd: new Date(4_000),
    });
    expect(await sync.diff(CUSTOMER)).toBeNull();
  });
});

describe('what Stripe does not show', () => {
  beforeEach(async () => {
    listed = [subscription('sub_1', 'active')];
    await sync.sync(CUSTOMER, AUTHOR);
  });
  const unseen = { name: 'NotVisibleError' };
  const kept = async () => {
    expect(await stored()).toMatchObject({ status: 'active', tier: 'PRO' });
    expect(await models.billingCustomers.findById(TENANT).lean()).toMatchObject({
      stripeCustomerId: CUSTOMER,
    });
  };

  it('of a customer ends no subscription, and loses no customer', async () => {
    listed = [];
    customer = () => {
      throw missing();
    };
    await expect(sync.sync(CUSTOMER, AUTHOR)).rejects.toMatchObject(unseen);
    expect(await sync.diff(CUSTOMER)).toMatchObject({ threat: 'unseen', unseen: true });
    await sync.syncTenant(TENANT);
    await kept();
  });

  it.each([
    ['an empty list', []],
    ['another subscription that has ended', [subscription('sub_2', 'canceled')]],
    ['subscriptions of others', [{ ...subscription('sub_2', 'active'), customer: 'cus_2' } as never]],
  ])('beside %s ends no subscription', async (_which, found) => {
    listed = found;
    await expect(sync.sync(CUSTOMER, AUTHOR)).rejects.toMatchObject(unseen);
    expect(await sync.diff(CUSTOMER)).toMatchObject({ threat: 'unseen' });
    await kept();
  });

  it('gives way to another subscription that gives a tier', async () => {
    listed = [subscription('sub_2', 'active', 'price_enterprise')];
    await sync.sync(CUSTOMER, AUTHOR);
    expect(await stored()).toMatchObject({ stripeSubscriptionId: 'sub_2', tier: 'ENTERPRISE' });
  });

  it('is ended when Stripe says that the customer was deleted', async () => {
    listed = [];
    customer = () => ({ id: CUSTOMER, deleted: true });
    expect(await sync.diff(CUSTOMER)).toMatchObject({ threat: 'ends' });
    await sync.sync(CUSTOMER, AUTHOR);
    expect(await stored()).toMatchObject({ status: 'canceled' });
    expect(await models.billingCustomers.findById(TENANT).lean()).toMatchObject({ stripeCustomerId: null });
  });

  it('is no answer to a change: what Stripe said of it is', async () => {
    const known = await stored();
    if (!known) throw new Error('nothing is stored');
    const error = missing();
    await expect(sync.change(known, () => Promise.reject(error), AUTHOR)).rejects.toBe(error);
    await kept();
  });
});

describe('grace', () => {
  const failedAt = Date.parse('2026-11-22T03:00:00Z');
  const invoice = (id: string, changes: object = {}) => ({
    id,
    status: 'open',
    collection_method: 'charge_automatically',
    attempted: true,
    created: failedAt / 1000 - 3_600,
    status_transitions: { finalized_at: failedAt / 1000 },
    ...changes,
  });
  const since = async () => {
    listed = [subscription('sub_1', 'past_due')];
    await sync.sync(CUSTOMER, AUTHOR);
    return (await stored())?.pastDueSince;
  };

  it('begins when the payment was tried, however late it is heard', async () => {
    openInvoices = [invoice('in_1')];
    expect(await since()).toEqual(new Date(failedAt));
  });

  it('begins with the first of several payments that are due', async () => {
    const later = { status_transitions: { finalized_at: failedAt / 1000 + 3_600 } };
    openInvoices = [invoice('in_2', later), invoice('in_1')];
    expect(await since()).toEqual(new Date(failedAt));
  });

  it('begins on the due date of an invoice that is sent', async () => {
    openInvoices = [
      invoice('in_1', {
        collection_method: 'send_invoice',
        attempted: false,
        due_date: failedAt / 1000 + 60,
      }),
    ];
    expect(await since()).toEqual(new Date(failedAt + 60_000));
  });

  it('begins when Stripe says that the payment failed, where that is long after it was tried', async () => {
    openInvoices = [invoice('in_slow')];
    expect(await since()).toEqual(new Date(failedAt));
    const heard = (id: string, created: number) => ({
      _id: id,
      type: 'invoice.payment_failed',
      object: 'in_slow',
      payload: JSON.stringify({ created }),
      state: 'APPLIED',
    });
    await models.webhookEvents.collection.insertMany([
      heard('evt_2', failedAt / 1000 + 9_000),
      heard('evt_1', failedAt / 1000 + 7_200),
    ] as never[]);
    expect(await since()).toEqual(new Date(failedAt + 7_200_000));
  });

  it('begins now where Stripe names no invoice, and then stays', async () => {
    const first = await since();
    expect(first).toEqual(new Date('2026-11-22T12:00:00Z'));
    await models.billingSubscriptions.updateOne(
      { _id: TENANT },
      { $set: { pastDueSince: new Date(failedAt) } },
    );
    expect(await since()).toEqual(new Date(failedAt));
  });

  it('is over once everything is paid', async () => {
    openInvoices = [invoice('in_1')];
    await since();
    listed = [subscription('sub_1', 'active')];
    await sync.sync(CUSTOMER, AUTHOR);
    expect((await stored())?.pastDueSince).toBeNull();
  });
});

describe('a subscription', () => {
  it('keeps its tier when its price is no longer for sale, and its end is written', async () => {
    listed = [subscription('sub_1', 'active')];
    await sync.sync(CUSTOMER, AUTHOR);
    await models.billingSubscriptions.updateOne({ _id: TENANT }, { $set: { priceId: 'price_of_2025' } });
    listed = [subscription('sub_1', 'past_due', 'price_of_2025')];
    await sync.sync(CUSTOMER, AUTHOR);
    expect(await stored()).toMatchObject({ tier: 'PRO', status: 'past_due' });
    listed = [subscription('sub_1', 'canceled', 'price_of_2025')];
    await sync.sync(CUSTOMER, AUTHOR);
    expect((await stored())?.status).toBe('canceled');
  });

  it('by contract keeps its limits when Stripe has some that cannot be read, and the rest is written', async () => {
    const contract = { contract: 'c', tier: 'pro', contract_limits: '{"apiCallsPerDay":7}' };
    listed = [{ ...subscription('sub_1', 'active'), metadata: contract } as never];
    await sync.sync(CUSTOMER, AUTHOR);
    listed = [
      { ...subscription('sub_1', 'past_due'), metadata: { ...contract, contract_limits: '{' } } as never,
    ];
    await sync.sync(CUSTOMER, AUTHOR);
    expect(await stored()).toMatchObject({
      status: 'past_due',
      contract: 'c',
      limits: { apiCallsPerDay: 7 },
    });
  });

  it('with a status that is unknown here is an error, and changes nothing', async () => {
    listed = [subscription('sub_1', 'hibernating')];
    await expect(sync.sync(CUSTOMER, AUTHOR)).rejects.toThrow('hibernating');
    expect(await stored()).toBeNull();
  });
});
