import type { Logger } from 'pino';
import { type Catalogue, catalogueDigest } from '../../catalogue/catalogue.js';
import type { Clock } from '../../common/clock.js';
import { VERSION } from '../../config/config.js';
import type { Models } from '../../models/models.js';
import { type ServerInstanceDoc, ServerInstanceKind } from '../../models/serverInstance.js';

export { ServerInstanceKind };

/** What an instance writes about itself with each heartbeat. */
export type Presence = Required<
  Pick<ServerInstanceDoc, 'kind' | 'version' | 'startedAt' | 'catalogueDigest'>
>;

/** The instances that decide operations on this database. All of them must enforce the same catalogue. */
export interface ServerInstances {
  presence: Presence;
  /**
   * Logs each other instance whose catalogue differs, once for each of its catalogues.
   * @param own the id of this instance
   */
  compare(own: string, others: readonly OtherInstance[]): void;
  /** @returns how many other instances had another catalogue at the last heartbeat */
  differing(): number;
  /** @returns the instances with a recent heartbeat, oldest first */
  list(): Promise<ListedInstance[]>;
}

export interface OtherInstance extends Partial<Presence> {
  instance: string;
  alive: boolean;
}

export interface ListedInstance extends Presence {
  id: string;
  seenAt: Date;
  /** Whether its catalogue is the one of this instance. */
  sameCatalogue: boolean;
}

/** Several missed heartbeats. */
export const ALIVE_MS = 5_000;
const MAX_LISTED = 1_000;
const MAX_REPORTED = 1_000;

export function createServerInstances(deps: {
  models: Models;
  clock: Clock;
  catalogue: Catalogue;
  kind: ServerInstanceKind;
  log: Logger;
}): ServerInstances {
  const { models, clock, catalogue, kind, log } = deps;
  const presence: Presence = {
    kind,
    version: VERSION,
    startedAt: new Date(clock.now()),
    catalogueDigest: catalogueDigest(catalogue),
  };
  const reported = new Set<string>();
  let differing = 0;

  return {
    presence,
    compare(own, others) {
      const different = others.filter(
        ({ alive, catalogueDigest: digest }) => alive && digest && digest !== presence.catalogueDigest,
      );
      differing = different.length;
      for (const { instance, catalogueDigest: digest, kind: otherKind, version } of different) {
        const report = `${instance}:${digest}`;
        if (reported.has(report)) continue;
        if (reported.size >= MAX_REPORTED) reported.clear();
        reported.add(report);
        log.warn(
          {
            instance: own,
            catalogueDigest: presence.catalogueDigest,
            other: { instance, kind: otherKind, version, catalogueDigest: digest },
          },
          'catalogue.differs',
        );
      }
    },
    differing: () => differing,
    async list() {
      const found = await models.serverInstances.collection
        .aggregate<ServerInstanceDoc & Presence>([
          {
            $match: {
              $expr: { $gt: ['$seenAt', { $subtract: ['$$NOW', ALIVE_MS] }] },
              catalogueDigest: { $exists: true },
            },
          },
          { $sort: { startedAt: 1, _id: 1 } },
          { $limit: MAX_LISTED },
        ])
        .toArray();
      return found.map(({ _id: id, ...instance }) => ({
        ...instance,
        id,
        sameCatalogue: instance.catalogueDigest === presence.catalogueDigest,
      }));
    },
  };
}
