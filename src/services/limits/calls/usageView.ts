import type { DayOverage, UsageDayDoc } from '../../../models/usageDay.js';
import type { CallLimits } from '../../tiers/entitlements.js';
import { spanAt } from '../../tiers/overage.js';
import type { WindowUse } from './admission.js';
import { minuteOf } from './windows.js';

/**
 * A tenant's usage today as this instance knows it. Other instances only add to it, except for returned calls, so a view
 * allows too much rather than too little. The condition of the increment in the database decides.
 */
export interface UsageView {
  calls: number;
  minute: { at: number; calls: number };
  /** null if the day has none. */
  overage: DayOverage | null;
  /** When it was last read from the database, in milliseconds since the epoch. */
  readAtMs: number;
}

export const emptyView = (): UsageView => viewOf(undefined, Number.NEGATIVE_INFINITY);

export const viewOf = (
  doc: Pick<UsageDayDoc, 'calls' | 'minute' | 'overage'> | undefined,
  readAtMs: number,
): UsageView => ({
  calls: doc?.calls ?? 0,
  minute: { at: doc?.minute?.at ?? 0, calls: doc?.minute?.calls ?? 0 },
  overage: doc?.overage ? { ...doc.overage, spans: { ...doc.overage.spans } } : null,
  readAtMs,
});

export const copyOf = (view: UsageView): UsageView =>
  viewOf({ ...view, overage: view.overage ?? undefined } as never, view.readAtMs);

/** The minute to charge: never earlier than one that was charged, even if this instance's clock is behind. */
export const minuteToCharge = (view: UsageView, nowMs: number): number =>
  Math.max(minuteOf(nowMs), view.minute.at);

export const callsInMinute = (view: UsageView, minute: number): number =>
  view.minute.at === minute ? view.minute.calls : 0;

/** How many of these calls would exceed the day's quota. */
export const callsPastQuota = (view: UsageView, limits: CallLimits, calls: number): number =>
  Math.max(0, Math.min(calls, view.calls + calls - limits.apiCallsPerDay));

const isOpen = ({ overage }: UsageView, limits: CallLimits): boolean =>
  overage !== null && overage.allowance === limits.overageCallsPerMonth;

/** Whether the calls need overage and the day is not open for it. */
export const needsOpening = (view: UsageView, limits: CallLimits, calls: number): boolean =>
  limits.overageCallsPerMonth > 0 && !isOpen(view, limits) && callsPastQuota(view, limits, calls) > 0;

/** The window that has no room for the calls; null if both have. */
export function fullWindow(
  view: UsageView,
  limits: CallLimits,
  calls: number,
  minute: number,
): 'day' | 'minute' | null {
  if (view.calls + calls > limits.apiCallsPerDay) {
    const { used, allotted } = (isOpen(view, limits) && view.overage) || { used: 0, allotted: 0 };
    if (used + callsPastQuota(view, limits, calls) > allotted) return 'day';
  }
  if (callsInMinute(view, minute) + calls > limits.apiCallsPerMinute) return 'minute';
  return null;
}

/** @returns how many of them are overage */
export function addCalls(view: UsageView, limits: CallLimits, calls: number, minute: number): number {
  const past = isOpen(view, limits) ? callsPastQuota(view, limits, calls) : 0;
  if (past > 0 && view.overage) view.overage.used += past;
  view.calls += calls;
  view.minute = { at: minute, calls: callsInMinute(view, minute) + calls };
  return past;
}

/** Adds overage to its span. */
export function addToSpan({ overage }: UsageView, span: string, calls: number): void {
  if (overage) overage.spans = { ...overage.spans, [span]: (overage.spans?.[span] ?? 0) + calls };
}

/** Subtracts overage from the span of its time. @returns the span and the calls subtracted; null if there is no span */
export function takeOffSpan(
  view: UsageView,
  atMs: number,
  calls: number,
): { span: string; calls: number } | null {
  const span = spanAt(view.overage?.spans, atMs);
  if (span === null) return null;
  const taken = Math.min(calls, view.overage?.spans?.[span] ?? 0);
  addToSpan(view, span, -taken);
  return { span, calls: taken };
}

/** Overage is returned first, because each of its calls is paid for. @returns how many of them were overage */
export function subtractCalls(view: UsageView, calls: number, minute: number): number {
  const past = Math.min(calls, view.overage?.used ?? 0);
  if (past > 0 && view.overage) view.overage.used -= past;
  view.calls -= calls;
  if (view.minute.at === minute) view.minute.calls = Math.max(0, view.minute.calls - calls);
  return past;
}

/** Updates a minute counter. It only moves forward; calls returned to an earlier minute do not change it. */
export function addToMinute(counter: { at: number; calls: number }, minute: number, calls: number): void {
  if (minute === counter.at) counter.calls = Math.max(0, counter.calls + calls);
  else if (minute > counter.at) Object.assign(counter, { at: minute, calls: Math.max(0, calls) });
}

export const useOf = (view: UsageView, nowMs: number): WindowUse => ({
  day: view.calls,
  minute: callsInMinute(view, minuteToCharge(view, nowMs)),
  overageOfMonth: overageOfMonth(view.overage),
  // An instance whose clock is behind charges the minute that another one started, and reports that minute.
  atMs: Math.max(nowMs, view.minute.at * 60_000),
});

const overageOfMonth = (overage: DayOverage | null): number =>
  overage && overage.allowance > 0 ? overage.allowance - overage.allotted + overage.used : 0;
