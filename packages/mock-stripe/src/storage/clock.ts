import type { Collections } from './collections.js';
import type { Tx } from './store.js';

/** The machine's clock, unless the host passes another. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
}

/** How far the mock's clock is ahead of the machine's, and how far it is asked to be. */
export interface ClockState {
  offsetMs: number;
  targetOffsetMs: number;
}

/** The mock's own time: the machine's plus an offset that only grows. */
export interface MockClock {
  /** Seconds since the epoch. */
  nowS(): Promise<number>;
  state(): Promise<ClockState>;
  /** What time it is at an offset, seconds. */
  atS(offsetMs: number): number;
  /** Asks for more; what several callers ask adds up. The clock gets there once everything due has happened. */
  ask(seconds: number): Promise<void>;
  /** Moves the clock forward to a moment, together with the change that happened then. */
  reach(momentS: number, tx: Tx): Promise<void>;
  /** Moves the clock forward to an offset at which nothing more is due. */
  settle(offsetMs: number): Promise<void>;
}

export function createMockClock(clock: Clock, { settings }: Collections): MockClock {
  const state = async () => (await settings.findOne({ _id: 'clock' })) ?? { offsetMs: 0, targetOffsetMs: 0 };
  const atS = (offsetMs: number) => Math.floor((clock.now() + offsetMs) / 1000);
  return {
    state,
    atS,
    nowS: async () => atS((await state()).offsetMs),
    async ask(seconds) {
      await settings.updateOne({ _id: 'clock' }, { $inc: { targetOffsetMs: seconds * 1000 } });
    },
    async reach(momentS, tx) {
      await settings.updateOne(
        { _id: 'clock' },
        { $max: { offsetMs: momentS * 1000 - clock.now() } },
        tx.session ? { session: tx.session } : {},
      );
    },
    async settle(offsetMs) {
      await settings.updateOne({ _id: 'clock' }, { $max: { offsetMs } });
    },
  };
}
