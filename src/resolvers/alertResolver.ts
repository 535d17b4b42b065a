import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Arg, Args, Ctx, ID, Query, Resolver } from 'type-graphql';
import { Checked, RequiresScope } from '../directives/access.js';
import { UsageAlertConnection, UsageAlertType } from '../schema/alert.js';
import { connect, DEFAULT_PAGE, decodeCursor, PageArgs } from '../schema/pagination.js';
import { alertKeyOf, type UsageAlertDoc } from '../services/usage/alerts/alerts.js';
import { type Context, requestedTenantId } from './context.js';

@Resolver(() => UsageAlertType)
export class AlertResolver {
  @Query(() => UsageAlertConnection, {
    description:
      'Alerts about limits that are nearly or completely used up, newest window first. Kept for 400 days.',
  })
  @RequiresScope(ApiKeyScope.READ)
  @Checked(({ after }) => decodeCursor(after))
  async alerts(
    @Args() { first, after }: PageArgs,
    @Arg('tenantId', () => ID, { nullable: true, description: "Required with the operator's key." })
    id: string | null,
    @Ctx() context: Context,
  ) {
    const tenantId = await requestedTenantId(context, id);
    const { alerts, alertReview } = context.services;
    await alertReview.review(tenantId);
    const page = await alerts.page(tenantId, { first: first ?? DEFAULT_PAGE, after: decodeCursor(after) });
    return connect(page.alerts, page.hasNextPage, after, alertKeyOf, toAlert);
  }
}

const toAlert = (doc: UsageAlertDoc): UsageAlertType => ({ ...doc, id: alertKeyOf(doc) });
