import type { Models } from '../../../models/models.js';
import type { ServerInstanceDoc } from '../../../models/serverInstance.js';
import { ALIVE_MS, type OtherInstance, type Presence } from '../../tiers/serverInstances.js';

/** The servers that share a database, according to their heartbeats. */
export interface Membership {
  /** Writes a heartbeat. @param generation of the single writer; null for a multi-writer */
  beat(generation: number | null): Promise<void>;
  /** @returns the other servers; `alive` is decided by the database's clock */
  others(): Promise<(OtherInstance & { generation: number | null })[]>;
  /** @returns a number that no generation has had */
  nextGeneration(): Promise<number>;
  /** Removes a server that has ended and whose generation is settled. */
  remove(instance: string): Promise<void>;
}

export function createMembership(deps: {
  models: Models;
  instance: string;
  presence: Presence | undefined;
}): Membership {
  const { models, instance, presence } = deps;
  const instances = models.serverInstances.collection;

  return {
    async beat(generation) {
      await instances.updateOne(
        { _id: instance as never },
        [{ $set: { ...presence, seenAt: '$$NOW', epoch: generation } }],
        {
          upsert: true,
        },
      );
    },
    async others() {
      const found = await instances
        .aggregate<ServerInstanceDoc & { alive: boolean }>([
          { $match: { _id: { $ne: instance } } },
          { $addFields: { alive: { $gt: ['$seenAt', { $subtract: ['$$NOW', ALIVE_MS] }] } } },
        ])
        .toArray();
      return found.map(({ _id, epoch, ...other }) => ({
        ...other,
        instance: _id,
        generation: epoch ?? null,
      }));
    },
    async nextGeneration() {
      const counter = await models.connection
        .collection<{ _id: string; value: number }>('settings')
        .findOneAndUpdate(
          { _id: 'admissionEpoch' },
          { $inc: { value: 1 } },
          { upsert: true, returnDocument: 'after' },
        );
      if (!counter) throw new Error('MongoDB returned no generation for the single-writer ledger');
      return counter.value;
    },
    async remove(other) {
      await instances.deleteOne({ _id: other as never });
    },
  };
}
