import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';
import type { Admission } from '../../src/services/limits/ledger/admission.js';
import { createAdmission, type RunningAdmission } from '../../src/services/limits/ledger/createAdmission.js';
import type { CallLimits } from '../../src/services/tiers/entitlements.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock, type FakeClock } from '../support/fakeClock.js';
import { limitsOfCalls, usageDayOf } from '../support/ledger.js';
import { createRandom, seedOfRun } from '../support/random.js';

const NOON = '2026-11-22T12:00:00Z';
const NEXT_DAY = '2026-11-23T09:00:00Z';
const NEXT_MONTH = '2026-12-01T00:00:00Z';
const QUOTA = 10;
const ALLOWANCE = 100;
const log = pino({ level: 'silent' });

let database: TestDatabase;
let models: Models;
let tenants = 0;
const running: RunningAdmission[] = [];

beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
});
afterEach(async () => {
  for (const admission of running.splice(0)) await admission.stop();
});
afterAll(() => database.dropAndClose());

const newTenant = () => `ten_${++tenants}`;
const limits = (overageCallsPerMonth = ALLOWANCE, apiCallsPerDay = QUOTA): CallLimits => ({
  apiCallsPerDay,
  apiCallsPerMinute: 1_000_000,
  overageCallsPerMonth,
});
const charge = (calls: number) => [{ endpoint: 'memory', calls }];

/** One instance, with a clock that can be moved. */
async function alone(clock: FakeClock): Promise<Admission[]> {
  const admission = createAdmission({ models, clock, log, metrics: noMetrics });
  running.push(admission);
  await admission.start();
  return [admission];
}

/** Four that share. */
const sharing = async (clock: FakeClock): Promise<Admission[]> =>
  Array.from({ length: 4 }, () => createAdmission({ models, clock, log, metrics: noMetrics }));

/** @returns how many calls were admitted */
async function spend(
  instances: readonly Admission[],
  tenantId: string,
  sizes: readonly number[],
  terms = limits(),
): Promise<number> {
  const decisions = await Promise.all(
    sizes.map((calls, i) =>
      (instances[i % instances.length] as Admission).admit(tenantId, limitsOfCalls(terms), {
        charges: charge(calls),
      }),
    ),
  );
  return sizes.reduce((sum, calls, i) => sum + (decisions[i]?.admitted ? calls : 0), 0);
}

const ones = (count: number) => Array<number>(count).fill(1);

async function usedOn(tenantId: string, ...days: string[]) {
  const ids = days.map((day) => `${tenantId}:2026-${day}`);
  const found = await Promise.all(ids.map((id) => usageDayOf(models, id)));
  return found.map((day) => [day?.calls ?? 0, day?.overage?.used ?? 0]);
}

describe.each([
  { kind: 'an instance alone', start: alone },
  { kind: 'instances that share', start: sharing },
])('overage on $kind', ({ start }) => {
  it('goes on past the quota up to the allowance, to the call, and is counted apart', async () => {
    const tenantId = newTenant();
    const clock = createFakeClock(NOON);
    const instances = await start(clock);
    const random = createRandom(seedOfRun());
    const sizes = [...Array.from({ length: 150 }, () => random.between(1, 4)), ...ones(10)];
    expect(await spend(instances, tenantId, sizes), `SEED=${random.seed}`).toBe(QUOTA + ALLOWANCE);
    expect(await spend(instances, tenantId, ones(20))).toBe(0);
    expect(await usedOn(tenantId, '11-22')).toEqual([[QUOTA + ALLOWANCE, ALLOWANCE]]);
  });

  it('is none for who has not opted in', async () => {
    const tenantId = newTenant();
    const instances = await start(createFakeClock(NOON));
    expect(await spend(instances, tenantId, ones(50), limits(0))).toBe(QUOTA);
    expect(await usedOn(tenantId, '11-22')).toEqual([[QUOTA, 0]]);
  });

  it('is of a month: the next day has what is left, the next month all', async () => {
    const tenantId = newTenant();
    const clock = createFakeClock(NOON);
    const instances = await start(clock);
    expect(await spend(instances, tenantId, ones(QUOTA + 30))).toBe(QUOTA + 30);
    clock.set(NEXT_DAY);
    expect(await spend(instances, tenantId, ones(200))).toBe(QUOTA + 70);
    clock.set(NEXT_MONTH);
    expect(await spend(instances, tenantId, ones(200))).toBe(QUOTA + ALLOWANCE);
    expect(await usedOn(tenantId, '11-22', '11-23', '12-01')).toEqual([
      [QUOTA + 30, 30],
      [QUOTA + 70, 70],
      [QUOTA + ALLOWANCE, ALLOWANCE],
    ]);
  });

  it('is available again when calls are returned', async () => {
    const tenantId = newTenant();
    const instances = await start(createFakeClock(NOON));
    const [admission] = instances as [Admission];
    await spend(instances, tenantId, ones(QUOTA));
    const decision = await admission.admit(tenantId, limitsOfCalls(limits()), { charges: charge(ALLOWANCE) });
    expect(decision).toMatchObject({ admitted: true, used: { overageOfMonth: ALLOWANCE } });
    expect(await spend([admission], tenantId, ones(5))).toBe(0);
    await admission.returnCalls(tenantId, charge(ALLOWANCE), decision.used);
    expect(await spend([admission], tenantId, ones(200))).toBe(ALLOWANCE);
    expect(await usedOn(tenantId, '11-22')).toEqual([[QUOTA + ALLOWANCE, ALLOWANCE]]);
  });

  it('is counted by the period that bills it, before its end and after, and returned to the one it was taken from', async () => {
    const tenantId = newTenant();
    const clock = createFakeClock(NOON);
    const instances = await start(clock);
    const [admission] = instances as [Admission];
    const [startMs, endMs, nextMs] = ['01T12:00:01Z', '22T12:30:00Z', '30T12:30:00Z'].map((day) =>
      Date.parse(`2026-11-${day}`),
    ) as [number, number, number];
    const price = { priceCents: 10, perCalls: 1_000 };
    const known = { ...limits(), overageTerms: { price, billedFromMs: startMs, billedUntilMs: endMs } };
    const renewed = { ...limits(), overageTerms: { price, billedFromMs: endMs, billedUntilMs: nextMs } };
    await spend(instances, tenantId, ones(QUOTA + 5), known);
    clock.set(endMs - 1);
    const last = await admission.admit(tenantId, limitsOfCalls(known), { charges: charge(3) });
    clock.set(endMs);
    // Nothing has said yet that the period was renewed.
    await spend(instances, tenantId, ones(20), known);
    await spend(instances, tenantId, ones(4), renewed);
    const spans = async () => {
      return (await usageDayOf(models, `${tenantId}:2026-11-22`))?.overage?.spans;
    };
    const [before, after] = [startMs, endMs].map((ms) => String(ms / 1000)) as [string, string];
    expect(await spans()).toEqual({ [before]: 8, [after]: 24 });
    await admission.returnCalls(tenantId, charge(2), last.used);
    await expect.poll(spans).toEqual({ [before]: 6, [after]: 24 });
  });

  it('follows the cap up and down', async () => {
    const tenantId = newTenant();
    const instances = await start(createFakeClock(NOON));
    expect(await spend(instances, tenantId, ones(50), limits(20))).toBe(QUOTA + 20);
    expect(await spend(instances, tenantId, ones(50), limits(35))).toBe(15);
    expect(await spend(instances, tenantId, ones(50), limits(10))).toBe(0);
    expect(await spend(instances, tenantId, ones(50), limits(40))).toBe(5);
  });

  it('does not count calls that were within the quota when they were made', async () => {
    const tenantId = newTenant();
    const instances = await start(createFakeClock(NOON));
    expect(await spend(instances, tenantId, ones(200), limits(0, 200))).toBe(200);
    expect(await spend(instances, tenantId, ones(20), limits(5))).toBe(5);
    expect(await usedOn(tenantId, '11-22')).toEqual([[205, 5]]);
  });
});

it('is exact while instances decide on both sides of midnight', async () => {
  for (let round = 0; round < 5; round++) {
    const tenantId = newTenant();
    const before = await sharing(createFakeClock('2026-11-22T23:59:59.999Z'));
    const after = await sharing(createFakeClock('2026-11-23T00:00:00Z'));
    const instances = [...before, ...after];
    const spent = await spend(instances, tenantId, ones(600));
    const [first, second] = await usedOn(tenantId, '11-22', '11-23');
    const [calls, overage] = [0, 1].map((of) => (first?.[of] ?? 0) + (second?.[of] ?? 0)) as [number, number];
    expect(overage).toBe(ALLOWANCE);
    expect(calls).toBe(spent);
    // A day that has begun for one instance has begun for all, so that the first day may have less than its quota.
    expect((second?.[0] ?? 0) - (second?.[1] ?? 0)).toBe(QUOTA);
    expect((first?.[0] ?? 0) - (first?.[1] ?? 0)).toBeLessThanOrEqual(QUOTA);
  }
});

it('survives the death of an instance, and is exact when another one begins the next day', async () => {
  const tenantId = newTenant();
  const [first] = (await alone(createFakeClock(NOON))) as [Admission];
  expect(await spend([first], tenantId, ones(QUOTA + 40))).toBe(QUOTA + 40);
  // Not stopped: it goes on with its own view of the month.
  const [second] = (await sharing(createFakeClock(NEXT_DAY))) as [Admission];
  expect(await spend([first, second], tenantId, ones(400))).toBe(QUOTA + 60);
  expect(await usedOn(tenantId, '11-22', '11-23')).toEqual([
    [expect.any(Number), expect.any(Number)],
    [expect.any(Number), expect.any(Number)],
  ]);
  const [one, two] = await usedOn(tenantId, '11-22', '11-23');
  expect((one?.[1] ?? 0) + (two?.[1] ?? 0)).toBe(ALLOWANCE);
});
