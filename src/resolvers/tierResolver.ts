import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Arg, Args, Ctx, Query, Resolver } from 'type-graphql';
import { PublicAccess, RequiresScope } from '../directives/access.js';
import { TenantArgs } from '../schema/tenantRef.js';
import { Feature, TierName, TierType } from '../schema/tier.js';
import { type Context, requestedTenantId } from './context.js';
import { toTier } from './mappers.js';

@Resolver()
export class TierResolver {
  @Query(() => [TierType], { description: 'All tiers of the catalogue.' })
  @PublicAccess()
  tiers(@Ctx() { services: { tiers } }: Context): TierType[] {
    return tiers.all().map((tier) => toTier(tiers, tier));
  }

  @Query(() => TierType)
  @PublicAccess()
  tier(@Arg('name', () => TierName) name: string, @Ctx() { services: { tiers } }: Context): TierType {
    return toTier(tiers, tiers.get(name));
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
}
