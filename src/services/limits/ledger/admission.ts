import type { Charge, StorageAmounts } from '@continuum-billing/limits/core';
import type { TierLimits } from '../../../models/tierLimits.js';
import type { CallLimits } from '../../tiers/entitlements.js';

/** A tenant's usage of the current day and minute. */
export interface WindowUse {
  day: number;
  minute: number;
  /** Overage of the month, today's included; 0 for a tenant that has opted into none. */
  overageOfMonth: number;
  /** The instant of the decision, which identifies the day and the minute. */
  atMs: number;
}

export type StorageLimits = Pick<TierLimits, 'maxMemories' | 'maxEmbeddings' | 'maxStorageBytes'> &
  Partial<Pick<TierLimits, 'stored'>>;

/** Storage that an operation reserves. */
export interface Reserved {
  /** The id of the reservation, by which it is committed or released. */
  id: string;
  amounts: StorageAmounts;
  /** Whether another service stores it. */
  external: boolean;
}

/** What an operation takes: all of it or nothing. */
export interface Taken {
  charges: readonly Charge[];
  reserved?: readonly Reserved[];
}

export interface TakenLimits {
  calls: CallLimits;
  storage: StorageLimits;
}

/** A resource that has no room. */
export interface FullStorage {
  resource: string;
  limit: number;
  /** What is stored, without reservations. */
  usage: number;
  requested: number;
}

export type Decision =
  | { admitted: true; used: WindowUse }
  | { admitted: false; used: WindowUse; window: 'minute' | 'day' }
  | { admitted: false; used: WindowUse; storage: FullStorage };

/**
 * Decides whether a tenant may do what it asks for, and takes that in the same step. A decision is returned once it is on
 * disk. The limits are exact for any number of instances and concurrent operations.
 */
export interface Admission {
  /** @throws SERVICE_UNAVAILABLE when the database is unreachable or too many decisions are waiting */
  admit(tenantId: string, limits: TakenLimits, taken: Taken): Promise<Decision>;
  /** The tenant's usage as this instance knows it; it reads the database only if it knows nothing. */
  look(tenantId: string): Promise<WindowUse>;
  /**
   * Returns calls whose operation failed with a server error.
   * @param charged when the calls were charged
   */
  returnCalls(tenantId: string, charges: readonly Charge[], charged: Pick<WindowUse, 'atMs'>): Promise<void>;
  /** Reports that the ledgers of these tenants were changed in other ways, so that the next decisions see it. */
  changed(tenantIds: readonly string[]): void;
}
