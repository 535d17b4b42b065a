import type { IncomingHttpHeaders } from 'node:http';
import { forbidden, unauthenticated } from '../../common/errors.js';

/** Who sent a request, as its key identifies them. */
export type Principal =
  | {
      kind: 'tenant';
      tenantId: string;
      keyId: string;
      scopes: ReadonlySet<string>;
      /** When the key ends; null: never. */
      expiresAt: Date | null;
    }
  /** A service of the operator that enforces limits and does nothing else. */
  | { kind: 'service'; keyId: string }
  | { kind: 'operator' };

/** `x-api-key: <key>` or `Authorization: Bearer <key>`. @returns null when there is none */
export function apiKeyOf(headers: IncomingHttpHeaders): string | null {
  const own = headers['x-api-key'];
  if (typeof own === 'string' && own) return own;
  const bearer = /^Bearer\s+(.+)$/i.exec(headers.authorization ?? '');
  return bearer?.[1]?.trim() ?? null;
}

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
