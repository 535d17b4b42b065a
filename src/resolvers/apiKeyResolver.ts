import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Arg, Args, Ctx, Directive, ID, Mutation, Query, Resolver } from 'type-graphql';
import { Checked, RequiresScope, requireRole } from '../directives/access.js';
import { ApiKeyType, CreateApiKeyInput, NewApiKey, RotateKeyArgs } from '../schema/apiKey.js';
import { TenantArgs, type TenantRef } from '../schema/tenantRef.js';
import { type KeyOwner, type NewKey, requireFuture } from '../services/accounts/apiKeys.js';
import { OperatorRole, requirePrincipal } from '../services/accounts/principal.js';
import { type Context, requestedTenantId } from './context.js';
import { toApiKey } from './mappers.js';

/**
 * The owner of the keys: the caller's tenant; for the operator the tenant that it names, or else its own services.
 * @param options.roleForServices what it takes to act on the keys of services, which may decide for all tenants
 * @param options.orErased whether the operator may name a tenant that was erased
 */
async function ownerOf(
  context: Context,
  named: TenantRef,
  {
    roleForServices = OperatorRole.OWNER,
    orErased = false,
  }: { roleForServices?: OperatorRole; orErased?: boolean } = {},
): Promise<KeyOwner> {
  const { principal } = context;
  const isForServices = principal?.kind === 'operator' && !named.tenantId && !named.externalId;
  if (!isForServices) return { tenantId: await requestedTenantId(context, named, { orErased }) };
  requireRole(principal, roleForServices);
  return 'services';
}

const toNewApiKey = ({ apiKey, secret }: NewKey): NewApiKey => ({ apiKey: toApiKey(apiKey), secret });

@Resolver(() => ApiKeyType)
export class ApiKeyResolver {
  @Query(() => [ApiKeyType], {
    description:
      "Newest first, including revoked keys. With an operator's key: those of the tenant that it names, or else of services that enforce limits.",
  })
  @RequiresScope(ApiKeyScope.KEYS, { role: OperatorRole.READ })
  async apiKeys(@Args() named: TenantArgs, @Ctx() context: Context): Promise<ApiKeyType[]> {
    const owner = await ownerOf(context, named, { roleForServices: OperatorRole.READ, orErased: true });
    return (await context.services.apiKeys.list(owner)).map(toApiKey);
  }

  // A new key costs 100,000 rounds of a hash, so its number is limited, but it is never charged as a call.
  @Mutation(() => NewApiKey)
  @RequiresScope(ApiKeyScope.KEYS)
  @Directive('@rateLimited(cost: 0, max: 60, window: "1m")')
  @Checked(({ input }, nowMs) => requireFuture(input.expiresAt, nowMs))
  async createApiKey(@Arg('input') input: CreateApiKeyInput, @Ctx() context: Context): Promise<NewApiKey> {
    const { services } = context;
    const owner = await ownerOf(context, input);
    const creator = requirePrincipal(context.principal);
    return toNewApiKey(await services.apiKeys.create(owner, input, creator, context.author()));
  }

  @Mutation(() => NewApiKey, {
    description: 'Creates a key with the name and scopes of the old one, which keeps working for a while.',
  })
  @RequiresScope(ApiKeyScope.KEYS)
  @Directive('@rateLimited(cost: 0, max: 60, window: "1m")')
  async rotateApiKey(
    @Args() { id, overlapSeconds }: RotateKeyArgs,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<NewApiKey> {
    const { services } = context;
    const owner = await ownerOf(context, named);
    const caller = requirePrincipal(context.principal);
    return toNewApiKey(await services.apiKeys.rotate(owner, id, overlapSeconds, caller, context.author()));
  }

  @Mutation(() => ApiKeyType, { description: 'The key stops working immediately.' })
  @RequiresScope(ApiKeyScope.KEYS)
  async revokeApiKey(
    @Arg('id', () => ID) id: string,
    @Args() named: TenantArgs,
    @Ctx() context: Context,
  ): Promise<ApiKeyType> {
    const owner = await ownerOf(context, named, { orErased: true });
    const caller = requirePrincipal(context.principal);
    return toApiKey(await context.services.apiKeys.revoke(owner, id, caller, context.author()));
  }
}
