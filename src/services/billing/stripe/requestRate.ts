import { setTimeout as sleep } from 'node:timers/promises';
import type { Models } from '../../../models/models.js';
import type { StripeRateDoc } from '../../../models/stripeRate.js';
import type { Requester } from './requester.js';
import { tooMany } from './tenantShares.js';

/** Keeps the requests of all instances together within what Stripe takes of one endpoint. */
export interface RequestRate {
  /**
   * Resolves when the request may begin. A quarter of the rate is reserved for the webhook worker, which uses the rest
   * too while that is free sooner. Background work begins when nobody waits, at the latest after 10 s in order.
   * @param endpoint method and path, without ids
   * @throws SERVICE_UNAVAILABLE when it would have to wait too long
   */
  waitForSlot(endpoint: string, kind: Requester['kind']): Promise<void>;
}

/** Stripe's limit for one endpoint. */
export const REQUESTS_PER_SECOND = 25;
/**
 * Together 22 a second, an eighth less than the limit: requests are late by more or by less on their way, and those of
 * more than a second must not arrive within one.
 */
const SHARED_SPACING_MS = 60;
const RESERVED_SPACING_MS = 180;
/**
 * A turn that is taken later than this, because the process stood still, is taken again: all that waited meanwhile would
 * begin at once.
 */
const MAX_LATE_MS = 50;
const MAX_TURNS = 10;
/** A tenant's operation makes several requests, and a person waits for it. */
const MAX_WAIT_MS: Record<Requester['kind'], number> = { tenant: 5_000, worker: 10_000, background: 10_000 };
/** Background work takes no turn while more than this waits. */
const SHORT_WAIT_MS = 200;
const MAX_YIELD_MS = 10_000;
const YIELD_MS = 1_000;
const DUPLICATE_KEY = 11_000;

/** When a request may begin that waits for the turn after the last one. */
const begin = (freeAt: string) => ({ $max: ['$$NOW', { $ifNull: [freeAt, '$$NOW'] }] });

/** Each request reserves its moment by one statement, evenly spaced, so that no window of a second has too many. */
export function createRequestRate({ models }: { models: Models }): RequestRate {
  const rates = models.connection.collection<StripeRateDoc>(models.stripeRates.collection.name);

  /** @returns how long to wait; above `maxWaitMs` nothing is reserved */
  async function reserve(endpoint: string, isWorker: boolean, maxWaitMs: number): Promise<number> {
    const [shared, reserved] = [begin('$freeAt'), begin('$reservedFreeAt')];
    const begins = isWorker ? { $min: [shared, reserved] } : shared;
    const next = (spacingMs: number) => ({ $add: ['$$NOW', '$waitMs', spacingMs] });
    const isFull = { $gt: ['$waitMs', maxWaitMs] };
    const unlessFull = (freeAt: string, isUsed: unknown, spacingMs: number) => ({
      $cond: [{ $or: [isFull, { $not: [isUsed] }] }, freeAt, next(spacingMs)],
    });
    const found = await rates.findOneAndUpdate(
      { _id: endpoint },
      [
        {
          $set: {
            waitMs: { $subtract: [begins, '$$NOW'] },
            usesReserve: isWorker ? { $lte: [reserved, shared] } : false,
          },
        },
        {
          $set: {
            freeAt: unlessFull('$freeAt', { $not: ['$usesReserve'] }, SHARED_SPACING_MS),
            reservedFreeAt: unlessFull('$reservedFreeAt', '$usesReserve', RESERVED_SPACING_MS),
          },
        },
      ],
      // Nothing is lost that the next second would not forget.
      { upsert: true, returnDocument: 'after', writeConcern: { w: 1 } },
    );
    return (found as unknown as { waitMs: number } | null)?.waitMs ?? 0;
  }

  async function reserveSafely(endpoint: string, isWorker: boolean, maxWaitMs: number): Promise<number> {
    try {
      return await reserve(endpoint, isWorker, maxWaitMs);
    } catch (error) {
      // Another instance made it at this moment.
      if ((error as { code?: unknown }).code !== DUPLICATE_KEY) throw error;
      return reserve(endpoint, isWorker, maxWaitMs);
    }
  }

  /** While others wait nothing is reserved, and it looks again. */
  async function yieldToOthers(endpoint: string): Promise<number | null> {
    const untilMs = performance.now() + MAX_YIELD_MS;
    while (performance.now() < untilMs) {
      const waitMs = await reserveSafely(endpoint, false, SHORT_WAIT_MS);
      if (waitMs <= SHORT_WAIT_MS) return waitMs;
      await sleep(Math.min(waitMs, YIELD_MS));
    }
    return null;
  }

  return {
    async waitForSlot(endpoint, kind) {
      const maxWaitMs = MAX_WAIT_MS[kind];
      let isLate = true;
      for (let turns = 0; isLate && turns < MAX_TURNS; turns++) {
        const early = kind === 'background' ? await yieldToOthers(endpoint) : null;
        const waitMs = early ?? (await reserveSafely(endpoint, kind === 'worker', maxWaitMs));
        if (waitMs > maxWaitMs) throw tooMany();
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
