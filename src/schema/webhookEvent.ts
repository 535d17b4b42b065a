import { ArgsType, Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { WebhookEventStatus } from '../services/stripe/inbox.js';
import { connectionOf, PageArgs } from './pagination.js';
import { DateTimeScalar } from './scalars.js';

registerEnumType(WebhookEventStatus, {
  name: 'WebhookEventStatus',
  valuesConfig: {
    PENDING: { description: 'Waits to be applied, or for another try.' },
    IGNORED: { description: 'There was nothing to do; `reason` says why.' },
    FAILED: { description: 'Given up after a hundred tries, about a day; `replayWebhookEvent` tries again.' },
  },
});

@ObjectType({ description: 'An event that Stripe delivered. Kept for 90 days after its end.' })
export class WebhookEvent {
  @Field(() => ID, { description: "Stripe's id of the event." })
  id!: string;

  @Field()
  type!: string;

  @Field(() => WebhookEventStatus)
  status!: WebhookEventStatus;

  @Field(() => Int)
  tries!: number;

  @Field(() => String, { nullable: true, description: 'Without secrets.' })
  lastError!: string | null;

  @Field(() => String, { nullable: true, description: 'Why it was ignored.' })
  reason!: string | null;

  @Field(() => ID, { nullable: true, description: "Stripe's id of the object that it is about." })
  object!: string | null;

  @Field(() => DateTimeScalar)
  receivedAt!: Date;

  @Field(() => DateTimeScalar, { nullable: true })
  appliedAt!: Date | null;
}

export const WebhookEventConnection = connectionOf('WebhookEvent', () => WebhookEvent);

@ArgsType()
export class WebhookEventsArgs extends PageArgs {
  @Field(() => WebhookEventStatus, { nullable: true })
  status?: WebhookEventStatus | null;
}
