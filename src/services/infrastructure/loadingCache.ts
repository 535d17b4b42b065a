import { LRUCache } from 'lru-cache';
import type { Clock } from '../../common/clock.js';

/** A bounded cache that loads missing entries. Concurrent requests for one key share a load. */
export interface LoadingCache<V> {
  get(key: string): Promise<V>;
  /** Returns the cached value without loading it. */
  peek(key: string): V | undefined;
  /** Drops the key. The result of a running load is not cached, since it may have read the state before the change. */
  forget(key: string): void;
  clear(): void;
}

export interface LoadingCacheOptions<V> {
  clock: Clock;
  maxEntries: number;
  load(key: string): Promise<V>;
  /** When a value expires, in milliseconds since the Unix epoch. A value that has expired is not cached. */
  validUntil(value: V, nowMs: number): number;
}

export function createLoadingCache<V>(options: LoadingCacheOptions<V>): LoadingCache<V> {
  const { clock, load, validUntil } = options;
  const entries = new LRUCache<string, { value: V; untilMs: number }>({ max: options.maxEntries });
  const loads = new Map<string, Promise<V>>();

  function peek(key: string): V | undefined {
    const entry = entries.get(key);
    return entry && entry.untilMs > clock.now() ? entry.value : undefined;
  }

  function start(key: string): Promise<V> {
    const running = load(key)
      .then((value) => {
        if (loads.get(key) === running) {
          const untilMs = validUntil(value, clock.now());
          if (untilMs > clock.now()) entries.set(key, { value, untilMs });
        }
        return value;
      })
      .finally(() => {
        if (loads.get(key) === running) loads.delete(key);
      });
    loads.set(key, running);
    return running;
  }

  return {
    peek,
    async get(key) {
      return peek(key) ?? loads.get(key) ?? start(key);
    },
    forget(key) {
      entries.delete(key);
      loads.delete(key);
    },
    clear() {
      entries.clear();
      loads.clear();
    },
  };
}
