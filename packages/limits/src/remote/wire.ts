import type { BillingError } from '../errors.js';
import type { Caller, Charge, OperationCost } from '../limits.js';

/** An operation that another service asks the billing server to decide. */
export type RemoteOperation = Caller & {
  /** The service counts concurrent requests itself. */
  cost: Omit<OperationCost, 'concurrent'>;
};

export type RemoteDecision =
  | {
      allowed: true;
      tenantId: string;
      tier: string;
      concurrentRequests: number;
      chargedAtMs: number | null;
      /** Storage reservations, by the response name of the root field that stores. */
      reservationIds: ReadonlyMap<string, string>;
      /** A signed record of what was taken; null if nothing was, so that there is nothing to end. */
      receipt: string | null;
      headers: ReadonlyMap<string, string>;
    }
  | { allowed: false; error: BillingError; headers: ReadonlyMap<string, string> };

/** How an operation of another service ended. */
export interface EndedOperation {
  /** The receipt of its decision. */
  receipt: string;
  /** Calls to return, no more than were charged. */
  returned: readonly Charge[];
  /** Reservations whose storage is used now. */
  committedIds: readonly string[];
  /** Reservations that were not used. */
  releasedIds: readonly string[];
}
