import { forbidden, unauthenticated } from '../../common/errors.js';
import type { Author } from '../audit/author.js';
import type { TenantIds } from './tenantDirectory.js';

/** What the operator's people and programs may do. An OWNER may do everything. */
export enum OperatorRole {
  OWNER = 'OWNER',
  /** Read everything; replay events, resend webhooks. */
  SUPPORT = 'SUPPORT',
  /** Create tenants, and keys and tokens of tenants: for sign-up. */
  PROVISION = 'PROVISION',
  /** Read everything. */
  READ = 'READ',
}

/** A caller that acts as one tenant. */
export interface TenantPrincipal {
  kind: 'tenant';
  tenantId: string;
  /** How it showed who it is: an API key, a short-lived token, a JWT of the identity provider, or a page's session. */
  credential: 'key' | 'token' | 'jwt' | 'session';
  /** The key's, the token's or the session's id; the tenant's id for a JWT. */
  keyId: string;
  scopes: ReadonlySet<string>;
  /** When the credential ends; null: never. */
  expiresAt: Date | null;
}

/** A caller with one of the operator's keys. */
export interface OperatorPrincipal {
  kind: 'operator';
  role: OperatorRole;
  /** null: ADMIN_API_KEY. */
  keyId: string | null;
  /** When the key ends; null: never. */
  expiresAt: Date | null;
}

/** Who sent a request, as its key or token identifies them. */
export type Principal =
  | TenantPrincipal
  /** A service of the operator that enforces limits and does nothing else. */
  | { kind: 'service'; keyId: string }
  | OperatorPrincipal;

/** The sender of a request. @throws UNAUTHENTICATED without a key */
export function requirePrincipal(principal: Principal | null): Principal {
  if (principal) return principal;
  throw unauthenticated(
    'An API key is needed: send it as the header x-api-key, or Authorization: Bearer <key>',
  );
}

/** The tenant of the caller's key. @throws UNAUTHENTICATED without a key, FORBIDDEN for the operator's */
export function ownTenantId(context: { principal: Principal | null }): string {
  const principal = requirePrincipal(context.principal);
  if (principal.kind !== 'tenant')
    throw forbidden(`The ${principal.kind} has no tenant of its own; use a tenant's key`);
  return principal.tenantId;
}

/** The stored key of the caller; null for another credential. */
export const storedKeyOf = (caller: Principal): string | null =>
  caller.kind === 'tenant' && caller.credential !== 'key' ? null : caller.keyId;

/**
 * The caller's own tenant, whatever it names.
 * @param externalIdOf reads the tenant's external id, if the caller names one
 * @throws FORBIDDEN for another tenant's id
 */
export async function requireOwnTenant(
  { tenantId: own }: TenantPrincipal,
  { tenantId, externalId }: TenantIds,
  externalIdOf: (tenantId: string) => Promise<string | undefined>,
): Promise<string> {
  const isOther = (tenantId && tenantId !== own) || (externalId && (await externalIdOf(own)) !== externalId);
  if (isOther)
    throw forbidden("A tenant's key can only name its own tenant; leave tenantId and externalId out");
  return own;
}

/** The caller as the audit log names it. */
export function authorOf(principal: Principal, requestId: string | null): Author {
  return { actor: actorOf(principal), requestId };
}

function actorOf(principal: Principal): string {
  switch (principal.kind) {
    case 'tenant':
      return `${principal.credential}:${principal.keyId}`;
    case 'service':
      return `service:${principal.keyId}`;
    case 'operator':
      return `operator:${principal.keyId ?? 'ADMIN_API_KEY'}`;
  }
}
