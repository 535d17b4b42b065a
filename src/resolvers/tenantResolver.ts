import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Arg, Args, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import { badInput } from '../common/errors.js';
import { Checked, RequiresRole, RequiresScope } from '../directives/access.js';
import { connect, DEFAULT_PAGE, decodeCursor, encodeCursor } from '../schema/pagination.js';
import { SubscriptionType } from '../schema/subscription.js';
import {
  CreateTenantInput,
  MonthlyRevenue,
  NewTenant,
  TenantConnection,
  TenantsArgs,
  TenantType,
} from '../schema/tenant.js';
import { TierType } from '../schema/tier.js';
import { StorageUsage, UsageType } from '../schema/usage.js';
import { OperatorRole, ownTenantId } from '../services/accounts/principal.js';
import { TenantSort } from '../services/insights/tenantRanking.js';
import { UsagePeriod } from '../services/usage/usage.js';
import { type Context, requestedTenantId } from './context.js';
import { readSubscription, toEntitledTier, toStorageUsage, toTenant } from './mappers.js';

@Resolver(() => TenantType)
export class TenantResolver {
  @Query(() => TenantType, {
    description: 'The tenant of the key. Only the operator can read another tenant.',
  })
  @RequiresScope(ApiKeyScope.READ)
  async tenant(
    @Arg('id', () => ID, { nullable: true }) id: string | null,
    @Arg('externalId', () => ID, { nullable: true }) externalId: string | null,
    @Ctx() context: Context,
  ): Promise<TenantType> {
    // An operator that names no tenant gets an error that says that it has none of its own.
    const tenantId =
      id || externalId
        ? await requestedTenantId(context, { tenantId: id, externalId }, { orErased: true })
        : ownTenantId(context);
    return toTenant(await context.services.tenants.get(tenantId));
  }

  @Query(() => TenantConnection, {
    description:
      'Those of a search come in the order of what matched. With the default order a page examines at most 2,000 tenants: with filters it may have fewer than asked for, or none, and yet `hasNextPage`.',
  })
  @RequiresRole(OperatorRole.READ)
  @Checked(({ after, search, sort }) => {
    decodeCursor(after);
    if (search && sort && sort !== TenantSort.OLDEST)
      throw badInput('sort', 'cannot be combined with a search, which has an order of its own');
  })
  async tenants(@Args() { first, after, search, tier, state, sort }: TenantsArgs, @Ctx() context: Context) {
    const { services, loaders } = context;
    const query = {
      first: first ?? DEFAULT_PAGE,
      after: decodeCursor(after),
      tier: tier ?? null,
      state: state ?? null,
    };
    const isRanked = sort && sort !== TenantSort.OLDEST;
    const page = isRanked
      ? await services.tenantRanking.page({ ...query, sort })
      : await services.tenantSearch.page({ ...query, search: search || null });
    for (const { tenant } of page.tenants) loaders.tenant.prime(tenant._id, tenant);
    const connection = connect(
      page.tenants,
      page.hasNextPage,
      after,
      ({ key }) => key,
      ({ tenant }) => toTenant(tenant),
    );
    if (page.endKey !== null) connection.pageInfo.endCursor = encodeCursor(page.endKey);
    return connection;
  }

  @Mutation(() => NewTenant)
  @RequiresRole(OperatorRole.PROVISION)
  async createTenant(@Arg('input') input: CreateTenantInput, @Ctx() context: Context): Promise<NewTenant> {
    const { tenant, key } = await context.services.tenants.create(input, context.author());
    return { tenant: toTenant(tenant), apiKey: key && { id: key.apiKey._id, secret: key.secret } };
  }

  @FieldResolver(() => TierType)
  async tier(@Root() { id }: TenantType, @Ctx() { services, loaders }: Context): Promise<TierType> {
    return toEntitledTier(services.tiers, await loaders.entitlement(id));
  }

  @FieldResolver(() => SubscriptionType)
  subscription(@Root() { id }: TenantType, @Ctx() context: Context): Promise<SubscriptionType> {
    return readSubscription(id, context);
  }

  @FieldResolver(() => Int, {
    nullable: true,
    description:
      "What its subscription costs a month, in cents, at its price at Stripe: without discounts, taxes and overage; a yearly price by 12. null: it pays nothing, the price is not known, or it is not in the catalogue's currency (see `monthlyRevenue`).",
  })
  async monthlyRevenueCents(@Root() { id }: TenantType, @Ctx() { loaders }: Context): Promise<number | null> {
    return (await loaders.standing.load(id))?.monthlyCents ?? null;
  }

  @FieldResolver(() => MonthlyRevenue, {
    nullable: true,
    description:
      'The same in the currency that it pays in. null: it pays nothing, or the price is not known.',
  })
  async monthlyRevenue(
    @Root() { id }: TenantType,
    @Ctx() { services, loaders }: Context,
  ): Promise<MonthlyRevenue | null> {
    const { monthlyCents = null, monthlyOther = null } = (await loaders.standing.load(id)) ?? {};
    if (monthlyCents === null) return monthlyOther;
    return { currency: services.tiers.catalogue.currency, cents: monthlyCents };
  }

  @FieldResolver(() => UsageType)
  usage(
    @Root() { id }: TenantType,
    @Arg('period', () => UsagePeriod, { defaultValue: UsagePeriod.DAY }) period: UsagePeriod,
    @Ctx() { loaders }: Context,
  ): Promise<UsageType> {
    return loaders.usage(id, period);
  }

  @FieldResolver(() => StorageUsage)
  async storage(@Root() { id }: TenantType, @Ctx() { loaders }: Context): Promise<StorageUsage> {
    const [stored, { limits }] = await Promise.all([loaders.stored.load(id), loaders.entitlement(id)]);
    return toStorageUsage(stored, limits);
  }
}
