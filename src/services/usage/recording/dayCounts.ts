import { groupBy } from '../../../common/groups.js';
import type { LedgerDoc } from '../../../models/ledger.js';
import type { Models } from '../../../models/models.js';
import type { UsageEvent, UsageEventBatchDoc } from '../../../models/usageEventBatch.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';
import type { Admission } from '../../limits/ledger/admission.js';
import type { DayEnds } from '../../limits/ledger/dayEnds.js';
import type { EndpointNames } from '../../limits/ledger/endpointNames.js';
import { callPaths } from '../../limits/ledger/ledgerUpdates.js';
import { dayNumberOf, hourOf, nameOfDay, usageDayId } from '../../limits/ledger/windows.js';

export type CountableBatch = Pick<
  UsageEventBatchDoc,
  'tenantId' | 'writer' | 'sequence' | 'events' | 'recordedAt'
>;

/** Adds stored batches of usage events to the days in which they happened: to the ledger, or to the history. */
export interface DayCounts {
  /**
   * Counting a batch again changes nothing, on any instance and at any time. This relies on one rule: a writer stores a
   * tenant's next batch only after the previous one was counted, or never.
   */
  count(batches: readonly CountableBatch[]): Promise<void>;
}

/** One batch's share of one day. */
interface DayCount {
  tenantId: string;
  day: number;
  writer: string;
  sequence: number;
  calls: number;
  /** By path of the record. */
  increments: Map<string, number>;
}

const COUNT_TIMEOUT_MS = 5_000;
/** A day can end between two tries, and not again for a day. */
const MAX_TRIES = 10;

export function createDayCounts(deps: {
  models: Models;
  endpointNames: EndpointNames;
  admission: Pick<Admission, 'changed'>;
  dayEnds: Pick<DayEnds, 'seal' | 'begin'>;
}): DayCounts {
  const { models, endpointNames, admission, dayEnds } = deps;

  async function countsOf(batch: CountableBatch): Promise<DayCount[]> {
    const { tenantId, writer, sequence, events, recordedAt } = batch;
    // What a service with a fast clock reports happened when it was recorded.
    const atMs = ({ at }: UsageEvent) => Math.min((at ?? recordedAt).getTime(), recordedAt.getTime());
    const byDay = groupBy(events, (event) => dayNumberOf(atMs(event)));
    return Promise.all(
      [...byDay].map(async ([day, ofDay]) => {
        const dayId = usageDayId(tenantId, nameOfDay(day));
        const countedAs = await endpointNames.admit(dayId, new Set(ofDay.map(({ endpoint }) => endpoint)));
        const increments = new Map<string, number>([['recordedEvents', ofDay.length]]);
        for (const [hour, ofHour] of groupBy(ofDay, (event) => hourOf(atMs(event)))) {
          const charges = ofHour.map(({ endpoint, quantity }) => ({
            endpoint: countedAs(endpoint),
            calls: quantity,
          }));
          for (const [path, more] of callPaths(charges, hour))
            increments.set(path, (increments.get(path) ?? 0) + more);
        }
        const calls = ofDay.reduce((sum, { quantity }) => sum + quantity, 0);
        return { tenantId, day, writer, sequence, calls, increments };
      }),
    );
  }

  /** @returns the counts that are not applied yet */
  async function take(counts: readonly DayCount[]): Promise<DayCount[]> {
    const ledgers = await readLedgers(counts);
    const dayOfLedger = ({ tenantId }: DayCount) => ledgers.get(tenantId)?.windows?.day?.at;
    const notYet = counts.filter((count) => !hasCounted(ledgers.get(count.tenantId), count));
    const beginning = notYet.filter((count) => (dayOfLedger(count) ?? Number.NEGATIVE_INFINITY) < count.day);
    if (beginning.length > 0) {
      await beginDays(beginning);
      return notYet;
    }
    const present = notYet.filter((count) => dayOfLedger(count) === count.day);
    await takeInHistory(notYet.filter((count) => dayOfLedger(count) !== count.day));
    if (present.length === 0) return [];
    const taken = await takeInLedgers(present);
    // In some ledgers the day has ended since, and what they have counted was written in between.
    return taken === present.length ? [] : present;
  }

  const hasCounted = (ledger: LedgerDoc | undefined, { day, writer, sequence }: DayCount): boolean =>
    ledger?.windows?.day?.at === day && (ledger.today?.recorded?.[writer] ?? 0) >= sequence;

  async function readLedgers(counts: readonly DayCount[]): Promise<Map<string, LedgerDoc>> {
    const ids = [...new Set(counts.map(({ tenantId }) => tenantId))];
    const writers = new Set(counts.map(({ writer }) => `today.recorded.${writer}`));
    const projection = Object.fromEntries(['windows.day', ...writers].map((path) => [path, 1]));
    const found = await models.ledgers
      .find({ _id: { $in: ids } }, projection, { timeoutMS: COUNT_TIMEOUT_MS })
      .lean<LedgerDoc[]>();
    return new Map(found.map((ledger) => [ledger._id, ledger]));
  }

  async function takeInLedgers(counts: readonly DayCount[]): Promise<number> {
    const statements = counts.map((count) =>
      statementOf(count, { _id: count.tenantId, 'windows.day.at': count.day }, 'windows.day.used', 'today.'),
    );
    return (await bulk(models.ledgers, statements)).matchedCount;
  }

  /** The ledger's record of the day comes first, because it says which batches it has. */
  async function takeInHistory(counts: readonly DayCount[]): Promise<void> {
    if (counts.length === 0) return;
    await dayEnds.seal(counts.map(({ tenantId }) => tenantId));
    const statements = counts.map((count) =>
      statementOf(count, { _id: usageDayId(count.tenantId, nameOfDay(count.day)) }, 'calls', ''),
    );
    try {
      await bulk(
        models.usageDays,
        statements.map(({ updateOne }) => ({ updateOne: { ...updateOne, upsert: true } })),
      );
    } catch (error) {
      // A day that has the batch already has its id, and not the condition.
      if (!isDuplicateKey(error)) throw error;
      // So has a day that another instance made at the same moment.
      await bulk(models.usageDays, statements);
    }
  }

  const bulk = (
    { collection }: Pick<Models['ledgers'], 'collection'> | Pick<Models['usageDays'], 'collection'>,
    statements: readonly object[],
  ) => collection.bulkWrite(statements as never, { ordered: false, timeoutMS: COUNT_TIMEOUT_MS });

  /** The ledgers begin the latest of the days, as they would with a call: the history has only days before that of the ledger. */
  async function beginDays(counts: readonly DayCount[]): Promise<void> {
    const latest = new Map<string, number>();
    for (const { tenantId, day } of counts) latest.set(tenantId, Math.max(day, latest.get(tenantId) ?? day));
    for (const [day, ofDay] of groupBy(latest, ([, day]) => day))
      await dayEnds.begin(
        day,
        ofDay.map(([tenantId]) => tenantId),
      );
  }

  return {
    async count(batches) {
      let open = (await Promise.all(batches.map(countsOf))).flat();
      if (open.length === 0) return;
      const tenantIds = open.map(({ tenantId }) => tenantId);
      for (let tries = 1; open.length > 0; tries++) {
        if (tries > MAX_TRIES) throw new Error('The days of usage events do not stay the same');
        open = await take(open);
      }
      // From the next call on the limits see what was recorded.
      admission.changed(tenantIds);
    },
  };
}

/** @param calls the path of the day's calls @param prefix of the paths of its record */
function statementOf(count: DayCount, ofDay: object, calls: string, prefix: string) {
  const recorded = `${prefix}recorded.${count.writer}`;
  const counted = [...count.increments].map(([path, more]) => [`${prefix}${path}`, more]);
  return {
    updateOne: {
      filter: { ...ofDay, [recorded]: { $not: { $gte: count.sequence } } },
      update: {
        $inc: { [calls]: count.calls, ...Object.fromEntries(counted) },
        $set: { [recorded]: count.sequence },
      },
    },
  };
}
