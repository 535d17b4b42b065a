import { serviceUnavailable } from '../../../common/errors.js';
import type { Models } from '../../../models/models.js';
import type { OverageMonthDoc } from '../../../models/overageMonth.js';
import { type DayOverage, EMPTY_USAGE_DAY, type UsageDayDoc } from '../../../models/usageDay.js';
import type { CallLimits } from '../../tiers/entitlements.js';
import { spanKey } from '../../tiers/overage.js';
import type { Takeover } from './takeover.js';
import { monthOf } from './windows.js';

/**
 * Keeps a month's overage exact although each call is decided by its day alone: one day of the month is open at a time,
 * and it may use what the other days left.
 */
export interface OverageDays {
  /**
   * Opens a day, and closes the other days of the month at what they have used. Opening a day again is safe.
   * @param limits the month's allowance and the price of a call
   * @param writerGeneration the generation of a single writer; null for a multi-writer
   */
  open(usageDayId: string, limits: CallLimits, writerGeneration: number | null): Promise<DayOverage>;
}

const MAX_TRIES = 20;
const TIMEOUT_MS = 1_800;

/**
 * Safe without a lock or a clock. Each opening gets a new generation, which is a fencing token: a charge names the
 * generation in which its day is open, so it cannot land on a day that was closed since. A day accepts an allotment only
 * from a later generation than its own, so the earlier of two concurrent openings finds its day closed, and starts again.
 */
export function createOverageDays(deps: { models: Models; takeover: Takeover }): OverageDays {
  const { models, takeover } = deps;
  const days = models.usageDays.collection;
  const months = models.connection.collection<OverageMonthDoc>(models.overageMonths.collection.name);

  async function nextGeneration(month: string): Promise<number> {
    const doc = await months.findOneAndUpdate(
      { _id: month },
      { $inc: { turn: 1 } },
      { upsert: true, returnDocument: 'after', timeoutMS: TIMEOUT_MS },
    );
    if (!doc) throw new Error(`MongoDB returned no generation for the month ${month}`);
    return doc.turn;
  }

  /** Gives the day generation 0 if it has none, so that a later generation can close it. */
  async function prepare(id: string): Promise<void> {
    const makeDay = {
      updateOne: { filter: { _id: id }, update: { $setOnInsert: EMPTY_USAGE_DAY }, upsert: true },
    };
    const makeOverage = {
      updateOne: {
        filter: { _id: id, overage: { $exists: false } },
        update: {
          $set: { overage: { used: 0, allotted: 0, allowance: 0, turn: 0 }, overageLedger: 'OPEN' },
        },
      },
    };
    await days.bulkWrite([makeDay, makeOverage] as never, { ordered: true, timeoutMS: TIMEOUT_MS });
  }

  /** @returns what the other days of the month have used, which cannot rise again in this generation */
  async function closeOthers(
    id: string,
    month: string,
    generation: number,
    notLeasedByOthers: object,
  ): Promise<number> {
    const ofMonth = { _id: { $gte: `${month}-`, $lt: `${month}.` } };
    for (;;) {
      await days.updateMany(
        {
          $and: [ofMonth, { _id: { $ne: id } }, notLeasedByOthers] as never[],
          'overage.turn': { $lt: generation },
        },
        [
          {
            $set: { 'overage.allotted': '$overage.used', 'overage.allowance': 0, 'overage.turn': generation },
          },
        ],
        { timeoutMS: TIMEOUT_MS },
      );
      const found = (await days
        .find({ $and: [ofMonth, { overage: { $exists: true } }] } as never, {
          projection: { overage: 1, claim: 1 },
          timeoutMS: TIMEOUT_MS,
        })
        .toArray()) as unknown as (UsageDayDoc & { overage: DayOverage })[];
      const others = found.filter(({ _id }) => _id !== id);
      const open = others.filter(({ overage }) => overage.turn < generation);
      if (open.length === 0) return others.reduce((sum, { overage }) => sum + overage.used, 0);
      // Another instance leases them as the single writer.
      for (const { claim } of open) if (claim) await takeover(claim.epoch);
    }
  }

  return {
    async open(id, { overageCallsPerMonth: allowance, overageTerms: terms }, writerGeneration) {
      const month = monthOf(id);
      const prices = terms ? { prices: { [spanKey(terms.billedFromMs)]: terms.price } } : {};
      const notLeasedByOthers =
        writerGeneration === null
          ? { claim: { $exists: false } }
          : { $or: [{ claim: { $exists: false } }, { 'claim.epoch': writerGeneration }] };
      for (let tries = 1; tries <= MAX_TRIES; tries++) {
        await prepare(id);
        const generation = await nextGeneration(month);
        const usedByOthers = await closeOthers(id, month, generation, notLeasedByOthers);
        const allotted = Math.max(0, allowance - usedByOthers);
        const opened = (await days.findOneAndUpdate(
          {
            $and: [{ _id: id }, notLeasedByOthers] as never[],
            'overage.turn': { $lt: generation },
          },
          [
            {
              $set: { overage: { used: '$overage.used', allotted, allowance, turn: generation, ...prices } },
            },
          ],
          { returnDocument: 'after', projection: { overage: 1 }, timeoutMS: TIMEOUT_MS },
        )) as unknown as { overage: DayOverage } | null;
        if (opened) return opened.overage;
        const day = (await days.findOne(
          { _id: id as never },
          { projection: { claim: 1 } },
        )) as unknown as UsageDayDoc | null;
        if (day?.claim && day.claim.epoch !== writerGeneration) await takeover(day.claim.epoch);
      }
      throw serviceUnavailable('Too many servers decide on overage at once; try again shortly');
    },
  };
}
