import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Models } from '../../models/models.js';
import { type Charge, sumOf } from './admission.js';
import { callPaths } from './increments.js';
import { hourOf, minuteOf } from './windows.js';

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;
const MAX_TRIES = 40;
/** So many of a day's give-backs are remembered, to tell one that was applied although its answer was lost. */
const REMEMBERED = 50;

export interface GiveBacks {
  /**
   * Takes calls off a usage day; retried in the background while the database is away, since that is just when calls
   * fail. Applied at most once: giving back twice would let a call too many through.
   */
  give(usageDayId: string, charges: readonly Charge[], chargedAtMs: number): Promise<void>;
  idle(): Promise<void>;
}

export function createGiveBacks({ models, log }: { models: Models; log: Logger }): GiveBacks {
  const running = new Set<Promise<void>>();
  let stopping = false;

  async function giveOnce(
    giveBackId: string,
    dayId: string,
    charges: readonly Charge[],
    atMs: number,
  ): Promise<void> {
    const calls = sumOf(charges);
    const less = (path: string, take: number) => ({ $subtract: [`$${path}`, take] });
    const paths = [...callPaths(charges, hourOf(atMs))].map(([path, take]) => [path, less(path, take)]);
    await models.usageDays.collection.updateOne({ _id: dayId as never, givenBack: { $ne: giveBackId } }, [
      {
        $set: {
          calls: less('calls', calls),
          'minute.calls': {
            $cond: [{ $eq: ['$minute.at', minuteOf(atMs)] }, less('minute.calls', calls), '$minute.calls'],
          },
          ...Object.fromEntries(paths),
          givenBack: {
            $slice: [{ $concatArrays: [{ $ifNull: ['$givenBack', []] }, [giveBackId]] }, -REMEMBERED],
          },
        },
      },
    ]);
  }

  async function giveUntilDone(dayId: string, charges: readonly Charge[], atMs: number): Promise<void> {
    const giveBackId = randomUUID();
    let waitMs = FIRST_RETRY_MS;
    for (let tries = 1; ; tries++) {
      try {
        return await giveOnce(giveBackId, dayId, charges, atMs);
      } catch (error) {
        if (tries === MAX_TRIES || stopping) {
          log.error({ err: error, dayId, calls: sumOf(charges) }, 'calls could not be given back');
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, waitMs).unref());
        waitMs = Math.min(waitMs * 2, MAX_RETRY_MS);
      }
    }
  }

  return {
    async give(dayId, charges, atMs) {
      const one = giveUntilDone(dayId, charges, atMs);
      running.add(one);
      // The answer to the client does not wait for a database that is away.
      await Promise.race([
        one.finally(() => running.delete(one)),
        new Promise((resolve) => setTimeout(resolve, 500).unref()),
      ]);
    },
    async idle() {
      stopping = true;
      await Promise.all(running);
    },
  };
}
