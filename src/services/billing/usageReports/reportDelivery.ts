import type { Logger } from 'pino';
import Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import { type UsageReportDoc, UsageReportKind, UsageReportStatus } from '../../../models/usageReport.js';
import { minuteOf } from '../../limits/calls/windows.js';
import { startOfSpan } from '../../tiers/overageSpans.js';
import { billableTime } from '../../usage/overage/billableTime.js';
import type { Customers } from '../customers/customers.js';
import { describeFailure } from '../stripe/stripeErrors.js';
import type { Meter } from './meter.js';

/** Brings reports to Stripe, each once: at any step the process may die, and the step is done again. */
export interface ReportDelivery {
  /** @throws what Stripe answered, when it did not take the report */
  deliver(report: UsageReportDoc): Promise<void>;
  /** Those that are due, the longest waiting first. @returns how many there were */
  deliverDue(limit: number): Promise<number>;
  /** Those of one tenant that wait, due or not. @throws what Stripe answered, when it did not take one */
  deliverFor(tenantId: string): Promise<void>;
}

const DAY_MS = 86_400_000;
/** Stripe keeps identifiers for a day; less, for clocks that differ. */
const IDENTIFIER_MS = DAY_MS - 3_600_000;
/** Stripe takes timestamps of 35 days. */
const MAX_AGE_MS = 34 * DAY_MS;
const FIRST_RETRY_MS = 60_000;
const MAX_RETRY_MS = 6 * 3_600_000;
const AT_ONCE = 5;
/** Of the hours of an outage; what is more goes in the background. */
const MAX_OF_TENANT = 20;

export function createReportDelivery(deps: {
  models: Models;
  meter: Meter;
  customers: Customers;
  /** Sees to it that the tenant's subscription, if there is one, bills overage. */
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
    const late = report.firstSentAt !== null && nowMs - report.firstSentAt.getTime() > IDENTIFIER_MS;
    if (!late || !(await isCounted(stripeCustomerId, report))) {
      if (nowMs - report.at.getTime() > MAX_AGE_MS) {
        await end(report, UsageReportStatus.FAILED, 'older than the 35 days that Stripe takes');
        log.error({ report: report._id, quantity: report.quantity }, 'usage could not be reported in time');
        return;
      }
      // What is counted before anything bills it is never billed.
      if (report.kind === UsageReportKind.OVERAGE) await ensureBilled(report.tenantId);
      const noted = await noteSending(report, late);
      if (!noted) return;
      await meter.send(stripeCustomerId, noted);
    }
    await end(report, UsageReportStatus.REPORTED);
  }

  /**
   * Noted before it is sent: whoever finds it later knows that Stripe may have it, and with which time.
   * @param anew nothing of it is at Stripe, though it was sent
   * @returns the report as it is to be sent; null when another server brought it to its end
   */
  async function noteSending(report: UsageReportDoc, anew: boolean): Promise<UsageReportDoc | null> {
    const { _id, status, at, firstSentAt, tenantId, span } = report;
    if (firstSentAt === null || anew) {
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

  /** Whether the minute has more than what is known to be counted in it. */
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
      // It was taken back before, and the answer lost; or it is too late, and the tenant's usage stays what was sent.
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
        .limit(MAX_OF_TENANT)
        .lean<UsageReportDoc[]>();
      for (const report of waiting) await deliver(report);
    },
    async deliverDue(limit) {
      const due = await reports
        .find({ nextTryAt: { $lte: new Date(clock.now()) } })
        .sort({ nextTryAt: 1 })
        .limit(limit)
        .lean<UsageReportDoc[]>();
      for (let i = 0; i < due.length; i += AT_ONCE) {
        await Promise.all(
          due.slice(i, i + AT_ONCE).map((report) =>
            deliver(report).catch((error: unknown) => {
              log.warn({ err: error, report: report._id }, 'usage was not reported; it is tried again');
            }),
          ),
        );
      }
      return due.length;
    },
  };
}
