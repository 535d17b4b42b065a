import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Args, Ctx, Query, Resolver } from 'type-graphql';
import { Checked, RequiresScope } from '../directives/access.js';
import { UsageAlertConnection, UsageAlertType } from '../schema/alert.js';
import { connect, DEFAULT_PAGE, decodeCursor } from '../schema/pagination.js';
import { TenantPageArgs } from '../schema/tenantRef.js';
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
  async alerts(@Args() { first, after, ...named }: TenantPageArgs, @Ctx() context: Context) {
    const tenantId = await requestedTenantId(context, named);
    const { alerts, alertReview } = context.services;
    await alertReview.review(tenantId);
    const page = await alerts.page(tenantId, { first: first ?? DEFAULT_PAGE, after: decodeCursor(after) });
    return connect(page.alerts, page.hasNextPage, after, alertKeyOf, toAlert);
  }
}

export const toAlert = (doc: UsageAlertDoc): UsageAlertType => ({ ...doc, id: alertKeyOf(doc) });
