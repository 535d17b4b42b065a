import { Arg, Args, Ctx, Directive, ID, Mutation, Query, Resolver } from 'type-graphql';
import { Checked, RequiresRole } from '../directives/access.js';
import { RotateKeyArgs } from '../schema/apiKey.js';
import { CreateOperatorKeyInput, NewOperatorKey, OperatorKeyType } from '../schema/operatorKey.js';
import { requireFuture } from '../services/accounts/apiKeys.js';
import { OperatorRole, requirePrincipal } from '../services/accounts/principal.js';
import type { Context } from './context.js';
import { toOperatorKey } from './mappers.js';

@Resolver(() => OperatorKeyType)
export class OperatorKeyResolver {
  @Query(() => [OperatorKeyType], { description: 'Newest first, including revoked keys.' })
  @RequiresRole(OperatorRole.OWNER)
  async operatorKeys(@Ctx() context: Context): Promise<OperatorKeyType[]> {
    return (await context.services.apiKeys.list('operators')).map((key) => toOperatorKey(key, context));
  }

  @Mutation(() => NewOperatorKey)
  @RequiresRole(OperatorRole.OWNER)
  @Directive('@rateLimited(cost: 0, max: 60, window: "1m")')
  @Checked(({ input }, nowMs) => requireFuture(input.expiresAt, nowMs))
  async createOperatorKey(
    @Arg('input') input: CreateOperatorKeyInput,
    @Ctx() context: Context,
  ): Promise<NewOperatorKey> {
    const creator = requirePrincipal(context.principal);
    const made = await context.services.apiKeys.create('operators', input, creator, context.author());
    return { operatorKey: toOperatorKey(made.apiKey, context), secret: made.secret };
  }

  @Mutation(() => NewOperatorKey, {
    description: 'Creates a key with the name and role of the old one, which keeps working for a while.',
  })
  @RequiresRole(OperatorRole.OWNER)
  @Directive('@rateLimited(cost: 0, max: 60, window: "1m")')
  async rotateOperatorKey(
    @Args() { id, overlapSeconds }: RotateKeyArgs,
    @Ctx() context: Context,
  ): Promise<NewOperatorKey> {
    const { services } = context;
    const caller = requirePrincipal(context.principal);
    const made = await services.apiKeys.rotate('operators', id, overlapSeconds, caller, context.author());
    return { operatorKey: toOperatorKey(made.apiKey, context), secret: made.secret };
  }

  @Mutation(() => OperatorKeyType, { description: 'The key stops working immediately.' })
  @RequiresRole(OperatorRole.OWNER)
  async revokeOperatorKey(
    @Arg('id', () => ID) id: string,
    @Ctx() context: Context,
  ): Promise<OperatorKeyType> {
    const caller = requirePrincipal(context.principal);
    const revoked = await context.services.apiKeys.revoke('operators', id, caller, context.author());
    return toOperatorKey(revoked, context);
  }
}
