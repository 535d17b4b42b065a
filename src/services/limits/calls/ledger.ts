import type { Charge } from '@continuum-billing/limits/core';
import type { CallLimits } from '../../tiers/entitlements.js';
import type { Decision, WindowUse } from './admission.js';

/** A call that waits for its decision. */
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

/** One of the ways to commit a batch. Batches come one after the other. */
export interface Ledger {
  /**
   * Decides what waits, and settles each when its decision is on disk.
   * @returns what it could not decide, untouched: another ledger has to
   * @throws when the database failed: nothing was answered
   */
  commit(batch: readonly WaitingItem[]): Promise<readonly WaitingItem[]>;
  /** What the tenant has used as far as this instance knows. */
  peek(tenantId: string): WindowUse | null;
  /** Something else added calls to these usage days. */
  recorded(usageDayIds: readonly string[]): void;
  /** Brings what is decided into the documents of these usage days, for those who read them. */
  settle(usageDayIds: readonly string[]): Promise<void>;
}
