import { setTimeout as sleep } from 'node:timers/promises';
import { serviceUnavailable } from '../../errors.js';
import type { Models } from '../../models/models.js';
import type { StripeRateDoc } from '../../models/stripeRate.js';

/** Keeps the requests of all instances together within what Stripe takes of one endpoint. */
export interface RequestRate {
  /**
   * Resolves when the request may begin.
   * @throws SERVICE_UNAVAILABLE when it would have to wait longer than 10 s
   */
  turn(method: string, path: string): Promise<void>;
}

/** Stripe's limit for one endpoint. */
export const REQUESTS_PER_SECOND = 25;
/**
 * Further apart than the limit asks, by an eighth: requests are late by more or by less on their way, and those of more
 * than a second must not arrive within one.
 */
const SPACING_MS = 45;
/**
 * A turn that is taken later than this, because the process stood still, is taken anew: all that waited meanwhile would
 * begin at once.
 */
const MAX_LATE_MS = 50;
const MAX_TURNS = 10;
const MAX_WAIT_MS = 10_000;
const DUPLICATE_KEY = 11_000;

/** Each request reserves its moment by one statement, evenly spaced, so that no window of a second has too many. */
export function createRequestRate({ models }: { models: Models }): RequestRate {
  const rates = models.connection.collection<StripeRateDoc>(models.stripeRates.collection.name);

  async function reserve(endpoint: string): Promise<number> {
    const begin = { $max: ['$$NOW', { $ifNull: ['$freeAt', '$$NOW'] }] };
    const isFull = { $gt: ['$waitMs', MAX_WAIT_MS] };
    const reserved = await rates.findOneAndUpdate(
      { _id: endpoint },
      [
        { $set: { waitMs: { $subtract: [begin, '$$NOW'] } } },
        { $set: { freeAt: { $cond: [isFull, '$freeAt', { $add: ['$$NOW', '$waitMs', SPACING_MS] }] } } },
      ],
      // Nothing is lost that the next second would not forget.
      { upsert: true, returnDocument: 'after', writeConcern: { w: 1 } },
    );
    return (reserved as unknown as { waitMs: number } | null)?.waitMs ?? 0;
  }

  return {
    async turn(method, path) {
      const endpoint = endpointOf(method, path);
      let isLate = true;
      for (let turns = 0; isLate && turns < MAX_TURNS; turns++) {
        const waitMs = await reserve(endpoint).catch((error: unknown) => {
          // Another instance made it at this moment.
          if ((error as { code?: unknown }).code === DUPLICATE_KEY) return reserve(endpoint);
          throw error;
        });
        if (waitMs > MAX_WAIT_MS)
          throw serviceUnavailable('Too many requests wait for the payment provider; try again shortly');
        const dueMs = performance.now() + waitMs;
        if (waitMs > 0) await sleep(waitMs);
        isLate = performance.now() > dueMs + MAX_LATE_MS;
      }
    },
  };
}

/** Ids have digits or capitals in them; the names of Stripe's resources have not. */
export function endpointOf(method: string, path: string): string {
  const [version, ...segments] = (path.split('?', 1)[0] as string).split('/').filter(Boolean);
  const names = segments.map((segment) => (/[^a-z_]/.test(segment) ? ':id' : segment));
  return `${method.toUpperCase()} /${[version, ...names].join('/')}`;
}
