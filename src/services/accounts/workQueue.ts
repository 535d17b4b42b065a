import { serviceUnavailable } from '../../common/errors.js';

/** Work that many ask for and few may do at once: the rest waits in line, and a full line is rejected. */
export interface WorkQueue {
  /** @throws SERVICE_UNAVAILABLE when too many wait */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** Hashes run on the four threads that the file system and DNS share: two are always left to those. */
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
        // Who ends hands its place to the first in line.
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
