import { randomUUID } from 'node:crypto';
import type { LeaseDoc } from '../../models/lease.js';
import type { Models } from '../../models/models.js';
import { isDuplicateKey } from './databaseErrors.js';

/** Keeps other servers from doing the same work at the same time. */
export interface Lease {
  /** Acquires or renews the lease. @returns false if another server has it */
  acquire(): Promise<boolean>;
  /** Releases the lease, so that another server can acquire it at once. */
  release(): Promise<void>;
}

/** Nothing that must be exact relies on a lease: losing one only costs work, so no write waits for a disk. */
const QUICK = { writeConcern: { w: 1 } } as const;

/** @param ttlMs time after which another server may acquire the lease of one that died; longer than a renewal takes */
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
        // Another server created it at the same moment.
        if (isDuplicateKey(error)) return false;
        throw error;
      }
    },
    async release() {
      await leases.deleteOne({ _id: name, holder }, QUICK);
    },
  };
}
