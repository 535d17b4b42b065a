import { setTimeout as sleep } from 'node:timers/promises';
import type { Models } from '../../../models/models.js';
import type { StripeRateDoc } from '../../../models/stripeRate.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';
import type { Requester } from './requester.js';
import { tooMany } from './tenantShares.js';

/** Keeps the requests of all instances together within Stripe's rate limit for each endpoint. */
export interface RequestRate {
  /**
   * Resolves when the request's slot begins. A quarter of the rate is reserved for the webhook worker, which also takes
   * one of the other slots if that comes sooner. Background work waits until no other request does, at most 10 s.
   * @param endpoint method and path, without ids
   * @throws SERVICE_UNAVAILABLE when the wait would be too long
   */
  waitForSlot(endpoint: string, kind: Requester['kind']): Promise<void>;
}

/** Stripe's limit for one endpoint, unless it has agreed to another. */
export const REQUESTS_PER_SECOND = 25;
/**
 * Below the limit, because network delays differ, and the requests of more than one second must not arrive within one.
 */
const USED_SHARE = 0.94;
const RESERVED_SHARE = 0.25;
/**
 * If the process was blocked and woke up later than this after its slot began, it takes another slot. Otherwise all
 * requests that waited would start at once.
 */
const MAX_LATE_MS = 50;
const MAX_SLOTS = 10;
/** A tenant's operation makes several requests while a person waits. */
const MAX_WAIT_MS: Record<Requester['kind'], number> = { tenant: 5_000, worker: 10_000, background: 10_000 };
/** Background work takes no slot while the wait is longer than this. */
const SHORT_WAIT_MS = 200;
const MAX_YIELD_MS = 10_000;
const YIELD_MS = 1_000;

/** When the next free slot begins. */
const nextSlot = (freeAt: string) => ({ $max: ['$$NOW', { $ifNull: [freeAt, '$$NOW'] }] });

/** Each request reserves a slot with one statement. Slots are evenly spaced, so that no second has too many. */
export function createRequestRate({
  models,
  perSecond = REQUESTS_PER_SECOND,
}: {
  models: Models;
  perSecond?: number;
}): RequestRate {
  const reservedSpacingMs = 1000 / (perSecond * USED_SHARE * RESERVED_SHARE);
  const sharedSpacingMs = 1000 / (perSecond * USED_SHARE * (1 - RESERVED_SHARE));
  const rates = models.connection.collection<StripeRateDoc>(models.stripeRates.collection.name);

  /** @returns how long to wait; if that is above `maxWaitMs`, nothing is reserved */
  async function reserve(endpoint: string, isWorker: boolean, maxWaitMs: number): Promise<number> {
    const [shared, reserved] = [nextSlot('$freeAt'), nextSlot('$reservedFreeAt')];
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
            freeAt: unlessFull('$freeAt', { $not: ['$usesReserve'] }, sharedSpacingMs),
            reservedFreeAt: unlessFull('$reservedFreeAt', '$usesReserve', reservedSpacingMs),
          },
        },
      ],
      // A lost write matters for less than a second.
      { upsert: true, returnDocument: 'after', writeConcern: { w: 1 } },
    );
    return (found as unknown as { waitMs: number } | null)?.waitMs ?? 0;
  }

  async function reserveSafely(endpoint: string, isWorker: boolean, maxWaitMs: number): Promise<number> {
    try {
      return await reserve(endpoint, isWorker, maxWaitMs);
    } catch (error) {
      // Another instance created the document at the same time.
      if (!isDuplicateKey(error)) throw error;
      return reserve(endpoint, isWorker, maxWaitMs);
    }
  }

  /** Reserves nothing while others wait, and tries again. @returns null after `MAX_YIELD_MS` */
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
      for (let slots = 0; isLate && slots < MAX_SLOTS; slots++) {
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

/** Ids contain digits or capitals; the names of Stripe's resources do not. */
export function endpointOf(method: string, path: string): string {
  const [version, ...segments] = (path.split('?', 1)[0] as string).split('/').filter(Boolean);
  const names = segments.map((segment) => (/[^a-z_]/.test(segment) ? ':id' : segment));
  return `${method.toUpperCase()} /${[version, ...names].join('/')}`;
}
