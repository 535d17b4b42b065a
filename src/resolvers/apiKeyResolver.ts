import { ApiKeyScope } from '@continuum-billing/limits/core';
import { Arg, Args, ArgsType, Ctx, Directive, Field, ID, Int, Mutation, Query, Resolver } from 'type-graphql';
import { forbidden } from '../common/errors.js';
import { Checked, RequiresScope } from '../directives/access.js';
import { ApiKeyType, CreateApiKeyInput, NewApiKey } from '../schema/apiKey.js';
import { Max, Min } from '../schema/constraints.js';
import { type NewKey, requireFuture } from '../services/accounts/apiKeys.js';
import { ownTenantId, requirePrincipal } from '../services/accounts/principal.js';
import type { Context } from './context.js';
import { toApiKey } from './mappers.js';

const DAY_S = 86_400;

@ArgsType()
class RotateApiKeyArgs {
  @Field(() => ID)
  id!: string;

  @Field(() => Int, {
    defaultValue: DAY_S,
    description: 'How long the old key keeps working, 0 to 30 days.',
  })
  @Min(0)
  @Max(30 * DAY_S)
  overlapSeconds: number = DAY_S;
}

/** The owner of the keys: the caller's tenant, or null for the operator, whose keys belong to no tenant. */
const ownerOf = (context: Context): string | null =>
  context.principal?.kind === 'operator' ? null : ownTenantId(context);

const toNewApiKey = ({ apiKey, secret }: NewKey): NewApiKey => ({ apiKey: toApiKey(apiKey), secret });

@Resolver(() => ApiKeyType)
export class ApiKeyResolver {
  @Query(() => [ApiKeyType], {
    description:
      "Newest first, including revoked keys. With the operator's key: the keys that belong to no tenant.",
  })
  @RequiresScope(ApiKeyScope.KEYS)
  async apiKeys(@Ctx() context: Context): Promise<ApiKeyType[]> {
    return (await context.services.apiKeys.list(ownerOf(context))).map(toApiKey);
  }

  // A new key costs 100,000 rounds of a hash, so its number is limited, but it is never charged as a call.
  @Mutation(() => NewApiKey)
  @RequiresScope(ApiKeyScope.KEYS)
  @Directive('@rateLimited(cost: 0, max: 60, window: "1m")')
  @Checked(({ input }, nowMs) => requireFuture(input.expiresAt, nowMs))
  async createApiKey(@Arg('input') input: CreateApiKeyInput, @Ctx() context: Context): Promise<NewApiKey> {
    const { services } = context;
    const principal = requirePrincipal(context.principal);
    if (principal.kind === 'operator' && input.tenantId) await services.tenants.get(input.tenantId);
    const owner = principal.kind === 'operator' ? (input.tenantId ?? null) : ownTenantId(context);
    if (input.tenantId && input.tenantId !== owner)
      throw forbidden("Only the operator can create keys for other tenants; use the operator's key");
    return toNewApiKey(await services.apiKeys.create(owner, input, principal));
  }

  @Mutation(() => NewApiKey, {
    description: 'Creates a key with the name and scopes of the old one, which keeps working for a while.',
  })
  @RequiresScope(ApiKeyScope.KEYS)
  @Directive('@rateLimited(cost: 0, max: 60, window: "1m")')
  async rotateApiKey(
    @Args() { id, overlapSeconds }: RotateApiKeyArgs,
    @Ctx() context: Context,
  ): Promise<NewApiKey> {
    const { services } = context;
    const principal = requirePrincipal(context.principal);
    return toNewApiKey(await services.apiKeys.rotate(ownerOf(context), id, overlapSeconds, principal));
  }

  @Mutation(() => ApiKeyType, { description: 'The key stops working immediately.' })
  @RequiresScope(ApiKeyScope.KEYS)
  async revokeApiKey(@Arg('id', () => ID) id: string, @Ctx() context: Context): Promise<ApiKeyType> {
    const { services } = context;
    const principal = requirePrincipal(context.principal);
    return toApiKey(await services.apiKeys.revoke(ownerOf(context), id, principal));
  }
}
