import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Args, Ctx, Directive, Mutation, Resolver } from 'type-graphql';
import { forbidden } from '../common/errors.js';
import { RequiresScope } from '../directives/access.js';
import { TenantExport } from '../schema/tenantData.js';
import { TenantArgs } from '../schema/tenantRef.js';
import { OperatorRole, type Principal } from '../services/accounts/principal.js';
import { type Context, requestedTenantId } from './context.js';

@Resolver()
export class TenantDataResolver {
  @Mutation(() => TenantExport, {
    description:
      "Makes a link to an archive of everything that is stored of a tenant. A tenant's key needs the scopes READ, BILLING and KEYS.",
  })
  @RequiresScope(ApiKeyScope.KEYS, { role: OperatorRole.OWNER })
  @Directive('@rateLimited(cost: 0, max: 10, window: "1m")')
  async exportTenant(@Args() named: TenantArgs, @Ctx() context: Context): Promise<TenantExport> {
    requireScopes(context.principal, [ApiKeyScope.READ, ApiKeyScope.BILLING]);
    const tenantId = await requestedTenantId(context, named);
    return context.services.tenantExports.link(tenantId, context.author());
  }
}

/** The archive contains what each of the scopes reads. @throws FORBIDDEN */
function requireScopes(principal: Principal | null, scopes: readonly ApiKeyScope[]): void {
  for (const scope of scopes) {
    if (principal?.kind === 'tenant' && !principal.scopes.has(scope))
      throw forbidden(`This key lacks the scope ${scope}; create one that has it`);
  }
}
