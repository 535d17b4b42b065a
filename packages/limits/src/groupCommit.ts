import { serviceUnavailable } from './errors.js';

/**
 * Collects the items that arrive while as many batches as may be are being committed; the next batch commits all of them.
 * There is no timer: an item that arrives alone is committed at once.
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
 * @param maxRunning the most batches that are committed at once
 */
export function createGroupCommit<T>(
  commit: (batch: T[]) => Promise<void>,
  maxWaiting: number,
  maxRunning = 1,
): GroupCommit<T> {
  let waiting: T[] = [];
  const running = new Set<Promise<void>>();

  function begin(): void {
    // Deferred by a microtask, so that items of the same tick share a batch.
    const run: Promise<void> = Promise.resolve().then(async () => {
      while (waiting.length > 0) {
        const batch = waiting;
        waiting = [];
        await commit(batch);
      }
      // In the same step, so that the next item begins a new run.
      running.delete(run);
    });
    running.add(run);
  }

  return {
    submit(item) {
      if (waiting.length >= maxWaiting)
        throw serviceUnavailable('The server is overloaded; try again shortly');
      waiting.push(item);
      if (running.size < maxRunning) begin();
    },
    drain() {
      const drained = waiting;
      waiting = [];
      return drained;
    },
    async idle() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}
