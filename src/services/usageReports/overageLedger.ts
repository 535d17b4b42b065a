import type { Clock } from '../../clock.js';
import type { Models } from '../../models/models.js';
import type { UsageDayDoc } from '../../models/usageDay.js';
import { type UsageReportDoc, UsageReportKind, UsageReportStatus } from '../../models/usageReport.js';
import type { Admission } from '../admission/admission.js';
import { dayOf, endOfDay, usageDayId } from '../admission/windows.js';

/**
 * Writes reports for the overage that no report has yet. A day's reports are numbered without a gap, so of two servers
 * that write at once one finds its number taken: each call is in one report, whatever clocks and leases say.
 */
export interface OverageLedger {
  /** Up to the hour that has begun. @returns how many reports were written */
  write(): Promise<number>;
  /** What a tenant has used up to now. */
  writeFor(tenantId: string): Promise<void>;
}

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * HOUR_MS;
const PAGE = 200;
/** Until calls can no longer be given back, and while Stripe still takes a report back. */
const KEEP_OPEN_MS = 20 * HOUR_MS;
/** Past it nothing is taken back, and nothing reported anew that Stripe did not count. */
const GIVE_UP_MS = 3 * 24 * HOUR_MS;
/** Of the states of a report: its calls are to be in another one. */
const NOT_COUNTED = [UsageReportStatus.CANCELED, UsageReportStatus.FAILED];
const DUPLICATE_KEY = 11_000;

export function createOverageLedger(deps: {
  models: Models;
  clock: Clock;
  admission: Pick<Admission, 'settle'>;
}): OverageLedger {
  const { models, clock, admission } = deps;
  const reports = models.usageReports;

  /** @param untilMs what is reported now was used before it */
  async function writeDay({ _id: dayId, overage }: UsageDayDoc, untilMs: number): Promise<number> {
    const nowMs = clock.now();
    const tenantId = dayId.slice(0, dayId.lastIndexOf(':'));
    const day = dayId.slice(tenantId.length + 1);
    const prefix = `${tenantId}:overage/${day}/`;
    const written = await reports
      .find({ _id: { $gte: prefix, $lt: `${prefix}~` } })
      .sort({ _id: 1 })
      .lean<UsageReportDoc[]>();
    const counted = written.filter(({ status }) => !NOT_COUNTED.includes(status));
    const missing = (overage?.used ?? 0) - counted.reduce((sum, { quantity }) => sum + quantity, 0);
    const startMs = Date.parse(day);
    const endMs = endOfDay(startMs).getTime();
    if (missing > 0 && nowMs < endMs + GIVE_UP_MS) {
      const atMs = Math.max(startMs, Math.min(untilMs, endMs - MINUTE_MS));
      return insert(`${prefix}${String(written.length + 1).padStart(4, '0')}`, tenantId, missing, atMs);
    }
    if (nowMs < endMs + HOUR_MS) return 0;
    // The day is over: what was given back after it was reported is taken back, and the rest reported anew.
    if (missing < 0 && nowMs < endMs + GIVE_UP_MS) await takeBack(counted);
    else if (nowMs > endMs + KEEP_OPEN_MS) await close(dayId, overage?.used ?? 0);
    return 0;
  }

  async function insert(_id: string, tenantId: string, quantity: number, atMs: number): Promise<number> {
    const report: UsageReportDoc = {
      _id,
      tenantId,
      kind: UsageReportKind.OVERAGE,
      quantity,
      status: UsageReportStatus.PENDING,
      at: new Date(atMs),
      firstSentAt: null,
      reportedAt: null,
      error: null,
      tries: 0,
      nextTryAt: new Date(clock.now()),
    };
    try {
      await reports.create(report);
      return 1;
    } catch (error) {
      if ((error as { code?: unknown }).code !== DUPLICATE_KEY) throw error;
      return 0;
    }
  }

  async function takeBack(counted: readonly UsageReportDoc[]): Promise<void> {
    if (counted.some(({ status }) => status === UsageReportStatus.CANCELING)) return;
    const last = counted.at(-1);
    if (!last) return;
    const { _id, status, firstSentAt } = last;
    await reports.updateOne(
      { _id, status, firstSentAt },
      firstSentAt === null
        ? { $set: { status: UsageReportStatus.CANCELED }, $unset: { nextTryAt: 1 } }
        : { $set: { status: UsageReportStatus.CANCELING, nextTryAt: new Date(clock.now()), tries: 0 } },
    );
  }

  const close = (dayId: string, used: number) =>
    models.usageDays.updateOne({ _id: dayId, 'overage.used': used }, { $unset: { overageLedger: 1 } });

  async function writeDays(ids: readonly string[], untilMs: number): Promise<number> {
    // Who works alone has the last second in memory.
    await admission.settle(ids);
    const days = await models.usageDays
      .find({ _id: { $in: ids }, overageLedger: 'OPEN' }, { overage: 1 })
      .lean<UsageDayDoc[]>();
    let count = 0;
    for (const day of days) count += await writeDay(day, untilMs);
    return count;
  }

  return {
    async write() {
      const untilMs = Math.floor(clock.now() / HOUR_MS) * HOUR_MS - MINUTE_MS;
      let count = 0;
      let after = '';
      for (;;) {
        const page = { _id: { $gt: after }, overageLedger: 'OPEN' } as const;
        const days = await models.usageDays
          .find(page, { _id: 1 })
          .sort({ _id: 1 })
          .limit(PAGE)
          .lean<UsageDayDoc[]>();
        if (days.length === 0) return count;
        const ids = days.map(({ _id }) => _id);
        count += await writeDays(ids, untilMs);
        after = ids.at(-1) ?? '';
      }
    },

    async writeFor(tenantId) {
      const nowMs = clock.now();
      // Older ones were reported when their hours ended.
      const days = [dayOf(nowMs - DAY_MS), dayOf(nowMs)];
      await writeDays(
        days.map((day) => usageDayId(tenantId, day)),
        nowMs - SECOND_MS,
      );
    },
  };
}
