import { groupBy } from '../../../common/groups.js';
import type { EndedDay, LedgerDoc } from '../../../models/ledger.js';
import type { Models } from '../../../models/models.js';
import type { UsageDayDoc } from '../../../models/usageDay.js';
import { dayNumberOf, nameOfDay, partsOf, usageDayId } from './windows.js';

/** Days of one tenant, both ends included, as `YYYY-MM-DD`. */
export interface DayRange {
  tenantId: string;
  from: string;
  to: string;
}

export type DayField = Exclude<keyof UsageDayDoc, '_id' | 'sealed'>;

/** Reads what was used on each day: from the history, and from the ledgers for days that are not there yet. */
export interface UsageDays {
  /**
   * @param fields what is wanted of each day, e.g. `calls` or `marks.<mark>`
   * @param batchSize how many documents the driver decodes in one go
   * @returns the days on which something was used, in no particular order
   */
  read(
    ranges: readonly DayRange[],
    fields: readonly (DayField | `${DayField}.${string}`)[],
    batchSize?: number,
  ): Promise<UsageDayDoc[]>;
}

/** One day, by its id. */
export function onlyDay(usageDayId: string): DayRange {
  const { tenantId, day } = partsOf(usageDayId);
  return { tenantId, from: day, to: day };
}

export function createUsageDays({ models }: { models: Models }): UsageDays {
  async function readLedgers(ranges: readonly DayRange[], fields: readonly string[]): Promise<LedgerDoc[]> {
    const projection = Object.fromEntries([
      ['windows.day', 1],
      ['ended.at', 1],
      ...fields.flatMap((field) => [
        [`today.${field}`, 1],
        [`ended.${field}`, 1],
      ]),
    ]);
    const ids = [...new Set(ranges.map(({ tenantId }) => tenantId))];
    return models.ledgers.find({ _id: { $in: ids } }, projection).lean<LedgerDoc[]>();
  }

  async function readHistory(
    ranges: readonly DayRange[],
    fields: readonly string[],
    batchSize: number | undefined,
  ): Promise<UsageDayDoc[]> {
    if (ranges.length === 0) return [];
    const single = ranges.filter(({ from, to }) => from === to);
    const longer = ranges.filter(({ from, to }) => from < to);
    const parts: object[] = longer.map(({ tenantId, from, to }) => ({
      _id: { $gte: usageDayId(tenantId, from), $lte: usageDayId(tenantId, to) },
    }));
    if (single.length > 0)
      parts.push({ _id: { $in: single.map(({ tenantId, from }) => usageDayId(tenantId, from)) } });
    const query = models.usageDays.find(
      parts.length === 1 ? (parts[0] as object) : { $or: parts },
      Object.fromEntries(fields.map((field) => [field, 1])),
    );
    if (batchSize !== undefined) query.batchSize(batchSize);
    return query.lean<UsageDayDoc[]>();
  }

  return {
    async read(ranges, fields, batchSize) {
      if (ranges.length === 0) return [];
      // First, because a day is in the history before it leaves the ledger.
      const ledgers = await readLedgers(ranges, fields);
      const present = new Map(ledgers.map(({ _id, windows }) => [_id, windows?.day?.at]));
      // The history has no day that the ledger has not left.
      const isPast = ({ tenantId, from }: DayRange) =>
        dayNumberOf(Date.parse(from)) < (present.get(tenantId) ?? Number.POSITIVE_INFINITY);
      const history = await readHistory(ranges.filter(isPast), fields, batchSize);
      const days = new Map(history.map((day) => [day._id, day]));
      const rangesOf = groupBy(ranges, ({ tenantId }) => tenantId);
      for (const ledger of ledgers) {
        for (const day of daysOf(ledger)) {
          const { day: name } = partsOf(day._id);
          const isWanted = rangesOf.get(ledger._id)?.some(({ from, to }) => from <= name && name <= to);
          if (isWanted && !days.has(day._id)) days.set(day._id, day);
        }
      }
      return [...days.values()];
    },
  };
}

/** The days that are in a ledger. */
export function daysOf({ _id, windows, today, ended }: LedgerDoc): UsageDayDoc[] {
  const idOf = (at: number) => usageDayId(_id, nameOfDay(at));
  const dayOf = ({ at, ...day }: EndedDay): UsageDayDoc => ({ ...day, _id: idOf(at) });
  const day = windows?.day;
  return [
    ...(ended ? [dayOf(ended)] : []),
    ...(day ? [{ ...today, _id: idOf(day.at), calls: day.used }] : []),
  ];
}
