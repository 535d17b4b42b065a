import type { BillingError } from '../../errors.js';
import type { ApiKeyScope } from '../identity/principal.js';
import type { Demand, Outcome } from './tenantLimits.js';

/** Who asks, as far as the request tells. */
export interface Caller {
  /** As the client sent it. */
  apiKey: string;
  /** Of the client, for the limit on guesses; null: not known. */
  address: string | null;
  /** What the key must be allowed to do. */
  scope: ApiKeyScope;
}

/** An operation that may run, and whose it is. */
export interface CallerGrant {
  kind: 'granted';
  /** null: the billing server is away, and does not tell. */
  tenantId: string | null;
  tier: string | null;
  /** The rate limit headers of a metered operation. */
  headers: ReadonlyMap<string, string>;
  /** Gives back what failed. To be called once, whatever happened; what could not be given back stays counted. */
  end(outcome: Outcome): Promise<void>;
}

export interface CallerRefusal {
  kind: 'refused';
  error: BillingError;
  headers: ReadonlyMap<string, string>;
}

/** Decides operations of whoever shows a key: directly on the database, or by asking a billing server. */
export interface Limits {
  /** Every feature that a tier may have; null: not known yet. */
  readonly features: ReadonlySet<string> | null;
  /** Everything that may be stored besides memories; null: not known yet. */
  readonly resources: ReadonlySet<string> | null;
  /**
   * Decides an operation whole, in one exact step.
   * @throws UNAUTHENTICATED, FORBIDDEN for a key without the scope; SERVICE_UNAVAILABLE
   */
  take(caller: Caller, demand: Demand): Promise<CallerGrant | CallerRefusal>;
  /**
   * After a delete: gives room back. Not to be repeated.
   * @param amounts by resource, `bytes` among them
   */
  free(tenantId: string, amounts: Readonly<Record<string, number>>): Promise<void>;
  close(): Promise<void>;
}
