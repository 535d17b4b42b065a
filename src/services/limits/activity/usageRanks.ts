import { LRUCache } from 'lru-cache';
import type { Clock } from '../../../common/clock.js';
import type { Models } from '../../../models/models.js';
import type { TenantStandingDoc } from '../../../models/tenantStanding.js';
import { onlyDay, type UsageDays } from '../ledger/usageDays.js';
import { dayOf, daysOfMonth, usageDayId } from '../ledger/windows.js';

/** Puts tenants in order by their calls of the UTC month, as their usage days have them. */
export interface UsageRanks {
  /** Repeating it changes nothing. Tenants without a standing are left out. */
  refresh(tenantIds: readonly string[]): Promise<void>;
}

const CHUNK = 200;
const MAX_REMEMBERED = 50_000;
/** An order is not worth waiting for a disk. */
const QUICK = { ordered: false, writeConcern: { w: 1 } } as const;

export function createUsageRanks(deps: { models: Models; clock: Clock; usageDays: UsageDays }): UsageRanks {
  const { models, clock, usageDays } = deps;
  const standings = models.connection.collection<TenantStandingDoc>(models.tenantStandings.collection.name);
  /** Calls of the month before a day, by `<tenant>:<day>`. Usage that is recorded for those days later counts tomorrow. */
  const callsBefore = new LRUCache<string, number>({ max: MAX_REMEMBERED });

  async function callsOf(dayIds: readonly string[]): Promise<Map<string, number>> {
    const found = await usageDays.read(dayIds.map(onlyDay), ['calls']);
    return new Map(found.map(({ _id, calls }) => [_id, calls]));
  }

  /** Reads the earlier days of the month once a day and tenant. */
  async function rememberBefore(todayIds: readonly string[]): Promise<void> {
    const unknown = todayIds.filter((id) => !callsBefore.has(id));
    if (unknown.length === 0) return;
    const earlierOf = (todayId: string) => daysOfMonth(todayId).filter((id) => id < todayId);
    const calls = await callsOf(unknown.flatMap(earlierOf));
    for (const todayId of unknown)
      callsBefore.set(
        todayId,
        earlierOf(todayId).reduce((sum, id) => sum + (calls.get(id) ?? 0), 0),
      );
  }

  return {
    async refresh(tenantIds) {
      const today = dayOf(clock.now());
      const month = today.slice(0, -'-DD'.length);
      for (let i = 0; i < tenantIds.length; i += CHUNK) {
        const chunk = tenantIds.slice(i, i + CHUNK);
        const todayIds = chunk.map((id) => usageDayId(id, today));
        await rememberBefore(todayIds);
        const calls = await callsOf(todayIds);
        await standings.bulkWrite(
          chunk.map((_id) => {
            const todayId = usageDayId(_id, today);
            const inMonth = (callsBefore.get(todayId) ?? 0) + (calls.get(todayId) ?? 0);
            const usageKey = usageKeyOf(_id, month, inMonth);
            return {
              updateOne: { filter: { _id, usageKey: { $ne: usageKey } }, update: { $set: { usageKey } } },
            };
          }),
          QUICK,
        );
      }
    },
  };
}

/** A tenant's place by usage, which sorts as text. */
export const usageKeyOf = (tenantId: string, month: string, calls: number): string =>
  `${month}:${String(Math.max(0, calls)).padStart(16, '0')}:${tenantId}`;
