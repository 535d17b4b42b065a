import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import type { TenantDoc } from '../../models/tenant.js';
import type { Lease } from '../infrastructure/lease.js';
import { createLeasedPasses, type LeasedPasses } from '../infrastructure/leasedPasses.js';
import { dayOf, usageDayId } from '../limits/ledger/windows.js';

/** Deletes usage that is too old for any history, once a day. A pass returns how many documents it deleted. */
export type HistoryExpiry = LeasedPasses<number>;

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
  /** The day for which this instance has finished. */
  let doneFor = '';
  const oldestKept = () => dayOf(clock.now() - KEEP_DAYS * DAY_MS);
  const passes = createLeasedPasses({
    lease,
    everyMs: LOOK_MS,
    log,
    failedEvent: 'history.expiry_failed',
    isDone: () => doneFor === oldestKept(),
    pass,
  });

  async function deleteOf(tenantIds: readonly string[], before: string): Promise<number> {
    const older = (until: string) =>
      tenantIds.map((id) => ({
        deleteMany: { filter: { _id: { $gte: `${id}:`, $lt: usageDayId(id, until) } } },
      }));
    // Usage that may still be reported to Stripe is far younger.
    const days = await models.usageDays.collection.bulkWrite(older(before) as never, { ordered: false });
    return days.deletedCount;
  }

  async function pass(): Promise<number> {
    const before = oldestKept();
    let deleted = 0;
    for (let after = ''; await passes.mayGoOn(); ) {
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

  return passes;
}
