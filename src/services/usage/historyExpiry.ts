import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import type { TenantDoc } from '../../models/tenant.js';
import type { Lease } from '../infrastructure/lease.js';
import { dayOf, usageDayId } from '../limits/calls/windows.js';

/** Deletes usage that is too old for any history. One instance at a time does it, once a day. */
export interface HistoryExpiry {
  start(): void;
  /** @returns how many documents were deleted */
  run(): Promise<number>;
  stop(): Promise<void>;
}

const DAY_MS = 86_400_000;
const LOOK_MS = 3_600_000;
/** The longest history (400 days) in whole months, plus the month in which it begins. */
const KEEP_DAYS = 432;
const PAGE = 200;

export function createHistoryExpiry(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  lease: Lease;
}): HistoryExpiry {
  const { models, clock, log, lease } = deps;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<number> | null = null;
  let stopping = false;
  /** The day for which this instance has finished. */
  let doneFor = '';

  async function deleteOf(tenantIds: readonly string[], before: string): Promise<number> {
    const older = (until: string) =>
      tenantIds.map((id) => ({
        deleteMany: { filter: { _id: { $gte: `${id}:`, $lt: usageDayId(id, until) } } },
      }));
    // Usage that may still be reported to Stripe is far younger.
    const days = await models.usageDays.collection.bulkWrite(older(before) as never, { ordered: false });
    const months = await models.overageMonths.collection.bulkWrite(older(before.slice(0, 7)) as never, {
      ordered: false,
    });
    return days.deletedCount + months.deletedCount;
  }

  async function pass(): Promise<number> {
    const before = dayOf(clock.now() - KEEP_DAYS * DAY_MS);
    let deleted = 0;
    for (let after = ''; !stopping && (await lease.acquire()); ) {
      const page = await models.tenants
        .find({ _id: { $gt: after } }, { _id: 1 })
        .sort({ _id: 1 })
        .limit(PAGE)
        .lean<TenantDoc[]>();
      const ids = page.map(({ _id }) => _id);
      if (ids.length > 0) deleted += await deleteOf(ids, before);
      if (ids.length < PAGE) {
        doneFor = before;
        break;
      }
      after = ids.at(-1) ?? '';
    }
    if (deleted > 0) log.info({ deleted, before }, 'history.expired');
    return deleted;
  }

  async function run(): Promise<number> {
    running ??= pass().finally(() => {
      running = null;
    });
    return running;
  }

  return {
    run,
    start() {
      timer = setInterval(() => {
        if (doneFor === dayOf(clock.now() - KEEP_DAYS * DAY_MS)) return;
        run().catch((error: unknown) => log.warn({ err: error }, 'history.expiry_failed'));
      }, LOOK_MS).unref();
    },
    async stop() {
      stopping = true;
      clearInterval(timer);
      await running?.catch(() => undefined);
      await lease.release();
    },
  };
}
