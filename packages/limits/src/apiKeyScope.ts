/** What a key may do. A key without scopes named at its making has all of them. */
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
  /** Decide operations of all tenants, for a service of the operator's own; such a key belongs to no tenant. */
  ENFORCE = 'ENFORCE',
}

/** Those of a tenant's key. */
export const ALL_SCOPES = Object.values(ApiKeyScope).filter((scope) => scope !== ApiKeyScope.ENFORCE);
