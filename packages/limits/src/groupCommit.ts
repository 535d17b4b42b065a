import { serviceUnavailable } from './errors.js';

/**
 * Gathers what arrives while one batch is being committed; the next batch serves all of it. No timers: an item that
 * arrives alone is committed at once.
 */
export interface GroupCommit<T> {
  /** @throws SERVICE_UNAVAILABLE when too many wait */
  submit(item: T): void;
  /** Takes out what waits: to be told that what it waits for failed. */
  drain(): T[];
  /** Resolves when nothing waits and nothing is under way. */
  idle(): Promise<void>;
}

/**
 * @param commit settles every item of the batch itself, failures included: it never rejects
 * @param maxWaiting bound of the queue; past it the database is too slow and callers are better told so
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
      // Deferred by a microtask, so that what arrives in the same tick shares the batch.
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
