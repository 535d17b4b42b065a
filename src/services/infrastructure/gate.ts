import { serviceUnavailable } from '../../common/errors.js';

/**
 * Bounds the work of one kind that runs in this process at once, and with it the memory or time that the work takes.
 * Other work waits: callers take turns, and the work of each caller keeps its order.
 */
export interface Gate {
  /**
   * @param caller the caller whose turns the work uses
   * @param units the size of the work; work larger than the bound runs alone
   * @returns ends the work; to be called once
   * @throws SERVICE_UNAVAILABLE if too much of the caller's work is waiting, or this waited too long
   */
  enter(caller: string, units: number): Promise<() => void>;
  /** Like `enter`, for work that ends with a promise. */
  run<T>(caller: string, units: number, work: () => Promise<T>): Promise<T>;
}

export interface GateOptions {
  /** Units that may run at once. */
  maxUnits: number;
  /** Units that may run at once for one caller. Default: all. */
  maxUnitsEach?: number;
  /** How much work of one caller may wait. Default: no limit. */
  maxWaiting?: number;
  /** How long work may wait. Default: no limit. */
  maxWaitMs?: number;
  /**
   * For work that blocks the event loop: afterwards all gates with this option stay closed for twice as long as it
   * blocked, but at most for this time, so that other work gets the loop. Default: waiting work starts at once.
   */
  maxPauseMs?: number;
  /** The message of the error. */
  busyMessage?: string;
}

/** Bytes of a body or characters of a text. Parsing less takes no longer than any other step of a request. */
export const SMALL_TEXT = 4_096;

/** After work that blocked the event loop for at most this long, one turn of the loop is enough for other work. */
const SHORT_MS = 10;

interface Waiting {
  units: number;
  begin: () => void;
}

/** Shared by all gates, since they share the event loop. */
const pause = {
  untilMs: 0,
  isOver: true,
  /** Called when the pause is over. */
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
  /** Waiting work by caller, in the order of their turns. */
  const queues = new Map<string, Set<Waiting>>();
  const heldBy = new Map<string, number>();
  let held = 0;

  const hasShare = (caller: string, units: number) => {
    const own = heldBy.get(caller) ?? 0;
    return own === 0 || own + units <= maxUnitsEach;
  };

  /** @returns a function that ends the work */
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
      // The caller's next turn comes after those of all other callers.
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
        // Work behind it may have room now.
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
