import { happen } from './billing/due.js';
import { eventWriter } from './events.js';
import type { MockClock } from './storage/clock.js';
import type { Store } from './storage/store.js';

/** The most changes that one call makes; the clock then stops where it is, and the next call continues from there. */
const MAX_STEPS = 2_000;
const DAY_S = 86_400;
/** As long as Stripe keeps events. Sessions, which serve only a page, are deleted with them. */
const LIFE_S = 30 * DAY_S;
const TEMPORARY = ['checkout.session', 'billing_portal.session'];

export interface Timeline {
  /**
   * Makes everything happen that is due by the time asked for, in the order of its due times, each in a transaction
   * of its own that moves the clock along: a crash loses nothing and repeats nothing.
   * @returns how many changes were due
   */
  catchUp(): Promise<number>;
}

export function createTimeline(deps: {
  store: Store;
  clock: MockClock;
  publicUrl: () => string;
  taxPercent: string;
  changed: () => void;
}): Timeline {
  const { store, clock, publicUrl, taxPercent, changed } = deps;
  const { objects } = store.collections;

  /** @returns false when nothing more is due */
  async function step(untilS: number): Promise<boolean> {
    const [next] = await objects
      .find({ dueAt: { $gt: 0, $lte: untilS } }, { projection: { _id: 1 } })
      .sort({ dueAt: 1, seq: 1 })
      .limit(1)
      .toArray();
    if (!next) return false;
    await store.transaction(async (tx) => {
      const document = await objects.findOne({ _id: next._id }, tx.session ? { session: tx.session } : {});
      // Another instance may have been first.
      if (document?.dueAt == null || document.dueAt > untilS) return;
      const nowS = document.dueAt;
      const emit = eventWriter(store, tx, nowS, null);
      await happen({ tx, nowS, emit, publicUrl, taxPercent }, document);
      await clock.reach(nowS, tx);
    });
    changed();
    return true;
  }

  let cleanedAtS = 0;

  /** Once a day of the mock's clock. */
  async function cleanUp(nowS: number): Promise<void> {
    if (nowS - cleanedAtS < DAY_S) return;
    cleanedAtS = nowS;
    const old = { created: { $lt: nowS - LIFE_S } };
    await store.collections.events.deleteMany({ ...old, 'delivery.state': { $ne: 'pending' } });
    await objects.deleteMany({ ...old, object: { $in: TEMPORARY } });
  }

  return {
    async catchUp() {
      const { offsetMs, targetOffsetMs } = await clock.state();
      const goalMs = Math.max(offsetMs, targetOffsetMs);
      let steps = 0;
      while (steps < MAX_STEPS && (await step(clock.atS(goalMs)))) steps += 1;
      if (steps < MAX_STEPS) {
        await clock.settle(goalMs);
        await cleanUp(clock.atS(goalMs));
      }
      return steps;
    },
  };
}
