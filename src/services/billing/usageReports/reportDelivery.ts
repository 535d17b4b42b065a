import type { Logger } from 'pino';
import Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import { type UsageReportDoc, UsageReportKind, UsageReportStatus } from '../../../models/usageReport.js';
import { minuteOf } from '../../limits/ledger/windows.js';
import { startOfSpan } from '../../tiers/overage.js';
import { billableTime } from '../../usage/overage/billableTime.js';
import type { Customers } from '../customers/customers.js';
import { describeFailure } from '../stripe/stripeErrors.js';
import type { Meter } from './meter.js';

/** Sends each report to Stripe exactly once. The process may die at any step; the step is then repeated safely. */
export interface ReportDelivery {
  /** @throws Stripe's error when it rejected the report */
  deliver(report: UsageReportDoc): Promise<void>;
  /** Delivers due reports, the longest wait first. @returns how many there were */
  deliverDue(limit: number): Promise<number>;
  /** Delivers all pending reports of one tenant, due or not. @throws Stripe's error when it rejected one */
  deliverFor(tenantId: string): Promise<void>;
}

const DAY_MS = 86_400_000;
/** Stripe keeps identifiers for a day; an hour less allows for clocks that differ. */
const IDENTIFIER_MS = DAY_MS - 3_600_000;
/** Stripe accepts timestamps up to 35 days old. */
const MAX_AGE_MS = 34 * DAY_MS;
const FIRST_RETRY_MS = 60_000;
const MAX_RETRY_MS = 6 * 3_600_000;
const MAX_CONCURRENT = 5;
/** Enough for the hours of an outage; the rest is sent in the background. */
const MAX_PER_TENANT = 20;

export function createReportDelivery(deps: {
  models: Models;
  meter: Meter;
  customers: Customers;
  /** Ensures that the tenant's subscription, if there is one, bills overage. */
  ensureBilled: (tenantId: string) => Promise<void>;
  clock: Clock;
  log: Logger;
}): ReportDelivery {
  const { models, meter, customers, ensureBilled, clock, log } = deps;
  const reports = models.usageReports;

  const end = (report: UsageReportDoc, status: UsageReportStatus, error: string | null = null) =>
    reports.updateOne(
      { _id: report._id, status: report.status },
      {
        $set: {
          status,
          error,
          ...(status === UsageReportStatus.REPORTED && { reportedAt: new Date(clock.now()) }),
        },
        $unset: { nextTryAt: 1 },
      },
    );

  async function send(report: UsageReportDoc): Promise<void> {
    const nowMs = clock.now();
    const { stripeCustomerId } = await customers.ensure(report.tenantId, null);
    const isLate = report.firstSentAt !== null && nowMs - report.firstSentAt.getTime() > IDENTIFIER_MS;
    if (!isLate || !(await isCounted(stripeCustomerId, report))) {
      if (nowMs - report.at.getTime() > MAX_AGE_MS) {
        await end(report, UsageReportStatus.FAILED, 'older than the 35 days that Stripe accepts');
        log.error(
          { report: report._id, quantity: report.quantity, reason: 'too old for Stripe' },
          'usage_report.failed',
        );
        return;
      }
      // Usage that the meter counts before an item bills it is never billed.
      if (report.kind === UsageReportKind.OVERAGE) await ensureBilled(report.tenantId);
      const noted = await noteSending(report, isLate);
      if (!noted) return;
      await meter.send(stripeCustomerId, noted);
    }
    await end(report, UsageReportStatus.REPORTED);
  }

  /**
   * Records the report's timestamp before it is sent, so that a later attempt knows what Stripe may have received.
   * @param isResend it was sent before, but Stripe has not counted it
   * @returns the report to send; null when another server has finished it
   */
  async function noteSending(report: UsageReportDoc, isResend: boolean): Promise<UsageReportDoc | null> {
    const { _id, status, at, firstSentAt, tenantId, span } = report;
    if (firstSentAt === null || isResend) {
      const nowMs = clock.now();
      const subscription = await models.billingSubscriptions
        .findById(tenantId)
        .lean<BillingSubscriptionDoc>();
      const used = { atMs: at.getTime(), spanStartMs: span ? startOfSpan(span) : null };
      const billableAt = new Date(billableTime(used, subscription, nowMs));
      await reports.updateOne(
        { _id, status, at, firstSentAt },
        { $set: { at: billableAt, firstSentAt: firstSentAt ?? new Date(nowMs) } },
      );
    }
    return reports.findOne({ _id, status }).lean<UsageReportDoc>();
  }

  /** Whether the meter's count of the minute includes this report. */
  async function isCounted(stripeCustomerId: string, { _id, tenantId, kind, at, quantity }: UsageReportDoc) {
    const fromMs = minuteOf(at.getTime()) * 60_000;
    const known = await reports
      .find({
        tenantId,
        kind,
        at: { $gte: new Date(fromMs), $lt: new Date(fromMs + 60_000) },
        status: { $in: [UsageReportStatus.REPORTED, UsageReportStatus.CANCELING] },
        _id: { $ne: _id },
      })
      .lean<UsageReportDoc[]>();
    const others = known.reduce((sum, report) => sum + report.quantity, 0);
    return (await meter.countedIn(stripeCustomerId, kind, fromMs)) >= others + quantity;
  }

  async function cancel(report: UsageReportDoc): Promise<void> {
    try {
      await meter.cancel(report);
    } catch (error) {
      // Either it was cancelled before and the response was lost, or it is too late and the reported usage stands.
      if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) throw error;
      if (!/already|cancel/i.test(error.message)) {
        await end(report, UsageReportStatus.REPORTED, error.message);
        return;
      }
    }
    await end(report, UsageReportStatus.CANCELED);
  }

  async function deliver(report: UsageReportDoc): Promise<void> {
    try {
      await (report.status === UsageReportStatus.CANCELING ? cancel(report) : send(report));
    } catch (error) {
      const waitMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(report.tries, 20), MAX_RETRY_MS);
      await reports.updateOne(
        { _id: report._id, status: report.status },
        {
          $set: {
            error: describeFailure(error),
            nextTryAt: new Date(clock.now() + waitMs),
          },
          $inc: { tries: 1 },
        },
      );
      throw error;
    }
  }

  return {
    deliver,
    async deliverFor(tenantId) {
      const waiting = await reports
        .find({ tenantId, nextTryAt: { $exists: true } })
        .limit(MAX_PER_TENANT)
        .lean<UsageReportDoc[]>();
      for (const report of waiting) await deliver(report);
    },
    async deliverDue(limit) {
      const due = await reports
        .find({ nextTryAt: { $lte: new Date(clock.now()) } })
        .sort({ nextTryAt: 1 })
        .limit(limit)
        .lean<UsageReportDoc[]>();
      for (let i = 0; i < due.length; i += MAX_CONCURRENT) {
        await Promise.all(
          due.slice(i, i + MAX_CONCURRENT).map((report) =>
            deliver(report).catch((error: unknown) => {
              log.warn({ err: error, report: report._id }, 'usage_report.retry');
            }),
          ),
        );
      }
      return due.length;
    },
  };
}
