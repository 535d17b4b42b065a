import type { Logger } from 'pino';
import type { Lease } from './lease.js';

/** Periodic work that one instance at a time does. */
export interface LeasedPasses<T> {
  start(): void;
  /** Runs a pass now. While one is running, it returns the result of that one. */
  run(): Promise<T>;
  /** Runs a pass in the background. A failure is logged, and the next periodic pass tries again. */
  wake(): void;
  /** Whether the server stops: then a pass ends after its present step. */
  isStopping(): boolean;
  /** A pass asks this before each of its steps. @returns false if the server stops or another instance has the lease */
  mayGoOn(): Promise<boolean>;
  /** Waits for the running pass, and releases the lease. */
  stop(): Promise<void>;
}

/**
 * @param options.failedEvent the event that is logged when a pass in the background fails
 * @param options.isDone whether a periodic pass can be left out. Default: never
 */
export function createLeasedPasses<T>(options: {
  lease: Lease;
  everyMs: number;
  log: Logger;
  failedEvent: string;
  isDone?: () => boolean;
  pass: () => Promise<T>;
}): LeasedPasses<T> {
  const { lease, everyMs, log, failedEvent, isDone = () => false, pass } = options;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<T> | null = null;
  let stopping = false;

  async function run(): Promise<T> {
    running ??= pass().finally(() => {
      running = null;
    });
    return running;
  }

  function wake(): void {
    run().catch((error: unknown) => log.warn({ err: error }, failedEvent));
  }

  return {
    run,
    wake,
    isStopping: () => stopping,
    async mayGoOn() {
      return !stopping && lease.acquire();
    },
    start() {
      timer = setInterval(() => {
        if (!isDone()) wake();
      }, everyMs).unref();
    },
    async stop() {
      stopping = true;
      clearInterval(timer);
      await running?.catch(() => undefined);
      await lease.release();
    },
  };
}
