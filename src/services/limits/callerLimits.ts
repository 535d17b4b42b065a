import { type Caller, type Limits } from '@continuum-billing/limits/core';
import { forbidden } from '../../common/errors.js';
import type { Authenticator } from '../accounts/authenticator.js';
import type { TenantDirectory } from '../accounts/tenantDirectory.js';
import { isRejection, type TenantLimits } from './tenantLimits.js';

/** Decides operations in the database for the tenant that the caller is, or that a service names. */
export function createCallerLimits(deps: {
  authenticator: Authenticator;
  tenantDirectory: TenantDirectory;
  limits: TenantLimits;
}): Limits['take'] {
  return async (caller, cost) => {
    const tenantId = await tenantIdOf(deps, caller);
    const outcome = await deps.limits.take(cost, tenantId);
    if (isRejection(outcome)) return { kind: 'refused', ...outcome };
    const { tier, headers, end } = outcome;
    return { kind: 'granted', tenantId, tier, headers, end };
  };
}

/**
 * @throws UNAUTHENTICATED; FORBIDDEN for a key that does not belong to a tenant or lacks the scope; NOT_FOUND for a tenant
 *   that a service names and that does not exist
 */
export async function tenantIdOf(
  { authenticator, tenantDirectory }: { authenticator: Authenticator; tenantDirectory: TenantDirectory },
  caller: Caller,
): Promise<string> {
  if (!('apiKey' in caller)) return tenantDirectory.idOf(caller);
  const { apiKey, address, scope } = caller;
  const principal = await authenticator.authenticate(apiKey, address);
  if (principal.kind !== 'tenant')
    throw forbidden(`The ${principal.kind} has no limits of its own; use a tenant's key`);
  if (!principal.scopes.has(scope))
    throw forbidden(`This key lacks the scope ${scope}; create one that has it`);
  return principal.tenantId;
}
