import { cardDeclined, type MockStripeError, rateLimit, serverError } from './http/errors.js';

/** A failure to come, for tests. */
export interface InjectedFailure {
  kind: 'card_declined' | 'rate_limit' | 'server_error' | 'connection' | 'slow';
  /** For `slow`: how long the answer waits, in real time. The work is done. */
  delayMs?: number;
  /** Only requests of this method. */
  method?: string;
  /** Only requests whose path begins so, such as `/v1/checkout/sessions`. */
  path?: string;
  /** How many requests; 1 unless given. */
  times?: number;
  /**
   * `before` (the default): the work is not done, and nothing is remembered under the idempotency key.
   * `after`: the work is done and its answer lost, so that a repeat with the same key gets it.
   */
  phase?: 'before' | 'after';
  /** The failure itself is remembered under the idempotency key, as Stripe's own 402 and 500 are. */
  remembered?: boolean;
}

export interface Failures {
  add(failure: InjectedFailure): void;
  clear(): void;
  /** Uses up one failure that fits the request. */
  take(method: string, path: string): InjectedFailure | null;
}

export function createFailures(): Failures {
  const waiting: { failure: InjectedFailure; left: number }[] = [];
  return {
    add: (failure) => waiting.push({ failure, left: failure.times ?? 1 }),
    clear: () => waiting.splice(0),
    take(method, path) {
      const index = waiting.findIndex(
        ({ failure }) =>
          (failure.method ?? method).toUpperCase() === method && path.startsWith(failure.path ?? '/'),
      );
      const found = waiting[index];
      if (!found) return null;
      found.left -= 1;
      if (found.left <= 0) waiting.splice(index, 1);
      return found.failure;
    },
  };
}

/** A connection that broke: what `fetch` throws, with the code by which the SDK knows what happened. */
export function connectionLost(phase: 'before' | 'after'): TypeError {
  const code = phase === 'before' ? 'ECONNREFUSED' : 'ECONNRESET';
  return Object.assign(new TypeError('fetch failed'), { code });
}

export function injectedError(
  kind: Exclude<InjectedFailure['kind'], 'connection' | 'slow'>,
): MockStripeError {
  switch (kind) {
    case 'card_declined':
      return cardDeclined();
    case 'rate_limit':
      return rateLimit();
    case 'server_error':
      return serverError();
  }
}
