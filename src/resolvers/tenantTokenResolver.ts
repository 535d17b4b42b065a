import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Arg, Ctx, Directive, Mutation, Resolver } from 'type-graphql';
import { RequiresScope } from '../directives/access.js';
import { CreateTenantTokenInput, TenantToken } from '../schema/tenantToken.js';
import { requirePrincipal } from '../services/accounts/principal.js';
import { type Context, requestedTenantId } from './context.js';

@Resolver()
export class TenantTokenResolver {
  @Mutation(() => TenantToken, {
    description:
      'Creates a token that works for a short time, so that a browser can act for a tenant without its key. It ends early with its tenant, and with the key that created it. For operators, and the tenant itself.',
  })
  @RequiresScope(ApiKeyScope.KEYS)
  @Directive('@rateLimited(cost: 0, max: 600, window: "1m")')
  async createTenantToken(
    @Arg('input') input: CreateTenantTokenInput,
    @Ctx() context: Context,
  ): Promise<TenantToken> {
    const { scopes, ttlSeconds } = input;
    const tenantId = await requestedTenantId(context, input);
    const creator = requirePrincipal(context.principal);
    const { tenantTokens } = context.services;
    return tenantTokens.create({ tenantId, scopes, ttlSeconds }, creator, context.author());
  }
}
