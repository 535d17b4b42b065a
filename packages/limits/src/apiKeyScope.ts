/** What a key may do. A key that was created without naming scopes has all of a tenant's. */
export enum ApiKeyScope {
  /** Read memories, usage, storage, the subscription. */
  READ = 'READ',
  /** Store, delete and share memories. */
  WRITE = 'WRITE',
  /** Buy, change and cancel. */
  BILLING = 'BILLING',
  /** Create, rotate and revoke keys. */
  KEYS = 'KEYS',
  /** Record and report usage from other services. */
  USAGE = 'USAGE',
  /** Decide operations of all tenants, for one of the operator's services. Such a key belongs to no tenant. */
  ENFORCE = 'ENFORCE',
}

/** The scopes that a tenant's key may have. */
export const ALL_SCOPES = Object.values(ApiKeyScope).filter((scope) => scope !== ApiKeyScope.ENFORCE);
