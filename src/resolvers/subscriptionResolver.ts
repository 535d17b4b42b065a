import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Arg, Ctx, Directive, Mutation, Query, Resolver } from 'type-graphql';
import { OperatorOnly, RequiresScope } from '../directives/access.js';
import { CreateEnterpriseSubscriptionInput } from '../schema/contract.js';
import {
  CancelSubscriptionInput,
  CheckoutSession,
  CreateCheckoutSessionInput,
  SubscriptionType,
} from '../schema/subscription.js';
import { TierName } from '../schema/tier.js';
import { ChangeTierInput, TierChangePreview } from '../schema/tierChange.js';
import { ownTenantId } from '../services/accounts/caller.js';
import type { Context } from './context.js';
import { toEntitledTier, toSubscription } from './mappers.js';
import { overridesOf } from './overrides.js';

@Resolver(() => SubscriptionType)
export class SubscriptionResolver {
  @Query(() => SubscriptionType)
  @RequiresScope(ApiKeyScope.READ)
  subscription(@Ctx() context: Context): Promise<SubscriptionType> {
    return present(context);
  }

  @Mutation(() => CheckoutSession, { description: 'A page where a person pays for a tier.' })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async createCheckoutSession(
    @Arg('input') input: CreateCheckoutSessionInput,
    @Ctx() context: Context,
  ): Promise<CheckoutSession> {
    const { subscriptions, localCheckoutUrl } = context.services;
    const checkout = await subscriptions.checkout(ownTenantId(context), input);
    return { ...checkout, localUrl: localCheckoutUrl(checkout.id) };
  }

  @Mutation(() => SubscriptionType, { description: 'At the end of the period, or at once.' })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async cancelSubscription(
    @Arg('input', () => CancelSubscriptionInput, { nullable: true, defaultValue: {} })
    input: CancelSubscriptionInput | null,
    @Ctx() context: Context,
  ): Promise<SubscriptionType> {
    await context.services.subscriptions.cancel(ownTenantId(context), input?.atPeriodEnd ?? true);
    return present(context);
  }

  @Query(() => TierChangePreview, { description: 'What `changeTier` would do; changes nothing.' })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "10s")')
  previewTierChange(
    @Arg('tier', () => TierName) tier: string,
    @Arg('immediately', () => Boolean, { defaultValue: false }) immediately: boolean,
    @Ctx() context: Context,
  ): Promise<TierChangePreview> {
    return context.services.tierChanges.preview(ownTenantId(context), tier, immediately);
  }

  @Mutation(() => SubscriptionType, {
    description: 'To a larger tier at once; to a smaller one at the end of the period, unless asked.',
  })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async changeTier(@Arg('input') input: ChangeTierInput, @Ctx() context: Context): Promise<SubscriptionType> {
    const { tierChanges } = context.services;
    await tierChanges.change(ownTenantId(context), input.tier, input.immediately ?? false);
    return present(context);
  }

  @Mutation(() => SubscriptionType, {
    description: 'Puts a tenant on a tier that is priced by contract; the same terms again change nothing.',
  })
  @OperatorOnly()
  @Directive('@rateLimited(cost: 0, max: 60, window: "1m")')
  async createEnterpriseSubscription(
    @Arg('input') { tenantId, tier, limits, daysUntilDue, ...terms }: CreateEnterpriseSubscriptionInput,
    @Ctx() context: Context,
  ): Promise<SubscriptionType> {
    await context.services.contracts.begin(tenantId, {
      ...terms,
      tier: tier ?? null,
      limits: overridesOf(limits ?? {}, context.services.tiers.catalogue.resources),
      daysUntilDue: daysUntilDue ?? null,
    });
    return present(context, tenantId);
  }

  @Mutation(() => SubscriptionType, {
    description: 'Takes a scheduled cancellation or change of tier back, or takes up a paused subscription.',
  })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async resumeSubscription(@Ctx() context: Context): Promise<SubscriptionType> {
    await context.services.subscriptions.resume(ownTenantId(context));
    return present(context);
  }
}

/** As it is stored now: a change in the same operation is seen. */
async function present(context: Context, tenantId = ownTenantId(context)): Promise<SubscriptionType> {
  const { loaders, services } = context;
  loaders.subscription.clear(tenantId);
  const [doc, entitlement] = await Promise.all([
    loaders.subscription.load(tenantId),
    loaders.entitlement(tenantId),
  ]);
  return toSubscription(
    tenantId,
    doc,
    toEntitledTier(services.tiers, entitlement),
    services.entitlements.graceEndsAt(doc),
  );
}
