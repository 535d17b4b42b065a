import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Arg, Ctx, Directive, Mutation, Resolver } from 'type-graphql';
import { RequiresScope } from '../directives/access.js';
import { BillingPageSession, CreateBillingPageSessionInput } from '../schema/billingPage.js';
import { OperatorRole, requirePrincipal } from '../services/accounts/principal.js';
import { type Context, requestedTenantId } from './context.js';

@Resolver()
export class BillingPageResolver {
  @Mutation(() => BillingPageSession, {
    description:
      "Creates a link to the tenant's billing page, for a person in a browser. It works once, within 30 minutes, and the page then for two hours; both end early with the tenant, and with the key that created the link.",
  })
  @RequiresScope(ApiKeyScope.BILLING, { role: OperatorRole.PROVISION })
  @Directive('@rateLimited(cost: 0, max: 600, window: "1m")')
  async createBillingPageSession(
    @Arg('input') input: CreateBillingPageSessionInput,
    @Ctx() context: Context,
  ): Promise<BillingPageSession> {
    const tenantId = await requestedTenantId(context, input);
    const { returnUrl, locale } = input;
    const creator = requirePrincipal(context.principal);
    return context.services.billingPages.link(
      tenantId,
      { returnUrl, locale: locale ?? null },
      creator,
      context.author(),
    );
  }
}
