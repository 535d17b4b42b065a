import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import type { Lease } from '../../infrastructure/lease.js';
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
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | null = null;
  let stopping = false;
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
    for (let i = 0; i < MAX_PAGES && !stopping; i++) {
      const delivered = await delivery.deliverDue(PAGE);
      if (delivered < PAGE || !(await lease.acquire())) return;
    }
  }

  async function run(): Promise<void> {
    running ??= forBackground(pass).finally(() => {
      running = null;
    });
    await running;
  }

  return {
    run,
    async flush() {
      await ledger.writeAll();
      await deliver();
    },
    start() {
      timer = setInterval(() => {
        run().catch((error: unknown) => log.warn({ err: error }, 'usage_report.pass_failed'));
      }, RUN_MS).unref();
    },
    async stop() {
      stopping = true;
      clearInterval(timer);
      await running?.catch(() => undefined);
      await lease.release();
    },
  };
}
