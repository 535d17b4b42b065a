import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import {
  createRequestRate,
  endpointOf,
  REQUESTS_PER_SECOND,
} from '../../src/services/billing/stripe/requestRate.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let models: Models;
beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
});
afterAll(() => database.dropAndClose());

const fill = (id: string, ahead: number) =>
  models.stripeRates.collection.updateOne(
    { _id: id as never },
    [{ $set: { freeAt: { $add: ['$$NOW', ahead] } } }],
    { upsert: true },
  );

describe('requests to one endpoint of Stripe', () => {
  it('are spread by all instances together to less than 25 a second', async () => {
    const instances = [createRequestRate({ models }), createRequestRate({ models })];
    const startedMs = performance.now();
    const count = REQUESTS_PER_SECOND + 5;
    await Promise.all(
      Array.from({ length: count }, (_, i) =>
        instances[i % 2]?.waitForSlot('GET /v1/customers/:id', i % 3 ? 'tenant' : 'worker'),
      ),
    );
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(
      (count - 1) * (1000 / REQUESTS_PER_SECOND) - 20,
    );
  });

  it('do not begin all at once after the process stood still', async () => {
    const rate = createRequestRate({ models });
    const begunMs: number[] = [];
    const turns = Array.from({ length: 20 }, () =>
      rate.waitForSlot('GET /v1/coupons', 'worker').then(() => begunMs.push(performance.now())),
    );
    // By then each has its turn.
    await Promise.all(turns.slice(0, 4));
    const untilMs = performance.now() + 600;
    while (performance.now() < untilMs);
    await Promise.all(turns);
    const soonAfter = begunMs.filter((ms) => ms > untilMs && ms < untilMs + 200);
    expect(soonAfter.length).toBeLessThanOrEqual(6);
  });

  it('that would wait for more than 5 s are rejected, and take no turn', async () => {
    const rate = createRequestRate({ models });
    await fill('GET /v1/prices', 10_500);
    const before = await models.stripeRates.findById('GET /v1/prices').lean();
    await expect(rate.waitForSlot('GET /v1/prices', 'tenant')).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
    });
    expect((await models.stripeRates.findById('GET /v1/prices').lean())?.freeAt).toEqual(before?.freeAt);
  });

  it('do not wait for those to another one', async () => {
    const rate = createRequestRate({ models });
    await fill('GET /v1/invoices', 9_000);
    const startedMs = performance.now();
    await rate.waitForSlot('POST /v1/invoices', 'tenant');
    await rate.waitForSlot('GET /v1/invoices/:id', 'tenant');
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });
});

describe('whatever tenants ask for', () => {
  it('the webhook worker has a part of the requests that they cannot use', async () => {
    const rate = createRequestRate({ models });
    await fill('GET /v1/subscriptions', 9_000);
    const startedMs = performance.now();
    await Promise.all([1, 2, 3].map(() => rate.waitForSlot('GET /v1/subscriptions', 'worker')));
    expect(performance.now() - startedMs).toBeLessThan(4_000);
    await expect(rate.waitForSlot('GET /v1/subscriptions', 'tenant')).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
    });
  });

  it('the worker uses all of the rate while nobody else does', async () => {
    const rate = createRequestRate({ models });
    await Promise.all(Array.from({ length: 22 }, () => rate.waitForSlot('GET /v1/events', 'worker')));
    const stored = await models.stripeRates.findById('GET /v1/events').lean();
    expect(stored?.freeAt).toBeInstanceOf(Date);
    expect(stored?.reservedFreeAt).toBeInstanceOf(Date);
  });

  it('work that can wait takes no turn before theirs', async () => {
    const rate = createRequestRate({ models });
    await fill('GET /v1/charges', 1_500);
    const before = await models.stripeRates.findById('GET /v1/charges').lean();
    const later = rate.waitForSlot('GET /v1/charges', 'background');
    await rate.waitForSlot('GET /v1/charges', 'tenant');
    const after = await models.stripeRates.findById('GET /v1/charges').lean();
    // One turn, the tenant's.
    expect((after?.freeAt.getTime() ?? 0) - (before?.freeAt.getTime() ?? 0)).toBeLessThan(110);
    await later;
  });
});

describe('an endpoint', () => {
  it.each([
    ['get', '/v1/subscriptions?customer=cus_1', 'GET /v1/subscriptions'],
    ['GET', '/v1/customers/cus_NffrFeUfNV2Hib', 'GET /v1/customers/:id'],
    ['POST', '/v1/subscriptions/sub_1/pause', 'POST /v1/subscriptions/:id/pause'],
    ['POST', '/v1/checkout/sessions/cs_test_a1/expire', 'POST /v1/checkout/sessions/:id/expire'],
    ['GET', '/v1/billing/meters/mtr_1/event_summaries', 'GET /v1/billing/meters/:id/event_summaries'],
  ])('is the method and the path without ids: %s %s', (method, path, expected) => {
    expect(endpointOf(method, path)).toBe(expected);
  });
});
