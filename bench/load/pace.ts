import { setTimeout as sleep } from 'node:timers/promises';
import { type Measured, measuredOf } from '../rounds.js';

/**
 * An open loop: each piece of work has its moment, and its latency counts from then. Where the worker stalls, what had to
 * be done meanwhile is slow, too; a load that waits for answers would not have asked for it.
 * @returns how long each took, in milliseconds
 */
export async function atPace(
  perSecond: number,
  count: number,
  work: (n: number) => Promise<unknown>,
): Promise<number[]> {
  const startMs = performance.now();
  const took: Promise<number>[] = [];
  for (let n = 0; n < count; n++) {
    const dueMs = startMs + (n * 1000) / perSecond;
    // A timer fires after its time, never before; what has become due meanwhile is begun at once.
    while (performance.now() < dueMs) await sleep(Math.max(1, dueMs - performance.now()));
    took.push(work(n).then(() => performance.now() - dueMs));
  }
  return Promise.all(took);
}

/** For so many seconds. */
export async function measuredAtPace(
  perSecond: number,
  seconds: number,
  work: (n: number) => Promise<unknown>,
): Promise<Measured> {
  const startedMs = performance.now();
  const tookMs = await atPace(perSecond, perSecond * seconds, work);
  return measuredOf(tookMs, (performance.now() - startedMs) / 1000);
}
