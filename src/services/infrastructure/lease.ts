import { randomUUID } from 'node:crypto';
import type { LeaseDoc } from '../../models/lease.js';
import type { Models } from '../../models/models.js';
import { isDuplicateKey } from './databaseErrors.js';

/** Keeps other servers from doing the same work at the same time. */
export interface Lease {
  /** Acquires or renews the lease. @returns false if another server has it */
  acquire(): Promise<boolean>;
  /** Whether any server has the lease now. */
  isHeld(): Promise<boolean>;
  /** Releases the lease, so that another server can acquire it at once. */
  release(): Promise<void>;
}

/** Nothing that must be exact relies on a lease: losing one only costs work, so no write waits for a disk. */
const QUICK = { writeConcern: { w: 1 } } as const;

/**
 * @param options.ttlMs time after which another server may acquire the lease of one that died; longer than a renewal takes
 * @param options.isPeriodic whether the time of the last renewal stays known after the release. Default: no
 */
export function createLease({
  models,
  name,
  ttlMs,
  isPeriodic = false,
}: {
  models: Models;
  name: string;
  ttlMs: number;
  isPeriodic?: boolean;
}): Lease {
  const leases = models.connection.collection<LeaseDoc>(models.leases.collection.name);
  const holder = randomUUID();
  const until = isPeriodic ? 'periodicUntil' : 'until';
  return {
    async acquire() {
      try {
        const free = {
          $or: [
            { $eq: [{ $type: `$${until}` }, 'missing'] },
            { $eq: ['$holder', holder] },
            { $lt: [`$${until}`, '$$NOW'] },
          ],
        };
        const lease = await leases.findOneAndUpdate(
          { _id: name },
          [
            {
              $set: {
                holder: { $cond: [free, holder, '$holder'] },
                [until]: { $cond: [free, { $add: ['$$NOW', ttlMs] }, `$${until}`] },
                at: { $cond: [free, '$$NOW', '$at'] },
              },
            },
            // An earlier version left it.
            ...(isPeriodic ? [{ $unset: 'until' }] : []),
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
    async isHeld() {
      const held = { _id: name, $expr: { $gt: [`$${until}`, '$$NOW'] } };
      return (await leases.countDocuments(held, { limit: 1 })) > 0;
    },
    async release() {
      const held = { _id: name, holder };
      if (isPeriodic) await leases.updateOne(held, { $unset: { [until]: '' } }, QUICK);
      else await leases.deleteOne(held, QUICK);
    },
  };
}
