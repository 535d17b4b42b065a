import type { Charge } from '@continuum-billing/limits/core';
import type { CallLimits } from '../../tiers/entitlements.js';

/** A tenant's usage of the current day and minute. */
export interface WindowUse {
  day: number;
  minute: number;
  /** Overage of the month, today's included; 0 on a day without overage. */
  overageOfMonth: number;
  /** The instant of the decision, which identifies the day and the minute. */
  atMs: number;
}

export type Decision =
  | { admitted: true; used: WindowUse }
  | { admitted: false; used: WindowUse; window: 'minute' | 'day' };

/**
 * Decides whether a tenant may make calls, and charges for them in the same step. A decision is returned once it is on
 * disk. The limits are exact for any number of instances and concurrent calls.
 */
export interface Admission {
  /**
   * @param charges at least one call in total
   * @throws SERVICE_UNAVAILABLE when the database is unreachable or too many decisions are waiting
   */
  admit(tenantId: string, limits: CallLimits, charges: readonly Charge[]): Promise<Decision>;
  /** The tenant's usage as this instance knows it; it reads the database only if it knows nothing. */
  look(tenantId: string): Promise<WindowUse>;
  /**
   * Returns calls whose operation failed with a server error.
   * @param charged when the calls were charged
   */
  returnCalls(tenantId: string, charges: readonly Charge[], charged: Pick<WindowUse, 'atMs'>): Promise<void>;
  /** Reports that calls were added to these usage days outside the ledgers, so that the next decisions see them. */
  recorded(usageDayIds: readonly string[]): void;
  /** Writes decided calls to the documents of these usage days. Call it before reading them. */
  settle(usageDayIds: readonly string[]): Promise<void>;
}
