import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';
import { createAdmission } from '../../src/services/limits/ledger/createAdmission.js';
import { createDayEnds } from '../../src/services/limits/ledger/dayEnds.js';
import { createEndpointNames } from '../../src/services/limits/ledger/endpointNames.js';
import { createUsageDays } from '../../src/services/limits/ledger/usageDays.js';
import { createDayCounts } from '../../src/services/usage/recording/dayCounts.js';
import { createEventJournal } from '../../src/services/usage/recording/eventJournal.js';
import { createEventRoom } from '../../src/services/usage/recording/eventRoom.js';
import {
  createUsageEvents,
  type NewUsageEvent,
  type UsageEventOutcome,
} from '../../src/services/usage/recording/usageEvents.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';
import { limitsOfCalls, usageDayOf } from '../support/ledger.js';

const NOON = '2126-11-22T12:00:00Z';
const log = pino({ level: 'silent' });

let database: TestDatabase;
let models: Models;
let tenants = 0;

beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => database.dropAndClose());

const newTenant = () => `ten_${++tenants}`;

/** A server's recording: they share nothing but the database. */
function instance() {
  const clock = createFakeClock(NOON);
  const usageDays = createUsageDays({ models });
  const dayCounts = createDayCounts({
    models,
    endpointNames: createEndpointNames({ usageDays }),
    admission: { changed: () => undefined },
    dayEnds: createDayEnds({ models, clock, log }),
  });
  const journal = createEventJournal({ models, clock, log, metrics: noMetrics, dayCounts });
  return {
    clock,
    dayCounts,
    journal,
    events: createUsageEvents({
      journal,
      room: createEventRoom({ usageDays, maxPerDay: 1_000_000 }),
      clock,
      recorded: () => undefined,
    }),
  };
}

const event = (id: string, more: Partial<NewUsageEvent> = {}): NewUsageEvent => ({
  id,
  endpoint: 'search',
  quantity: 1,
  ...more,
});
const many = (count: number, prefix = 'e') => Array.from({ length: count }, (_, i) => event(`${prefix}${i}`));
const statuses = (outcomes: readonly UsageEventOutcome[]) => outcomes.map(({ status }) => status);
const accepted = (outcomes: readonly UsageEventOutcome[]) =>
  outcomes.filter(({ status }) => status === 'ACCEPTED').length;
const dayOf = (tenantId: string, day = '2126-11-22') => usageDayOf(models, `${tenantId}:${day}`);
const batchesOf = (tenantId: string) => models.usageEventBatches.find({ tenantId }).lean();

/** Replaces the method once: what the real one did is known to the database, not to the caller. */
function loseAnswer(collection: object, method: string, real: boolean): void {
  const target = collection as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const original = target[method]?.bind(collection) as (...args: unknown[]) => Promise<unknown>;
  vi.spyOn(target, method).mockImplementationOnce(async (...args) => {
    if (real) await original(...args);
    throw new Error('the connection broke');
  });
}

describe('recordUsage', () => {
  it('counts each event in the day and hour when it happened, and answers in order', async () => {
    const tenantId = newTenant();
    const outcomes = await instance().events.record(tenantId, [
      event('a', { quantity: 5 }),
      event('b', { quantity: 2, at: new Date('2126-11-22T03:59:59.999Z') }),
      event('c', { endpoint: 'a.$b', at: new Date('2126-10-23T00:00:00Z') }),
      event('d', { endpoint: 'extraction', quantity: 7 }),
    ]);
    expect(outcomes).toEqual(['a', 'b', 'c', 'd'].map((id) => ({ id, status: 'ACCEPTED', reason: null })));
    expect(await dayOf(tenantId)).toMatchObject({
      calls: 14,
      endpoints: { _search: 7, _extraction: 7 },
      hours: { 3: 2, 12: 12 },
      extractions: 7,
    });
    expect(await dayOf(tenantId, '2126-10-23')).toMatchObject({ calls: 1, hours: { 0: 1 } });
  });

  it('rejects a bad event with why, and accepts the others of the call', async () => {
    const tenantId = newTenant();
    const at = (instant: string) => ({ at: new Date(instant) });
    const bad = [
      event(''),
      event('has space'),
      event('x'.repeat(101)),
      event('a', { endpoint: '' }),
      event('b', { endpoint: ' ' }),
      event('c', { endpoint: 'tab\t' }),
      event('d', { endpoint: '\ud800' }),
      event('e', { endpoint: 'x'.repeat(101) }),
      event('f', { quantity: 0 }),
      event('g', { quantity: -1 }),
      event('h', { quantity: 1.5 }),
      event('i', { quantity: 1_000_000_001 }),
      event('j', at('2126-10-22T11:59:59.999Z')),
      event('k', at('2126-11-22T12:05:00.001Z')),
      event('l', { at: new Date(Number.NaN) }),
    ];
    const good = [
      event('m', at('2126-10-22T12:00:00Z')),
      event('n', at('2126-11-22T12:05:00Z')),
      event('!', { endpoint: 'GET /übung/{id}', quantity: 1_000_000_000 }),
    ];
    const outcomes = await instance().events.record(tenantId, [...bad, ...good]);
    expect(statuses(outcomes)).toEqual([...bad.map(() => 'REJECTED'), ...good.map(() => 'ACCEPTED')]);
    const reasons = outcomes.slice(0, bad.length).map(({ reason }) => reason?.split(':')[0]);
    expect(reasons.join(' ')).toBe(
      'id id id endpoint endpoint endpoint endpoint endpoint quantity quantity quantity quantity at at at',
    );
    expect((await dayOf(tenantId))?.calls).toBe(1_000_000_001);
  });

  it('takes an id that was rejected when the event comes corrected', async () => {
    const tenantId = newTenant();
    const { events } = instance();
    expect(statuses(await events.record(tenantId, [event('a', { quantity: 0 }), event('a')]))).toEqual([
      'REJECTED',
      'ACCEPTED',
    ]);
  });

  it('rejects more than 1,000 events whole, and takes 1,000 and none', async () => {
    const tenantId = newTenant();
    const { events } = instance();
    await expect(events.record(tenantId, many(1_001))).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(await batchesOf(tenantId)).toEqual([]);
    expect(accepted(await events.record(tenantId, many(1_000)))).toBe(1_000);
    expect(await events.record(tenantId, [])).toEqual([]);
  });

  it('is never rejected by a limit, and limits see it', async () => {
    const tenantId = newTenant();
    const { clock, events } = instance();
    const limits = limitsOfCalls({ apiCallsPerDay: 10, apiCallsPerMinute: 10, overageCallsPerMonth: 0 });
    const admission = createAdmission({ models, clock, log, metrics: noMetrics });
    const charge = { charges: [{ endpoint: 'memory', calls: 1 }] };
    expect((await admission.admit(tenantId, limits, charge)).admitted).toBe(true);
    expect(accepted(await events.record(tenantId, [event('a', { quantity: 8 })]))).toBe(1);
    expect((await admission.admit(tenantId, limits, charge)).admitted).toBe(true);
    expect(await admission.admit(tenantId, limits, charge)).toMatchObject({ admitted: false, window: 'day' });
    expect(accepted(await events.record(tenantId, [event('b', { quantity: 8 })]))).toBe(1);
    expect((await dayOf(tenantId))?.calls).toBe(18);
  });

  it('forgets ids 32 days later, when the event itself would be too old', async () => {
    const tenantId = newTenant();
    await instance().events.record(tenantId, [event('a')]);
    const [batch] = await batchesOf(tenantId);
    expect(batch?.expiresAt).toEqual(new Date('2126-12-24T12:00:00Z'));
    const indexes = await models.usageEventBatches.collection.indexes();
    expect(indexes.find(({ expireAfterSeconds }) => expireAfterSeconds === 0)?.key).toEqual({ expiresAt: 1 });
  });

  it('counts endpoints past the 500th of a day as (other), in the call and after a restart', async () => {
    const tenantId = newTenant();
    const names = (from: number) =>
      Array.from({ length: 300 }, (_, i) => event(`e${from + i}`, { endpoint: `/users/${from + i}` }));
    await instance().events.record(tenantId, names(0));
    const { events } = instance();
    await events.record(tenantId, names(300));
    await events.record(tenantId, [event('known', { endpoint: '/users/1' })]);
    const endpoints = (await dayOf(tenantId))?.endpoints ?? {};
    expect(Object.keys(endpoints)).toHaveLength(501);
    expect(endpoints).toMatchObject({ '_(other)': 100, '_/users/1': 2 });
  });
});

describe('an id', () => {
  it('is counted once in one call, in later calls and on other instances', async () => {
    const tenantId = newTenant();
    const { events } = instance();
    expect(statuses(await events.record(tenantId, [event('a'), event('a'), event('b')]))).toEqual([
      'ACCEPTED',
      'DUPLICATE',
      'ACCEPTED',
    ]);
    expect(statuses(await events.record(tenantId, [event('c'), event('b')]))).toEqual([
      'ACCEPTED',
      'DUPLICATE',
    ]);
    expect(statuses(await instance().events.record(tenantId, [event('c'), event('d')]))).toEqual([
      'DUPLICATE',
      'ACCEPTED',
    ]);
    expect((await dayOf(tenantId))?.calls).toBe(4);
  });

  it('belongs to its tenant', async () => {
    const { events } = instance();
    const outcomes = await Promise.all([newTenant(), newTenant()].map((id) => events.record(id, many(3))));
    expect(outcomes.map(accepted)).toEqual([3, 3]);
  });

  it('with other content is a CONFLICT that says what differs; without a time it differs from none', async () => {
    const tenantId = newTenant();
    const { events } = instance();
    const at = new Date('2126-11-22T11:00:00Z');
    await events.record(tenantId, [event('a', { at })]);
    const reasons = async (again: NewUsageEvent) => {
      const [outcome] = await instance().events.record(tenantId, [again]);
      return `${outcome?.status} ${outcome?.reason}`;
    };
    expect(await reasons(event('a', { at }))).toBe('DUPLICATE was recorded before');
    expect(await reasons(event('a'))).toBe('DUPLICATE was recorded before');
    expect(
      await reasons(event('a', { endpoint: 'other', quantity: 2, at: new Date(0 + at.getTime() + 1) })),
    ).toMatch(/^CONFLICT .*different: endpoint, quantity, at/);
    const twice = await events.record(tenantId, [event('b'), event('b', { quantity: 3 })]);
    expect(twice[1]).toMatchObject({
      status: 'CONFLICT',
      reason: expect.stringContaining('different: quantity'),
    });
    expect((await dayOf(tenantId))?.calls).toBe(2);
  });

  it('is accepted once of many concurrent calls that overlap, on three instances', async () => {
    const tenantId = newTenant();
    const three = [1, 2, 3].map(() => instance().events);
    // 60 calls of 40 ids out of 300, each id in eight calls.
    const calls = Array.from({ length: 60 }, (_, i) =>
      Array.from({ length: 40 }, (_, k) => event(`e${(i * 5 + k) % 300}`, { quantity: 2 })),
    );
    const outcomes = await Promise.all(calls.map((call, i) => three[i % 3]?.record(tenantId, call)));
    const ids = outcomes.flatMap((outcome) =>
      (outcome ?? []).filter(({ status }) => status === 'ACCEPTED').map(({ id }) => id),
    );
    expect(ids).toHaveLength(300);
    expect(new Set(ids).size).toBe(300);
    expect(await dayOf(tenantId)).toMatchObject({
      calls: 600,
      endpoints: { _search: 600 },
      hours: { 12: 600 },
    });
  });
});

describe('cost', () => {
  it('stores and counts what waits together by one statement each, for many tenants', async () => {
    const { events } = instance();
    const ids = Array.from({ length: 20 }, newTenant);
    await Promise.all(ids.map((id) => events.record(id, many(1, 'first'))));
    const insert = vi.spyOn(models.usageEventBatches.collection, 'insertMany');
    const count = vi.spyOn(models.ledgers.collection, 'bulkWrite');
    await Promise.all(ids.flatMap((id) => [events.record(id, many(5)), events.record(id, many(5, 'f'))]));
    expect(insert).toHaveBeenCalledTimes(1);
    expect(count).toHaveBeenCalledTimes(1);
    expect(await Promise.all(ids.map(async (id) => (await dayOf(id))?.calls))).toEqual(ids.map(() => 11));
  });

  it('is bounded: past 100,000 waiting events a call is rejected until later, and nothing of the others is lost', async () => {
    const tenantId = newTenant();
    const { events } = instance();
    // The instance knows the day: nothing is read between the calls.
    await events.record(tenantId, many(1));
    const calls = Array.from({ length: 101 }, (_, i) => events.record(tenantId, many(1_000, `c${i}-`)));
    const settled = await Promise.allSettled(calls);
    expect(settled.map(({ status }) => status)).toEqual([...Array(100).fill('fulfilled'), 'rejected']);
    expect(settled[100]).toMatchObject({ reason: { code: 'SERVICE_UNAVAILABLE' } });
    expect((await dayOf(tenantId))?.calls).toBe(100_001);
  });
});

describe('errors', () => {
  const unavailable = { code: 'SERVICE_UNAVAILABLE' };

  it.each([
    ['before the events were stored', 'usageEventBatches', 'insertMany', false],
    ['after the events were stored', 'usageEventBatches', 'insertMany', true],
    ['before they were counted', 'ledgers', 'bulkWrite', false],
    ['after they were counted', 'ledgers', 'bulkWrite', true],
  ] as const)(
    'a break %s: the same call again and the sweep count each event once',
    async (_, model, method, real) => {
      const tenantId = newTenant();
      const { events, journal } = instance();
      await events.record(tenantId, many(3, 'before'));
      loseAnswer(models[model].collection, method, real);
      await expect(events.record(tenantId, many(10))).rejects.toMatchObject(unavailable);
      const again = await events.record(tenantId, many(12));
      expect(accepted(again)).toBe(model === 'usageEventBatches' && !real ? 12 : 2);
      expect(again.every(({ status }) => status !== 'REJECTED')).toBe(true);
      await journal.countLeftovers();
      expect((await dayOf(tenantId))?.calls).toBe(15);
      await journal.countLeftovers();
      expect((await dayOf(tenantId))?.calls).toBe(15);
    },
  );

  it('what a process stored before it died is counted by any other, once, also by several at a time', async () => {
    const tenantId = newTenant();
    const dying = instance();
    loseAnswer(models.ledgers.collection, 'bulkWrite', false);
    const at = new Date('2126-11-20T12:00:00Z');
    const call = [...many(10), event('earlier', { at, quantity: 4 })];
    await expect(dying.events.record(tenantId, call)).rejects.toMatchObject(unavailable);
    expect((await dayOf(tenantId))?.calls ?? 0).toBe(0);
    const others = [1, 2, 3].map(() => instance());
    await Promise.all(others.map(({ journal }) => journal.countLeftovers()));
    expect((await dayOf(tenantId))?.calls).toBe(10);
    expect((await dayOf(tenantId, '2126-11-20'))?.calls).toBe(4);
    expect(await models.usageEventBatches.countDocuments({ tenantId, uncounted: true })).toBe(0);
    expect(statuses((await others[0]?.events.record(tenantId, call)) ?? [])).toEqual(
      call.map(() => 'DUPLICATE'),
    );
  });

  it('a process that wakes up late counts nothing that was counted for it, and goes on', async () => {
    const tenantId = newTenant();
    const paused = instance();
    const other = instance();
    const count = paused.dayCounts.count;
    // It sleeps between storing and counting, while another instance counts for it.
    const asleep = vi.spyOn(paused.dayCounts, 'count').mockImplementationOnce(async (batches) => {
      await other.journal.countLeftovers();
      expect((await dayOf(tenantId))?.calls).toBe(10);
      await count(batches);
      await count(batches);
    });
    expect(accepted(await paused.events.record(tenantId, many(10)))).toBe(10);
    expect(asleep).toHaveBeenCalledTimes(1);
    await paused.events.record(tenantId, many(5, 'next'));
    await other.journal.countLeftovers();
    expect((await dayOf(tenantId))?.calls).toBe(15);
  });

  it('a document that is stored late, after its writer had gone on, is still counted', async () => {
    const tenantId = newTenant();
    const { events, journal } = instance();
    const collection = models.usageEventBatches.collection;
    const insert = collection.insertMany.bind(collection);
    let late: () => Promise<unknown> = async () => undefined;
    vi.spyOn(collection, 'insertMany').mockImplementationOnce(async (...args: Parameters<typeof insert>) => {
      late = () => insert(...args);
      throw new Error('no answer in time');
    });
    await expect(events.record(tenantId, many(10))).rejects.toMatchObject(unavailable);
    expect(accepted(await events.record(tenantId, many(5, 'next')))).toBe(5);
    await late();
    await journal.countLeftovers();
    expect((await dayOf(tenantId))?.calls).toBe(15);
    expect(accepted(await events.record(tenantId, many(10)))).toBe(0);
  });

  it('a late document whose events were sent again meanwhile is rejected by the index', async () => {
    const tenantId = newTenant();
    const { events, journal } = instance();
    const collection = models.usageEventBatches.collection;
    const insert = collection.insertMany.bind(collection);
    let late: () => Promise<unknown> = async () => undefined;
    vi.spyOn(collection, 'insertMany').mockImplementationOnce(async (...args: Parameters<typeof insert>) => {
      late = () => insert(...args);
      throw new Error('no answer in time');
    });
    await expect(events.record(tenantId, many(10))).rejects.toMatchObject(unavailable);
    expect(accepted(await events.record(tenantId, many(1)))).toBe(1);
    await expect(late()).rejects.toMatchObject({ code: 11_000 });
    await journal.countLeftovers();
    expect((await dayOf(tenantId))?.calls).toBe(1);
  });

  it('one batch that cannot be counted keeps no other from being counted', async () => {
    const [poisoned, fine] = [newTenant(), newTenant()];
    const dying = instance();
    vi.spyOn(dying.dayCounts, 'count').mockRejectedValue(new Error('killed'));
    await expect(dying.events.record(poisoned, many(3))).rejects.toMatchObject(unavailable);
    await expect(dying.events.record(fine, many(4))).rejects.toMatchObject(unavailable);
    const sweeping = instance();
    const count = sweeping.dayCounts.count;
    const sweep = vi.spyOn(sweeping.dayCounts, 'count').mockImplementation(async (batches) => {
      if (batches[0]?.tenantId === poisoned) throw new Error('cannot be counted');
      return count(batches);
    });
    await sweeping.journal.countLeftovers();
    expect((await dayOf(fine))?.calls).toBe(4);
    expect((await dayOf(poisoned))?.calls ?? 0).toBe(0);
    sweep.mockRestore();
    await sweeping.journal.countLeftovers();
    expect((await dayOf(poisoned))?.calls).toBe(3);
  });
});
