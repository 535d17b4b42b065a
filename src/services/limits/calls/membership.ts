import type { Models } from '../../../models/models.js';
import type { ServerInstanceDoc } from '../../../models/serverInstance.js';

/** The servers that share a database, as their heartbeats show them. */
export interface Membership {
  /** Shows this server as running. @param generation in which it works alone; null: it shares */
  beat(generation: number | null): Promise<void>;
  /** @returns the other servers; `alive` by the database's clock */
  others(): Promise<{ instance: string; alive: boolean; generation: number | null }[]>;
  /** A number that no generation had before. */
  nextGeneration(): Promise<number>;
  /** Removes a server that is gone and whose generation is settled. */
  remove(instance: string): Promise<void>;
}

/** Several missed heartbeats. */
const ALIVE_MS = 5_000;

export function createMembership({ models, instance }: { models: Models; instance: string }): Membership {
  const instances = models.serverInstances.collection;

  return {
    async beat(generation) {
      await instances.updateOne(
        { _id: instance as never },
        [{ $set: { seenAt: '$$NOW', epoch: generation } }],
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
      return found.map(({ _id, alive, epoch }) => ({ instance: _id, alive, generation: epoch ?? null }));
    },
    async nextGeneration() {
      const counter = await models.connection
        .collection<{ _id: string; value: number }>('settings')
        .findOneAndUpdate(
          { _id: 'admissionEpoch' },
          { $inc: { value: 1 } },
          { upsert: true, returnDocument: 'after' },
        );
      if (!counter) throw new Error('No generation was given out');
      return counter.value;
    },
    async remove(other) {
      await instances.deleteOne({ _id: other as never });
    },
  };
}
