import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import { BillingError, ErrorCode } from '../../common/errors.js';
import { clientNetwork } from '../../common/network.js';

/** A failed attempt to authenticate. */
export interface Guess {
  /** null if the key does not exist, or the secret is of another kind. */
  keyId: string | null;
  /** null if it is not known. */
  address: string | null;
}

/** Counts wrong keys and wrong gateway secrets. It slows guessing down, and never affects a right key. */
export interface GuessLimit {
  /**
   * Counts a failed guess.
   * @throws RATE_LIMITED after too many guesses of one key or from one client's network; such a guess is not counted
   */
  count(guess: Guess): void;
}

const MAX_PER_KEY = 20;
const MAX_PER_CLIENT = 40;
/** Guesses are logged at most this often, so that they cannot fill the log. */
const QUIET_MS = 60_000;

export function createGuessLimit({ clock, log }: { clock: Clock; log: Logger }): GuessLimit {
  const keys = createFailureLimit(clock, MAX_PER_KEY);
  const clients = createFailureLimit(clock, MAX_PER_CLIENT);
  let quietUntilMs = 0;

  const clientOf = ({ address }: Guess) => (address === null ? null : clientNetwork(address));

  function logGuesses(guess: Guess): void {
    if (clock.now() < quietUntilMs) return;
    quietUntilMs = clock.now() + QUIET_MS;
    log.warn({ keyId: guess.keyId, client: clientOf(guess) }, 'auth.guesses_limited');
  }

  return {
    count(guess) {
      const client = clientOf(guess);
      const waitS = Math.max(
        guess.keyId === null ? 0 : keys.retryAfterS(guess.keyId),
        client === null ? 0 : clients.retryAfterS(client),
      );
      if (waitS > 0) {
        logGuesses(guess);
        throw new BillingError(
          ErrorCode.RATE_LIMITED,
          `Too many attempts with a wrong key or secret; wait ${waitS} s, or send the right one`,
          { window: 'minute', remaining: 0, resetsAt: new Date(clock.now() + waitS * 1000).toISOString() },
          { 'retry-after': String(waitS) },
        );
      }
      if (guess.keyId !== null) keys.add(guess.keyId);
      if (client !== null) clients.add(client);
    },
  };
}

/** Counts failures by name in windows of one minute, in memory. */
interface FailureLimit {
  /** Seconds until the next attempt is allowed; 0: now. */
  retryAfterS(name: string): number;
  add(name: string): void;
}

const WINDOW_MS = 60_000;
const MAX_NAMES = 10_000;

function createFailureLimit(clock: Clock, maxPerMinute: number): FailureLimit {
  const windows = new LRUCache<string, { failures: number; endsAtMs: number }>({ max: MAX_NAMES });
  const current = (name: string) => {
    const window = windows.get(name);
    return window && window.endsAtMs > clock.now() ? window : undefined;
  };
  return {
    retryAfterS(name) {
      const window = current(name);
      if (!window || window.failures < maxPerMinute) return 0;
      return Math.ceil((window.endsAtMs - clock.now()) / 1000);
    },
    add(name) {
      const window = current(name);
      if (window) window.failures++;
      else windows.set(name, { failures: 1, endsAtMs: clock.now() + WINDOW_MS });
    },
  };
}
