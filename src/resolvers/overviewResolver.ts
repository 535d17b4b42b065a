import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Args, Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import { Checked, RequiresRole, RequiresScope } from '../directives/access.js';
import {
  CallsOverview,
  CatalogueVersion,
  DeliveriesOverview,
  HealthOverview,
  Overview,
  OverviewDay,
  OverviewHistoryArgs,
  PastDueTenant,
  Rejection,
  RejectionConnection,
  RejectionsOverview,
  RevenueOverview,
  TenantsOverview,
  UsageReportsOverview,
  WebhookEventsOverview,
} from '../schema/overview.js';
import { connect, DEFAULT_PAGE, decodeCursor } from '../schema/pagination.js';
import { TenantType } from '../schema/tenant.js';
import { TenantPageArgs } from '../schema/tenantRef.js';
import { OperatorRole } from '../services/accounts/principal.js';
import type { OverviewReading } from '../services/insights/overview.js';
import { rejectionKeyOf } from '../services/insights/rejectionLog.js';
import { TenantState } from '../services/insights/tenantRanking.js';
import { type Context, requestedTenantId } from './context.js';
import { toTenant } from './mappers.js';
import {
  readHealth,
  toCalls,
  toDeliveries,
  toOverviewDay,
  toRejection,
  toRejections,
  toRevenue,
  toTenantsOverview,
  toUsageReports,
  toWebhookEvents,
} from './overviewMappers.js';

/** How many tenants of a state the overview shows. */
const SHOWN = 10;

/** The fields below share one reading. */
type OverviewRoot = Overview & { reading: OverviewReading };

@Resolver(() => Overview)
export class OverviewResolver {
  @Query(() => Overview, { description: 'Figures of all tenants, and of the work of the server.' })
  @RequiresRole(OperatorRole.READ)
  async overview(@Ctx() { services: { overview } }: Context): Promise<OverviewRoot> {
    const reading = overview.read();
    return { asOf: overview.now(), countedAt: await reading.countedAt(), reading };
  }

  @Query(() => [OverviewDay], {
    description: 'One entry for each UTC day on which a server ran, oldest first. Days end at midnight UTC.',
  })
  @RequiresRole(OperatorRole.READ)
  async overviewHistory(
    @Args() { days }: OverviewHistoryArgs,
    @Ctx() { services }: Context,
  ): Promise<OverviewDay[]> {
    const found = await services.dailyFigures.history(days ?? 90);
    return found.map((day) => toOverviewDay(day, services.tiers));
  }

  @Query(() => [CatalogueVersion], {
    description: 'The versions of each tier, newest first, and how many tenants have each.',
  })
  @RequiresRole(OperatorRole.READ)
  catalogueVersions(@Ctx() { services }: Context): Promise<CatalogueVersion[]> {
    return services.overview.versions();
  }

  @FieldResolver(() => RevenueOverview)
  async revenue(@Root() { reading }: OverviewRoot, @Ctx() { services }: Context): Promise<RevenueOverview> {
    return toRevenue(await reading.revenue(), services);
  }

  @FieldResolver(() => TenantsOverview)
  async tenants(@Root() { reading }: OverviewRoot, @Ctx() { services }: Context): Promise<TenantsOverview> {
    return toTenantsOverview(await reading.tenants(), services);
  }

  @FieldResolver(() => CallsOverview)
  async calls(@Root() { reading }: OverviewRoot, @Ctx() { services }: Context): Promise<CallsOverview> {
    return toCalls(await reading.calls(), services);
  }

  @FieldResolver(() => RejectionsOverview)
  async rejections(
    @Root() { reading }: OverviewRoot,
    @Ctx() { services }: Context,
  ): Promise<RejectionsOverview> {
    return toRejections(await reading.rejections(), services);
  }

  @FieldResolver(() => WebhookEventsOverview, { nullable: true })
  async webhookEvents(@Ctx() { services }: Context): Promise<WebhookEventsOverview | null> {
    return toWebhookEvents(await services.readBacklog(), services);
  }

  @FieldResolver(() => UsageReportsOverview, { nullable: true })
  async usageReports(@Ctx() { services }: Context): Promise<UsageReportsOverview | null> {
    return toUsageReports(await services.readBacklog());
  }

  @FieldResolver(() => DeliveriesOverview, { nullable: true })
  async deliveries(@Ctx() { services }: Context): Promise<DeliveriesOverview | null> {
    return toDeliveries(await services.readBacklog());
  }

  @FieldResolver(() => HealthOverview)
  health(@Ctx() { services }: Context): Promise<HealthOverview> {
    return readHealth(services);
  }
}

@Resolver()
export class RejectionResolver {
  @Query(() => RejectionConnection, {
    description: 'What the limits rejected of a tenant, newest minute first. Written every five seconds.',
  })
  @RequiresScope(ApiKeyScope.READ)
  @Checked(({ after }) => decodeCursor(after))
  async rejections(@Args() { first, after, ...named }: TenantPageArgs, @Ctx() context: Context) {
    const { services } = context;
    const tenantId = await requestedTenantId(context, named);
    const page = await services.rejectionLog.page(tenantId, {
      first: first ?? DEFAULT_PAGE,
      after: decodeCursor(after),
    });
    const toNode = (doc: (typeof page.rejections)[number]): Rejection => toRejection(doc, services.tiers);
    return connect(page.rejections, page.hasNextPage, after, rejectionKeyOf, toNode);
  }
}

@Resolver(() => TenantsOverview)
export class TenantsOverviewResolver {
  @FieldResolver(() => [PastDueTenant], {
    description: `The first ${SHOWN}: the soonest end of the grace period first, then those whose grace period has ended.`,
  })
  async pastDueTenants(@Ctx() context: Context): Promise<PastDueTenant[]> {
    const standings = await context.services.overview.pastDue(SHOWN);
    const tenants = await loadTenants(
      standings.map(({ _id }) => _id),
      context,
    );
    return standings.flatMap(({ _id, monthlyCents, pastDueSince, graceEndsAt }) => {
      const tenant = tenants.find(({ id }) => id === _id);
      return tenant ? [{ tenant, monthlyCents, pastDueSince, graceEndsAt }] : [];
    });
  }

  @FieldResolver(() => [TenantType], {
    description: `The first ${SHOWN}, most calls of the UTC month first.`,
  })
  nearLimitTenants(@Ctx() context: Context): Promise<TenantType[]> {
    return inState(TenantState.NEAR_LIMIT, context);
  }

  @FieldResolver(() => [TenantType], {
    description: `The first ${SHOWN}, most calls of the UTC month first.`,
  })
  overLimitTenants(@Ctx() context: Context): Promise<TenantType[]> {
    return inState(TenantState.OVER_LIMIT, context);
  }
}

async function inState(state: TenantState, context: Context): Promise<TenantType[]> {
  return loadTenants(await context.services.overview.inState(state, SHOWN), context);
}

async function loadTenants(ids: readonly string[], { loaders }: Context): Promise<TenantType[]> {
  const tenants = await Promise.all(ids.map((id) => loaders.tenant.load(id)));
  return tenants.flatMap((tenant) => (tenant ? [toTenant(tenant)] : []));
}
