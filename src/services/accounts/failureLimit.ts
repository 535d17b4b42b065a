import { LRUCache } from 'lru-cache';
import type { Clock } from '../../common/clock.js';

/** Counts failures by name in windows of a minute, in memory: it slows a guesser down, it guards no quota. */
export interface FailureLimit {
  /** Seconds until another try is welcome; 0: now. */
  retryAfterS(name: string): number;
  add(name: string): void;
}

const WINDOW_MS = 60_000;
const MAX_NAMES = 10_000;

export function createFailureLimit(clock: Clock, maxPerMinute: number): FailureLimit {
  const windows = new LRUCache<string, { failures: number; endsAtMs: number }>({ max: MAX_NAMES });
  const current = (name: string) => {
    const window = windows.get(name);
    return window && window.endsAtMs > clock.now() ? window : undefined;
  };
  return {
    retryAfterS(name) {
      const window = current(name);
      if (!window || window.failures < maxPerMinute) return 0;
      return Math.ceil((window.endsAtMs - clock.now()) / 1000);
    },
    add(name) {
      const window = current(name);
      if (window) window.failures++;
      else windows.set(name, { failures: 1, endsAtMs: clock.now() + WINDOW_MS });
    },
  };
}
