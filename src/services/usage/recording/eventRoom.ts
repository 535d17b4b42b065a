import { LRUCache } from 'lru-cache';
import { onlyDay, type UsageDays } from '../../limits/ledger/usageDays.js';

/** Bounds the stored events of one tenant, by the day in which they happened. */
export interface EventRoom {
  readonly maxPerDay: number;
  /** @returns how many more events the day accepts, as far as this instance knows */
  left(usageDayId: string): Promise<number>;
  /** Notes that events of the day were recorded. */
  taken(usageDayId: string, events: number): void;
}

const MAX_REMEMBERED = 50_000;
/** How long until events recorded by other instances are seen. */
const REMEMBER_MS = 60_000;

export function createEventRoom({
  usageDays,
  maxPerDay,
}: {
  usageDays: UsageDays;
  maxPerDay: number;
}): EventRoom {
  const counts = new LRUCache<string, number>({ max: MAX_REMEMBERED, ttl: REMEMBER_MS });
  return {
    maxPerDay,
    async left(usageDayId) {
      let count = counts.get(usageDayId);
      if (count === undefined) {
        const [day] = await usageDays.read([onlyDay(usageDayId)], ['recordedEvents']);
        count = counts.get(usageDayId) ?? day?.recordedEvents ?? 0;
        counts.set(usageDayId, count);
      }
      return Math.max(0, maxPerDay - count);
    },
    taken(usageDayId, events) {
      const count = counts.get(usageDayId);
      if (count !== undefined) counts.set(usageDayId, count + events, { noUpdateTTL: true });
    },
  };
}
