import type { mongo } from 'mongoose';
import type { Logger } from 'pino';
import type { Models } from '../../models/models.js';

/** Tells this instance what any instance changed: keys, contracts, subscriptions. */
export interface Changes {
  start(): void;
  stop(): Promise<void>;
}

export interface ChangeListeners {
  keyChanged(keyId: string): void;
  tenantChanged(tenantId: string): void;
  /** Changes may have been missed: forget all. */
  anythingMayHaveChanged(): void;
}

const RESTART_MS = 1_000;

/**
 * Watches the collections that caches are made of. The driver resumes by itself after a lost connection; when it
 * cannot, everything is forgotten and the watch begins anew. Caches forget by themselves after a minute besides.
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
          // That a key was used changes nothing of what it may do.
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
      log.warn({ err: error }, 'the watch for changes ended; it begins anew');
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
