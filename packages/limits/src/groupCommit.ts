import { serviceUnavailable } from './errors.js';

/**
 * Collects the items that arrive while a batch is being committed; the next batch commits all of them. There is no timer:
 * an item that arrives alone is committed at once.
 */
export interface GroupCommit<T> {
  /** @throws SERVICE_UNAVAILABLE if too many items wait */
  submit(item: T): void;
  /** Removes the waiting items, so that the caller can fail them. */
  drain(): T[];
  /** Resolves when no item waits and no batch is being committed. */
  idle(): Promise<void>;
}

/**
 * @param commit settles every item of the batch itself, including failures, and never rejects
 * @param maxWaiting the most items that may wait; beyond that the database is too slow, and new items are rejected
 */
export function createGroupCommit<T>(
  commit: (batch: T[]) => Promise<void>,
  maxWaiting: number,
): GroupCommit<T> {
  let waiting: T[] = [];
  let running: Promise<void> | null = null;

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      await commit(batch);
    }
    running = null;
  }

  return {
    submit(item) {
      if (waiting.length >= maxWaiting)
        throw serviceUnavailable('The server is overloaded; try again shortly');
      waiting.push(item);
      // Deferred by a microtask, so that items of the same tick share a batch.
      running ??= Promise.resolve().then(run);
    },
    drain() {
      const drained = waiting;
      waiting = [];
      return drained;
    },
    async idle() {
      while (running) await running;
    },
  };
}
