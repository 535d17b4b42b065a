import type { UsageDayDoc } from '../../models/usageDay.js';
import type { CallLimits, WindowUse } from './admission.js';
import { minuteOf } from './windows.js';

/**
 * What this instance believes that a tenant used today. Other instances only add to the truth (give-backs apart), so
 * a view allows too much rather than too little; the increment's condition in the database has the last word.
 */
export interface UsageView {
  calls: number;
  minute: { at: number; calls: number };
  /** When it was last read from the database, in milliseconds since the epoch. */
  readAtMs: number;
}

export const emptyView = (): UsageView => ({
  calls: 0,
  minute: { at: 0, calls: 0 },
  readAtMs: Number.NEGATIVE_INFINITY,
});

export const viewOf = (
  doc: Pick<UsageDayDoc, 'calls' | 'minute'> | undefined,
  readAtMs: number,
): UsageView => ({
  calls: doc?.calls ?? 0,
  minute: { at: doc?.minute?.at ?? 0, calls: doc?.minute?.calls ?? 0 },
  readAtMs,
});

/** The minute to charge. Never an earlier one than was charged already, whatever this instance's clock says. */
export const minuteToCharge = (view: UsageView, nowMs: number): number =>
  Math.max(minuteOf(nowMs), view.minute.at);

export const callsInMinute = (view: UsageView, minute: number): number =>
  view.minute.at === minute ? view.minute.calls : 0;

/** The window that has no room for so many calls; null when both have. */
export function fullWindow(
  view: UsageView,
  limits: CallLimits,
  calls: number,
  minute: number,
): 'day' | 'minute' | null {
  if (view.calls + calls > limits.apiCallsPerDay) return 'day';
  if (callsInMinute(view, minute) + calls > limits.apiCallsPerMinute) return 'minute';
  return null;
}

export function addCalls(view: UsageView, calls: number, minute: number): void {
  view.calls += calls;
  view.minute = { at: minute, calls: callsInMinute(view, minute) + calls };
}

/** What a minute counter becomes: it only moves forward, and give-backs of earlier minutes leave it alone. */
export function addToMinute(counter: { at: number; calls: number }, minute: number, calls: number): void {
  if (minute === counter.at) counter.calls = Math.max(0, counter.calls + calls);
  else if (minute > counter.at) Object.assign(counter, { at: minute, calls: Math.max(0, calls) });
}

export const useOf = (view: UsageView, nowMs: number): WindowUse => ({
  day: view.calls,
  minute: callsInMinute(view, minuteToCharge(view, nowMs)),
  atMs: nowMs,
});
