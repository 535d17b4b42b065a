import { type Charge, sumOf } from '@continuum-billing/limits/core';
import type { Logger } from 'pino';
import type { Models } from '../../../models/models.js';
import { spanKey } from '../../tiers/overage.js';
import { callPaths } from './increments.js';
import { hourOf, minuteOf } from './windows.js';

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;
const MAX_TRIES = 40;

export interface ReturnedCalls {
  /**
   * Takes calls off a usage day; retried in the background while the database is away, since that is just when calls
   * fail. Applied at most once: returning calls twice would let one call too many through.
   */
  apply(usageDayId: string, charges: readonly Charge[], chargedAtMs: number): Promise<void>;
  idle(): Promise<void>;
}

const notBelow0 = (value: object) => ({ $max: [0, value] });

/** Returned calls are taken off the overage first, in the billing span of their charge. A day without overage gets none. */
const lessOverage = (calls: number, atMs: number) => {
  const begun = {
    $filter: { input: '$$spans', as: 'span', cond: { $lte: ['$$span.k', spanKey(atMs)] } },
  };
  const less = {
    k: '$$span.k',
    v: notBelow0({ $subtract: ['$$span.v', { $min: [calls, '$overage.used'] }] }),
  };
  const isMeant = { $eq: ['$$span.k', { $max: { $map: { input: begun, as: 'span', in: '$$span.k' } } }] };
  const spans = {
    $let: {
      vars: { spans: { $objectToArray: { $ifNull: ['$overage.spans', {}] } } },
      in: {
        $arrayToObject: {
          $map: { input: '$$spans', as: 'span', in: { $cond: [isMeant, less, '$$span'] } },
        },
      },
    },
  };
  const used = notBelow0({ $subtract: ['$overage.used', calls] });
  return {
    $cond: [{ $gt: ['$overage.used', 0] }, { $mergeObjects: ['$overage', { used, spans }] }, '$overage'],
  };
};

/** @param deps.instance the id of this server */
export function createReturnedCalls(deps: { models: Models; log: Logger; instance: string }): ReturnedCalls {
  const { models, log, instance } = deps;
  const running = new Set<Promise<void>>();
  /** Returns of one day are applied in turn, so that its last number shows whether one whose answer was lost was applied. */
  const lastOfDay = new Map<string, Promise<void>>();
  let last = 0;
  let stopping = false;

  async function applyOnce(
    sequence: number,
    dayId: string,
    charges: readonly Charge[],
    atMs: number,
  ): Promise<void> {
    const calls = sumOf(charges);
    const less = (path: string, take: number) => ({ $subtract: [`$${path}`, take] });
    const paths = [...callPaths(charges, hourOf(atMs))].map(([path, take]) => [path, less(path, take)]);
    const counted = `takenBack.${instance}`;
    await models.usageDays.collection.updateOne(
      // A service may ask to return more calls than were charged: those are not returned.
      { _id: dayId as never, [counted]: { $not: { $gte: sequence } }, calls: { $gte: calls } },
      [
        {
          $set: {
            calls: less('calls', calls),
            'minute.calls': {
              $cond: [{ $eq: ['$minute.at', minuteOf(atMs)] }, less('minute.calls', calls), '$minute.calls'],
            },
            ...Object.fromEntries(paths),
            overage: lessOverage(calls, atMs),
            [counted]: sequence,
          },
        },
      ],
    );
  }

  async function applyUntilDone(dayId: string, charges: readonly Charge[], atMs: number): Promise<void> {
    const sequence = ++last;
    let waitMs = FIRST_RETRY_MS;
    for (let tries = 1; ; tries++) {
      try {
        return await applyOnce(sequence, dayId, charges, atMs);
      } catch (error) {
        if (tries === MAX_TRIES || stopping) {
          log.error({ err: error, dayId, calls: sumOf(charges) }, 'calls.not_returned');
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, waitMs).unref());
        waitMs = Math.min(waitMs * 2, MAX_RETRY_MS);
      }
    }
  }

  return {
    async apply(dayId, charges, atMs) {
      const before = lastOfDay.get(dayId) ?? Promise.resolve();
      const one = before.then(() => applyUntilDone(dayId, charges, atMs));
      lastOfDay.set(dayId, one);
      running.add(one);
      // The response to the client does not wait for an unreachable database.
      await Promise.race([
        one.finally(() => {
          running.delete(one);
          if (lastOfDay.get(dayId) === one) lastOfDay.delete(dayId);
        }),
        new Promise((resolve) => setTimeout(resolve, 500).unref()),
      ]);
    },
    async idle() {
      stopping = true;
      await Promise.all(running);
    },
  };
}
