import type { mongo } from 'mongoose';
import type { Logger } from 'pino';
import { groupBy } from '../common/groups.js';
import type { LedgerDoc, StorageReservation } from '../models/ledger.js';
import type { Models } from '../models/models.js';
import type { DayOverage, DayRecord } from '../models/usageDay.js';
import { isDuplicateKey } from '../services/infrastructure/databaseErrors.js';
import {
  dayNumberOf,
  monthOfDay,
  nameOfDay,
  partsOf,
  usageDayId,
} from '../services/limits/ledger/windows.js';
import type { MigrationDeps } from './migration.js';

/**
 * Moves storage accounts, the present usage days and the months' overage into one ledger for each tenant. What a server
 * without a clean stop left in its journal is counted first.
 */
export async function moveToLedgers({ models, clock, log }: MigrationDeps): Promise<void> {
  const nowMs = clock.now();
  const today = dayNumberOf(nowMs);
  await settleJournals(models, nowMs);
  await moveStorage(models, log);
  await moveToday(models, today, log);
  await moveOverage(models, today);
  const old = ['admission_journal', 'overage_months', 'storage_accounts'];
  for (const name of old) await models.connection.dropCollection(name).catch(ignoreMissing);
  await models.usageDays.collection.dropIndex('claim.epoch_1').catch(ignoreMissing);
}

const PAGE = 500;
const TOLD_EVERY = 50_000;
/** The old ledger's name of the single writer's generation. */
const EPOCH = 'claim.epoch';

interface OldReservation {
  id: string;
  at: Date;
  elsewhere?: boolean;
}

/** The amounts are beside the other fields, by resource. */
interface OldAccount {
  _id: string;
  holds: OldReservation[];
  dimensions: number | null;
}

interface OldDay extends DayRecord {
  _id: string;
  calls: number;
  minute?: { at: number; calls: number };
  claim?: { epoch: number; settled: number };
}

interface OldEntry {
  id: string;
  calls: number;
  minute: number;
  paths: [string, number][];
}

interface OldBatch {
  _id: string;
  entries: OldEntry[];
  sealedAt?: Date;
}

const collectionOf = <T extends mongo.Document>({ connection }: Models, name: string) =>
  connection.collection<T>(name);

/** Adds the calls of journals to the days that their writers had in memory. */
async function settleJournals(models: Models, nowMs: number): Promise<void> {
  const days = collectionOf<OldDay>(models, 'usage_days');
  const generations = (await days.distinct(EPOCH)) as number[];
  for (const generation of generations) {
    const batches = await readJournal(models, generation, nowMs);
    const written = batches.flatMap(({ _id, entries }) =>
      entries.map((entry) => ({ sequence: Number(_id.slice(11)), entry })),
    );
    const ofDay = groupBy(written, ({ entry }) => entry.id);
    for (;;) {
      const leased = await days
        .find({ [EPOCH]: generation } as never)
        .limit(PAGE)
        .toArray();
      if (leased.length === 0) break;
      const statements = leased.map((day) => settleStatement(day, ofDay.get(day._id) ?? []));
      await days.bulkWrite(statements as never, { ordered: false });
    }
  }
}

/** A fence takes the next number, so that the writer, if it is only paused, cannot go on. */
async function readJournal(models: Models, generation: number, nowMs: number): Promise<OldBatch[]> {
  const journal = collectionOf<OldBatch>(models, 'admission_journal');
  const prefix = String(generation).padStart(10, '0');
  for (;;) {
    const batches = await journal
      .find({ _id: { $gte: `${prefix}:`, $lt: `${prefix};` } })
      .sort({ _id: 1 })
      .toArray();
    const last = batches.at(-1);
    if (last?.sealedAt) return batches;
    const next = last ? Number(last._id.slice(11)) + 1 : 0;
    const _id = `${prefix}:${String(next).padStart(15, '0')}`;
    await journal.insertOne({ _id, entries: [], sealedAt: new Date(nowMs) }).catch((error: unknown) => {
      if (!isDuplicateKey(error)) throw error;
    });
  }
}

function settleStatement(day: OldDay, written: readonly { sequence: number; entry: OldEntry }[]): object {
  const settled = day.claim?.settled ?? 0;
  const minute = { at: day.minute?.at ?? 0, calls: day.minute?.calls ?? 0 };
  const plus: Record<string, number> = { calls: 0 };
  for (const { sequence, entry } of written) {
    if (sequence <= settled) continue;
    for (const [path, calls] of [['calls', entry.calls] as const, ...entry.paths])
      plus[path] = (plus[path] ?? 0) + calls;
    if (entry.minute > minute.at)
      Object.assign(minute, { at: entry.minute, calls: Math.max(0, entry.calls) });
    else if (entry.minute === minute.at) minute.calls = Math.max(0, minute.calls + entry.calls);
  }
  return {
    updateOne: {
      filter: { _id: day._id, [EPOCH]: day.claim?.epoch, 'claim.settled': settled },
      update: { $inc: plus, $set: { minute }, $unset: { claim: '' } },
    },
  };
}

async function moveStorage(models: Models, log: Logger): Promise<void> {
  const accounts = collectionOf<OldAccount>(models, 'storage_accounts');
  for await (const page of pagesOf(accounts, log)) {
    await models.ledgers.collection.bulkWrite(
      page.map((account) => ({
        updateOne: {
          filter: { _id: account._id as never },
          update: { $set: storageOf(account) },
          upsert: true,
        },
      })),
      { ordered: false },
    );
  }
}

function storageOf({ _id, holds, dimensions, ...levels }: OldAccount): Partial<LedgerDoc> {
  return {
    levels: numbersOf(levels),
    reservations: (holds ?? []).map(reservationOf),
    dimensions: dimensions ?? null,
  };
}

const reservationOf = ({ id, at, elsewhere, ...amounts }: OldReservation): StorageReservation => ({
  id,
  at,
  amounts: numbersOf(amounts),
  ...(elsewhere && { external: true }),
});

const numbersOf = (fields: object): Record<string, number> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => typeof value === 'number'));

/** First into the ledger, then out of the history: a day that is in both was interrupted in between. */
async function moveToday(models: Models, today: number, log: Logger): Promise<void> {
  const days = collectionOf<OldDay>(models, 'usage_days');
  for await (const page of pagesOf(models.tenants.collection as never, log)) {
    const ids = page.map(({ _id }) => usageDayId(String(_id), nameOfDay(today)));
    const found = await days.find({ _id: { $in: ids } }).toArray();
    if (found.length === 0) continue;
    await models.ledgers.collection.bulkWrite(
      found.map((day) => ({
        updateOne: {
          filter: { _id: partsOf(day._id).tenantId as never },
          update: { $set: { today: recordOf(day), ...windowsOf(day, today) } },
          upsert: true,
        },
      })),
      { ordered: false },
    );
    await days.deleteMany({ _id: { $in: found.map(({ _id }) => _id) } });
  }
}

const windowsOf = ({ calls, minute }: OldDay, today: number) => ({
  'windows.day': { at: today, used: calls },
  'windows.minute': { at: minute?.at ?? 0, used: minute?.calls ?? 0 },
});

function recordOf(day: OldDay): DayRecord {
  const { endpoints, hours, federationShares, extractions, recorded, recordedEvents, marks, overageLedger } =
    day;
  const record = {
    endpoints,
    hours,
    federationShares,
    extractions,
    recorded,
    recordedEvents,
    marks,
    overageLedger,
  };
  const known = Object.entries(record).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(known), ...(day.overage && { overage: overageOf(day.overage) }) };
}

const overageOf = ({ used, spans = {}, prices = {} }: DayOverage): DayOverage => ({ used, spans, prices });

/** The month's overage is the sum of its days. */
async function moveOverage(models: Models, today: number): Promise<void> {
  const month = nameOfDay(today).slice(0, -'-DD'.length);
  const months = collectionOf<{ _id: string }>(models, 'overage_months').find({
    _id: { $regex: `:${month}$` },
  });
  for await (const { _id } of months) {
    const tenantId = _id.slice(0, -`:${month}`.length);
    const days = await models.usageDays
      .find({ _id: { $gte: `${_id}-`, $lt: `${_id}.` }, overage: { $exists: true } }, { overage: 1 })
      .lean();
    const ledger = await models.ledgers.findById(tenantId, { 'today.overage': 1 }).lean<LedgerDoc>();
    const used = [...days, { overage: ledger?.today?.overage }].reduce(
      (sum, { overage }) => sum + (overage?.used ?? 0),
      0,
    );
    await models.ledgers.updateOne(
      { _id: tenantId },
      { $set: { 'windows.overage': { at: monthOfDay(today), used } } },
      { upsert: true },
    );
  }
}

/** All documents of a collection in the order of their ids, with progress in the log. */
async function* pagesOf<T extends { _id: string }>(
  collection: mongo.Collection<T>,
  log: Logger,
): AsyncGenerator<T[]> {
  let done = 0;
  for (let after: string | null = null; ; ) {
    const filter = after === null ? {} : { _id: { $gt: after } };
    const page = (await collection
      .find(filter as never)
      .sort({ _id: 1 })
      .limit(PAGE)
      .toArray()) as unknown as T[];
    if (page.length > 0) yield page;
    if (page.length < PAGE) return;
    done += page.length;
    if (done % TOLD_EVERY === 0)
      log.info({ collection: collection.collectionName, done }, 'migration.progress');
    after = page.at(-1)?._id ?? null;
  }
}

function ignoreMissing(error: { codeName?: string }): void {
  if (error.codeName !== 'NamespaceNotFound' && error.codeName !== 'IndexNotFound') throw error;
}
