import type { Clock } from '../../../common/clock.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { LedgerDoc } from '../../../models/ledger.js';
import type { Models } from '../../../models/models.js';
import type { UsageDayDoc } from '../../../models/usageDay.js';
import { type UsageReportDoc, UsageReportKind, UsageReportStatus } from '../../../models/usageReport.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';
import type { DayEnds } from '../../limits/ledger/dayEnds.js';
import { daysOf, onlyDay, type UsageDays } from '../../limits/ledger/usageDays.js';
import { dayOf, endOfDay, partsOf, usageDayId } from '../../limits/ledger/windows.js';
import { callsBySpan, spanKey, startOfSpan } from '../../tiers/overage.js';
import { boundariesOf, INVOICE_OPEN_MS } from './billableTime.js';

/**
 * Writes reports for overage that is in no report yet. A day's reports are numbered without a gap, so when two instances
 * write at once, one finds its number taken: each call is in exactly one report, whatever clocks and leases do.
 */
export interface OverageLedger {
  /** Reports usage up to the last full hour. @returns how many reports were written */
  write(): Promise<number>;
  /** Reports usage up to now. */
  writeAll(): Promise<number>;
  /** Reports usage of periods that have just ended, while their invoices are open. */
  writeEnded(): Promise<number>;
  /** Reports one tenant's usage up to now. */
  writeFor(tenantId: string): Promise<void>;
}

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * HOUR_MS;
const PAGE = 200;
/** Until calls can no longer be returned; Stripe still cancels a report in this time. */
const KEEP_OPEN_MS = 20 * HOUR_MS;
/** After this nothing is canceled, and nothing that Stripe did not count is reported again. */
const GIVE_UP_MS = 3 * 24 * HOUR_MS;
/** In these states a report's calls belong in another report. */
const NOT_COUNTED = [UsageReportStatus.CANCELED, UsageReportStatus.FAILED];

export function createOverageLedger(deps: {
  models: Models;
  clock: Clock;
  usageDays: UsageDays;
  dayEnds: Pick<DayEnds, 'endOpenOverage'>;
}): OverageLedger {
  const { models, clock, usageDays, dayEnds } = deps;
  const reports = models.usageReports;

  /** @param untilMs usage before this time is reported */
  async function writeDay(day: UsageDayDoc, untilMs: number, which: Which): Promise<number> {
    const nowMs = clock.now();
    const { id, tenantId, prefix, startMs, endMs } = namesOf(day);
    const written = await reports
      .find({ _id: { $gte: prefix, $lt: `${prefix}~` } })
      .sort({ _id: 1 })
      .lean<OverageReport[]>();
    const counted = written.filter(({ status }) => !NOT_COUNTED.includes(status));
    const subscription = await models.billingSubscriptions.findById(tenantId).lean<BillingSubscriptionDoc>();
    const calls = callsBySpan(day.overage ?? { used: 0 });
    for (const { span } of counted) if (!calls.has(span)) calls.set(span, 0);
    const boundaries = boundariesOf([...calls.keys()].map(startOfSpan), subscription, nowMs);
    const isOver = nowMs >= endMs + HOUR_MS;
    let done = 0;
    let isComplete = true;
    for (const [span, used] of calls) {
      const after = (at: number) => span !== NO_SPAN && at > startOfSpan(span);
      const spanEndMs = boundaries.find(after) ?? null;
      if (which === 'ENDED' && (spanEndMs === null || spanEndMs > nowMs)) continue;
      const ofSpan = counted.filter((report) => report.span === span);
      const missing = used - ofSpan.reduce((sum, { quantity }) => sum + quantity, 0);
      if (missing === 0 || nowMs >= endMs + GIVE_UP_MS) continue;
      if (missing > 0) {
        const number = written.length + done + 1;
        const atMs = timeOf({ startMs, endMs, spanStartMs: startOfSpan(span), spanEndMs, untilMs, nowMs });
        const _id = `${prefix}${String(number).padStart(4, '0')}`;
        if (!(await insert({ _id, tenantId, span, quantity: missing, atMs }))) return done;
        done++;
        isComplete = false;
      } else if (isOver || (spanEndMs !== null && spanEndMs <= nowMs)) {
        // Calls that were returned after being reported: the report is canceled and the rest reported again, while the invoice is open.
        if (spanEndMs !== null && nowMs > spanEndMs + INVOICE_OPEN_MS) continue;
        await takeBack(ofSpan);
        isComplete = false;
      }
    }
    if (isComplete && nowMs > endMs + KEEP_OPEN_MS) await close(id, day.overage?.used ?? 0);
    return done;
  }

  /** @returns false when another instance wrote a report with the same number */
  async function insert({ atMs, ...named }: NewReport): Promise<boolean> {
    const report: UsageReportDoc = {
      ...named,
      kind: UsageReportKind.OVERAGE,
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
      return true;
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      return false;
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

  async function writeDays(ids: readonly string[], untilMs: number, which: Which = 'ALL'): Promise<number> {
    const days = await usageDays.read(ids.map(onlyDay), ['overage', 'overageLedger']);
    let count = 0;
    for (const day of days) if (day.overageLedger) count += await writeDay(day, untilMs, which);
    return count;
  }

  async function writeOpenToday(untilMs: number): Promise<number> {
    let count = 0;
    let after = '';
    for (;;) {
      const ledgers = await models.ledgers
        .find({ _id: { $gt: after }, 'today.overageLedger': 'OPEN' }, { 'windows.day': 1 })
        .sort({ _id: 1 })
        .limit(PAGE)
        .lean<LedgerDoc[]>();
      if (ledgers.length === 0) return count;
      count += await writeDays(
        ledgers.flatMap((ledger) => daysOf(ledger).map(({ _id }) => _id)),
        untilMs,
      );
      after = ledgers.at(-1)?._id ?? '';
    }
  }

  async function writeOpen(untilMs: number): Promise<number> {
    // What is still open in a ledger afterwards is of today.
    await dayEnds.endOpenOverage();
    let count = await writeOpenToday(untilMs);
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
  }

  return {
    write: () => writeOpen(Math.floor(clock.now() / HOUR_MS) * HOUR_MS - MINUTE_MS),
    writeAll: () => writeOpen(clock.now()),

    async writeEnded() {
      const nowMs = clock.now();
      const lately = { $gt: new Date(nowMs - INVOICE_OPEN_MS), $lte: new Date(nowMs) };
      let count = 0;
      let after = '';
      for (;;) {
        const found = await models.billingSubscriptions
          .find(
            {
              _id: { $gt: after },
              $or: [
                { currentPeriodStart: lately },
                { currentPeriodEnd: lately },
                { 'overageItems.periodStart': lately },
                { 'overageItems.periodEnd': lately },
                { endedAt: lately },
              ],
            },
            { _id: 1 },
          )
          .sort({ _id: 1 })
          .limit(PAGE)
          .lean<{ _id: string }[]>();
        const days = found.flatMap(({ _id }) => recentDays(_id, nowMs, INVOICE_OPEN_MS));
        if (days.length > 0) count += await writeDays(days, nowMs, 'ENDED');
        if (found.length < PAGE) return count;
        after = found.at(-1)?._id ?? '';
      }
    },

    async writeFor(tenantId) {
      const nowMs = clock.now();
      // Older days were reported when their hours ended.
      await writeDays(recentDays(tenantId, nowMs, DAY_MS), nowMs - SECOND_MS);
    },
  };
}

/** The span of calls that were counted without a subscription. */
const NO_SPAN = spanKey(0);

/** All spans, or those whose period has ended. */
type Which = 'ALL' | 'ENDED';

type OverageReport = UsageReportDoc & { span: string };
type NewReport = Pick<OverageReport, '_id' | 'tenantId' | 'quantity' | 'span'> & { atMs: number };

function namesOf({ _id: id }: UsageDayDoc) {
  const { tenantId, day } = partsOf(id);
  const startMs = Date.parse(day);
  const endMs = endOfDay(startMs).getTime();
  return { id, tenantId, prefix: `${tenantId}:overage/${day}/`, startMs, endMs };
}

const recentDays = (tenantId: string, nowMs: number, backMs: number): string[] =>
  [...new Set([dayOf(nowMs - backMs), dayOf(nowMs)])].map((day) => usageDayId(tenantId, day));

/** The latest time that lies in both the day and the span. */
function timeOf(known: {
  startMs: number;
  endMs: number;
  spanStartMs: number;
  spanEndMs: number | null;
  untilMs: number;
  nowMs: number;
}): number {
  const { startMs, endMs, spanStartMs, spanEndMs, untilMs, nowMs } = known;
  const latestMs = Math.min(untilMs, endMs - MINUTE_MS, (spanEndMs ?? Number.POSITIVE_INFINITY) - SECOND_MS);
  // The mock's clock may be ahead of ours: by our clock the span has not begun.
  const earliestMs = Math.max(startMs, spanStartMs <= nowMs ? spanStartMs : 0);
  return Math.max(earliestMs, latestMs);
}
