import { serviceUnavailable } from '../../errors.js';

/**
 * Bounds the work of large operations that is under way in this process, and so the memory that they take together.
 * Others wait: callers in turn, each with its operations in their order.
 */
export interface WorkGate {
  /**
   * @param caller whose turn it is
   * @param units of work
   * @returns ends the work; to be called once
   * @throws SERVICE_UNAVAILABLE when too many wait, or it waited too long
   */
  enter(caller: string, units: number): Promise<() => void>;
}

export interface WorkGateOptions {
  /** Units under way at once; one operation with more runs alone. */
  maxUnits: number;
  maxWaiting?: number;
  maxWaitMs?: number;
}

const MAX_WAITING = 500;
const MAX_WAIT_MS = 10_000;
/** After work that took long the loop is left to others for as long, but no longer than this. */
const MAX_PAUSE_MS = 100;

interface Waiting {
  units: number;
  begin: () => void;
}

export function createWorkGate({
  maxUnits,
  maxWaiting = MAX_WAITING,
  maxWaitMs = MAX_WAIT_MS,
}: WorkGateOptions): WorkGate {
  /** In the order of their turns. */
  const queues = new Map<string, Waiting[]>();
  let waitingCount = 0;
  let underWay = 0;
  let pausedUntilMs = 0;
  let timer: NodeJS.Timeout | undefined;

  const hasRoom = (units: number) =>
    performance.now() >= pausedUntilMs && (underWay === 0 || underWay + units <= maxUnits);

  function begin(units: number): () => void {
    underWay += units;
    const beganMs = performance.now();
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      underWay -= units;
      const pauseMs = Math.min(performance.now() - beganMs, MAX_PAUSE_MS);
      pausedUntilMs = performance.now() + pauseMs;
      beginSoon();
    };
  }

  /** When the pause is over. A timer may fire a little early: it looks again then. */
  function beginSoon(): void {
    if (timer) return;
    timer = setTimeout(
      () => {
        timer = undefined;
        beginNext();
        if (queues.size > 0 && performance.now() < pausedUntilMs) beginSoon();
      },
      Math.max(1, pausedUntilMs - performance.now() + 1),
    ).unref();
  }

  function beginNext(): void {
    for (const [caller, queue] of queues) {
      const [next] = queue as [Waiting, ...Waiting[]];
      if (!hasRoom(next.units)) return;
      remove(caller, next);
      // The caller's others come after those of all other callers.
      const rest = queues.get(caller);
      if (rest) {
        queues.delete(caller);
        queues.set(caller, rest);
      }
      next.begin();
    }
  }

  function remove(caller: string, waiting: Waiting): void {
    const rest = (queues.get(caller) ?? []).filter((other) => other !== waiting);
    if (rest.length > 0) queues.set(caller, rest);
    else queues.delete(caller);
    waitingCount--;
  }

  return {
    async enter(caller, units) {
      if (queues.size === 0 && hasRoom(units)) return begin(units);
      if (waitingCount >= maxWaiting) throw busy();
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          remove(caller, waiting);
          reject(busy());
        }, maxWaitMs);
        const waiting: Waiting = {
          units,
          begin() {
            clearTimeout(timer);
            resolve(begin(units));
          },
        };
        waitingCount++;
        const queue = queues.get(caller);
        if (queue) queue.push(waiting);
        else queues.set(caller, [waiting]);
        // It may wait for nothing but the end of a pause.
        beginSoon();
      });
    },
  };
}

const busy = () =>
  serviceUnavailable('Too many large operations are under way; try again shortly, or ask for less at once');
