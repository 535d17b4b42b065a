import type { Clock } from '../../common/clock.js';
import type { DailyFiguresDoc, HourlyActivityDoc, TenantCountsDoc } from '../../models/figures.js';
import type { Models } from '../../models/models.js';
import { dayOf, startOfDay } from '../limits/ledger/windows.js';
import { type ActivityTotals, totalsOf } from './activityTotals.js';
import { COUNTS_ID } from './tenantFigures.js';

export type { DailyFiguresDoc };

/** Stores the figures of each UTC day, so that a history exists. */
export interface DailyFigures {
  /** Stores today's so far; soon after midnight, also yesterday's calls and rejections. */
  write(): Promise<void>;
  /** Oldest first. Days without figures are left out. */
  history(days: number): Promise<DailyFiguresDoc[]>;
  /** @returns the figures of the day, or of one of the three before it; null if there are none */
  before(daysAgo: number): Promise<DailyFiguresDoc | null>;
  /** Sums of what happened today, and on the last days, today's included. */
  flows(days: number): Promise<{ today: DailyFlows; lately: DailyFlows }>;
}

export interface DailyFlows {
  created: number;
  startedPaying: number;
  stoppedPaying: number;
}

const DAY_MS = 86_400_000;
export const MAX_HISTORY_DAYS = 400;
const KEEP_DAYS = 432;
/** After a stop over night, the figures of the evening before are as good. */
const MAX_GAP_DAYS = 3;
const LATE_MS = 10 * 60_000;

export const expiryOfDay = (nowMs: number): Date =>
  new Date(startOfDay(nowMs).getTime() + KEEP_DAYS * DAY_MS);

export function createDailyFigures(deps: { models: Models; clock: Clock }): DailyFigures {
  const { models, clock } = deps;
  const days = models.connection.collection<DailyFiguresDoc>(models.dailyFigures.collection.name);
  const daysAgo = (count: number) => dayOf(clock.now() - count * DAY_MS);

  async function activityOf(day: string): Promise<ActivityTotals> {
    const hours = await models.hourlyActivity
      .find({ _id: { $gte: `${day}T`, $lt: `${day}U` } })
      .lean<HourlyActivityDoc[]>();
    return totalsOf(hours);
  }

  async function writeActivity(day: string, figures: object): Promise<void> {
    const { calls, rejections } = await activityOf(day);
    await days.updateOne(
      { _id: day },
      { $set: { calls, rejections, ...figures }, $setOnInsert: { expiresAt: expiryOfDay(clock.now()) } },
      { upsert: true },
    );
  }

  return {
    async write() {
      const nowMs = clock.now();
      const counts = await models.tenantCounts.findById(COUNTS_ID).lean<TenantCountsDoc>();
      // Incomplete sums would look like a loss.
      const figures = counts?.countedAt ? { figures: counts.live, at: new Date(nowMs) } : {};
      await writeActivity(dayOf(nowMs), figures);
      if (nowMs - startOfDay(nowMs).getTime() < LATE_MS) await writeActivity(daysAgo(1), {});
    },

    history: (count) =>
      days
        .find({ _id: { $gt: daysAgo(count), $lte: daysAgo(0) }, figures: { $exists: true } })
        .sort({ _id: 1 })
        .limit(MAX_HISTORY_DAYS)
        .toArray(),

    before: (count) =>
      days.findOne(
        { _id: { $lte: daysAgo(count), $gte: daysAgo(count + MAX_GAP_DAYS) }, figures: { $exists: true } },
        { sort: { _id: -1 } },
      ),

    async flows(count) {
      const found = await days
        .find(
          { _id: { $gt: daysAgo(count), $lte: daysAgo(0) } },
          { projection: { created: 1, startedPaying: 1, stoppedPaying: 1 } },
        )
        .toArray();
      return { today: sumOf(found.filter(({ _id }) => _id === daysAgo(0))), lately: sumOf(found) };
    },
  };
}

function sumOf(days: readonly Partial<DailyFlows>[]): DailyFlows {
  const sum = (name: keyof DailyFlows) => days.reduce((total, day) => total + (day[name] ?? 0), 0);
  return {
    created: sum('created'),
    startedPaying: sum('startedPaying'),
    stoppedPaying: sum('stoppedPaying'),
  };
}
