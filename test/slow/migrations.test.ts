import { readFile } from 'node:fs/promises';
import mongoose from 'mongoose';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrate, needMigrated } from '../../src/migrations/migrations.js';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';
import { createAdmission } from '../../src/services/limits/ledger/createAdmission.js';
import { createStorage } from '../../src/services/limits/storage/storage.js';
import type { CallLimits } from '../../src/services/tiers/entitlements.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';
import { limitsOfCalls, reserveStorage, usageDayOf } from '../support/ledger.js';

/**
 * What version 0.1 left when it was killed: calls that were in its journal alone, calls of several instances, overage of two
 * days, storage with open reservations, and usage events.
 */
const FIXTURE = new URL('../support/fixtures/beforeLedgers.json', import.meta.url);
const WRITES = ['insert', 'update', 'delete', 'drop', 'dropIndexes'];
const log = pino({ level: 'silent' });
const clock = createFakeClock('2026-11-15T09:31:00Z');
const LIMITS: CallLimits = { apiCallsPerDay: 10, apiCallsPerMinute: 1_000, overageCallsPerMonth: 100 };
const ROOM = { maxMemories: 100, maxEmbeddings: 100, maxStorageBytes: 10_000, stored: { lamps: 50 } };

let database: TestDatabase;
let models: Models;

beforeEach(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await insertFixture();
});
afterEach(() => database.dropAndClose());

async function insertFixture(): Promise<void> {
  const stored = mongoose.mongo.BSON.EJSON.parse(await readFile(FIXTURE, 'utf8')) as Record<
    string,
    { _id: string }[]
  >;
  for (const [name, docs] of Object.entries(stored))
    await database.connection.collection<{ _id: string }>(name).insertMany(docs);
}

const run = () => migrate({ models, clock, log });
/** What is stored of usage. */
const contentOf = async () => [
  await models.ledgers.find().sort({ _id: 1 }).lean(),
  await models.usageDays.find().sort({ _id: 1 }).lean(),
];

async function contentAfterOneRun() {
  const other = await connectTestDatabase();
  const [before, otherModels] = [models, createModels(other.connection)];
  const beforeDatabase = database;
  try {
    [database, models] = [other, otherModels];
    await insertFixture();
    await run();
    return await contentOf();
  } finally {
    [database, models] = [beforeDatabase, before];
    await other.dropAndClose();
  }
}

/** A server that loses its database for good at its nth write, as if it were killed. @returns whether it came that far */
async function dieAtWrite(nth: number): Promise<boolean> {
  const connection = await mongoose.createConnection(database.uri, { monitorCommands: true }).asPromise();
  let writes = 0;
  let closing: Promise<void> | null = null;
  connection.getClient().on('commandStarted', ({ commandName, command }) => {
    if (WRITES.includes(commandName) && command[commandName] !== 'leases') writes += 1;
    if (writes === nth) closing ??= connection.close(true);
  });
  await migrate({ models: createModels(connection), clock, log }).catch(() => undefined);
  const died = closing !== null;
  await (closing ?? connection.close(true));
  return died;
}

const names = async () =>
  ((await database.connection.db?.listCollections().toArray()) ?? []).map(({ name }) => name);

describe('data of version 0.1', () => {
  it('keeps each call, in the journal too, and the limits go on from there', async () => {
    await run();
    await createCollections(models);
    expect(await usageDayOf(models, 'ten_calls:2026-11-15')).toMatchObject({
      calls: 37,
      endpoints: { _memory: 16, _extraction: 6, '_x%2ey%24z': 2, _late: 13 },
      hours: { 9: 37 },
      extractions: 6,
      marks: { a0123456789: 1 },
    });
    expect(await usageDayOf(models, 'ten_calls:2026-11-14')).toMatchObject({ calls: 7 });
    expect(await usageDayOf(models, 'ten_events:2026-11-13')).toMatchObject({ calls: 3, recordedEvents: 1 });
    expect(await usageDayOf(models, 'ten_events:2026-11-15')).toMatchObject({ calls: 5, recordedEvents: 1 });
    const admission = createAdmission({ models, clock, log, metrics: noMetrics });
    expect(await admission.look('ten_calls')).toMatchObject({ day: 37, minute: 2 });
    const limits = limitsOfCalls({ ...LIMITS, apiCallsPerDay: 40, overageCallsPerMonth: 0 });
    const take = () => admission.admit('ten_calls', limits, { charges: [{ endpoint: 'memory', calls: 1 }] });
    const decisions = await Promise.all(Array.from({ length: 10 }, take));
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(3);
  });

  it('keeps the overage of the month, by day and by what bills it', async () => {
    await run();
    expect(await usageDayOf(models, 'ten_overage:2026-11-14')).toMatchObject({
      calls: 35,
      overage: { used: 25 },
    });
    expect(await usageDayOf(models, 'ten_overage:2026-11-15')).toMatchObject({
      calls: 30,
      overage: { used: 20, spans: { '1793491200': 20 } },
    });
    const ledger = await models.ledgers.findById('ten_overage').lean();
    expect(ledger?.today).toMatchObject({
      overageLedger: 'OPEN',
      overage: { prices: { '1793491200': { priceCents: 10, perCalls: 1_000 } } },
    });
    const admission = createAdmission({ models, clock, log, metrics: noMetrics });
    const take = () =>
      admission.admit('ten_overage', limitsOfCalls(LIMITS), { charges: [{ endpoint: 'memory', calls: 1 }] });
    const decisions = await Promise.all(Array.from({ length: 100 }, take));
    expect(decisions.filter(({ admitted }) => admitted)).toHaveLength(100 - 45);
  });

  it('keeps what is stored and what was reserved', async () => {
    await run();
    const storage = createStorage({ models, clock, resources: ['lamps'] });
    expect(await storage.stored(['ten_stores', 'ten_service'])).toEqual([
      { memories: 3, embeddings: 2, bytes: 300, lamps: 0 },
      { memories: 0, embeddings: 0, bytes: 50, lamps: 4 },
    ]);
    expect(await storage.dimensions('ten_stores')).toBe(4);
    const admission = createAdmission({ models, clock, log, metrics: noMetrics });
    const reserve = (memories: number) => reserveStorage(admission, 'ten_stores', ROOM, { memories });
    expect(await reserve(97)).toMatchObject({ granted: false, usage: 3 });
    expect(await reserve(96)).toMatchObject({ granted: true });
    const later = createFakeClock('2026-11-15T10:00:00Z');
    const sweeping = createStorage({ models, clock: later, resources: ['lamps'] });
    expect(await sweeping.sweep()).toBe(3);
    // That of our own server is released; that of another service counts as stored.
    expect(await sweeping.stored(['ten_stores', 'ten_service'])).toEqual([
      { memories: 3, embeddings: 2, bytes: 300, lamps: 0 },
      { memories: 0, embeddings: 0, bytes: 55, lamps: 5 },
    ]);
    await sweeping.freeExternal('ten_service', { bytes: 1_000 });
    expect((await sweeping.stored(['ten_service']))[0]?.bytes).toBe(0);
  });

  it('is changed once, by one of several servers that start', async () => {
    await Promise.all([run(), run(), run()]);
    await run();
    expect(await contentOf()).toEqual(await contentAfterOneRun());
  });

  it('is the same after each write at which the first server died', async () => {
    const expected = await contentAfterOneRun();
    let nth = 0;
    for (let died = true; died; ) {
      nth += 1;
      await database.connection.dropDatabase();
      await insertFixture();
      died = await dieAtWrite(nth);
      // Its lease expires.
      await models.leases.deleteMany({});
      await run();
      expect([nth, await contentOf()]).toEqual([nth, expected]);
    }
    expect(nth).toBeGreaterThan(8);
  });

  it('leaves none of the old collections', async () => {
    await run();
    expect(await names()).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/admission_journal|overage_months|storage_accounts/)]),
    );
  });

  it('is not touched while a server of that version runs', async () => {
    const beat = () =>
      models.serverInstances.collection.updateOne({ _id: 'old' as never }, [{ $set: { seenAt: '$$NOW' } }], {
        upsert: true,
      });
    await beat();
    const beating = setInterval(() => void beat(), 200);
    try {
      await expect(run()).rejects.toThrow(/stop all of them/);
    } finally {
      clearInterval(beating);
    }
    expect(await names()).toEqual(expect.arrayContaining(['storage_accounts']));
    expect(await models.ledgers.countDocuments()).toBe(0);
    await expect(needMigrated(models)).rejects.toThrow(/start the billing server/);
  }, 30_000);
});

it('a database of a later version is not used', async () => {
  await run();
  const settings = database.connection.collection<{ _id: string; version: number }>('settings');
  await settings.updateOne({ _id: 'schema' }, { $inc: { version: 1 } });
  await expect(run()).rejects.toThrow(/later version \(2; this one knows 1\)/);
  // Nor while that version changes the data.
  await settings.updateOne({ _id: 'schema' }, { $set: { version: 1, next: 2 } });
  await expect(run()).rejects.toThrow(/later version \(2; this one knows 1\)/);
});
