import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import type { Lease } from '../../infrastructure/lease.js';
import { createLeasedPasses } from '../../infrastructure/leasedPasses.js';
import type { OverageLedger } from '../../usage/overage/overageLedger.js';
import { forBackground } from '../stripe/requester.js';
import type { ReportDelivery } from './reportDelivery.js';

/**
 * Reports overage to Stripe once an hour; pending reports, and usage of a period that has just ended, every minute. One
 * server at a time does this.
 */
export interface UsageReporter {
  start(): void;
  /** Makes one pass. The ledger is written if a new hour has begun since the last pass. */
  run(): Promise<void>;
  /** Reports all usage up to now. */
  flush(): Promise<void>;
  stop(): Promise<void>;
}

const RUN_MS = 60_000;
const HOUR_MS = 3_600_000;
const PAGE = 100;
const MAX_PAGES = 1_000;

export function createUsageReporter(deps: {
  ledger: OverageLedger;
  delivery: ReportDelivery;
  lease: Lease;
  clock: Clock;
  log: Logger;
}): UsageReporter {
  const { ledger, delivery, lease, clock, log } = deps;
  const passes = createLeasedPasses({
    lease,
    everyMs: RUN_MS,
    log,
    failedEvent: 'usage_report.pass_failed',
    pass: () => forBackground(pass),
  });
  /** The last hour for which this server wrote the ledger; after a start it writes once more. */
  let writtenHour = Number.NaN;

  async function pass(): Promise<void> {
    if (!(await lease.acquire())) return;
    const hour = Math.floor(clock.now() / HOUR_MS);
    if (hour !== writtenHour) {
      const count = await ledger.write();
      writtenHour = hour;
      if (count > 0) log.info({ reports: count }, 'usage_report.created');
    } else {
      await ledger.writeEnded();
    }
    await deliver();
  }

  async function deliver(): Promise<void> {
    for (let i = 0; i < MAX_PAGES && !passes.isStopping(); i++) {
      const delivered = await delivery.deliverDue(PAGE);
      if (delivered < PAGE || !(await lease.acquire())) return;
    }
  }

  return {
    run: passes.run,
    async flush() {
      await ledger.writeAll();
      await deliver();
    },
    start: passes.start,
    stop: passes.stop,
  };
}
