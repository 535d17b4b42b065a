import { LRUCache } from 'lru-cache';
import type { Models } from '../../../models/models.js';
import type { UsageDayDoc } from '../../../models/usageDay.js';

/** Bounds the events that are kept of one tenant: so many for each day when they happened. */
export interface EventRoom {
  readonly maxPerDay: number;
  /** @returns how many more events the day takes, as far as this instance knows */
  left(usageDayId: string): Promise<number>;
  /** So many events of the day were recorded. */
  taken(usageDayId: string, events: number): void;
}

const MAX_REMEMBERED = 50_000;
/** What other instances record is seen after that. */
const REMEMBER_MS = 60_000;

export function createEventRoom({ models, maxPerDay }: { models: Models; maxPerDay: number }): EventRoom {
  const counts = new LRUCache<string, number>({ max: MAX_REMEMBERED, ttl: REMEMBER_MS });
  return {
    maxPerDay,
    async left(usageDayId) {
      let count = counts.get(usageDayId);
      if (count === undefined) {
        const day = await models.usageDays.findById(usageDayId, { recordedEvents: 1 }).lean<UsageDayDoc>();
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
