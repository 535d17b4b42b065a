import { mongo } from 'mongoose';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';
import type { Admission, Decision } from '../../src/services/limits/ledger/admission.js';
import { createAdmission } from '../../src/services/limits/ledger/createAdmission.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';
import { limitsOfCalls, usageDayOf } from '../support/ledger.js';
import { soon } from '../support/soon.js';

const NOON = '2026-11-22T12:00:00Z';
const UNLIMITED = Number.MAX_SAFE_INTEGER;
const log = pino({ level: 'silent' });

let database: TestDatabase;
let models: Models;
let tenants = 0;

beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
});
afterAll(() => database.dropAndClose());

const db = () => models.connection.db as mongo.Db;
/** The next batch is charged, and its answer lost. */
const loseAnswer = (error: Error) => {
  const command = db().command.bind(db());
  return vi.spyOn(db(), 'command').mockImplementationOnce(async (...args: Parameters<typeof command>) => {
    await command(...args);
    throw error;
  });
};
const newTenant = () => `ten_${++tenants}`;
const limits = (day: number, minute = UNLIMITED) =>
  limitsOfCalls({ apiCallsPerDay: day, apiCallsPerMinute: minute, overageCallsPerMonth: 0 });
const instance = (instant = NOON) => {
  const clock = createFakeClock(instant);
  return { clock, admission: createAdmission({ models, clock, log, metrics: noMetrics }) };
};
const costs = (calls: number) => [{ endpoint: 'memory', calls }];
const takes = (calls: number) => ({ charges: costs(calls) });
const dayOf = (tenantId: string, day = '2026-11-22') => usageDayOf(models, `${tenantId}:${day}`);
const minuteOf = async (tenantId: string) =>
  (await models.ledgers.findById(tenantId).lean())?.windows?.minute;
const admitted = (decisions: Decision[]) => decisions.filter((decision) => decision.admitted).length;

describe('limits', () => {
  it.each([1, 2, 7, 100])(
    'admits exactly %i of thousands of concurrent calls on four instances',
    async (limit) => {
      const tenantId = newTenant();
      const four = Array.from({ length: 4 }, () => instance().admission);
      const calls = Array.from({ length: 2_000 }, (_, i) =>
        (four[i % 4] as Admission).admit(tenantId, limits(limit), takes(1)),
      );
      const decisions = await Promise.all(calls);
      expect(admitted(decisions)).toBe(limit);
      expect((await dayOf(tenantId))?.calls).toBe(limit);
    },
  );

  it('spends a limit to the call with mixed costs from four instances, recorded by endpoint and hour', async () => {
    const tenantId = newTenant();
    const four = Array.from({ length: 4 }, () => instance().admission);
    const sizes = Array.from({ length: 1_000 }, (_, i) => (i % 7) + 1);
    const decisions = await Promise.all(
      sizes.map((size, i) =>
        (four[i % 4] as Admission).admit(tenantId, limits(1_000), {
          charges: [{ endpoint: `e${size}`, calls: size }],
        }),
      ),
    );
    const spent = sizes.reduce((sum, size, i) => sum + (decisions[i]?.admitted ? size : 0), 0);
    // Small ones come to the end, so nothing is left over.
    expect(spent).toBe(1_000);
    const doc = await dayOf(tenantId);
    expect(doc?.calls).toBe(1_000);
    expect(Object.values(doc?.endpoints ?? {}).reduce((a, b) => a + b)).toBe(1_000);
    expect(doc?.hours).toEqual({ 12: 1_000 });
  });

  it('holds the minute and the day together across their edges', async () => {
    const tenantId = newTenant();
    const { clock, admission } = instance('2026-11-22T23:58:30Z');
    const burst = async () =>
      admitted(
        await Promise.all(
          Array.from({ length: 30 }, () => admission.admit(tenantId, limits(25, 10), takes(1))),
        ),
      );
    expect(await burst()).toBe(10);
    clock.set('2026-11-22T23:59:00Z');
    expect(await burst()).toBe(10);
    clock.set('2026-11-22T23:59:59.999Z');
    expect(await burst()).toBe(0);
    clock.set('2026-11-23T00:00:00Z');
    expect(await burst()).toBe(10);
    clock.set('2026-11-23T00:01:00Z');
    expect(await burst()).toBe(10);
    clock.set('2026-11-23T00:02:00Z');
    expect(await burst()).toBe(5);
  });

  it('grants in order of arrival, and a small call after a large one that had no room', async () => {
    const tenantId = newTenant();
    const { admission } = instance();
    const decisions = await Promise.all(
      [3, 4, 5, 2].map((calls) => admission.admit(tenantId, limits(10), takes(calls))),
    );
    expect(decisions.map((decision) => decision.admitted)).toEqual([true, true, false, true]);
    expect(decisions.map(({ used }) => used.day)).toEqual([3, 7, 7, 9]);
  });

  it('never charges a minute that has passed for an instance with a slow clock', async () => {
    const tenantId = newTenant();
    const fast = instance('2026-11-22T12:05:00Z').admission;
    const slow = instance('2026-11-22T12:04:59Z').admission;
    const take = async (admission: Admission) =>
      (await admission.admit(tenantId, limits(100, 2), takes(1))).admitted;
    expect([await take(fast), await take(slow), await take(slow), await take(fast)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('returns to each call what was used up to it, also on an instance that starts later', async () => {
    const tenantId = newTenant();
    const first = instance().admission;
    await first.admit(tenantId, limits(100), takes(5));
    const second = instance().admission;
    const decisions = await Promise.all(
      [1, 2].map((calls) => second.admit(tenantId, limits(100), takes(calls))),
    );
    expect(decisions.map(({ used }) => used.day)).toEqual([6, 8]);
  });
});

describe('cost', () => {
  it('commits what arrives together for many tenants at once, in bulks of 256', async () => {
    const { admission } = instance();
    const ids = Array.from({ length: 500 }, newTenant);
    const all = () => Promise.all(ids.map((id) => admission.admit(id, limits(10), takes(1))));
    // The first calls of a day begin it.
    await all();
    const bulk = vi.spyOn(db(), 'command');
    await all();
    const times = bulk.mock.calls.length;
    bulk.mockRestore();
    expect(times).toBe(2);
  });

  it('rejects a tenant that has used up its window, from memory', async () => {
    const tenantId = newTenant();
    const { clock, admission } = instance();
    await admission.admit(tenantId, limits(1), takes(1));
    await admission.admit(tenantId, limits(1), takes(1));
    const bulk = vi.spyOn(db(), 'command');
    const find = vi.spyOn(models.ledgers.collection, 'find');
    for (let i = 0; i < 50; i++)
      expect((await admission.admit(tenantId, limits(1), takes(1))).admitted).toBe(false);
    expect(bulk).not.toHaveBeenCalled();
    expect(find).not.toHaveBeenCalled();
    // A second later it looks once, so that what another instance gave back is seen.
    clock.advance(1_000);
    await admission.admit(tenantId, limits(1), takes(1));
    expect(find).toHaveBeenCalledTimes(1);
    bulk.mockRestore();
    find.mockRestore();
  });
});

describe('returned calls', () => {
  it('can be charged again, and no more than were returned', async () => {
    const tenantId = newTenant();
    const { admission } = instance();
    const { used } = await admission.admit(tenantId, limits(10, 10), takes(10));
    await admission.returnCalls(tenantId, costs(3), used);
    const decisions = await Promise.all(
      Array.from({ length: 9 }, () => admission.admit(tenantId, limits(10, 10), takes(1))),
    );
    expect(admitted(decisions)).toBe(3);
    expect(await dayOf(tenantId)).toMatchObject({
      calls: 10,
      endpoints: { _memory: 10 },
      hours: { 12: 10 },
    });
    expect(await minuteOf(tenantId)).toMatchObject({ used: 10 });
  });

  it('are applied once each, although the first response was lost and a hundred more came meanwhile', async () => {
    const tenantId = newTenant();
    const { admission } = instance();
    const { used } = await admission.admit(tenantId, limits(1_000), takes(1_000));
    const collection = models.ledgers.collection;
    const update = collection.updateOne.bind(collection);
    const spy = vi
      .spyOn(collection, 'updateOne')
      .mockImplementationOnce(async (...args: Parameters<typeof update>) => {
        await update(...args);
        throw new Error('the answer was lost');
      });
    await Promise.all(Array.from({ length: 101 }, () => admission.returnCalls(tenantId, costs(1), used)));
    await soon(async () => expect((await dayOf(tenantId))?.calls).toBe(1_000 - 101));
    await new Promise((resolve) => setTimeout(resolve, 300));
    spy.mockRestore();
    expect((await dayOf(tenantId))?.calls).toBe(1_000 - 101);
  });

  it('are applied once, although the first answer was lost', async () => {
    const tenantId = newTenant();
    const { admission } = instance();
    const { used } = await admission.admit(tenantId, limits(10), takes(10));
    const collection = models.ledgers.collection;
    const update = collection.updateOne.bind(collection);
    const spy = vi
      .spyOn(collection, 'updateOne')
      .mockImplementationOnce(async (...args: Parameters<typeof update>) => {
        await update(...args);
        throw new Error('the answer was lost');
      });
    await admission.returnCalls(tenantId, costs(4), used);
    expect(spy).toHaveBeenCalledTimes(2);
    spy.mockRestore();
    expect((await dayOf(tenantId))?.calls).toBe(6);
  });
});

describe('errors', () => {
  it('answers SERVICE_UNAVAILABLE, and admits again, when the database failed once', async () => {
    const tenantId = newTenant();
    const { admission } = instance();
    const spy = vi.spyOn(db(), 'command').mockRejectedValueOnce(new Error('away'));
    await expect(admission.admit(tenantId, limits(1), takes(1))).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
    });
    spy.mockRestore();
    expect((await admission.admit(tenantId, limits(1), takes(1))).admitted).toBe(true);
  });

  it('returns what a batch had charged whose answer was lost', async () => {
    const tenantId = newTenant();
    const { admission } = instance();
    await admission.admit(tenantId, limits(3), takes(1));
    const spy = loseAnswer(new Error('the answer was lost'));
    await expect(admission.admit(tenantId, limits(3), takes(1))).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
    });
    spy.mockRestore();
    const decisions = await Promise.all([1, 2].map(() => admission.admit(tenantId, limits(3), takes(1))));
    expect(admitted(decisions)).toBe(2);
    expect((await dayOf(tenantId))?.calls).toBe(3);
  });

  it('sends a batch once more when the connection broke, and charges it once', async () => {
    const tenantId = newTenant();
    const { admission } = instance();
    await admission.admit(tenantId, limits(10), takes(1));
    const spy = loseAnswer(new mongo.MongoNetworkError('connection 3 closed'));
    const decision = await admission.admit(tenantId, limits(10), takes(4));
    spy.mockRestore();
    expect(decision).toMatchObject({ admitted: true, used: { day: 5, minute: 5 } });
    expect((await dayOf(tenantId))?.calls).toBe(5);
  });
});
