import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Arg, Args, Ctx, Directive, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { forbidden } from '../common/errors.js';
import { hasRole, RequiresRole, RequiresScope } from '../directives/access.js';
import {
  LimitOverrides,
  SetTenantLimitsInput,
  SuspendTenantArgs,
  TenantType,
  UpdateTenantInput,
} from '../schema/tenant.js';
import { TenantArgs } from '../schema/tenantRef.js';
import { OperatorRole, type Principal } from '../services/accounts/principal.js';
import type { TenantDoc } from '../services/accounts/tenants.js';
import { type Context, requestedTenantId } from './context.js';
import { toLimitOverrides, toTenant } from './mappers.js';
import { overridesOf } from './resources.js';

@Resolver(() => TenantType)
export class TenantLifecycleResolver {
  @Mutation(() => TenantType, {
    description:
      'Changes a name, an e-mail address or your own id of a tenant. Repeating it changes nothing.',
  })
  @RequiresScope(ApiKeyScope.BILLING)
  @Directive('@rateLimited(cost: 0, max: 30, window: "1m")')
  async updateTenant(
    @Args() named: TenantArgs,
    @Arg('input') input: UpdateTenantInput,
    @Ctx() context: Context,
  ): Promise<TenantType> {
    const { services, principal } = context;
    const tenantId = await requestedTenantId(context, named);
    if (input.externalId !== undefined && principal?.kind === 'tenant')
      throw forbidden('Only the operator may change the externalId; leave it out');
    const updated = await services.tenantLifecycle.update(tenantId, input, context.author());
    if (input.email) await services.billingAccount.pushEmail(tenantId);
    return changed(updated, context);
  }

  @Mutation(() => TenantType, {
    description:
      'Rejects metered operations of a tenant with `TENANT_SUSPENDED`, at once on every instance. Reading and paying still work, and its subscription goes on.',
  })
  @RequiresRole(OperatorRole.OWNER)
  async suspendTenant(
    @Args() { reason, ...named }: SuspendTenantArgs,
    @Ctx() context: Context,
  ): Promise<TenantType> {
    const { tenantLifecycle } = context.services;
    const tenantId = await requestedTenantId(context, named);
    return changed(await tenantLifecycle.suspend(tenantId, reason, context.author()), context);
  }

  @Mutation(() => TenantType, { description: 'Ends a suspension.' })
  @RequiresRole(OperatorRole.OWNER)
  async reinstateTenant(@Args() named: TenantArgs, @Ctx() context: Context): Promise<TenantType> {
    const tenantId = await requestedTenantId(context, named);
    return changed(await context.services.tenantLifecycle.reinstate(tenantId, context.author()), context);
  }

  @Mutation(() => TenantType, {
    description:
      'Sets the overrides of a contract. Arguments that are left out change nothing; overrides that have ended are replaced as a whole.',
  })
  @RequiresRole(OperatorRole.OWNER)
  async setTenantLimits(
    @Arg('input') input: SetTenantLimitsInput,
    @Ctx() context: Context,
  ): Promise<TenantType> {
    const { tiers, limitOverrides, alertReview } = context.services;
    const { tier, limits, reason, until } = input;
    const tenantId = await requestedTenantId(context, input);
    const change = { tier, reason, until, limits: limits && overridesOf(limits, tiers.catalogue.resources) };
    const updated = await limitOverrides.set(tenantId, change, context.author());
    // Lower limits may already be used up.
    alertReview.reviewSoon(tenantId);
    return changed(updated, context);
  }

  @FieldResolver(() => LimitOverrides, {
    nullable: true,
    description: 'null if nothing is overridden. Overrides that have ended can still be read.',
  })
  async limitOverrides(
    @Root() { id }: TenantType,
    @Ctx() { loaders, principal, services }: Context,
  ): Promise<LimitOverrides | null> {
    const tenant = await loaders.tenant.load(id);
    return tenant && toLimitOverrides(tenant.contract, services, readsNotes(principal));
  }

  @FieldResolver(() => String, {
    nullable: true,
    description: 'Why it is suspended. null for tenants: only the operator sees it.',
  })
  async suspendedReason(
    @Root() { id }: TenantType,
    @Ctx() { loaders, principal }: Context,
  ): Promise<string | null> {
    if (!readsNotes(principal)) return null;
    return (await loaders.tenant.load(id))?.suspendedReason ?? null;
  }
}

/** Whether the caller reads what operators note about a tenant. PROVISION selects tenants that it creates, and no more. */
const readsNotes = (principal: Principal | null): boolean =>
  principal?.kind === 'operator' && hasRole(principal, OperatorRole.READ);

/** The tenant as it is now, also for what is read after it in the same operation. */
function changed(tenant: TenantDoc, { loaders }: Context): TenantType {
  loaders.tenant.clear(tenant._id).prime(tenant._id, tenant);
  return toTenant(tenant);
}
