import { ArgsType, Field, ID, ObjectType, registerEnumType } from 'type-graphql';
import { MemoryChangeKind } from '../services/realtime/topics.js';
import { UsagePeriod } from '../services/usage/usage.js';
import { MemoryType } from './memory.js';
import { TenantArgs } from './tenantRef.js';

/**
 * The root of subscriptions. type-graphql would call it `Subscription`, which is the name of a type of this schema, so it
 * is built as an ordinary type; `buildSchema.ts` makes it the root.
 */
@ObjectType({
  description:
    "Messages about one tenant: the caller's own, or the one that an operator names. Over a WebSocket (graphql-transport-ws), or as an event stream.",
})
export class Realtime {}

const CURRENT = {
  defaultValue: false,
  description:
    'Whether the first message is the state at the beginning, so that a client that reconnects has read again.',
};

@ArgsType()
export class UsageChangedArgs extends TenantArgs {
  @Field(() => UsagePeriod, { defaultValue: UsagePeriod.DAY })
  period!: UsagePeriod;

  @Field(() => Boolean, CURRENT)
  current!: boolean;
}

@ArgsType()
export class SubscriptionChangedArgs extends TenantArgs {
  @Field(() => Boolean, CURRENT)
  current!: boolean;
}

registerEnumType(MemoryChangeKind, {
  name: 'MemoryChangeKind',
  valuesConfig: { SHARED: { description: 'The federation may read it from now on.' } },
});

@ObjectType('MemoryChange')
export class MemoryChangeType {
  @Field(() => ID, { description: 'The id of the memory.' })
  id!: string;

  @Field(() => MemoryChangeKind)
  kind!: MemoryChangeKind;

  @Field(() => MemoryType, {
    nullable: true,
    description: 'The memory as it is now; null if it has been deleted.',
  })
  memory?: MemoryType | null;
}
