import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Arg, Args, Ctx, Directive, Int, Mutation, Query, Resolver } from 'type-graphql';
import { RequiresRole, RequiresScope } from '../directives/access.js';
import { CreateEnterpriseSubscriptionInput } from '../schema/contract.js';
import {
  CancellationPreview,
  CancelSubscriptionInput,
  CheckoutSession,
  CreateCheckoutSessionInput,
  ExtendTrialInput,
  PausePaymentsInput,
  SubscriptionType,
} from '../schema/subscription.js';
import { TenantArgs } from '../schema/tenantRef.js';
import { ChangeTierInput, PreviewTierChangeArgs, TierChangePreview } from '../schema/tierChange.js';
import { OperatorRole } from '../services/accounts/principal.js';
import { type Context, requestedTenantId } from './context.js';
import { readSubscription } from './mappers.js';
import { overridesOf } from './resources.js';

@Resolver(() => SubscriptionType)
export class SubscriptionResolver {
  @Query(() => SubscriptionType)
  @RequiresScope(ApiKeyScope.READ)
  async subscription(@Args() named: TenantArgs, @Ctx() context: Context): Promise<SubscriptionType> {
    return currentSubscription(context, await requestedTenantId(context, named));
  }

  @Mutation(() => CheckoutSession, {
    description: 'Creates a page at Stripe where a person pays for a tier.',
  })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async createCheckoutSession(
    @Arg('input') input: CreateCheckoutSessionInput,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<CheckoutSession> {
    const { subscriptions, localCheckoutUrl } = context.services;
    const checkout = await subscriptions.checkout(
      await requestedTenantId(context, named),
      { ...input, byOperator: isOperator(context) },
      context.author(),
    );
    return { ...checkout, localUrl: localCheckoutUrl(checkout.id) };
  }

  @Mutation(() => SubscriptionType, { description: 'Cancels at the end of the period, or immediately.' })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async cancelSubscription(
    @Arg('input', () => CancelSubscriptionInput, { nullable: true, defaultValue: {} })
    input: CancelSubscriptionInput | null,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<SubscriptionType> {
    const tenantId = await requestedTenantId(context, named);
    await context.services.subscriptions.cancel(tenantId, input?.atPeriodEnd ?? true, context.author());
    return currentSubscription(context, tenantId);
  }

  @Query(() => CancellationPreview, { description: 'What `cancelSubscription` would do. Changes nothing.' })
  @RequiresScope(ApiKeyScope.BILLING, { role: OperatorRole.READ })
  @Directive('@rateLimited(cost: 0, max: 30, window: "10s")')
  async previewCancellation(
    @Arg('atPeriodEnd', () => Boolean, { defaultValue: true }) atPeriodEnd: boolean,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<CancellationPreview> {
    const tenantId = await requestedTenantId(context, named);
    return context.services.cancellationPreviews.preview(tenantId, atPeriodEnd);
  }

  @Query(() => TierChangePreview, { description: 'What `changeTier` would do and cost. Changes nothing.' })
  @RequiresScope(ApiKeyScope.BILLING, { role: OperatorRole.READ })
  @Directive('@rateLimited(cost: 0, max: 30, window: "10s")')
  async previewTierChange(
    @Args() change: PreviewTierChangeArgs,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<TierChangePreview> {
    const tenantId = await requestedTenantId(context, named);
    return context.services.tierChanges.preview(tenantId, { ...change, byOperator: isOperator(context) });
  }

  @Mutation(() => SubscriptionType, {
    description: 'Upgrades immediately. Downgrades at the end of the period, or immediately if asked to.',
  })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async changeTier(
    @Arg('input') input: ChangeTierInput,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<SubscriptionType> {
    const tenantId = await requestedTenantId(context, named);
    await context.services.tierChanges.change(
      tenantId,
      {
        ...input,
        immediately: input.immediately ?? false,
        byOperator: isOperator(context),
      },
      context.author(),
    );
    return currentSubscription(context, tenantId);
  }

  @Query(() => TierChangePreview, { description: 'What `setSeats` would do and cost. Changes nothing.' })
  @RequiresScope(ApiKeyScope.BILLING, { role: OperatorRole.READ })
  @Directive('@rateLimited(cost: 0, max: 30, window: "10s")')
  async previewSeats(
    @Arg('seats', () => Int) seats: number,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<TierChangePreview> {
    const tenantId = await requestedTenantId(context, named);
    return context.services.seatChanges.preview(tenantId, seats);
  }

  @Mutation(() => SubscriptionType, {
    description:
      'Changes how many seats are paid for, at once. The rest of the period is charged, or credited for the next invoices. Never below what is in use.',
  })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async setSeats(
    @Arg('seats', () => Int) seats: number,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<SubscriptionType> {
    const tenantId = await requestedTenantId(context, named);
    await context.services.seatChanges.set(tenantId, seats, context.author());
    return currentSubscription(context, tenantId);
  }

  @Mutation(() => SubscriptionType, {
    description:
      'Moves a tenant to a tier that is priced by contract. Repeating the request with the same terms changes nothing.',
  })
  @RequiresRole(OperatorRole.OWNER)
  @Directive('@rateLimited(cost: 0, max: 60, window: "1m")')
  async createEnterpriseSubscription(
    @Arg('input') input: CreateEnterpriseSubscriptionInput,
    @Ctx() context: Context,
  ): Promise<SubscriptionType> {
    const { tenantId: _, externalId: __, tier, limits, daysUntilDue, ...terms } = input;
    const tenantId = await requestedTenantId(context, input);
    await context.services.contracts.begin(
      tenantId,
      {
        ...terms,
        tier: tier ?? null,
        limits: overridesOf(limits ?? {}, context.services.tiers.catalogue.resources),
        daysUntilDue: daysUntilDue ?? null,
      },
      context.author(),
    );
    return currentSubscription(context, tenantId);
  }

  @Mutation(() => SubscriptionType, {
    description: "Moves the end of a tenant's trial. The same end again changes nothing.",
  })
  @RequiresRole(OperatorRole.OWNER)
  @Directive('@rateLimited(cost: 0, max: 60, window: "1m")')
  async extendTrial(
    @Arg('input') input: ExtendTrialInput,
    @Ctx() context: Context,
  ): Promise<SubscriptionType> {
    const tenantId = await requestedTenantId(context, input);
    await context.services.trials.extend(tenantId, input.until, context.author());
    return currentSubscription(context, tenantId);
  }

  @Mutation(() => SubscriptionType, {
    description:
      "Pauses a tenant's payments until a date. It keeps its tier for nothing, and the invoices of that time are voided; calls past the quota are charged before and not sold meanwhile. The same date again changes nothing.",
  })
  @RequiresRole(OperatorRole.OWNER)
  @Directive('@rateLimited(cost: 0, max: 60, window: "1m")')
  async pausePayments(
    @Arg('input') input: PausePaymentsInput,
    @Ctx() context: Context,
  ): Promise<SubscriptionType> {
    const tenantId = await requestedTenantId(context, input);
    await context.services.pauses.pause(tenantId, input.resumesAt, context.author());
    return currentSubscription(context, tenantId);
  }

  @Mutation(() => SubscriptionType, {
    description:
      'Ends a pause of payments: the next invoice is collected. Without a pause it changes nothing.',
  })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async resumePayments(@Args() named: TenantArgs, @Ctx() context: Context): Promise<SubscriptionType> {
    const tenantId = await requestedTenantId(context, named);
    await context.services.pauses.resume(tenantId, context.author());
    return currentSubscription(context, tenantId);
  }

  @Mutation(() => SubscriptionType, {
    description:
      'Undoes a scheduled cancellation or change of tier, or resumes a subscription that is `PAUSED`.',
  })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async resumeSubscription(@Args() named: TenantArgs, @Ctx() context: Context): Promise<SubscriptionType> {
    const tenantId = await requestedTenantId(context, named);
    await context.services.subscriptions.resume(tenantId, context.author());
    return currentSubscription(context, tenantId);
  }
}

/** Reads the subscription again, so that the response shows a change of the same operation. */
async function currentSubscription(context: Context, tenantId: string): Promise<SubscriptionType> {
  context.loaders.subscription.clear(tenantId);
  return readSubscription(tenantId, context);
}

const isOperator = ({ principal }: Context): boolean => principal?.kind === 'operator';
