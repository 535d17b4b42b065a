import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import { badInput, serviceUnavailable } from '../../../common/errors.js';
import type { Models } from '../../../models/models.js';
import {
  REPORT_STATUS_INDEX,
  REPORT_TENANT_INDEX,
  type UsageReportDoc,
  UsageReportKind,
  UsageReportStatus,
} from '../../../models/usageReport.js';
import type { AuditLog } from '../../audit/auditLog.js';
import type { Author } from '../../audit/author.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';
import { startOfDay } from '../../limits/ledger/windows.js';
import { callingStripe, describeFailure } from '../stripe/stripeErrors.js';
import type { ReportDelivery } from './reportDelivery.js';

export { type UsageReportDoc, UsageReportKind, UsageReportStatus };

export interface ReportPage {
  reports: UsageReportDoc[];
  hasNextPage: boolean;
}

export interface ReportQuery {
  first: number;
  /** The key of the last report seen. */
  after?: string | null | undefined;
  status?: UsageReportStatus | null | undefined;
}

/** An error from Stripe's event `v1.billing.meter.error_report_triggered`. */
export interface MeterError {
  identifier: string;
  code: string;
  message: string;
}

/** Usage reports to Stripe's meters. */
export interface UsageReports {
  /**
   * Reports a quantity by hand. The same idempotency key again changes nothing.
   * @returns the stored report. If Stripe has not accepted it within 10 s it is `PENDING` and is sent in the background;
   *   the caller must not report it again
   * @throws BAD_USER_INPUT when the idempotency key was used with another quantity, and past 1,000 reports a day
   */
  report(
    tenantId: string,
    quantity: number,
    idempotencyKey: string | null | undefined,
    author: Author,
  ): Promise<UsageReportDoc>;
  /** Marks reports as failed that Stripe accepted but could not count. Overage of a day that is still open is reported again. */
  noteMeterErrors(errors: readonly MeterError[]): Promise<void>;
  /** Newest first. @param tenantId null: of all tenants */
  page(tenantId: string | null, query: ReportQuery): Promise<ReportPage>;
}

/** The report's id without the tenant's. */
export const reportIdOf = ({ _id, tenantId }: Pick<UsageReportDoc, '_id' | 'tenantId'>): string =>
  _id.slice(tenantId.length + 1);

/** The report's position in the list, which is ordered by time; several reports may have the same time. */
export const reportKeyOf = (report: UsageReportDoc): string => `${report.at.getTime()}:${report._id}`;

const MAX_ERROR_LENGTH = 500;
/** Clients wait longer than this for a response. */
const MAX_ANSWER_MS = 10_000;
const MAX_REPORTS_PER_DAY = 1_000;

export function createUsageReports(deps: {
  models: Models;
  delivery: ReportDelivery;
  auditLog: AuditLog;
  clock: Clock;
  log: Logger;
}): UsageReports {
  const { models, delivery, auditLog, clock, log } = deps;
  const reports = models.usageReports;

  /**
   * Limits the reports of a day, because they are kept for a long time.
   * @throws BAD_USER_INPUT past the limit, unless the report exists
   */
  async function needRoom(tenantId: string, _id: string, now: Date): Promise<void> {
    const ofDay = { tenantId, at: { $gte: startOfDay(now.getTime()) } };
    const count = await reports.countDocuments(ofDay, { limit: MAX_REPORTS_PER_DAY });
    if (count < MAX_REPORTS_PER_DAY || (await reports.exists({ _id }))) return;
    throw badInput(
      'input',
      `would be the tenant's report number ${MAX_REPORTS_PER_DAY + 1} of this UTC day; combine quantities, or report again tomorrow`,
    );
  }

  /** @returns the stored report: another one if a request with the same key was faster */
  async function store(report: UsageReportDoc, author: Author): Promise<UsageReportDoc> {
    const { _id, tenantId, quantity } = report;
    try {
      await auditLog.change(author, async (session, note) => {
        await reports.create([report], { session });
        note({
          tenantId,
          action: 'usage.reported',
          before: null,
          after: { id: reportIdOf(report), quantity },
        });
      });
      return report;
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      const known = await durable(_id);
      if (!known) throw serviceUnavailable('A report with the same idempotency key is under way; try again');
      return known;
    }
  }

  /** A report that a failover may still roll back is not acknowledged. */
  const durable = (_id: string) => reports.findById(_id).readConcern('majority').lean<UsageReportDoc>();

  return {
    async report(tenantId, quantity, idempotencyKey, author) {
      const _id = `${tenantId}:${idempotencyKey ?? randomUUID()}`;
      const now = new Date(clock.now());
      await needRoom(tenantId, _id, now);
      const fresh: UsageReportDoc = {
        _id,
        tenantId,
        kind: UsageReportKind.MANUAL,
        quantity,
        status: UsageReportStatus.PENDING,
        at: now,
        firstSentAt: null,
        reportedAt: null,
        error: null,
        tries: 0,
        nextTryAt: now,
      };
      const known = await durable(_id);
      const report = known ?? (await store(fresh, author));
      if (report.quantity !== quantity) {
        throw badInput(
          'input.idempotencyKey',
          `was used before with the quantity ${report.quantity}; use another key`,
        );
      }
      if (report.status !== UsageReportStatus.PENDING) return report;
      // A failure is only logged and retried in the background: an error would invite the caller to report twice.
      const sent = callingStripe(log, tenantId, () => delivery.deliver(report)).catch((error: unknown) => {
        log.warn({ tenantId, report: _id, reason: describeFailure(error) }, 'usage_report.pending');
      });
      await Promise.race([sent, sleep(MAX_ANSWER_MS, undefined, { ref: false })]);
      const stored = await reports
        .findById(_id)
        .lean<UsageReportDoc>()
        .catch(() => null);
      return stored ?? report;
    },

    async noteMeterErrors(errors) {
      for (const { identifier, code, message } of errors) {
        const { modifiedCount } = await reports.updateOne(
          { _id: identifier, status: { $in: [UsageReportStatus.PENDING, UsageReportStatus.REPORTED] } },
          {
            $set: {
              status: UsageReportStatus.FAILED,
              error: `${code}: ${message}`.slice(0, MAX_ERROR_LENGTH),
            },
            $unset: { nextTryAt: 1 },
          },
        );
        if (modifiedCount > 0) log.error({ report: identifier, reason: code }, 'usage_report.failed');
      }
    },

    async page(tenantId, { first, after, status }) {
      const [, atMs, id = ''] = /^(\d+):(.*)$/.exec(after ?? '') ?? [];
      const at = new Date(Number(atMs));
      // The first condition bounds the index, which the alternatives alone do not.
      const older = atMs ? { at: { $lte: at }, $or: [{ at: { $lt: at } }, { at, _id: { $lt: id } }] } : {};
      const found = await reports
        .find({
          ...(tenantId && { tenantId }),
          status: { $in: status ? [status] : Object.values(UsageReportStatus) },
          ...older,
        })
        .sort({ at: -1, _id: -1 })
        .hint(tenantId ? REPORT_TENANT_INDEX : REPORT_STATUS_INDEX)
        .limit(first + 1)
        .lean<UsageReportDoc[]>();
      return { reports: found.slice(0, first), hasNextPage: found.length > first };
    },
  };
}
