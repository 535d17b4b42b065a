import type { Charge } from '@continuum-billing/limits/core';
import type { CallLimits } from '../../tiers/entitlements.js';
import type { Decision, WindowUse } from './admission.js';

/** Calls that wait for their decision. */
export interface WaitingCall {
  kind: 'call';
  tenantId: string;
  limits: CallLimits;
  charges: readonly Charge[];
  calls: number;
  resolve(decision: Decision): void;
  reject(error: Error): void;
}

/** Calls to be returned. */
export interface WaitingReturn {
  kind: 'return';
  tenantId: string;
  charges: readonly Charge[];
  used: Pick<WindowUse, 'atMs'>;
  resolve(): void;
  reject(error: Error): void;
}

export type WaitingItem = WaitingCall | WaitingReturn;

/** A way to commit batches, one at a time. */
export interface Ledger {
  /**
   * Decides the items of a batch, and answers each once its decision is on disk.
   * @returns the items that it could not decide, for another ledger
   * @throws if the database failed; some items may have been answered before that
   */
  commit(batch: readonly WaitingItem[]): Promise<readonly WaitingItem[]>;
  /** The tenant's usage as this instance knows it; null if it knows nothing. */
  peek(tenantId: string): WindowUse | null;
  /** Reports that calls were added to these usage days outside the ledgers. */
  recorded(usageDayIds: readonly string[]): void;
  /** Writes decided calls to the documents of these usage days, for readers. */
  settle(usageDayIds: readonly string[]): Promise<void>;
}
