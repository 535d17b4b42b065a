import type { Logger } from 'pino';
import type { Models } from '../../../models/models.js';
import type { ServerInstanceDoc } from '../../../models/serverInstance.js';
import { ALIVE_MS, type OtherInstance, type ServerInstances } from '../../tiers/serverInstances.js';

/** Shows the other instances that this one runs, by the database's clock, and compares the catalogues of all. */
export interface Heartbeat {
  start(): Promise<void>;
  stop(): Promise<void>;
}

const BEAT_MS = 1_000;

export function createHeartbeat(deps: {
  models: Models;
  log: Logger;
  instance: string;
  instances: ServerInstances | undefined;
}): Heartbeat {
  const { models, log, instance, instances } = deps;
  const servers = models.serverInstances.collection;
  let timer: NodeJS.Timeout | undefined;
  let beating: Promise<void> = Promise.resolve();

  async function others(): Promise<OtherInstance[]> {
    const found = await servers
      .aggregate<ServerInstanceDoc & { alive: boolean }>([
        { $match: { _id: { $ne: instance } } },
        { $addFields: { alive: { $gt: ['$seenAt', { $subtract: ['$$NOW', ALIVE_MS] }] } } },
      ])
      .toArray();
    return found.map(({ _id, ...other }) => ({ ...other, instance: _id }));
  }

  async function beat(): Promise<void> {
    await servers.updateOne(
      { _id: instance as never },
      [{ $set: { ...instances?.presence, seenAt: '$$NOW' } }],
      { upsert: true },
    );
    instances?.compare(instance, await others());
  }

  function beatNext(): void {
    beating = beating
      .then(beat)
      .catch((error: unknown) => log.warn({ err: error }, 'admission.heartbeat_failed'));
  }

  return {
    async start() {
      await beat();
      timer = setInterval(beatNext, BEAT_MS).unref();
    },
    async stop() {
      clearInterval(timer);
      await beating;
      await servers.deleteOne({ _id: instance as never });
    },
  };
}
