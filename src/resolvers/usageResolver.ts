import { ApiKeyScope } from '@continuum-billing/limits/core';
import type { GraphQLResolveInfo } from 'graphql';
import {
  Arg,
  Args,
  Ctx,
  Directive,
  FieldResolver,
  Info,
  Int,
  Mutation,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import { badInput } from '../common/errors.js';
import { Checked, RequiresScope } from '../directives/access.js';
import { inSlices } from '../directives/largeResults.js';
import { Overage, SetOverageInput } from '../schema/overage.js';
import { connect, DEFAULT_PAGE, decodeCursor } from '../schema/pagination.js';
import { DateTimeScalar } from '../schema/scalars.js';
import { TenantArgs } from '../schema/tenantRef.js';
import {
  DEFAULT_ENDPOINTS,
  EndpointUsage,
  MAX_ENDPOINTS,
  ReportUsageInput,
  StorageUsage,
  UsageReportConnection,
  UsageReportsArgs,
  UsageReportType,
  UsageType,
} from '../schema/usage.js';
import {
  reportIdOf,
  reportKeyOf,
  type UsageReportDoc,
} from '../services/billing/usageReports/usageReports.js';
import { UsageGranularity, UsagePeriod } from '../services/usage/usage.js';
import { type Context, requestedTenantId } from './context.js';
import { toStorageUsage } from './mappers.js';
import { selectedBelow } from './resolveInfo.js';

@Resolver(() => UsageType)
export class UsageResolver {
  @Query(() => UsageType)
  @RequiresScope(ApiKeyScope.READ)
  async usage(
    @Arg('period', () => UsagePeriod, { defaultValue: UsagePeriod.DAY }) period: UsagePeriod,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<UsageType> {
    return context.loaders.usage(await requestedTenantId(context, named), period);
  }

  @Query(() => [UsageType], {
    description:
      'Oldest first, for at most 400 days, without the future. Hours and days that the range touches are complete; a month contains only those of its days that the range touches. For hours, only calls are recorded.',
  })
  @RequiresScope(ApiKeyScope.READ)
  async usageHistory(
    @Arg('from', () => DateTimeScalar) from: Date,
    @Arg('to', () => DateTimeScalar) to: Date,
    @Arg('granularity', () => UsageGranularity, { defaultValue: UsageGranularity.DAY })
    granularity: UsageGranularity,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<(UsageType | Promise<UsageType>)[]> {
    const tenantId = await requestedTenantId(context, named);
    const terms = await context.loaders.entitlement(tenantId);
    const reading = { endpoints: selectedBelow(info).has('byEndpoint'), budget: context.budget };
    const query = { from, to, granularity, terms };
    return inSlices(await context.services.usage.history(tenantId, query, reading));
  }

  @FieldResolver(() => [EndpointUsage], {
    description: 'The endpoints with the most calls, highest first. Not recorded per minute or hour.',
  })
  byEndpoint(
    @Root() { byEndpoint }: UsageType,
    @Arg('first', () => Int, {
      nullable: true,
      defaultValue: DEFAULT_ENDPOINTS,
      description: `Maximum number of endpoints, 1 to ${MAX_ENDPOINTS}.`,
    })
    first: number | null,
  ): EndpointUsage[] {
    const count = first ?? DEFAULT_ENDPOINTS;
    if (count < 1 || count > MAX_ENDPOINTS) throw badInput('first', `must be from 1 to ${MAX_ENDPOINTS}`);
    return byEndpoint.slice(0, count);
  }

  @Query(() => StorageUsage)
  @RequiresScope(ApiKeyScope.READ)
  async storage(@Args() named: TenantArgs, @Ctx() context: Context): Promise<StorageUsage> {
    const tenantId = await requestedTenantId(context, named);
    const { loaders } = context;
    const [stored, { limits }] = await Promise.all([
      loaders.stored.load(tenantId),
      loaders.entitlement(tenantId),
    ]);
    return toStorageUsage(stored, limits);
  }

  @Query(() => Overage)
  @RequiresScope(ApiKeyScope.READ)
  async overage(@Args() named: TenantArgs, @Ctx() context: Context): Promise<Overage> {
    return context.services.overage.get(await requestedTenantId(context, named));
  }

  @Mutation(() => Overage, {
    description:
      'Allows paid calls beyond the daily quota, up to a monthly cap. Without a cap, overage is turned off.',
  })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async setOverage(
    @Arg('input') { monthlyCapCents }: SetOverageInput,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<Overage> {
    return context.services.overage.set(
      await requestedTenantId(context, named),
      monthlyCapCents ?? null,
      context.author(),
    );
  }

  @Mutation(() => UsageReportType, { description: "Reports usage to Stripe's meter." })
  @RequiresScope(ApiKeyScope.USAGE)
  @Directive('@rateLimited(cost: 0, max: 100, window: "10s")')
  async reportUsage(
    @Arg('input') { quantity, idempotencyKey }: ReportUsageInput,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<UsageReportType> {
    const { usageReports } = context.services;
    const tenantId = await requestedTenantId(context, named);
    return toUsageReport(
      await usageReports.report(tenantId, quantity, idempotencyKey, context.author()),
      context,
    );
  }

  @Query(() => UsageReportConnection, {
    description:
      "Usage that was reported to Stripe, newest first. With an operator's key: of the tenant that it names, or else of all.",
  })
  @RequiresScope(ApiKeyScope.READ)
  @Checked(({ after }) => decodeCursor(after))
  async usageReports(@Args() { first, after, status, ...named }: UsageReportsArgs, @Ctx() context: Context) {
    const isOfAll = context.principal?.kind === 'operator' && !named.tenantId && !named.externalId;
    const tenantId = isOfAll ? null : await requestedTenantId(context, named, { orErased: true });
    const query = { first: first ?? DEFAULT_PAGE, after: decodeCursor(after), status };
    const page = await context.services.usageReports.page(tenantId, query);
    return connect(page.reports, page.hasNextPage, after, reportKeyOf, (report) =>
      toUsageReport(report, context),
    );
  }
}

/** Stripe's error messages are about the operator's account, so tenants do not see them. */
const toUsageReport = (report: UsageReportDoc, { principal }: Context): UsageReportType => ({
  ...report,
  id: reportIdOf(report),
  nextTryAt: report.nextTryAt ?? null,
  error: principal?.kind === 'operator' ? report.error : null,
});
