import type { ApiKeyScope } from './apiKeyScope.js';
import type { BillingError } from './errors.js';
import type { FieldLimit } from './fieldLimit.js';

/** Calls to one endpoint that an operation is charged for. */
export interface Charge {
  endpoint: string;
  calls: number;
  /** Written into the usage day together with the charge, and removed when the charge is returned. */
  mark?: string;
}

export const sumOf = (charges: readonly Charge[]): number =>
  charges.reduce((sum, { calls }) => sum + calls, 0);

/** Amounts by resource: memories, embeddings, bytes, and the resources of the catalogue. */
export type StorageAmounts = Readonly<Record<string, number>>;

/** What an operation takes from its tenant's limits. */
export interface OperationCost {
  /** Calls by endpoint, at least one in each. */
  charges: readonly Charge[];
  features: readonly string[];
  fieldLimits: readonly FieldLimit[];
  /** What will be stored, by the response name of the root field that stores it. */
  stores: ReadonlyMap<string, Stored>;
  /** Whether it counts as one of the tenant's concurrent requests. */
  concurrent: boolean;
}

/** What a root field stores. */
export interface Stored {
  amounts: StorageAmounts;
  /** Whether another service stores it, and reports at the end what it did. */
  external: boolean;
}

/** How an operation ended, as far as it matters to limits. */
export interface Outcome {
  /** Whether any field failed; storage reservations that were not committed are released then. */
  failed: boolean;
  /** Root fields that certainly stored nothing. The external reservations of all others are committed. */
  notStored: ReadonlySet<string> | 'all';
  /** Charges to return. */
  returned: readonly Charge[];
}

/** Who asks: the key or token that the client sent, or the tenant that the service itself has identified. */
export type CallerIdentity = { apiKey: string } | { tenantId: string } | { externalId: string };

/** What names the caller, and how. */
export function identityOf(caller: CallerIdentity): [kind: string, text: string] {
  if ('apiKey' in caller) return ['apiKey', caller.apiKey];
  return 'tenantId' in caller ? ['tenantId', caller.tenantId] : ['externalId', caller.externalId];
}

/** The caller of an operation. */
export type Caller = CallerIdentity & {
  /** The client's address, for the limit on guesses of keys; null if unknown. */
  address: string | null;
  /** The scope that a key or token must have. */
  scope: ApiKeyScope;
};

/** An accepted operation and its tenant. */
export interface CallerGrant {
  kind: 'granted';
  /** null if the billing server is away and the key's tenant is unknown. */
  tenantId: string | null;
  tier: string | null;
  /** The rate limit headers of a metered operation. */
  headers: ReadonlyMap<string, string>;
  /** Returns the calls that failed. Must be called once, whatever happened; calls that cannot be returned stay counted. */
  end(outcome: Outcome): Promise<void>;
}

export interface CallerRefusal {
  kind: 'refused';
  error: BillingError;
  headers: ReadonlyMap<string, string>;
}

/** Accepts or rejects operations of tenants: on the database, or by asking a billing server. */
export interface Limits {
  /** Every feature that a tier may have; null if unknown. */
  readonly features: ReadonlySet<string> | null;
  /** Every resource that may be stored, except memories; null if unknown. */
  readonly resources: ReadonlySet<string> | null;
  /**
   * Accepts or rejects a whole operation in one atomic step.
   * @throws UNAUTHENTICATED, FORBIDDEN for a key without the scope, NOT_FOUND for a tenant that does not exist;
   *   SERVICE_UNAVAILABLE
   */
  take(caller: Caller, cost: OperationCost): Promise<CallerGrant | CallerRefusal>;
  /**
   * Frees storage after a delete. Do not repeat it: each call frees the amounts again.
   * @param amounts by resource, `bytes` among them
   */
  free(tenantId: string, amounts: Readonly<Record<string, number>>): Promise<void>;
  close(): Promise<void>;
}
