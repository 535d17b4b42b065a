import { randomUUID } from 'node:crypto';
import type { LeaseDoc } from '../../models/lease.js';
import type { Models } from '../../models/models.js';

/** Keeps other servers from doing the same work at the same time. */
export interface Lease {
  /** Takes it, or keeps it. @returns false when another server has it */
  acquire(): Promise<boolean>;
  /** Lets others have it at once. */
  release(): Promise<void>;
}

const DUPLICATE_KEY = 11_000;
/** What must be exact does not rely on a lease: one that is lost with its server costs work, and nobody waits for a disk. */
const QUICK = { writeConcern: { w: 1 } } as const;

/** @param ttlMs after which another server may take the work of one that died: longer than the holder takes to hold it again */
export function createLease({ models, name, ttlMs }: { models: Models; name: string; ttlMs: number }): Lease {
  const leases = models.connection.collection<LeaseDoc>(models.leases.collection.name);
  const holder = randomUUID();
  return {
    async acquire() {
      try {
        const free = {
          $or: [
            { $eq: [{ $type: '$until' }, 'missing'] },
            { $eq: ['$holder', holder] },
            { $lt: ['$until', '$$NOW'] },
          ],
        };
        const lease = await leases.findOneAndUpdate(
          { _id: name },
          [
            {
              $set: {
                holder: { $cond: [free, holder, '$holder'] },
                until: { $cond: [free, { $add: ['$$NOW', ttlMs] }, '$until'] },
              },
            },
          ],
          { upsert: true, returnDocument: 'after', ...QUICK },
        );
        return lease?.holder === holder;
      } catch (error) {
        // Another server made it at this moment.
        if ((error as { code?: unknown }).code === DUPLICATE_KEY) return false;
        throw error;
      }
    },
    async release() {
      await leases.deleteOne({ _id: name, holder }, QUICK);
    },
  };
}
