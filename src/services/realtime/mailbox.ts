/** The messages of one stream that it has not taken yet. It is an iterator, so that graphql can read from it. */
export interface Mailbox<Event = unknown> extends AsyncIterableIterator<Event> {
  /** The tenant that the messages are about. */
  readonly tenantId: string;
  /** Whether the messages tell a state, of which only the newest matters. */
  readonly isState: boolean;
  /** Adds a message, or replaces the waiting one if only the newest matters. */
  put(event: Event): void;
  /** Ends the stream. The messages that wait are dropped. @param error the iterator throws it once, if there is one */
  close(error?: Error): void;
  return(): Promise<IteratorResult<Event>>;
}

/** Who waits for the next message. */
interface Reader<Event> {
  resolve(result: IteratorResult<Event>): void;
  reject(error: Error): void;
}

/**
 * @param deps.tenantId the tenant that the messages are about
 * @param deps.max messages that may wait; null: they tell a state, and a new one replaces the one that waits
 * @param deps.overflowed called when there is no room for a message, which is then dropped
 * @param deps.closed called once, however the stream ends
 */
export function createMailbox<Event>(deps: {
  tenantId: string;
  max: number | null;
  overflowed: () => void;
  closed: () => void;
}): Mailbox<Event> {
  const { tenantId, max, overflowed, closed } = deps;
  let waiting: Event[] = [];
  let reader: Reader<Event> | null = null;
  let isClosed = false;
  let error: Error | undefined;
  const done = (): IteratorResult<Event> => ({ done: true, value: undefined });

  function close(reason?: Error): void {
    if (isClosed) return;
    isClosed = true;
    waiting = [];
    if (reader && reason) reader.reject(reason);
    else if (reader) reader.resolve(done());
    else error = reason;
    reader = null;
    closed();
  }

  return {
    tenantId,
    isState: max === null,
    put(event) {
      if (isClosed) return;
      if (reader) {
        reader.resolve({ done: false, value: event });
        reader = null;
      } else if (max === null) {
        waiting = [event];
      } else if (waiting.length >= max) {
        overflowed();
      } else {
        waiting.push(event);
      }
    },
    close,
    async next() {
      if (error) {
        const thrown = error;
        error = undefined;
        throw thrown;
      }
      if (isClosed) return done();
      if (waiting.length > 0) return { done: false, value: waiting.shift() as Event };
      return new Promise((resolve, reject) => {
        reader = { resolve, reject };
      });
    },
    async return() {
      close();
      return done();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
