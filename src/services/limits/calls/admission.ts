import type { Charge } from '@continuum-billing/limits/core';
import type { CallLimits } from '../../tiers/entitlements.js';

/** What a tenant has used of its two windows. */
export interface WindowUse {
  day: number;
  minute: number;
  /** Overage of the month, with today's; 0 on a day that had none. */
  overageOfMonth: number;
  /** The instant for which it was decided: tells which day and minute are meant. */
  atMs: number;
}

export type Decision =
  | { admitted: true; used: WindowUse }
  | { admitted: false; used: WindowUse; window: 'minute' | 'day' };

/**
 * Decides whether a tenant may make calls, and charges for them in the same step. A decision is given when it is on
 * disk. No number of instances and no concurrency lets one call too many through.
 */
export interface Admission {
  /**
   * @param charges with at least one call in sum
   * @throws SERVICE_UNAVAILABLE when the database is away, or too many decisions wait
   */
  admit(tenantId: string, limits: CallLimits, charges: readonly Charge[]): Promise<Decision>;
  /** What the tenant has used, as far as this instance knows; the database is asked only if it knows nothing. */
  look(tenantId: string): Promise<WindowUse>;
  /**
   * Returns calls whose operation failed with a server error.
   * @param charged when they were
   */
  returnCalls(tenantId: string, charges: readonly Charge[], charged: Pick<WindowUse, 'atMs'>): Promise<void>;
  /** Something else added calls to these usage days: the next decisions see them. */
  recorded(usageDayIds: readonly string[]): void;
  /** Brings what is decided into the documents of these usage days: to be called before they are read. */
  settle(usageDayIds: readonly string[]): Promise<void>;
}
