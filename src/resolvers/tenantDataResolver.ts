import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Args, Ctx, Directive, Mutation, Resolver } from 'type-graphql';
import { forbidden } from '../common/errors.js';
import { RequiresRole, RequiresScope } from '../directives/access.js';
import { TenantErasure, TenantExport } from '../schema/tenantData.js';
import { TenantArgs } from '../schema/tenantRef.js';
import { OperatorRole, type Principal, requirePrincipal } from '../services/accounts/principal.js';
import { type Context, requestedTenantId } from './context.js';
import { toErasure } from './mappers.js';

@Resolver()
export class TenantDataResolver {
  @Mutation(() => TenantExport, {
    description:
      "Makes a link to an archive of everything that is stored of a tenant. A tenant's key needs the scopes READ, BILLING and KEYS.",
  })
  @RequiresScope(ApiKeyScope.KEYS, { role: OperatorRole.OWNER })
  @Directive('@rateLimited(cost: 0, max: 10, window: "1m")')
  async exportTenant(@Args() named: TenantArgs, @Ctx() context: Context): Promise<TenantExport> {
    const creator = requirePrincipal(context.principal);
    requireScopes(creator, [ApiKeyScope.READ, ApiKeyScope.BILLING]);
    const tenantId = await requestedTenantId(context, named);
    return context.services.tenantExports.link(tenantId, creator, context.author());
  }

  @Mutation(() => TenantErasure, {
    description:
      'Erases a tenant: its keys stop working at once, its subscription is canceled, and all personal data is deleted, here and at Stripe. Calling it again returns how far that is.',
  })
  @RequiresRole(OperatorRole.OWNER)
  async eraseTenant(@Args() named: TenantArgs, @Ctx() context: Context): Promise<TenantErasure> {
    const tenantId = await requestedTenantId(context, named, { orErased: true });
    const { _id, erasure } = await context.services.erasures.begin(tenantId, context.author());
    if (!erasure) throw new Error(`The erasure of ${tenantId} was not stored`);
    return toErasure(_id, erasure);
  }
}

/** The archive contains what each of the scopes reads. @throws FORBIDDEN */
function requireScopes(principal: Principal, scopes: readonly ApiKeyScope[]): void {
  for (const scope of scopes) {
    if (principal.kind === 'tenant' && !principal.scopes.has(scope))
      throw forbidden(`This key lacks the scope ${scope}; create one that has it`);
  }
}
