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

/** Leases of one holder, which begin and end many at a time. */
export interface LeaseSet {
  /** @returns the names of those that it has now; no other server has them */
  acquire(names: readonly string[]): Promise<string[]>;
  /** Leases that were lost meanwhile stay lost. */
  renew(names: readonly string[]): Promise<void>;
  release(names: readonly string[]): Promise<void>;
  /** @returns the names of all servers' leases that begin with the prefix. There must be few. */
  heldWith(prefix: string): Promise<string[]>;
}

/** Nothing that must be exact relies on a lease: losing one only costs work, so no write waits for a disk. */
const QUICK = { writeConcern: { w: 1 } } as const;

/** A lease that nobody has, or the holder itself. @param until the field with its end */
const isFree = (until: string, holder: string) => ({
  $or: [
    { $eq: [{ $type: `$${until}` }, 'missing'] },
    { $eq: ['$holder', holder] },
    { $lt: [`$${until}`, '$$NOW'] },
  ],
});

/** Takes a lease if it is free. */
const taken = (until: string, holder: string, ttlMs: number) => {
  const free = isFree(until, holder);
  return {
    $set: {
      holder: { $cond: [free, holder, '$holder'] },
      [until]: { $cond: [free, { $add: ['$$NOW', ttlMs] }, `$${until}`] },
      at: { $cond: [free, '$$NOW', '$at'] },
    },
  };
};

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
        const lease = await leases.findOneAndUpdate(
          { _id: name },
          [
            taken(until, holder, ttlMs),
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

/** @param options.ttlMs time after which other servers may acquire leases that were not renewed */
export function createLeaseSet({ models, ttlMs }: { models: Models; ttlMs: number }): LeaseSet {
  const leases = models.connection.collection<LeaseDoc>(models.leases.collection.name);
  const holder = randomUUID();
  return {
    async acquire(names) {
      if (names.length === 0) return [];
      const update = [taken('until', holder, ttlMs)];
      const operations = names.map((_id) => ({ updateOne: { filter: { _id }, update, upsert: true } }));
      try {
        await leases.bulkWrite(operations, { ordered: false, ...QUICK });
      } catch (error) {
        // Another server created some of them at the same moment.
        if (!isDuplicateKey(error)) throw error;
      }
      const held = { _id: { $in: [...names] }, holder, $expr: { $gt: ['$until', '$$NOW'] } };
      const found = await leases.find(held, { projection: { _id: 1 } }).toArray();
      return found.map(({ _id }) => _id);
    },
    async renew(names) {
      const held = { _id: { $in: [...names] }, holder };
      await leases.updateMany(held, [{ $set: { until: { $add: ['$$NOW', ttlMs] } } }], QUICK);
    },
    async release(names) {
      await leases.deleteMany({ _id: { $in: [...names] }, holder }, QUICK);
    },
    async heldWith(prefix) {
      const names = { $gt: prefix, $lt: `${prefix}~` };
      const found = await leases
        .find({ _id: names, $expr: { $gt: ['$until', '$$NOW'] } }, { projection: { _id: 1 } })
        .toArray();
      return found.map(({ _id }) => _id);
    },
  };
}
