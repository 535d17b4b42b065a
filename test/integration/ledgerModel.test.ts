import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';
import type { Decision, TakenLimits, WindowUse } from '../../src/services/limits/ledger/admission.js';
import { createAdmission, type RunningAdmission } from '../../src/services/limits/ledger/createAdmission.js';
import { createStorage, type Storage } from '../../src/services/limits/storage/storage.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock, type FakeClock } from '../support/fakeClock.js';
import { usageDayOf } from '../support/ledger.js';

/** Shortly before the end of a month, so that minutes, days and the month end during a run. */
const START = Date.parse('2026-11-29T23:57:00Z');
/** After this time an instance reads the ledger again before it rejects anything. */
const STALE_MS = 1_001;
const MINUTE_MS = 60_000;
const DAY_MS = 86_120_000;
const RUNS = 40;
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

type Command =
  | { kind: 'take'; by: number; calls: number; memories: number }
  | { kind: 'return'; by: number }
  | { kind: 'commit'; which: number }
  | { kind: 'release'; which: number }
  | { kind: 'free'; memories: number }
  | { kind: 'wait'; ms: number }
  | { kind: 'limits'; minute: number; day: number; overage: number; memories: number };

const small = fc.integer({ min: 0, max: 6 });
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('take' as const),
      by: fc.nat(2),
      calls: small,
      memories: small,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('return' as const), by: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('commit' as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('free' as const), memories: small }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.constantFrom(0, MINUTE_MS, 3 * MINUTE_MS, DAY_MS, 2 * DAY_MS),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('limits' as const),
      minute: fc.integer({ min: 1, max: 20 }),
      day: fc.integer({ min: 1, max: 20 }),
      overage: fc.integer({ min: 0, max: 20 }),
      memories: fc.integer({ min: 0, max: 20 }),
    }),
  },
);

interface Charged {
  calls: number;
  used: WindowUse;
}

/** What a tenant may do, in the simplest words. */
class Model {
  limits = { minute: 10, day: 12, overage: 5, memories: 10 };
  private minutes = new Map<number, number>();
  private months = new Map<string, number>();
  readonly days = new Map<string, { calls: number; overage: number }>();
  stored = 0;
  readonly reserved = new Map<string, number>();

  private static dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);

  expected(nowMs: number, calls: number, memories: number): 'admitted' | 'memories' | 'day' | 'minute' {
    const held = [...this.reserved.values()].reduce((sum, amount) => sum + amount, 0);
    if (memories > 0 && this.stored + held + memories > this.limits.memories) return 'memories';
    if (calls === 0) return 'admitted';
    const past = this.pastOf(nowMs, calls);
    if (past > 0 && (this.months.get(Model.dayOf(nowMs).slice(0, 7)) ?? 0) + past > this.limits.overage)
      return 'day';
    return this.usedInMinute(nowMs) + calls > this.limits.minute ? 'minute' : 'admitted';
  }

  take(nowMs: number, calls: number): void {
    if (calls === 0) return;
    const past = this.pastOf(nowMs, calls);
    const day = this.dayAt(nowMs);
    this.days.set(Model.dayOf(nowMs), { calls: day.calls + calls, overage: day.overage + past });
    this.addToMonth(nowMs, past);
    this.minutes.set(Math.floor(nowMs / MINUTE_MS), this.usedInMinute(nowMs) + calls);
  }

  giveBack(atMs: number, calls: number): void {
    const day = this.dayAt(atMs);
    const past = Math.min(calls, day.overage);
    this.days.set(Model.dayOf(atMs), { calls: day.calls - calls, overage: day.overage - past });
    this.addToMonth(atMs, -past);
    this.minutes.set(Math.floor(atMs / MINUTE_MS), this.usedInMinute(atMs) - calls);
  }

  private addToMonth(ms: number, calls: number): void {
    const month = Model.dayOf(ms).slice(0, 7);
    this.months.set(month, (this.months.get(month) ?? 0) + calls);
  }

  private dayAt = (ms: number) => this.days.get(Model.dayOf(ms)) ?? { calls: 0, overage: 0 };

  private usedInMinute = (ms: number): number => this.minutes.get(Math.floor(ms / MINUTE_MS)) ?? 0;

  private pastOf = (ms: number, calls: number): number =>
    Math.max(0, Math.min(calls, this.dayAt(ms).calls + calls - this.limits.day));
}

const limitsOf = ({ minute, day, overage, memories }: Model['limits']): TakenLimits => ({
  calls: { apiCallsPerMinute: minute, apiCallsPerDay: day, overageCallsPerMonth: overage },
  storage: { maxMemories: memories, maxEmbeddings: 0, maxStorageBytes: 0 },
});
const charge = (calls: number) => (calls > 0 ? [{ endpoint: 'memory', calls }] : []);
const nameOf = (decision: Decision): string =>
  decision.admitted ? 'admitted' : 'storage' in decision ? decision.storage.resource : decision.window;

/** Three servers on one database, and the model beside them. */
class Run {
  private readonly clock: FakeClock = createFakeClock(START);
  private readonly servers: RunningAdmission[] = [1, 2, 3].map(() =>
    createAdmission({ models, clock: this.clock, log, metrics: noMetrics }),
  );
  private readonly storage: Storage = createStorage({ models, clock: this.clock });
  private readonly model = new Model();
  private readonly tenantId = `ten_model${++tenants}`;
  private readonly charged: Charged[] = [];

  async execute(step: Command): Promise<void> {
    this.clock.advance(STALE_MS);
    switch (step.kind) {
      case 'take':
        return this.take(step);
      case 'return': {
        const last = this.charged.pop();
        if (!last) return;
        await this.server(step.by).returnCalls(this.tenantId, charge(last.calls), last.used);
        this.model.giveBack(last.used.atMs, last.calls);
        return;
      }
      case 'commit':
        return this.end(step.which, true);
      case 'release':
        return this.end(step.which, false);
      case 'free': {
        await database.connection.transaction((session) =>
          this.storage.free(this.tenantId, { memories: step.memories }, session),
        );
        this.model.stored = Math.max(0, this.model.stored - step.memories);
        return;
      }
      case 'wait':
        this.clock.advance(step.ms);
        return;
      case 'limits':
        this.model.limits = step;
    }
  }

  private server = (by: number): RunningAdmission => this.servers[by] as RunningAdmission;

  private async take({ by, calls, memories }: Command & { kind: 'take' }): Promise<void> {
    if (calls + memories === 0) return;
    const id = randomUUID();
    const reserved = memories > 0 ? { reserved: [{ id, amounts: { memories }, external: false }] } : {};
    const expected = this.model.expected(this.clock.now(), calls, memories);
    const taken = { charges: charge(calls), ...reserved };
    const decision = await this.server(by).admit(this.tenantId, limitsOf(this.model.limits), taken);
    expect(nameOf(decision)).toBe(expected);
    if (!decision.admitted) return;
    this.model.take(this.clock.now(), calls);
    if (calls > 0) this.charged.push({ calls, used: decision.used });
    if (memories > 0) this.model.reserved.set(id, memories);
  }

  private async end(which: number, isStored: boolean): Promise<void> {
    const open = [...this.model.reserved][which];
    if (!open) return;
    const [reservationId, memories] = open;
    if (isStored)
      await database.connection.transaction((session) =>
        this.storage.commit([{ tenantId: this.tenantId, reservationId, dimensions: null }], session),
      );
    else await this.storage.release(this.tenantId, reservationId);
    this.model.reserved.delete(reservationId);
    if (isStored) this.model.stored += memories;
  }

  /** Whatever happened, the records are those of the model. */
  async compare(): Promise<void> {
    const [stored] = await this.storage.stored([this.tenantId]);
    expect(stored?.memories).toBe(this.model.stored);
    for (const [day, { calls, overage }] of this.model.days) {
      const read = await usageDayOf(models, `${this.tenantId}:${day}`);
      const hours = Object.values(read?.hours ?? {}).reduce((sum, count) => sum + count, 0);
      const known = [day, read?.calls ?? 0, read?.overage?.used ?? 0, read?.endpoints?._memory ?? 0, hours];
      expect(known).toEqual([day, calls, overage, calls, calls]);
    }
  }
}

describe('three servers on one ledger', () => {
  it('decide as one, whatever comes in whatever order, over the ends of minutes, days and a month', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 60 }), async (steps) => {
        const run = new Run();
        for (const step of steps) await run.execute(step);
        await run.compare();
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  }, 120_000);
});
