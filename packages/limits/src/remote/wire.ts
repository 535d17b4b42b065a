import type { BillingError } from '../errors.js';
import type { Caller, Charge, OperationCost } from '../limits.js';

/** An operation of another service, to be decided here. */
export interface RemoteOperation extends Caller {
  /** Its service counts concurrent requests by itself. */
  cost: Omit<OperationCost, 'concurrent'>;
}

export type RemoteDecision =
  | {
      allowed: true;
      tenantId: string;
      tier: string;
      concurrentRequests: number;
      chargedAtMs: number | null;
      /** The storage that is held, by the name of the root field that stores. */
      reservationIds: ReadonlyMap<string, string>;
      /** Signed: what was taken. null: nothing was, so there is nothing to end. */
      receipt: string | null;
      headers: ReadonlyMap<string, string>;
    }
  | { allowed: false; error: BillingError; headers: ReadonlyMap<string, string> };

/** What an operation of another service leaves to be settled. */
export interface EndedOperation {
  /** From the decision. */
  receipt: string;
  /** Calls that are returned: no more than were charged. */
  returned: readonly Charge[];
  /** What was held and is stored now. */
  committedIds: readonly string[];
  releasedIds: readonly string[];
}
