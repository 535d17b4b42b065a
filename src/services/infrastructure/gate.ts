import { serviceUnavailable } from '../../common/errors.js';

/**
 * Bounds the work of one kind that is under way in this process, and so the memory or the time that it takes together.
 * Others wait: callers in turn, each with its work in its order.
 */
export interface Gate {
  /**
   * @param caller whose turn it is
   * @param units of work; more than the bound has to be alone
   * @returns ends the work; to be called once
   * @throws SERVICE_UNAVAILABLE when the caller has too much that waits, or it waited too long
   */
  enter(caller: string, units: number): Promise<() => void>;
  /** Like `enter`, for work that ends with a promise. */
  run<T>(caller: string, units: number, work: () => Promise<T>): Promise<T>;
}

export interface GateOptions {
  /** Units under way at once. */
  maxUnits: number;
  /** Of them, those of one caller. Default: all. */
  maxUnitsEach?: number;
  /** Of one caller. Default: any number. */
  maxWaiting?: number;
  /** Default: any time. */
  maxWaitMs?: number;
  /**
   * For work that keeps the event loop busy: after it all gates of this kind stay closed for twice as long, but no longer
   * than this, and the loop is left to others. Default: what waits begins at once.
   */
  maxPauseMs?: number;
  /** Of the error. */
  busyMessage?: string;
}

/** Bytes of a body, or characters of a text: to parse less takes no longer than any other step of a request. */
export const SMALL_TEXT = 4_096;

/** After work that kept the event loop busy for no longer, one turn of it is enough for others. */
const SHORT_MS = 10;

interface Waiting {
  units: number;
  begin: () => void;
}

/** Of all gates: they share the event loop. */
const pause = {
  untilMs: 0,
  isOver: true,
  /** What is done when it is over. */
  waiting: new Set<() => void>(),
};

function pauseFor(ms: number): void {
  pause.untilMs = Math.max(pause.untilMs, performance.now() + ms);
  if (!pause.isOver) return;
  pause.isOver = false;
  endPause();
}

function endPause(): void {
  const leftMs = pause.untilMs - performance.now();
  if (leftMs > 0) {
    setTimeout(endPause, leftMs).unref();
    return;
  }
  setImmediate(() => {
    pause.isOver = true;
    const all = [...pause.waiting];
    pause.waiting.clear();
    for (const begin of all) begin();
  });
}

export function createGate({
  maxUnits,
  maxUnitsEach = maxUnits,
  maxWaiting = Number.POSITIVE_INFINITY,
  maxWaitMs,
  maxPauseMs = 0,
  busyMessage = 'The server is busy; try again shortly',
}: GateOptions): Gate {
  /** In the order of their turns. */
  const queues = new Map<string, Set<Waiting>>();
  const heldBy = new Map<string, number>();
  let held = 0;

  const hasShare = (caller: string, units: number) => {
    const own = heldBy.get(caller) ?? 0;
    return own === 0 || own + units <= maxUnitsEach;
  };

  /** @returns ends it */
  function hold(caller: string, units: number): () => void {
    held += units;
    heldBy.set(caller, (heldBy.get(caller) ?? 0) + units);
    const before = maxPauseMs > 0 ? performance.eventLoopUtilization() : null;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      held -= units;
      const left = (heldBy.get(caller) ?? 0) - units;
      if (left > 0) heldBy.set(caller, left);
      else heldBy.delete(caller);
      if (before) {
        const busyMs = performance.eventLoopUtilization(before).active;
        pauseFor(busyMs > SHORT_MS ? Math.min(2 * busyMs, maxPauseMs) : 0);
      }
      beginNext();
    };
  }

  function beginNext(): void {
    if (maxPauseMs > 0 && !pause.isOver) {
      pause.waiting.add(beginNext);
      return;
    }
    for (const [caller, queue] of queues) {
      const [next] = queue;
      if (!next || !hasShare(caller, next.units)) continue;
      if (held > 0 && held + next.units > maxUnits) return;
      remove(caller, next);
      // The caller's others come after those of all other callers.
      if (queues.delete(caller)) queues.set(caller, queue);
      next.begin();
    }
  }

  function remove(caller: string, waiting: Waiting): void {
    const queue = queues.get(caller);
    queue?.delete(waiting);
    if (queue?.size === 0) queues.delete(caller);
  }

  function enter(caller: string, units: number): Promise<() => void> {
    const queue = queues.get(caller) ?? new Set();
    if (queue.size >= maxWaiting) return Promise.reject(serviceUnavailable(busyMessage));
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const waiting: Waiting = {
        units,
        begin() {
          clearTimeout(timer);
          resolve(hold(caller, units));
        },
      };
      queues.set(caller, queue.add(waiting));
      beginNext();
      if (maxWaitMs === undefined || !queue.has(waiting)) return;
      timer = setTimeout(() => {
        remove(caller, waiting);
        reject(serviceUnavailable(busyMessage));
        // What was behind it may have room.
        beginNext();
      }, maxWaitMs);
    });
  }

  return {
    enter,
    async run(caller, units, work) {
      const end = await enter(caller, units);
      try {
        return await work();
      } finally {
        end();
      }
    },
  };
}
