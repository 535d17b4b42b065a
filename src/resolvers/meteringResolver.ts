import { ApiKeyScope } from '@continuum-billing/limits/core';
import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, Info, Mutation, Resolver } from 'type-graphql';
import { OneByOne, RequiresScope } from '../directives/access.js';
import { ConsumeInput, ConsumeResult, UsageEventInput, UsageEventResult } from '../schema/metering.js';
import { TenantArgs } from '../schema/tenantRef.js';
import { type Context, requestedTenantId } from './context.js';
import { allItems } from './resolveInfo.js';

@Resolver()
export class MeteringResolver {
  @Mutation(() => ConsumeResult, {
    description:
      'Charges calls in one atomic step if the limits allow them. A reached limit is not an error: `allowed` is false.',
  })
  @RequiresScope(ApiKeyScope.USAGE, { service: true })
  async consume(@Arg('input') input: ConsumeInput, @Ctx() context: Context): Promise<ConsumeResult> {
    return context.services.consumption.consume(await requestedTenantId(context, input), input);
  }

  @Mutation(() => [UsageEventResult], {
    description:
      'Records up to 1000 events of usage that has already happened, each exactly once. Results are in the order of the events. Limits do not reject events, and every event counts on its day. After an error, send the same events again.',
  })
  @RequiresScope(ApiKeyScope.USAGE)
  @OneByOne('events')
  async recordUsage(
    @Arg('events', () => [UsageEventInput], { validate: false }) events: UsageEventInput[],
    @Args() named: TenantArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<UsageEventResult[]> {
    const given = allItems(context, info, 'events', events);
    return context.services.usageEvents.record(await requestedTenantId(context, named), given);
  }
}
