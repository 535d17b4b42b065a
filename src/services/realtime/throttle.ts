/** Limits how often something is done for each name: at once if it was not done lately, else when the time has passed. */
export interface Throttle {
  /** Something changed for the name. */
  mark(name: string): void;
  /** Nobody is interested any more. */
  forget(name: string): void;
  stop(): void;
}

/**
 * @param deps.intervalMs the time between two flushes of one name
 * @param deps.tickMs how long changes are collected, so that one flush has many names
 * @param deps.flush gets names that are due, each at most once per interval
 */
export function createThrottle(deps: {
  intervalMs: number;
  tickMs: number;
  flush: (names: string[]) => void;
}): Throttle {
  const { intervalMs, tickMs, flush } = deps;
  const marked = new Set<string>();
  /** When each name was flushed. Names that may be flushed again are removed. */
  const flushedAt = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;

  function tick(): void {
    const now = performance.now();
    const isDue = (name: string) => now - (flushedAt.get(name) ?? Number.NEGATIVE_INFINITY) >= intervalMs;
    const due = [...marked].filter(isDue);
    // In the order of their times, as they were flushed.
    for (const [name, at] of flushedAt) {
      if (now - at < intervalMs) break;
      flushedAt.delete(name);
    }
    for (const name of due) {
      marked.delete(name);
      flushedAt.set(name, now);
    }
    if (marked.size === 0 && flushedAt.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
    if (due.length > 0) flush(due);
  }

  return {
    mark(name) {
      marked.add(name);
      timer ??= setInterval(tick, tickMs).unref();
    },
    forget(name) {
      marked.delete(name);
    },
    stop() {
      clearInterval(timer);
      timer = undefined;
      marked.clear();
      flushedAt.clear();
    },
  };
}
