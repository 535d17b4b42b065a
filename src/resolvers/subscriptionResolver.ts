import { Arg, Ctx, Mutation, Query, Resolver } from 'type-graphql';
import { RequiresScope } from '../directives/access.js';
import {
  CancelSubscriptionInput,
  CheckoutSession,
  CreateCheckoutSessionInput,
  SubscriptionType,
} from '../schema/subscription.js';
import { tenantIdOf } from '../services/identity/caller.js';
import { ApiKeyScope } from '../services/identity/principal.js';
import type { Context } from './context.js';
import { subscriptionView, tenantTierView } from './views.js';

@Resolver(() => SubscriptionType)
export class SubscriptionResolver {
  @Query(() => SubscriptionType)
  @RequiresScope(ApiKeyScope.READ)
  subscription(@Ctx() context: Context): Promise<SubscriptionType> {
    return present(context);
  }

  @Mutation(() => CheckoutSession, { description: 'A page where a person pays for a tier.' })
  @RequiresScope(ApiKeyScope.BILLING)
  async createCheckoutSession(
    @Arg('input') input: CreateCheckoutSessionInput,
    @Ctx() context: Context,
  ): Promise<CheckoutSession> {
    const { subscriptions, localCheckoutUrl } = context.services;
    const checkout = await subscriptions.checkout(tenantIdOf(context), input);
    return { ...checkout, localUrl: localCheckoutUrl(checkout.id) };
  }

  @Mutation(() => SubscriptionType, { description: 'At the end of the period, or at once.' })
  @RequiresScope(ApiKeyScope.BILLING)
  async cancelSubscription(
    @Arg('input', () => CancelSubscriptionInput, { nullable: true, defaultValue: {} })
    input: CancelSubscriptionInput | null,
    @Ctx() context: Context,
  ): Promise<SubscriptionType> {
    await context.services.subscriptions.cancel(tenantIdOf(context), input?.atPeriodEnd ?? true);
    return present(context);
  }

  @Mutation(() => SubscriptionType, { description: 'Takes a scheduled cancellation back.' })
  @RequiresScope(ApiKeyScope.BILLING)
  async resumeSubscription(@Ctx() context: Context): Promise<SubscriptionType> {
    await context.services.subscriptions.resume(tenantIdOf(context));
    return present(context);
  }
}

/** As it is stored now: a change in the same operation is seen. */
async function present(context: Context): Promise<SubscriptionType> {
  const { loaders, services } = context;
  const tenantId = tenantIdOf(context);
  loaders.subscription.clear(tenantId);
  const [doc, entitlement] = await Promise.all([
    loaders.subscription.load(tenantId),
    loaders.entitlement(tenantId),
  ]);
  return subscriptionView(tenantId, doc, tenantTierView(services.tiers, entitlement));
}
