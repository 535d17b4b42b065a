import type { ApiKeyScope } from './apiKeyScope.js';
import type { BillingError } from './errors.js';
import type { FieldLimit } from './fieldLimit.js';

/** Calls to one endpoint that an operation is to be charged for. */
export interface Charge {
  endpoint: string;
  calls: number;
  /** Is written into the usage day together with the charge, and taken off when it is returned. */
  mark?: string;
}

export const sumOf = (charges: readonly Charge[]): number =>
  charges.reduce((sum, { calls }) => sum + calls, 0);

/** Amounts by resource: memories, embeddings, bytes, and what a team's own catalogue names. */
export type StorageAmounts = Readonly<Record<string, number>>;

/** What an operation asks of its tenant's limits. */
export interface OperationCost {
  /** Calls by endpoint; each of at least one. */
  charges: readonly Charge[];
  features: readonly string[];
  fieldLimits: readonly FieldLimit[];
  /** What is to be stored, by the name of the root field that stores it. */
  stores: ReadonlyMap<string, Stored>;
  /** Whether it is counted among the tenant's concurrent requests. */
  concurrent: boolean;
}

/** What a root field stores. */
export interface Stored {
  amounts: StorageAmounts;
  /** Whether another service stores it, which tells at the end what it did. */
  external: boolean;
}

export interface Outcome {
  /** Whether any field failed: holds that were not used are given back. */
  failed: boolean;
  /** Root fields that certainly stored nothing. Of what another service stores, the rest is kept. */
  notStored: ReadonlySet<string> | 'all';
  /** Charges that are given back. */
  returned: readonly Charge[];
}

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
  take(caller: Caller, cost: OperationCost): Promise<CallerGrant | CallerRefusal>;
  /**
   * After a delete: gives room back. Not to be repeated.
   * @param amounts by resource, `bytes` among them
   */
  free(tenantId: string, amounts: Readonly<Record<string, number>>): Promise<void>;
  close(): Promise<void>;
}
