import type { Clock } from '../../src/common/clock.js';

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  set(instant: string | number | Date): void;
  advance(ms: number): void;
}

export function createFakeClock(instant: string | number | Date): FakeClock {
  let nowMs = new Date(instant).getTime();
  return {
    now: () => nowMs,
    set: (to) => {
      nowMs = new Date(to).getTime();
    },
    advance: (ms) => {
      nowMs += ms;
    },
  };
}
