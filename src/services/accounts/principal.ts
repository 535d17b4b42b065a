/** Who calls. */
export type Principal =
  | {
      kind: 'tenant';
      tenantId: string;
      keyId: string;
      scopes: ReadonlySet<string>;
      /** When the key ends; null: never. */
      expiresAt: Date | null;
    }
  /** The operator's own service, which enforces limits and does nothing else. */
  | { kind: 'service'; keyId: string }
  | { kind: 'operator' };
