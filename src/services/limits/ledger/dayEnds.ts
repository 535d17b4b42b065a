import { type mongo } from 'mongoose';
import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import { chunksOf } from '../../../common/groups.js';
import type { EndedDay, LedgerDoc } from '../../../models/ledger.js';
import type { Models } from '../../../models/models.js';
import type { ServerInstanceDoc } from '../../../models/serverInstance.js';
import type { UsageDayDoc } from '../../../models/usageDay.js';
import { sendUpdates } from '../../infrastructure/conditionalUpdates.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';
import { beginDay } from './ledgerUpdates.js';
import { dayNumberOf, nameOfDay, usageDayId } from './windows.js';

/**
 * Moves days that are over from the ledgers to the history. A ledger's day ends with the first charge of a later day. Every
 * step may be repeated, by any instance and at any time.
 */
export interface DayEnds {
  /** Moves the ended days of these tenants, so that their ledgers can end another day. */
  seal(tenantIds: readonly string[]): Promise<void>;
  /** Ends days with overage to report whose tenant has made no call since, and moves all ended days. */
  endOpenOverage(): Promise<void>;
  /** Begins the day in these ledgers, unless it or a later one has begun. Tenants without a ledger get one. */
  begin(day: number, tenantIds: readonly string[]): Promise<void>;
  start(): void;
  stop(): Promise<void>;
}

const SWEEP_MS = 1_000;
const PAGE = 200;

export function createDayEnds(deps: { models: Models; clock: Clock; log: Logger }): DayEnds {
  const { models, clock, log } = deps;
  const ledgers = models.ledgers.collection;
  let timer: NodeJS.Timeout | undefined;
  let sweeping: Promise<void> = Promise.resolve();

  async function sealAll(filter: object): Promise<number> {
    const found = (await ledgers
      .find(
        { ...filter, 'ended.at': { $exists: true } },
        { projection: { ended: 1, batches: 1, returned: 1 } },
      )
      .limit(PAGE)
      .toArray()) as unknown as Sealable[];
    if (found.length === 0) return 0;
    await addToHistory(found);
    const running = await runningInstances();
    await ledgers.bulkWrite(found.map((ledger) => forget(ledger, running)) as never, { ordered: false });
    return found.length;
  }

  async function addToHistory(ended: readonly Sealable[]): Promise<void> {
    try {
      await models.usageDays.collection.bulkWrite(ended.map(sealStatement) as never, { ordered: false });
    } catch (error) {
      // A day that is sealed already has its id, and not the condition.
      if (!isDuplicateKey(error)) throw error;
    }
  }

  /** Those that may still ask whether their last batch was applied. */
  async function runningInstances(): Promise<ReadonlySet<string>> {
    const found = await models.serverInstances.find({}, { _id: 1 }).lean<Pick<ServerInstanceDoc, '_id'>[]>();
    return new Set(found.map(({ _id }) => _id));
  }

  async function sweep(): Promise<void> {
    while ((await sealAll({})) === PAGE);
  }

  async function seal(tenantIds: readonly string[]): Promise<void> {
    for (const ids of chunksOf(tenantIds, PAGE)) await sealAll({ _id: { $in: ids } });
  }

  async function begin(day: number, tenantIds: readonly string[]): Promise<void> {
    const u = beginDay(day);
    const update = (ids: readonly string[]) =>
      sendUpdates(
        models.ledgers,
        ids.map((_id) => ({ q: { _id }, u, upsert: true })),
      );
    if ((await update(tenantIds)) === tenantIds.length) return;
    // In some it has begun. In others an earlier day has ended that leaves no room for another.
    await seal(tenantIds);
    await update(tenantIds);
  }

  return {
    seal,
    begin,

    async endOpenOverage() {
      const today = dayNumberOf(clock.now());
      for (;;) {
        const found = await models.ledgers
          .find({ 'today.overageLedger': 'OPEN', 'windows.day.at': { $lt: today } }, { _id: 1 })
          .limit(PAGE)
          .lean<Pick<LedgerDoc, '_id'>[]>();
        const ids = found.map(({ _id }) => _id);
        await begin(today, ids);
        if (found.length < PAGE) return sweep();
      }
    },

    start() {
      timer = setInterval(() => {
        sweeping = sweeping
          .then(sweep)
          .catch((error: unknown) => log.warn({ err: error }, 'admission.days_not_sealed'));
      }, SWEEP_MS).unref();
    },

    async stop() {
      clearInterval(timer);
      await sweeping;
    },
  };
}

type Sealable = Pick<LedgerDoc, '_id' | 'batches' | 'returned'> & { ended: EndedDay };

/** Adds the record to what may have been recorded of the day apart, once. */
function sealStatement({ _id, ended }: Sealable): mongo.AnyBulkWriteOperation<UsageDayDoc> {
  const { at, recorded = {}, overage, overageLedger, ...counts } = ended;
  const { prices = {}, ...overageCounts } = overage ?? {};
  const sums = countsOf({ ...counts, ...(overage && { overage: overageCounts }) });
  const latest = paths('recorded', recorded);
  const known = { ...paths('overage.prices', prices), ...(overageLedger && { overageLedger }) };
  return {
    updateOne: {
      filter: { _id: usageDayId(_id, nameOfDay(at)), sealed: { $exists: false } },
      update: {
        $inc: Object.fromEntries(sums),
        $set: { ...known, sealed: true },
        ...(Object.keys(latest).length > 0 && { $max: latest }),
      },
      upsert: true,
    },
  };
}

const paths = <T>(prefix: string, values: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}.${name}`, value]));

/** All numbers of a record, by path. */
const countsOf = (record: object, prefix = ''): [string, number][] =>
  Object.entries(record).flatMap(([name, value]): [string, number][] =>
    typeof value === 'number'
      ? [[`${prefix}${name}`, value]]
      : value && typeof value === 'object'
        ? countsOf(value, `${prefix}${name}.`)
        : [],
  );

function forget(
  { _id, ended, batches, returned }: Sealable,
  running: ReadonlySet<string>,
): mongo.AnyBulkWriteOperation<LedgerDoc> {
  const stopped = (field: string, by: Record<string, number> = {}) =>
    Object.keys(by).flatMap((instance) =>
      running.has(instance) ? [] : [[`${field}.${instance}`, ''] as const],
    );
  const gone = [['ended', ''] as const, ...stopped('batches', batches), ...stopped('returned', returned)];
  return {
    updateOne: { filter: { _id, 'ended.at': ended.at }, update: { $unset: Object.fromEntries(gone) } },
  } as mongo.AnyBulkWriteOperation<LedgerDoc>;
}
