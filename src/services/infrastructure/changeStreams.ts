import type { mongo } from 'mongoose';
import type { Logger } from 'pino';
import type { Models } from '../../models/models.js';

/** Notifies this instance of changes that any instance makes to keys, contracts and subscriptions. */
export interface Changes {
  start(): void;
  stop(): Promise<void>;
}

export interface ChangeListeners {
  keyChanged(keyId: string): void;
  tenantChanged(tenantId: string): void;
  /** Called when changes may have been missed, so that everything must be forgotten. */
  anythingMayHaveChanged(): void;
}

const RESTART_MS = 1_000;

/**
 * Watches the collections behind the caches. The driver resumes the stream after a lost connection; if it cannot, all
 * caches are cleared and a new stream is opened. Cache entries also expire after a minute.
 */
export function createChanges({
  models,
  log,
  listeners,
}: {
  models: Models;
  log: Logger;
  listeners: ChangeListeners;
}): Changes {
  const { apiKeys, tenants, billingSubscriptions, connection } = models;
  const listenerOf: Record<string, (id: string) => void> = {
    [apiKeys.collection.name]: listeners.keyChanged,
    [tenants.collection.name]: listeners.tenantChanged,
    [billingSubscriptions.collection.name]: listeners.tenantChanged,
  };
  let stream: ReturnType<typeof connection.watch> | null = null;
  let stopped = false;

  function watch(): void {
    if (stopped) return;
    const collections = Object.keys(listenerOf);
    stream = connection.watch([
      {
        $match: {
          'ns.coll': { $in: collections },
          // Using a key does not change its rights.
          'updateDescription.updatedFields.lastUsedAt': { $exists: false },
        },
      },
      { $project: { ns: 1, documentKey: 1, operationType: 1 } },
    ]);
    stream.on('change', (change: mongo.ChangeStreamDocument) => {
      if (!('documentKey' in change) || !('coll' in change.ns)) return;
      listenerOf[change.ns.coll]?.(String(change.documentKey._id));
    });
    stream.on('error', (error: Error) => {
      if (stopped) return;
      log.warn({ err: error }, 'changes.stream_restarted');
      listeners.anythingMayHaveChanged();
      const ended = stream;
      stream = null;
      ended?.close().catch(() => undefined);
      setTimeout(() => {
        listeners.anythingMayHaveChanged();
        watch();
      }, RESTART_MS).unref();
    });
  }

  return {
    start: watch,
    async stop() {
      stopped = true;
      await stream?.close();
    },
  };
}
