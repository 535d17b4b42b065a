import { type Principal, requireOwnTenant } from './principal.js';
import type { TenantDirectory, TenantIds } from './tenantDirectory.js';
import type { Tenants } from './tenants.js';

/**
 * The tenant that a request is about: the tenant of the caller's key, or the one that the operator or its service names.
 * @param options.orErased whether the operator may name a tenant that was erased
 * @param options.externalIdOf reads the external id of the caller's own tenant, if the caller names one
 * @throws FORBIDDEN for another tenant's id; BAD_USER_INPUT if the operator names none; NOT_FOUND
 */
export async function namedTenantId(
  services: { tenants: Pick<Tenants, 'idOf'>; tenantDirectory: Pick<TenantDirectory, 'idOf'> },
  principal: Principal,
  named: TenantIds,
  options: { orErased: boolean; externalIdOf: (tenantId: string) => Promise<string | undefined> },
): Promise<string> {
  // Services ask for each of their requests. Operators rarely ask, and act on what is true at this moment.
  if (principal.kind === 'service') return services.tenantDirectory.idOf(named);
  if (principal.kind === 'operator') return services.tenants.idOf(named, options.orErased);
  return requireOwnTenant(principal, named, options.externalIdOf);
}
