/** Resolves after a time. Rejects with the signal's reason when it is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** A controller that is aborted with a signal, until it is released. */
export function linkedController(signal?: AbortSignal): { controller: AbortController; release(): void } {
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return { controller, release: () => signal?.removeEventListener('abort', onAbort) };
}

/**
 * Exponential backoff with jitter, so that clients that failed together do not come back together.
 * @param failures 1 after the first one
 */
export function backoffMs(failures: number, firstMs: number, maxMs: number): number {
  const full = Math.min(maxMs, firstMs * 2 ** (failures - 1));
  return full * (0.5 + Math.random() / 2);
}

/** Lets a timer not keep a process alive, where there are processes. */
export function unref(timer: unknown): void {
  (timer as { unref?(): void }).unref?.();
}

/** A promise that rejects with the signal's reason, until it is released. */
export function rejectionOf(signal?: AbortSignal): { promise: Promise<never>; release(): void } {
  let onAbort = () => {};
  const promise = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal?.reason);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
  // Nobody may be waiting when it is aborted.
  promise.catch(() => undefined);
  return { promise, release: () => signal?.removeEventListener('abort', onAbort) };
}

/** Wakes all who wait for something. */
export function createWakeUps(): { next(): Promise<void>; wakeAll(): void } {
  let waiters: (() => void)[] = [];
  return {
    next: () => new Promise((resolve) => waiters.push(resolve)),
    wakeAll() {
      const woken = waiters;
      waiters = [];
      for (const wake of woken) wake();
    },
  };
}
