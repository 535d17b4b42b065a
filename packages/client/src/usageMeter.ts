import { BillingClientError } from './errors.js';
import { createEventQueues, type SendEvents } from './eventQueues.js';
import { checkedEvent, type RejectedEvent, type UsageEvent } from './usageEvent.js';
import { backoffMs, createWakeUps, rejectionOf, unref } from './waiting.js';

export interface MeterOptions {
  /** Events that may wait, those that are being sent among them; default: 10,000. */
  maxEvents?: number;
  /** Events that are sent together, at most 1,000; default: 500. As many of a tenant are sent at once. */
  batchSize?: number;
  /** How long an event waits for others; default: 1,000. */
  intervalMs?: number;
  /** Called with the events of a batch that the server rejected. They are not sent again. Default: a warning on the console. */
  onRejected?: (events: RejectedEvent[]) => void;
  /**
   * Called when events could not be sent. They stay and are sent later; with `isExiting`, the process ends without them.
   * Default: a warning on the console.
   */
  onError?: (error: unknown, waiting: { events: number; isExiting: boolean }) => void;
}

/** Sends events of usage in batches. An event is counted once, however often its batch has to be sent. */
export interface UsageMeter {
  /**
   * Takes an event, without waiting.
   * @returns its id
   * @throws BillingClientError: BUFFER_FULL, CLOSED, BAD_USER_INPUT. The event was not taken then
   */
  record(event: UsageEvent): string;
  /** Like `record`, but waits while there is no room. @throws also the signal's reason */
  recordWhenRoom(event: UsageEvent, options?: { signal?: AbortSignal }): Promise<string>;
  /**
   * Sends what was recorded before.
   * @throws BillingClientError if some of it could not be sent. It stays and is sent later
   */
  flush(): Promise<void>;
  /** Takes no more events, and sends what was recorded. Call it again if it throws. */
  close(): Promise<void>;
  /** Events that the server has not answered yet. */
  readonly waiting: number;
}

const MAX_BATCH = 1_000;
const MAX_BACKOFF_MS = 60_000;

export function createUsageMeter(sendEvents: SendEvents, options: MeterOptions = {}): UsageMeter {
  const { onRejected = warnOfRejected, onError = warnOfError } = options;
  const maxEvents = wholeNumber('maxEvents', options.maxEvents ?? 10_000, 1_000_000);
  const batchSize = wholeNumber('batchSize', options.batchSize ?? 500, MAX_BATCH);
  const intervalMs = wholeNumber('intervalMs', options.intervalMs ?? 1_000, 3_600_000);
  const room = createWakeUps();
  const queues = createEventQueues({
    sendEvents,
    batchSize,
    onAnswered(rejected) {
      room.wakeAll();
      // What it throws is an error of the program that passed it, and none of sending.
      if (rejected.length > 0) queueMicrotask(() => onRejected(rejected));
    },
  });
  let isClosed = false;
  let isExiting = false;
  /** In a row. */
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let sending: Promise<void> | null = null;

  async function sendAll(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    try {
      await queues.sendAll();
      failures = 0;
    } catch (error) {
      failures++;
      throw error;
    }
  }

  /** Starts sending, or joins it. */
  function send(): Promise<void> {
    sending ??= sendAll().finally(() => {
      sending = null;
      if (queues.waiting > 0) sendLater(queues.hasFullBatch());
    });
    return sending;
  }

  function sendInBackground(): void {
    send().catch((error) => onError(error, { events: queues.waiting, isExiting: false }));
  }

  /** @param hasFullBatch then at once; but after a failure the backoff decides, however many events wait */
  function sendLater(hasFullBatch: boolean): void {
    if (sending) return;
    if (hasFullBatch && failures === 0) {
      sendInBackground();
      return;
    }
    const delayMs = failures > 0 ? backoffMs(failures, intervalMs, MAX_BACKOFF_MS) : intervalMs;
    timer ??= setTimeout(sendInBackground, delayMs);
    unref(timer);
  }

  async function flush(): Promise<void> {
    // What is being sent began before: a failure of it is met again below.
    await sending?.catch(() => undefined);
    if (queues.waiting > 0) await send();
  }

  const processEnd = onProcessEnd(() => {
    if (queues.waiting === 0 || isExiting) return;
    isExiting = true;
    flush().catch((error) => onError(error, { events: queues.waiting, isExiting: true }));
  });

  function record(event: UsageEvent): string {
    if (isClosed) throw notTaken('CLOSED', 'The meter is closed');
    const taken = checkedEvent(event);
    if (queues.waiting >= maxEvents)
      throw notTaken('BUFFER_FULL', `${maxEvents} events wait already, as many as maxEvents allows`);
    isExiting = false;
    sendLater(queues.add({ tenantId: event.tenantId, externalId: event.externalId }, taken));
    return taken.id;
  }

  return {
    record,
    async recordWhenRoom(event, { signal } = {}) {
      const aborted = rejectionOf(signal);
      try {
        while (queues.waiting >= maxEvents && !isClosed) {
          if (failures === 0 && !sending) sendInBackground();
          await Promise.race([room.next(), aborted.promise]);
        }
        return record(event);
      } finally {
        aborted.release();
      }
    },
    flush,
    async close() {
      isClosed = true;
      room.wakeAll();
      await flush();
      processEnd.ignore();
    },
    get waiting() {
      return queues.waiting;
    },
  };
}

const notTaken = (code: 'CLOSED' | 'BUFFER_FULL', reason: string) =>
  new BillingClientError(code, `${reason}. The event was not taken`, { changedNothing: true });

/** Calls back when a Node process has nothing more to do. Elsewhere it never does. */
function onProcessEnd(callback: () => void): { ignore(): void } {
  const { process } = globalThis as { process?: Partial<Record<'on' | 'off', (...args: unknown[]) => void>> };
  process?.on?.('beforeExit', callback);
  return { ignore: () => process?.off?.('beforeExit', callback) };
}

function wholeNumber(name: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new TypeError(`${name} must be a whole number from 1 to ${max}`);
}

function warnOfRejected(events: RejectedEvent[]): void {
  const [first] = events;
  console.warn(
    `continuum-billing: ${events.length} usage events were rejected; ${first?.event.id}: ${first?.reason}`,
  );
}

function warnOfError(error: unknown, { events, isExiting }: { events: number; isExiting: boolean }): void {
  const outcome = isExiting ? 'are lost, because the process ends' : 'wait and will be sent later';
  console.warn(`continuum-billing: ${events} usage events ${outcome}: ${(error as Error).message}`);
}
