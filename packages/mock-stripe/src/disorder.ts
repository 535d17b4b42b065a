import { createHash } from 'node:crypto';

/** How much goes wrong between the mock and the webhook URL, for tests and for anyone who wants to see it. */
export interface Disorder {
  /** The same seed treats the n-th event in the same way. */
  seed: number;
  /** Each from 0 to 1. */
  dropped?: number;
  duplicated?: number;
  /** Is delivered late, after others that came later. */
  delayed?: number;
}

/** What becomes of one event. A dropped one is lost for good: only a look at the list of events finds it. */
export interface Fate {
  dropped: boolean;
  copies: number;
  delayMs: number;
}

const MAX_DELAY_MS = 500;
const MAX_UINT32 = 2 ** 32;

/** @param ordinal which event since the start, so that a seed means the same though ids are random */
export function fateOf(ordinal: number, disorder: Disorder | null): Fate {
  if (!disorder) return { dropped: false, copies: 1, delayMs: 0 };
  const digest = createHash('sha256').update(`${disorder.seed}:${ordinal}`).digest();
  const draw = (place: number) => digest.readUInt32BE(place * 4) / MAX_UINT32;
  return {
    dropped: draw(0) < (disorder.dropped ?? 0),
    copies: draw(1) < (disorder.duplicated ?? 0) ? 2 : 1,
    delayMs: draw(2) < (disorder.delayed ?? 0) ? Math.ceil(draw(3) * MAX_DELAY_MS) : 0,
  };
}
