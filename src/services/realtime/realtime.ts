import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import { serviceUnavailable } from '../../common/errors.js';
import type { LiveConfig } from '../../config/config.js';
import type { Models } from '../../models/models.js';
import type { Callers } from '../accounts/callers.js';
import type { TenantDirectory } from '../accounts/tenantDirectory.js';
import type { Changes } from '../infrastructure/changeStreams.js';
import type { Metrics } from '../infrastructure/metrics.js';
import type { Entitlements } from '../tiers/entitlements.js';
import type { Usage } from '../usage/usage.js';
import { createFeed, type Feed } from './feed.js';
import { createLiveClients, type LiveClients, type Transport } from './liveClients.js';
import type { Topic } from './topics.js';

/** Live updates: what changed, and the clients that receive it. */
export interface Realtime {
  liveClients: LiveClients;
  feed: Pick<Feed, 'listen'>;
  /** Connections, by transport. */
  connections(): Readonly<Record<Transport, number>>;
  /** Streams, by topic. */
  streams(): Readonly<Record<Topic, number>>;
  start(): void;
  stop(): Promise<void>;
}

export function createRealtime(deps: {
  bounds: LiveConfig;
  models: Models;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  callers: Callers;
  changes: Pick<Changes, 'listen'>;
  entitlements: Entitlements;
  tenantDirectory: TenantDirectory;
  usage: Usage;
}): Realtime {
  const liveClients = createLiveClients(deps);
  const feed = createFeed(deps);
  feed.whenLost(() =>
    liveClients.endAll({
      reason: 'lost_changes',
      error: serviceUnavailable('Changes may have been missed; connect and read again'),
    }),
  );
  return {
    liveClients,
    feed,
    connections: liveClients.counts,
    streams: feed.counts,
    start: liveClients.start,
    async stop() {
      liveClients.stop();
      await feed.stop();
    },
  };
}
