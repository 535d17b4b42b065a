/** A stream of live updates that is open while it is needed. */
export interface Followed {
  run(isNeeded: boolean): void;
  /** Whether messages may come. */
  readonly isOpen: boolean;
}

/**
 * Parts come and go when a person changes the page. So long a stream that nobody needs stays open; it is not opened before the
 * parts have settled either.
 */
const SETTLED_MS = 300;

/** @param deps.open begins a stream, which ends with its signal; it reconnects by itself */
export function followed<T>(deps: {
  open(signal: AbortSignal): AsyncIterable<T>;
  onMessage(message: T, isFirst: boolean): void;
}): Followed {
  let isNeeded = false;
  let controller: AbortController | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function follow(own: AbortController): Promise<void> {
    let isFirst = true;
    try {
      for await (const message of deps.open(own.signal)) {
        deps.onMessage(message, isFirst);
        isFirst = false;
      }
    } catch {
      // Without live updates, what is shown is read at intervals.
    }
    if (controller === own) controller = null;
  }

  function settle(): void {
    if (isNeeded && !controller) {
      controller = new AbortController();
      void follow(controller);
    }
    if (!isNeeded && controller) {
      controller.abort();
      controller = null;
    }
  }

  return {
    run(needed) {
      isNeeded = needed;
      clearTimeout(timer);
      timer = setTimeout(settle, SETTLED_MS);
    },
    get isOpen() {
      return controller !== null;
    },
  };
}
