import type { LedgerDoc, WindowCount } from '../../../models/ledger.js';
import type { CallLimits } from '../../tiers/entitlements.js';
import { amountOf, askedOf, limitOf, storedOf, sumOf } from '../storage/storageAmounts.js';
import type { FullStorage, StorageLimits, Taken, TakenLimits, WindowUse } from './admission.js';
import { dayOfMinute, minuteOf, monthOfDay } from './windows.js';

/**
 * A tenant's ledger as this instance knows it. Calls are only added by other instances, except for returned ones, so a view
 * allows too much rather than too little. The condition of the update in the database decides.
 */
export interface LedgerView {
  windows: { minute: WindowCount; day: WindowCount; overage: WindowCount };
  /** Known only while a batch that found storage full is decided, since others store and delete. */
  storage: ViewedStorage | null;
  /** When it was last read from the database, in milliseconds since the epoch. */
  readAtMs: number;
}

interface ViewedStorage {
  levels: Record<string, number>;
  stored: Readonly<Record<string, number>>;
  reservations: number;
}

/** The numbers of the windows in which an operation is charged. */
export interface ChargedWindows {
  minute: number;
  day: number;
  /** A month. */
  overage: number;
}

/** Reservations of one tenant at a time: they are in one document. */
export const MAX_RESERVATIONS = 2_000;

const NONE: WindowCount = { at: 0, used: 0 };

export const emptyView = (): LedgerView => viewOf(undefined, Number.NEGATIVE_INFINITY);

export const viewOf = (doc: Pick<LedgerDoc, 'windows'> | null | undefined, readAtMs: number): LedgerView => {
  const { minute = NONE, day = NONE, overage = NONE } = doc?.windows ?? {};
  return {
    windows: { minute: { ...minute }, day: { ...day }, overage: { ...overage } },
    storage: null,
    readAtMs,
  };
};

/** The view of a ledger that was read just now. */
export const freshViewOf = (doc: LedgerDoc | undefined, readAtMs: number): LedgerView => {
  const levels = { ...doc?.levels };
  const stored = storedOf(doc, Object.keys(levels));
  return {
    ...viewOf(doc, readAtMs),
    storage: { levels, stored, reservations: doc?.reservations?.length ?? 0 },
  };
};

export const copyOf = (view: LedgerView): LedgerView => ({
  ...viewOf(view, view.readAtMs),
  storage: view.storage && { ...view.storage, levels: { ...view.storage.levels } },
});

/** The windows to charge: never earlier than those that were charged, even if this instance's clock is behind. */
export function windowsToCharge({ windows }: LedgerView, nowMs: number): ChargedWindows {
  const minute = Math.max(minuteOf(nowMs), windows.minute.at);
  const day = Math.max(dayOfMinute(minute), windows.day.at);
  return { minute, day, overage: monthOfDay(day) };
}

const usedAt = ({ at, used }: WindowCount, window: number): number => (at === window ? used : 0);

/** How many of these calls would exceed the day's quota. */
export const callsPastQuota = (view: LedgerView, limits: CallLimits, calls: number, day: number): number =>
  Math.max(0, Math.min(calls, usedAt(view.windows.day, day) + calls - limits.apiCallsPerDay));

/** The window that has no room for the calls; null if all have. */
export function fullWindow(
  view: LedgerView,
  limits: CallLimits,
  calls: number,
  { minute, day, overage }: ChargedWindows,
): 'day' | 'minute' | null {
  const past = callsPastQuota(view, limits, calls, day);
  if (past > 0 && usedAt(view.windows.overage, overage) + past > limits.overageCallsPerMonth) return 'day';
  if (usedAt(view.windows.minute, minute) + calls > limits.apiCallsPerMinute) return 'minute';
  return null;
}

/** Whether not even an empty ledger would have room for all of these, so that only the ledger can tell which have. */
export function exceedEmptyLedger(all: readonly { taken: Taken }[], limits: StorageLimits): boolean {
  const reserved = all.flatMap(({ taken }) => taken.reserved ?? []);
  const amounts = askedOf(sumOf(reserved.map((one) => one.amounts)));
  return (
    reserved.length > MAX_RESERVATIONS ||
    amounts.some(([resource, amount]) => amount > limitOf(limits, resource))
  );
}

/** The resource that has no room; null if all have, or if nothing is known of them. */
export function fullStorage(
  view: LedgerView,
  { reserved }: Taken,
  limits: StorageLimits,
): FullStorage | null {
  if (!reserved || !view.storage) return null;
  const { levels, stored } = view.storage;
  const amounts = sumOf(reserved.map((one) => one.amounts));
  for (const [resource, requested] of askedOf(amounts)) {
    const limit = limitOf(limits, resource);
    if (amountOf(levels, resource) + requested > limit)
      return { resource, limit, usage: amountOf(stored, resource), requested };
  }
  return null;
}

/** Whether the tenant has as many reservations as a ledger may have. */
export const hasTooManyReservations = ({ storage }: LedgerView, { reserved = [] }: Taken): boolean =>
  storage !== null && storage.reservations + reserved.length > MAX_RESERVATIONS;

export function addTaken(
  view: LedgerView,
  limits: TakenLimits,
  { taken, calls }: { taken: Taken; calls: number },
  { minute, day, overage }: ChargedWindows,
): void {
  const { windows, storage } = view;
  if (calls > 0) {
    const past = callsPastQuota(view, limits.calls, calls, day);
    if (past > 0) windows.overage = { at: overage, used: usedAt(windows.overage, overage) + past };
    windows.day = { at: day, used: usedAt(windows.day, day) + calls };
    windows.minute = { at: minute, used: usedAt(windows.minute, minute) + calls };
  }
  if (!storage) return;
  for (const { amounts } of taken.reserved ?? []) {
    storage.reservations++;
    for (const [resource, amount] of Object.entries(amounts))
      storage.levels[resource] = amountOf(storage.levels, resource) + amount;
  }
}

export function useOf(view: LedgerView, limits: CallLimits | null, nowMs: number): WindowUse {
  const { minute, day, overage } = windowsToCharge(view, nowMs);
  const { windows } = view;
  return {
    day: usedAt(windows.day, day),
    minute: usedAt(windows.minute, minute),
    overageOfMonth: limits?.overageCallsPerMonth === 0 ? 0 : usedAt(windows.overage, overage),
    // An instance whose clock is behind charges the minute that another one started, and reports that minute.
    atMs: Math.max(nowMs, windows.minute.at * 60_000),
  };
}
