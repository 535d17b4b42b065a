import type { mongo } from 'mongoose';
import type { Logger } from 'pino';
import type { Models } from '../../models/models.js';

/** Notifies this instance of changes that any instance makes to keys, sessions, contracts and subscriptions. */
export interface Changes {
  /** Adds listeners. They are called after those that were added before. */
  listen(listeners: ChangeListeners): void;
  start(): void;
  stop(): Promise<void>;
}

export interface ChangeListeners {
  /** @param isNew whether the key was created just now */
  keyChanged(keyId: string, isNew: boolean): void;
  tenantChanged(tenantId: string): void;
  /** A session of a page was created or has ended. */
  sessionChanged?(sessionId: string): void;
  /** Called when changes may have been missed, so that everything must be forgotten. */
  anythingMayHaveChanged(): void;
}

const RESTART_MS = 1_000;

/**
 * Watches the collections behind the caches. The driver resumes the stream after a lost connection; if it cannot, all
 * caches are cleared and a new stream is opened. Cache entries also expire after a minute.
 */
export function createChanges({ models, log }: { models: Models; log: Logger }): Changes {
  const { apiKeys, sessions, tenants, billingSubscriptions, connection } = models;
  const all: ChangeListeners[] = [];
  const tenantChanged = (listeners: ChangeListeners, id: string) => listeners.tenantChanged(id);
  const notify: Record<string, (listeners: ChangeListeners, id: string, isNew: boolean) => void> = {
    [apiKeys.collection.name]: (listeners, id, isNew) => listeners.keyChanged(id, isNew),
    [sessions.collection.name]: (listeners, id) => listeners.sessionChanged?.(id),
    [tenants.collection.name]: tenantChanged,
    [billingSubscriptions.collection.name]: tenantChanged,
  };
  const anythingMayHaveChanged = () => {
    for (const listeners of all) listeners.anythingMayHaveChanged();
  };
  let stream: ReturnType<typeof connection.watch> | null = null;
  let stopped = false;

  function watch(): void {
    if (stopped) return;
    const collections = Object.keys(notify);
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
      const { ns, documentKey, operationType } = change;
      for (const listeners of all)
        notify[ns.coll]?.(listeners, String(documentKey._id), operationType === 'insert');
    });
    stream.on('error', (error: Error) => {
      if (stopped) return;
      log.warn({ err: error }, 'changes.stream_restarted');
      anythingMayHaveChanged();
      const ended = stream;
      stream = null;
      ended?.close().catch(() => undefined);
      setTimeout(() => {
        anythingMayHaveChanged();
        watch();
      }, RESTART_MS).unref();
    });
  }

  return {
    listen(listeners) {
      all.push(listeners);
    },
    start: watch,
    async stop() {
      stopped = true;
      await stream?.close();
    },
  };
}
