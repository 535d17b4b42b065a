import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Arg, Args, Ctx, Query, Resolver } from 'type-graphql';
import { PublicAccess, RequiresRole, RequiresScope } from '../directives/access.js';
import { EntitlementType } from '../schema/entitlement.js';
import { ServerInstance } from '../schema/serverInstance.js';
import { TenantArgs } from '../schema/tenantRef.js';
import { Feature, TierName, TierType } from '../schema/tier.js';
import { TierExplanation } from '../schema/tierExplanation.js';
import { OperatorRole } from '../services/accounts/principal.js';
import { type Context, requestedTenantId } from './context.js';
import { toTier, toTierExplanation } from './mappers.js';
import { visibleTier, visibleTiers } from './visibleTiers.js';

@Resolver()
export class TierResolver {
  @Query(() => [TierType], {
    description:
      'The tiers for sale, the smallest first. A tenant also gets its own, and an operator those that are hidden or retired.',
  })
  @PublicAccess()
  async tiers(@Ctx() context: Context): Promise<TierType[]> {
    const { tiers } = context.services;
    return (await visibleTiers(context)).map((tier) => toTier(tiers, tier));
  }

  @Query(() => TierType, { description: 'One of `tiers`.' })
  @PublicAccess()
  tier(@Arg('name', () => TierName) name: string, @Ctx() context: Context): Promise<TierType> {
    return visibleTier(name, context);
  }

  @Query(() => TierExplanation, {
    description:
      'Which record gives a tenant its tier, since when and until when, and why the others do not.',
  })
  @RequiresScope(ApiKeyScope.READ)
  async explainTier(@Args() named: TenantArgs, @Ctx() context: Context): Promise<TierExplanation> {
    const { tiers, tierExplanations } = context.services;
    return toTierExplanation(tiers, await tierExplanations.explain(await requestedTenantId(context, named)));
  }

  @Query(() => Boolean, { description: 'Whether the tenant currently has the feature.' })
  @RequiresScope(ApiKeyScope.READ)
  async entitlement(
    @Arg('feature', () => Feature) feature: string,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<boolean> {
    const tenantId = await requestedTenantId(context, named);
    return (await context.loaders.entitlement(tenantId)).features.has(feature);
  }

  @Query(() => [EntitlementType], {
    description:
      'Features, limits, what is stored, and settings: what a tenant has now, and what it follows from.',
  })
  @RequiresScope(ApiKeyScope.READ)
  async entitlements(@Args() named: TenantArgs, @Ctx() context: Context): Promise<EntitlementType[]> {
    return context.services.entitlementList.list(await requestedTenantId(context, named));
  }

  @Query(() => [ServerInstance], {
    description:
      'The instances that run on this database, oldest first, at most 1000. Their catalogues must be the same.',
  })
  @RequiresRole(OperatorRole.READ)
  serverInstances(@Ctx() { services }: Context): Promise<ServerInstance[]> {
    return services.serverInstances.list();
  }
}
