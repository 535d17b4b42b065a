import { serviceUnavailable } from '../../errors.js';

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
 * @param parallel how many batches may be under way at once
 */
export function createGroupCommit<T>(
  commit: (batch: T[]) => Promise<void>,
  maxWaiting: number,
  parallel = 1,
): GroupCommit<T> {
  let waiting: T[] = [];
  let runs = 0;
  const running = new Set<Promise<void>>();

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      await commit(batch);
    }
    // In the same step that found nothing waiting: what arrives from now on starts anew.
    runs--;
  }

  function start(): void {
    runs++;
    // Deferred by a microtask, so that what arrives in the same tick shares the batch.
    const one: Promise<void> = Promise.resolve()
      .then(run)
      .finally(() => running.delete(one));
    running.add(one);
  }

  return {
    submit(item) {
      if (waiting.length >= maxWaiting)
        throw serviceUnavailable('The server is overloaded; try again shortly');
      waiting.push(item);
      if (runs < parallel) start();
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
