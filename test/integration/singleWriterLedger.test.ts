import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';
import type { Decision } from '../../src/services/limits/calls/admission.js';
import { createAdmission, type RunningAdmission } from '../../src/services/limits/calls/createAdmission.js';
import { createJournal } from '../../src/services/limits/calls/journal.js';
import type { WaitingCall } from '../../src/services/limits/calls/ledger.js';
import { createOverageDays } from '../../src/services/limits/calls/overageDays.js';
import {
  createSingleWriterLedger,
  type SingleWriterLedger,
} from '../../src/services/limits/calls/singleWriterLedger.js';
import { createTakeover } from '../../src/services/limits/calls/takeover.js';
import type { CallLimits } from '../../src/services/tiers/entitlements.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';

const NOON = '2026-11-22T12:00:00Z';
const UNLIMITED = Number.MAX_SAFE_INTEGER;
const log = pino({ level: 'silent' });

let database: TestDatabase;
let models: Models;
let count = 0;
const running: RunningAdmission[] = [];

beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
});
beforeEach(async () => {
  await Promise.all(running.splice(0).map((admission) => admission.stop()));
  await models.serverInstances.deleteMany({});
});
afterAll(async () => {
  await Promise.all(running.map((admission) => admission.stop()));
  await database.dropAndClose();
});

const newTenant = () => `ten_single${++count}`;
const limits = (day: number, minute = UNLIMITED): CallLimits => ({
  apiCallsPerDay: day,
  apiCallsPerMinute: minute,
  overageCallsPerMonth: 0,
});
const costs = (calls: number) => [{ endpoint: 'memory', calls }];
const admitted = (decisions: Decision[]) => decisions.filter((decision) => decision.admitted).length;
const dayOf = (tenantId: string, day = '2026-11-22') =>
  models.usageDays.findById(`${tenantId}:${day}`).lean();

async function start(clock = createFakeClock(NOON)): Promise<RunningAdmission> {
  const admission = createAdmission({ models, clock, log, metrics: noMetrics });
  running.push(admission);
  await admission.start();
  return admission;
}

/** A ledger without the server around it: to be left, paused and looked into. */
async function openLedger(
  generation: number,
  bounds: { maxDays?: number; idleMs?: number } = {},
): Promise<{
  ledger: SingleWriterLedger;
  call(tenantId: string, calls: number, day?: number): Promise<Decision | 'undecided'>;
}> {
  const journal = createJournal({ models, clock: createFakeClock(NOON), instance: `i${generation}` });
  const takeover = createTakeover({ models, journal, log });
  await journal.append(generation, 0, []);
  const ledger = createSingleWriterLedger({
    models,
    clock: createFakeClock(NOON),
    journal,
    takeover,
    overageDays: createOverageDays({ models, takeover }),
    generation,
    ...bounds,
  });
  return {
    ledger,
    async call(tenantId, calls, day = UNLIMITED) {
      let decision: Decision | 'undecided' = 'undecided';
      const item: WaitingCall = {
        kind: 'call',
        tenantId,
        limits: limits(day),
        charges: costs(calls),
        calls,
        resolve: (made) => {
          decision = made;
        },
        reject: () => undefined,
      };
      await ledger.commit([item]);
      return decision;
    },
  };
}
const takeoverBy = (instance: string) => {
  const journal = createJournal({ models, clock: createFakeClock(NOON), instance });
  return createTakeover({ models, journal, log });
};

describe('an instance that is alone', () => {
  it('admits exactly the limit of thousands of concurrent calls with mixed costs, and shows it to readers', async () => {
    const admission = await start();
    expect(admission.isSingleWriter()).toBe(true);
    const tenantId = newTenant();
    const sizes = Array.from({ length: 3_000 }, (_, i) => (i % 7) + 1);
    const decisions = await Promise.all(
      sizes.map((size) => admission.admit(tenantId, limits(1_234), costs(size))),
    );
    const spent = sizes.reduce((sum, size, i) => sum + (decisions[i]?.admitted ? size : 0), 0);
    expect(spent).toBe(1_234);
    await admission.settle([`${tenantId}:2026-11-22`]);
    expect(await dayOf(tenantId)).toMatchObject({
      calls: 1_234,
      endpoints: { _memory: 1_234 },
      hours: { 12: 1_234 },
    });
  });

  it('writes one document for a batch of a thousand tenants', async () => {
    const admission = await start();
    const tenants = Array.from({ length: 1_000 }, newTenant);
    await Promise.all(tenants.map((tenantId) => admission.admit(tenantId, limits(10), costs(1))));
    const insert = vi.spyOn(models.admissionJournal.collection, 'insertOne');
    const bulk = vi.spyOn(models.usageDays.collection, 'bulkWrite');
    await Promise.all(tenants.map((tenantId) => admission.admit(tenantId, limits(10), costs(1))));
    expect(insert).toHaveBeenCalledTimes(1);
    const duringBatch = bulk.mock.calls.length;
    insert.mockRestore();
    bulk.mockRestore();
    // A settlement by the clock may fall into the batch; no more than that.
    expect(duringBatch).toBeLessThanOrEqual(1);
  });

  it('holds minute and day together across their edges, and accepts returned calls', async () => {
    const clock = createFakeClock('2026-11-22T23:59:00Z');
    const admission = await start(clock);
    const tenantId = newTenant();
    const burst = () =>
      Promise.all(Array.from({ length: 30 }, () => admission.admit(tenantId, limits(15, 10), costs(1))));
    const first = await burst();
    expect(admitted(first)).toBe(10);
    await admission.returnCalls(tenantId, costs(4), (first[0] as Decision).used);
    expect(admitted(await burst())).toBe(4);
    clock.set('2026-11-23T00:00:00Z');
    expect(admitted(await burst())).toBe(10);
    clock.set('2026-11-23T00:01:00Z');
    expect(admitted(await burst())).toBe(5);
    await admission.stop();
    running.pop();
    expect((await dayOf(tenantId))?.calls).toBe(10);
    expect((await dayOf(tenantId, '2026-11-23'))?.calls).toBe(15);
  });

  it('sees what something else recorded, from the next call on', async () => {
    const admission = await start();
    const tenantId = newTenant();
    await admission.admit(tenantId, limits(10), costs(3));
    await models.usageDays.updateOne({ _id: `${tenantId}:2026-11-22` }, { $inc: { calls: 6 } });
    admission.recorded([`${tenantId}:2026-11-22`]);
    const decisions = await Promise.all([1, 2].map(() => admission.admit(tenantId, limits(10), costs(1))));
    expect(admitted(decisions)).toBe(1);
    await admission.settle([`${tenantId}:2026-11-22`]);
    expect((await dayOf(tenantId))?.calls).toBe(10);
  });

  it('leaves nothing to settle when it stops', async () => {
    const admission = await start();
    const tenantId = newTenant();
    await admission.admit(tenantId, limits(10), costs(3));
    await admission.stop();
    running.pop();
    expect(await dayOf(tenantId)).toMatchObject({ calls: 3 });
    expect(await models.usageDays.countDocuments({ claim: { $exists: true } })).toBe(0);
    expect(await models.admissionJournal.countDocuments({ sealedAt: { $exists: false } })).toBe(0);
  });
});

describe('the hand-over', () => {
  it('keeps limits exact while a second and a third instance join and the first leaves, under load', async () => {
    const tenants = Array.from({ length: 20 }, newTenant);
    const first = await start();
    const tally = new Map<string, number>();
    let loading = true;
    const load = async (admission: RunningAdmission) => {
      for (let i = 0; loading; i++) {
        // Rejections come from memory: without a pause nothing else would have its turn.
        await new Promise((resolve) => setImmediate(resolve));
        const tenantId = tenants[i % tenants.length] as string;
        const cost = (i % 3) + 1;
        const burst = Array.from({ length: 10 }, () => admission.admit(tenantId, limits(400), costs(cost)));
        for (const { admitted: yes } of await Promise.all(burst)) {
          if (yes) tally.set(tenantId, (tally.get(tenantId) ?? 0) + cost);
        }
      }
    };
    const loads = [load(first)];
    const second = await start();
    loads.push(load(second));
    const third = await start();
    loads.push(load(third));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    loading = false;
    await Promise.all(loads);
    expect(first.isSingleWriter()).toBe(false);
    for (const tenantId of tenants) {
      const rest = await Promise.all(
        Array.from(
          { length: 450 },
          (_, i) =>
            [first, second, third][i % 3]?.admit(tenantId, limits(400), costs(1)) as Promise<Decision>,
        ),
      );
      expect((tally.get(tenantId) ?? 0) + admitted(rest)).toBe(400);
      expect((await dayOf(tenantId))?.calls).toBe(400);
    }
  });

  it('is the single writer again when the others have gone', async () => {
    const first = await start();
    const second = await start();
    await vi.waitFor(() => expect(first.isSingleWriter() || second.isSingleWriter()).toBe(false), 5_000);
    await second.stop();
    running.pop();
    await vi.waitFor(() => expect(first.isSingleWriter()).toBe(true), 5_000);
  });

  it('settles what an instance that died had acknowledged, each call once, before it serves', async () => {
    const tenantId = newTenant();
    const { ledger, call } = await openLedger(1_001);
    await call(tenantId, 5);
    await ledger.settleAll();
    await call(tenantId, 7);
    await models.serverInstances.collection.insertOne({
      _id: 'i1001',
      seenAt: new Date(0),
      epoch: 1_001,
    } as never);
    // It died here: five are settled, seven are in the journal alone.
    expect((await dayOf(tenantId))?.calls).toBe(5);
    const next = await start();
    expect((await dayOf(tenantId))?.calls).toBe(12);
    expect((await dayOf(tenantId))?.endpoints).toEqual({ _memory: 12 });
    expect(await next.admit(tenantId, limits(12), costs(1))).toMatchObject({
      admitted: false,
      window: 'day',
    });
  });

  it('settles each call once when it died between settling and trimming, and when several take over at once', async () => {
    const tenantId = newTenant();
    const { ledger, call } = await openLedger(1_002);
    await call(tenantId, 2);
    const trim = vi
      .spyOn(models.admissionJournal.collection, 'deleteMany')
      .mockRejectedValueOnce(new Error('died'));
    await expect(ledger.settleAll()).rejects.toThrow('died');
    trim.mockRestore();
    await call(tenantId, 3);
    await Promise.all(['a', 'b', 'c'].map((name) => takeoverBy(name)(1_002)));
    expect((await dayOf(tenantId))?.calls).toBe(5);
  });

  it('does not serve from memory after a pause: its generation is fenced', async () => {
    const tenantId = newTenant();
    const { ledger, call } = await openLedger(1_003);
    expect(await call(tenantId, 1, 10)).toMatchObject({ admitted: true });
    // It is paused; another instance takes the day, and uses all that is left.
    const other = createAdmission({ models, clock: createFakeClock(NOON), log, metrics: noMetrics });
    const taken = await Promise.all(
      Array.from({ length: 20 }, () => other.admit(tenantId, limits(10), costs(1))),
    );
    expect(admitted(taken)).toBe(9);
    expect(await call(tenantId, 1, 10)).toBe('undecided');
    expect(ledger.isFenced()).toBe(true);
    await ledger.settleAll();
    expect((await dayOf(tenantId))?.calls).toBe(10);
    // The fence stays although the journal is settled and trimmed.
    expect(await call(tenantId, 1, 10)).toBe('undecided');
  });

  it('passes the calls of a fenced instance to the multi-writer ledger, in the same batch', async () => {
    const admission = await start();
    const tenantId = newTenant();
    await admission.admit(tenantId, limits(5), costs(1));
    const generation = (await dayOf(tenantId))?.claim?.epoch as number;
    await takeoverBy('other')(generation);
    const decisions = await Promise.all(
      Array.from({ length: 10 }, () => admission.admit(tenantId, limits(5), costs(1))),
    );
    expect(admitted(decisions)).toBe(4);
    expect((await dayOf(tenantId))?.calls).toBe(5);
  });
});

describe('memory', () => {
  const isLeased = async (tenantId: string) => (await dayOf(tenantId))?.claim !== undefined;

  it('keeps no more days than it may: those charged longest ago leave it, and nothing is lost', async () => {
    const { ledger, call } = await openLedger(70, { maxDays: 3 });
    const tenants = Array.from({ length: 5 }, newTenant);
    for (const tenantId of tenants) {
      await call(tenantId, 2);
      await call(tenants[0] as string, 1);
    }
    expect(await Promise.all(tenants.map(isLeased))).toContain(false);
    for (const tenantId of tenants) expect(await call(tenantId, 5, 7)).toMatchObject({ used: { day: 7 } });
    await ledger.settleAll();
    const calls = await Promise.all(tenants.map(async (tenantId) => (await dayOf(tenantId))?.calls));
    expect(calls).toEqual([7, 7, 7, 7, 7]);
  });

  it('gives back days that are idle, with all that was charged, and charges them again later', async () => {
    const { ledger, call } = await openLedger(71, { idleMs: 50 });
    const [idle, busy] = [newTenant(), newTenant()];
    await call(idle, 3);
    await call(busy, 3);
    await expect.poll(() => ledger.idleDays().length).toBe(2);
    const found = ledger.idleDays();
    await call(busy, 1);
    await ledger.releaseIdle(found);
    expect(await dayOf(idle)).toMatchObject({ calls: 3 });
    expect([await isLeased(idle), await isLeased(busy)]).toEqual([false, true]);
    expect(await call(idle, 3, 5)).toMatchObject({ admitted: false, used: { day: 3 } });
    expect(await call(idle, 2, 5)).toMatchObject({ admitted: true, used: { day: 5 } });
    await ledger.settleAll();
    expect((await dayOf(idle))?.calls).toBe(5);
  });

  it('still knows a day whose release got no answer', async () => {
    const { ledger, call } = await openLedger(72, { idleMs: 0 });
    const tenantId = newTenant();
    await call(tenantId, 3);
    const away = vi.spyOn(models.usageDays.collection, 'updateMany').mockRejectedValueOnce(new Error('away'));
    await expect(ledger.releaseIdle(ledger.idleDays())).rejects.toThrow('away');
    away.mockRestore();
    expect(await call(tenantId, 3, 5)).toMatchObject({ admitted: false, used: { day: 3 } });
    expect(await call(tenantId, 2, 5)).toMatchObject({ admitted: true });
    await ledger.settleAll();
    expect((await dayOf(tenantId))?.calls).toBe(5);
  });
});

describe('lost answers', () => {
  it('of the journal: calls that were charged without an answer are returned once, and the limit stays exact', async () => {
    const tenantId = newTenant();
    const { ledger, call } = await openLedger(1_004);
    await call(tenantId, 1, 3);
    const collection = models.admissionJournal.collection;
    const insert = collection.insertOne.bind(collection);
    const spy = vi
      .spyOn(collection, 'insertOne')
      .mockImplementationOnce(async (...args: Parameters<typeof insert>) => {
        await insert(...args);
        throw new Error('the answer was lost');
      });
    await expect(call(tenantId, 1, 3)).rejects.toThrow('the answer was lost');
    spy.mockRestore();
    expect(await call(tenantId, 1, 3)).toMatchObject({ admitted: true });
    expect(await call(tenantId, 1, 3)).toMatchObject({ admitted: true });
    expect(await call(tenantId, 1, 3)).toMatchObject({ admitted: false });
    await ledger.settleAll();
    expect((await dayOf(tenantId))?.calls).toBe(3);
  });

  it('of the journal: calls that were returned in that batch are returned once', async () => {
    const tenantId = newTenant();
    const admission = await start();
    const { used } = await admission.admit(tenantId, limits(10), costs(10));
    const collection = models.admissionJournal.collection;
    const insert = collection.insertOne.bind(collection);
    const spy = vi
      .spyOn(collection, 'insertOne')
      .mockImplementationOnce(async (...args: Parameters<typeof insert>) => {
        await insert(...args);
        throw new Error('the answer was lost');
      });
    await admission.returnCalls(tenantId, costs(4), used);
    spy.mockRestore();
    // What waits when a batch fails fails with it.
    await new Promise(setImmediate);
    const decisions = await Promise.all(
      Array.from({ length: 10 }, () => admission.admit(tenantId, limits(10), costs(1))),
    );
    expect(admitted(decisions)).toBe(4);
    await admission.settle([`${tenantId}:2026-11-22`]);
    expect((await dayOf(tenantId))?.calls).toBe(10);
  });

  it('before the journal: calls are returned as soon as the database answers again', async () => {
    const tenantId = newTenant();
    const admission = await start();
    const { used } = await admission.admit(tenantId, limits(10), costs(10));
    admission.recorded([`${tenantId}:2026-11-22`]);
    const find = vi.spyOn(models.usageDays.collection, 'find').mockImplementationOnce(() => {
      throw new Error('away');
    });
    await admission.returnCalls(tenantId, costs(4), used);
    find.mockRestore();
    await admission.settle([`${tenantId}:2026-11-22`]);
    expect((await dayOf(tenantId))?.calls).toBe(6);
  });

  it('of a settlement: it is repeated, and counts once', async () => {
    const tenantId = newTenant();
    const { ledger, call } = await openLedger(1_005);
    await call(tenantId, 4);
    const collection = models.usageDays.collection;
    const bulk = collection.bulkWrite.bind(collection);
    const spy = vi
      .spyOn(collection, 'bulkWrite')
      .mockImplementationOnce(async (...args: Parameters<typeof bulk>) => {
        await bulk(...args);
        throw new Error('the answer was lost');
      });
    await expect(ledger.settleAll()).rejects.toThrow('the answer was lost');
    spy.mockRestore();
    await call(tenantId, 2);
    await ledger.settleAll();
    await ledger.settleAll();
    expect((await dayOf(tenantId))?.calls).toBe(6);
  });
});
