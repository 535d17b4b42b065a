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
}

export const ALL_SCOPES = Object.values(ApiKeyScope);

/** Who calls. */
export type Principal =
  | { kind: 'tenant'; tenantId: string; keyId: string; scopes: ReadonlySet<string> }
  | { kind: 'operator' };
