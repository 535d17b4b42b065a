import type { Clock } from '../../clock.js';
import type { Models } from '../../models/models.js';

/** The calls of sliding windows, by an id of the caller's choice. */
export interface CallWindows {
  /**
   * Adds a call to the window if fewer than `max` are in it: one atomic step.
   * @returns when the calls in it were made, oldest first, as they were before
   */
  add(id: string, max: number, windowMs: number): Promise<number[]>;
}

/** In MongoDB: exact across instances whose clocks agree. */
export function createMongoCallWindows({ models, clock }: { models: Models; clock: Clock }): CallWindows {
  return {
    async add(id, max, windowMs) {
      const now = clock.now();
      const recent = {
        $filter: { input: { $ifNull: ['$calls', []] }, as: 'at', cond: { $gt: ['$$at', now - windowMs] } },
      };
      const withThisCall = {
        $cond: [{ $lt: [{ $size: '$calls' }, max] }, { $concatArrays: ['$calls', [now]] }, '$calls'],
      };
      const before = await models.fieldWindows.collection.findOneAndUpdate(
        { _id: id as never },
        [{ $set: { calls: recent } }, { $set: { calls: withThisCall, expiresAt: new Date(now + windowMs) } }],
        { upsert: true, returnDocument: 'before' },
      );
      const calls = (before?.calls ?? []) as number[];
      return calls.filter((at) => at > now - windowMs);
    },
  };
}
