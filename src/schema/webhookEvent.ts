import { ArgsType, Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { WebhookEventStatus } from '../services/billing/inbox/inbox.js';
import { REJECTIONS, type Rejection } from '../services/billing/inbox/rejections.js';
import { MaxLength } from './constraints.js';
import { connectionOf, PageArgs } from './pagination.js';
import { BigIntScalar, DateTimeScalar } from './scalars.js';
import { IsExternalId, IsTenantId, type TenantRef } from './tenantRef.js';

registerEnumType(WebhookEventStatus, {
  name: 'WebhookEventStatus',
  valuesConfig: {
    PENDING: { description: 'Waiting to be applied or retried.' },
    IGNORED: { description: 'Nothing had to be done; `reason` says why.' },
    FAILED: {
      description: 'Given up after a hundred attempts, about a day. `replayWebhookEvent` tries again.',
    },
  },
});

@ObjectType({
  description: 'An event that Stripe delivered. Kept for 90 days after it was applied, ignored or given up.',
})
export class WebhookEvent {
  @Field(() => ID, { description: "Stripe's id for the event." })
  id!: string;

  @Field()
  type!: string;

  @Field(() => WebhookEventStatus)
  status!: WebhookEventStatus;

  @Field(() => Int)
  tries!: number;

  @Field(() => String, { nullable: true, description: 'The last error, without secrets.' })
  lastError!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Why the event was ignored, or what the operator should know about how it was applied.',
  })
  reason!: string | null;

  @Field(() => ID, { nullable: true, description: "Stripe's id for the object that the event is about." })
  object!: string | null;

  @Field(() => ID, {
    nullable: true,
    description: "Stripe's id for the customer that it concerns. null: none, or not known.",
  })
  customerId!: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it is tried next; null unless PENDING.' })
  nextTryAt!: Date | null;

  @Field(() => DateTimeScalar)
  receivedAt!: Date;

  @Field(() => DateTimeScalar, { nullable: true })
  appliedAt!: Date | null;
}

export const WebhookEventConnection = connectionOf('WebhookEvent', () => WebhookEvent);

@ArgsType()
export class WebhookEventsArgs extends PageArgs implements TenantRef {
  @Field(() => ID, { nullable: true, description: "Only events about this tenant's customer." })
  @IsTenantId()
  tenantId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Your own id of the tenant, instead of `tenantId`.' })
  @IsExternalId()
  externalId?: string | null;

  @Field(() => WebhookEventStatus, { nullable: true })
  status?: WebhookEventStatus | null;

  @Field(() => String, {
    nullable: true,
    description: 'Only this type, for example `invoice.payment_failed`.',
  })
  @MaxLength(255)
  type?: string | null;
}

/** The values of the enum are the names that the services use. */
const WebhookRefusalReason = Object.fromEntries(REJECTIONS.map((why) => [why.toUpperCase(), why]));

registerEnumType(WebhookRefusalReason, {
  name: 'WebhookRefusalReason',
  description: 'Why a request to the webhook was rejected.',
  valuesConfig: {
    SIGNATURE: { description: 'The signature is missing, or does not match the body and the secret.' },
    TIMESTAMP: { description: 'The signature’s time is more than 300 s in the past or the future.' },
    BODY: { description: 'The body is not an event, is nested too deeply, or has too many values.' },
    SIZE: { description: 'The body is larger than 1 MB.' },
    CONFLICT: {
      description:
        'Another event with this id, but of another type or about another object, was received before.',
    },
    LIVEMODE: {
      description:
        'The event belongs to live mode and STRIPE_SECRET_KEY to test mode, or the other way round. It is stored and ignored.',
    },
  },
});

@ObjectType({ description: 'Requests to the webhook that were rejected and changed nothing.' })
export class WebhookRefusal {
  @Field(() => WebhookRefusalReason)
  reason!: Rejection;

  @Field(() => BigIntScalar, {
    description: 'Number of requests since this server process started. Each process counts its own.',
  })
  count!: number;
}
