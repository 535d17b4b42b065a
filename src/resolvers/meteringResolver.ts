import { ApiKeyScope } from '@continuum-billing/limits/core';
import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, ID, Info, Mutation, Resolver } from 'type-graphql';
import { OneByOne, RequiresScope } from '../directives/access.js';
import { ConsumeInput, ConsumeResult, UsageEventInput, UsageEventResult } from '../schema/metering.js';
import { ownTenantId } from '../services/accounts/caller.js';
import { allItems, type Context, requestedTenantId } from './context.js';

@Resolver()
export class MeteringResolver {
  @Mutation(() => ConsumeResult, {
    description:
      'Charges the calls if the limits have room for them, in one exact step. A limit is no error.',
  })
  @RequiresScope(ApiKeyScope.USAGE)
  consume(@Arg('input') input: ConsumeInput, @Ctx() context: Context): Promise<ConsumeResult> {
    return context.services.consumption.consume(ownTenantId(context), input);
  }

  @Mutation(() => [UsageEventResult], {
    description:
      'Records usage that has happened, at most 1000 events a call, each once, answered in order. Limits refuse none of it, and count all of it in its day. After an error send the same events again.',
  })
  @RequiresScope(ApiKeyScope.USAGE)
  @OneByOne('events')
  async recordUsage(
    @Arg('events', () => [UsageEventInput], { validate: false }) events: UsageEventInput[],
    @Arg('tenantId', () => ID, { nullable: true, description: "Needed with the operator's key." })
    tenantId: string | null,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<UsageEventResult[]> {
    const given = allItems(context, info, 'events', events);
    return context.services.usageEvents.record(await requestedTenantId(context, tenantId), given);
  }
}
