import { serviceUnavailable } from '../../common/errors.js';

/** Runs a limited number of jobs at once. The others wait in line, and are rejected when the line is full. */
export interface WorkQueue {
  /** @throws SERVICE_UNAVAILABLE when too many jobs are waiting */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** Hashes run on the thread pool of four that the file system and DNS use too: two threads are left to those. */
export const KEY_HASHES = { atOnce: 2, maxWaiting: 256 };

export function createWorkQueue({ atOnce, maxWaiting }: { atOnce: number; maxWaiting: number }): WorkQueue {
  const waiting: (() => void)[] = [];
  let running = 0;
  return {
    async run(work) {
      if (running < atOnce) running++;
      else {
        if (waiting.length >= maxWaiting)
          throw serviceUnavailable('Too many API keys are being verified at this moment; try again shortly');
        // A job that ends passes its place to the first in line.
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else running--;
      }
    },
  };
}
