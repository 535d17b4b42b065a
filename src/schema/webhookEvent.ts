import { ArgsType, Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { WebhookEventStatus } from '../services/billing/inbox/inbox.js';
import { REFUSALS, type Refusal } from '../services/billing/inbox/rejections.js';
import { connectionOf, PageArgs } from './pagination.js';
import { BigIntScalar, DateTimeScalar } from './scalars.js';

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

  @Field(() => String, {
    nullable: true,
    description: 'Why it was ignored, or what the operator should know of what was applied.',
  })
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

/** An enum's values are what the services call them. */
const WebhookRefusalReason = Object.fromEntries(REFUSALS.map((why) => [why.toUpperCase(), why]));

registerEnumType(WebhookRefusalReason, {
  name: 'WebhookRefusalReason',
  description: 'Why a request to the webhook was refused.',
  valuesConfig: {
    SIGNATURE: { description: 'It is missing, or does not fit the body or a secret.' },
    TIMESTAMP: { description: 'It was signed more than 300 s ago or ahead.' },
    BODY: { description: 'It is no event, is nested too deeply, or has too many values.' },
    SIZE: { description: 'It has more than 1 MB.' },
    CONFLICT: { description: 'An event of another type, or about another object, has its id.' },
    LIVEMODE: {
      description:
        'It is about the other mode of Stripe than STRIPE_SECRET_KEY, live or test. It is stored, and ignored.',
    },
  },
});

@ObjectType({ description: 'Requests to the webhook that were refused, and changed nothing.' })
export class WebhookRefusal {
  @Field(() => WebhookRefusalReason)
  reason!: Refusal;

  @Field(() => BigIntScalar, {
    description: 'Since this server process started; each process counts its own.',
  })
  count!: number;
}
