import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Arg, Ctx, Query, Resolver } from 'type-graphql';
import { PublicAccess, RequiresScope } from '../directives/access.js';
import { Feature, TierName, TierType } from '../schema/tier.js';
import { ownTenantId } from '../services/accounts/principal.js';
import type { Context } from './context.js';
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
    @Ctx() context: Context,
  ): Promise<boolean> {
    return (await context.loaders.entitlement(ownTenantId(context))).features.has(feature);
  }
}
