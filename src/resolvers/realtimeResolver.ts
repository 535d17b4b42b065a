import { ApiKeyScope } from '@continuum-billing/limits/core';
import type { GraphQLResolveInfo } from 'graphql';
import { Args, Ctx, Directive, FieldResolver, Info, Resolver, Root } from 'type-graphql';
import { RequiresScope } from '../directives/access.js';
import { Subscribes } from '../directives/subscribes.js';
import { UsageAlertType } from '../schema/alert.js';
import { MemoryType } from '../schema/memory.js';
import { MemoryChangeType, Realtime, SubscriptionChangedArgs, UsageChangedArgs } from '../schema/realtime.js';
import { SubscriptionType } from '../schema/subscription.js';
import { TenantArgs, type TenantRef } from '../schema/tenantRef.js';
import { UsageType } from '../schema/usage.js';
import { OperatorRole } from '../services/accounts/principal.js';
import type { Mailbox } from '../services/realtime/mailbox.js';
import type {
  AlertEvent,
  MemoryEvent,
  SubscriptionEvent,
  Topic,
  UsageEvent,
  WantedUsage,
} from '../services/realtime/topics.js';
import { toAlert } from './alertResolver.js';
import { type Context, requestedTenantId } from './context.js';
import { readSubscription, toMemory } from './mappers.js';
import { readingOf, selectedBelow } from './resolveInfo.js';

type Wanted = Partial<WantedUsage> & { current?: boolean };

async function listen(topic: Topic, named: TenantRef, wanted: Wanted, context: Context): Promise<Mailbox> {
  const { live, services } = context;
  if (!live) throw new Error('A subscription was started for a client that gets one response');
  const tenantId = await requestedTenantId(context, named);
  return services.realtime.feed.listen(topic, tenantId, wanted, live.overflowed);
}

/** The arguments only say which events are wanted; the resolvers below map an event to its type. */
@Resolver(() => Realtime)
export class RealtimeResolver {
  @FieldResolver(() => UsageType, {
    description: 'At most one message a second; a change that came sooner is in the next one.',
  })
  @RequiresScope(ApiKeyScope.READ)
  @Subscribes(({ current, period, ...named }: UsageChangedArgs, context: Context, info: GraphQLResolveInfo) =>
    listen('usage', named, { current, period, endpoints: selectedBelow(info).has('byEndpoint') }, context),
  )
  usageChanged(@Root() { reading }: UsageEvent, @Args() _args: UsageChangedArgs): UsageType {
    return reading;
  }

  @FieldResolver(() => SubscriptionType, {
    description: 'The subscription has changed, or the tier that the tenant has by it or by a contract.',
  })
  @RequiresScope(ApiKeyScope.READ)
  @Subscribes(({ current, ...named }: SubscriptionChangedArgs, context: Context) =>
    listen('subscription', named, { current }, context),
  )
  subscriptionChanged(
    @Root() { tenantId }: SubscriptionEvent,
    @Args() _args: SubscriptionChangedArgs,
    @Ctx() context: Context,
  ): Promise<SubscriptionType> {
    return readSubscription(tenantId, context);
  }

  @FieldResolver(() => UsageAlertType)
  @RequiresScope(ApiKeyScope.READ)
  @Subscribes((named: TenantArgs, context: Context) => listen('alert', named, {}, context))
  alertRaised(@Root() { alert }: AlertEvent, @Args() _args: TenantArgs): UsageAlertType {
    return toAlert(alert);
  }

  @FieldResolver(() => MemoryChangeType, {
    description: 'A memory was stored, changed, shared or deleted. Of an operator, it needs the role OWNER.',
  })
  @RequiresScope(ApiKeyScope.READ, { role: OperatorRole.OWNER })
  @Directive('@requiresFeature(feature: REALTIME_SYNC)')
  @Subscribes((named: TenantArgs, context: Context) => listen('memory', named, {}, context))
  memoryChanged(@Root() event: MemoryEvent, @Args() _args: TenantArgs): MemoryChangeType {
    return event;
  }
}

@Resolver(() => MemoryChangeType)
export class MemoryChangeResolver {
  @FieldResolver(() => MemoryType, { nullable: true })
  async memory(
    @Root() root: MemoryChangeType,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MemoryType | null> {
    const { tenantId, id } = root as MemoryEvent;
    const memory = await context.services.memories.find(tenantId, id, readingOf(context, info));
    return memory && toMemory(memory);
  }
}
