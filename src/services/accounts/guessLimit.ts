import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import { BillingError, ErrorCode } from '../../common/errors.js';
import { clientNetwork } from '../../common/network.js';
import { createFailureLimit } from './failureLimit.js';

/** Who tried what. */
export interface Guess {
  /** null: no key that exists, or a secret of another kind. */
  keyId: string | null;
  /** null: not known. */
  address: string | null;
}

/** Counts wrong keys and wrong gateway secrets. It slows guessers down; who knows a key is never asked for a place. */
export interface GuessLimit {
  /**
   * Counts a guess that failed.
   * @throws RATE_LIMITED after too many of one key or one client's network, and counts nothing then
   */
  count(guess: Guess): void;
}

const MAX_PER_KEY = 20;
const MAX_PER_CLIENT = 40;
/** A guesser writes no log at will. */
const QUIET_MS = 60_000;

export function createGuessLimit({ clock, log }: { clock: Clock; log: Logger }): GuessLimit {
  const keys = createFailureLimit(clock, MAX_PER_KEY);
  const clients = createFailureLimit(clock, MAX_PER_CLIENT);
  let quietUntilMs = 0;

  const clientOf = ({ address }: Guess) => (address === null ? null : clientNetwork(address));

  function tell(guess: Guess): void {
    if (clock.now() < quietUntilMs) return;
    quietUntilMs = clock.now() + QUIET_MS;
    log.warn(
      { event: 'auth.guesses_limited', keyId: guess.keyId, client: clientOf(guess) },
      'keys are guessed',
    );
  }

  return {
    count(guess) {
      const client = clientOf(guess);
      const waitS = Math.max(
        guess.keyId === null ? 0 : keys.retryAfterS(guess.keyId),
        client === null ? 0 : clients.retryAfterS(client),
      );
      if (waitS > 0) {
        tell(guess);
        throw new BillingError(
          ErrorCode.RATE_LIMITED,
          `Too many failed tries with a wrong key or secret; wait ${waitS} s, or send one that is right`,
          { window: 'minute', remaining: 0, resetsAt: new Date(clock.now() + waitS * 1000).toISOString() },
          { 'retry-after': String(waitS) },
        );
      }
      if (guess.keyId !== null) keys.add(guess.keyId);
      if (client !== null) clients.add(client);
    },
  };
}
