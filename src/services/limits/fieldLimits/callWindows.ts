import type { Clock } from '../../../common/clock.js';
import type { Models } from '../../../models/models.js';

/** The calls in sliding windows, by an id that the caller chooses. */
export interface CallWindows {
  /**
   * Adds the calls to the window if there is room for all of them within `max`, in one atomic step.
   * @returns the times of the calls that were in it before, oldest first
   */
  add(id: string, max: number, windowMs: number, calls: number): Promise<number[]>;
  /** Removes the calls that were added last. */
  remove(id: string, calls: number): Promise<void>;
}

/** Windows in MongoDB: exact across all instances whose clocks agree. */
export function createMongoCallWindows({ models, clock }: { models: Models; clock: Clock }): CallWindows {
  return {
    async add(id, max, windowMs, calls) {
      const now = clock.now();
      const recent = {
        $filter: { input: { $ifNull: ['$calls', []] }, as: 'at', cond: { $gt: ['$$at', now - windowMs] } },
      };
      const these = Array.from({ length: Math.min(calls, max) }, () => now);
      const hasRoom = { $lte: [{ $add: [{ $size: '$calls' }, calls] }, max] };
      const withThese = { $cond: [hasRoom, { $concatArrays: ['$calls', these] }, '$calls'] };
      const before = await models.fieldWindows.collection.findOneAndUpdate(
        { _id: id as never },
        [{ $set: { calls: recent } }, { $set: { calls: withThese, expiresAt: new Date(now + windowMs) } }],
        { upsert: true, returnDocument: 'before' },
      );
      const known = (before?.calls ?? []) as number[];
      return known.filter((at) => at > now - windowMs);
    },

    async remove(id, calls) {
      const kept = { $subtract: [{ $size: '$calls' }, calls] };
      // MongoDB rejects a slice of length 0.
      const first = { $cond: [{ $gt: [kept, 0] }, { $slice: ['$calls', { $max: [1, kept] }] }, []] };
      await models.fieldWindows.collection.updateOne({ _id: id as never }, [{ $set: { calls: first } }]);
    },
  };
}
