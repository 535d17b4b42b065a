import type { HourlyActivityDoc } from '../../models/figures.js';

/** Calls and rejections, summed over instances. */
export interface ActivityTotals {
  calls: number;
  rejections: number;
  byReason: Record<string, number>;
}

export function totalsOf(hours: readonly HourlyActivityDoc[]): ActivityTotals {
  const totals: ActivityTotals = { calls: 0, rejections: 0, byReason: {} };
  for (const { by } of hours)
    for (const { calls, rejected } of Object.values(by)) {
      totals.calls += calls;
      for (const [reason, count] of Object.entries(rejected)) {
        totals.rejections += count;
        totals.byReason[reason] = (totals.byReason[reason] ?? 0) + count;
      }
    }
  return totals;
}
