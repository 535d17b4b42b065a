/** How a customer of the account leads to a tenant, apart from the CSV. */
export const MATCH_METHODS = ['metadata', 'external-id', 'email'] as const;
export type MatchMethod = (typeof MATCH_METHODS)[number];

/**
 * What said which tenant a customer belongs to. `earlier import`: one that created the tenant and was interrupted before
 * the customer was linked. `customer`: nothing, so that the tenant is a new one.
 */
export type MatchedBy = 'csv' | 'earlier import' | MatchMethod | 'customer';

/** For which customers without a tenant one is created. `paying`: also those that something names a tenant for. */
export type Creation = 'none' | 'paying' | 'all';

/** What the operator says about a customer. */
export interface CustomerRow {
  /** Leave it out. */
  isExcluded: boolean;
  tenantId: string | null;
  externalId: string | null;
  /** For a tenant that is created. */
  name: string | null;
  email: string | null;
}

export interface ImportOptions {
  /** Reports what it would do. */
  dryRun: boolean;
  /** In order of precedence. */
  match: readonly MatchMethod[];
  /** The key in a customer's metadata at Stripe that has the operator's own id of it. */
  externalIdKey: string;
  create: Creation;
  /** By Stripe's id of the customer. They take precedence. */
  rows: ReadonlyMap<string, CustomerRow>;
  /** Tiers of prices outside the catalogue, by Stripe's id of the price. They are written to the prices at Stripe. */
  tiers: ReadonlyMap<string, string>;
}
