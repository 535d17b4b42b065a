import { Args, Ctx, Directive, Mutation, Query, Resolver } from 'type-graphql';
import { RequiresRole } from '../directives/access.js';
import { type ComparedSubscription, StripeComparisonType } from '../schema/stripeComparison.js';
import { TenantArgs } from '../schema/tenantRef.js';
import { OperatorRole } from '../services/accounts/principal.js';
import type {
  ComparedSubscription as ComparedSide,
  StripeComparison,
} from '../services/billing/stripeComparison.js';
import { type Context, requestedTenantId } from './context.js';

@Resolver()
export class StripeComparisonResolver {
  @Query(() => StripeComparisonType, {
    description:
      "What is stored of a tenant's customer and subscription, beside what Stripe says now. Changes nothing.",
  })
  @RequiresRole(OperatorRole.READ)
  @Directive('@rateLimited(cost: 0, max: 30, window: "10s")')
  async compareWithStripe(@Args() named: TenantArgs, @Ctx() context: Context): Promise<StripeComparisonType> {
    const tenantId = await requestedTenantId(context, named);
    return toComparison(await context.services.stripeComparisons.compare(tenantId));
  }

  // The same happens by itself, by the next webhook or reconcile, so it needs no more than SUPPORT.
  @Mutation(() => StripeComparisonType, {
    description:
      "Writes a tenant's customer and subscription as Stripe has them now. Repeating it changes nothing. Returns the comparison afterwards.",
  })
  @RequiresRole(OperatorRole.SUPPORT)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async repairTenant(@Args() named: TenantArgs, @Ctx() context: Context): Promise<StripeComparisonType> {
    const tenantId = await requestedTenantId(context, named);
    const comparison = await context.services.stripeComparisons.repair(tenantId, context.author());
    context.loaders.subscription.clear(tenantId);
    return toComparison(comparison);
  }
}

const toComparison = (comparison: StripeComparison): StripeComparisonType => ({
  ...comparison,
  stored: comparison.stored && toSide(comparison.stored),
  stripe: comparison.stripe && toSide(comparison.stripe),
});

const toSide = (side: ComparedSide): ComparedSubscription => ({
  customerId: side.customerId,
  email: side.email,
  subscriptionId: side.stripeSubscriptionId ?? null,
  status: side.status ?? null,
  tier: side.tier ?? null,
  tierVersion: side.tierVersion ?? null,
  priceId: side.priceId ?? null,
  quantity: side.quantity ?? null,
  currentPeriodStart: side.currentPeriodStart ?? null,
  currentPeriodEnd: side.currentPeriodEnd ?? null,
  cancelAtPeriodEnd: side.cancelAtPeriodEnd ?? null,
  cancelAt: side.cancelAt ?? null,
  trialEnd: side.trialEnd ?? null,
  paymentPause: side.pause ?? null,
  endedAt: side.endedAt ?? null,
  scheduledTier: side.scheduledTier ?? null,
  scheduledAt: side.scheduledAt ?? null,
  contract: side.contract ?? null,
  outsideCatalogue: side.stripeSubscriptionId ? (side.outsideCatalogue ?? false) : null,
  overagePriceIds: (side.overageItems ?? []).map(({ priceId }) => priceId),
  pastDueSince: side.pastDueSince ?? null,
});
