import { ArgsType, Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { DeliveryStatus } from '../services/webhooks/webhookDeliveries.js';
import { OutgoingEventType, WebhookEndpointStatus } from '../services/webhooks/webhookEndpoints.js';
import { IsHttpUrl, MaxItems, MaxLength } from './constraints.js';
import { connectionOf, PageArgs } from './pagination.js';
import { DateTimeScalar } from './scalars.js';
import { IsExternalId, IsTenantId, type TenantRef } from './tenantRef.js';

registerEnumType(OutgoingEventType, {
  name: 'OutgoingEventType',
  description:
    'Events that are sent to the operator’s own systems. The name of each value corresponds to the type in the event: `PAYMENT_FAILED` is `payment.failed`, `CHARGE_DISPUTED` is `charge.disputed`.',
});
registerEnumType(DeliveryStatus, {
  name: 'DeliveryStatus',
  valuesConfig: {
    FAILED: {
      description: 'Given up after ten attempts in three days, or because its endpoint was deleted.',
    },
  },
});

registerEnumType(WebhookEndpointStatus, {
  name: 'WebhookEndpointStatus',
  valuesConfig: {
    PAUSED: {
      description:
        'Ten deliveries in a row failed. Events for it wait. At `waitUntil` one of them is sent; once that succeeds, all are sent.',
    },
    DISABLED: {
      description:
        'It answered 410, or no delivery succeeded for 14 days. Until `enableWebhookEndpoint`, events for it are dropped.',
    },
  },
});

@ObjectType({ description: 'A URL that receives events, signed according to Standard Webhooks.' })
export class WebhookEndpoint {
  @Field(() => ID)
  id!: string;

  @Field({
    description:
      'Roles below SUPPORT read only its origin, because the rest may contain a secret of the receiver: `https://example.com/…`.',
  })
  url!: string;

  @Field(() => [OutgoingEventType])
  events!: OutgoingEventType[];

  @Field(() => DateTimeScalar)
  createdAt!: Date;

  @Field(() => WebhookEndpointStatus)
  status!: WebhookEndpointStatus;

  @Field(() => String, { nullable: true, description: 'Why it is paused or disabled.' })
  statusReason!: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it was paused or disabled.' })
  pausedAt!: Date | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'Nothing is sent before this time, because the endpoint is paused or answered with `Retry-After`.',
  })
  waitUntil!: Date | null;

  @Field(() => Int, { description: 'Deliveries that have failed since the last one that succeeded.' })
  failures!: number;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When the first of these failed.' })
  failingSince!: Date | null;
}

@ObjectType()
export class NewWebhookEndpoint {
  @Field(() => WebhookEndpoint)
  endpoint!: WebhookEndpoint;

  @Field({ description: '`whsec_…`, to verify the signatures of events. It is shown only once.' })
  secret!: string;
}

@InputType()
export class CreateWebhookEndpointInput {
  @Field()
  @IsHttpUrl()
  url!: string;

  @Field(() => [OutgoingEventType], { nullable: true, description: 'Default: all events.' })
  @MaxItems(50)
  events?: OutgoingEventType[] | null;
}

@ObjectType({ description: 'The delivery of one event to one endpoint. Kept for 30 days.' })
export class WebhookDelivery {
  @Field(() => ID)
  id!: string;

  @Field(() => ID)
  endpointId!: string;

  @Field(() => ID, { description: 'The header `webhook-id`, which is the same in every attempt.' })
  eventId!: string;

  @Field(() => OutgoingEventType)
  type!: OutgoingEventType;

  @Field(() => ID, {
    nullable: true,
    description: 'The tenant that the event is about. null: an earlier version queued it.',
  })
  tenantId!: string | null;

  @Field({ description: 'The JSON that is signed and sent.' })
  body!: string;

  @Field(() => DeliveryStatus)
  status!: DeliveryStatus;

  @Field(() => Int)
  tries!: number;

  @Field(() => Int, { nullable: true, description: 'HTTP status of the last response.' })
  responseStatus!: number | null;

  @Field(() => String, { nullable: true })
  error!: string | null;

  @Field(() => DateTimeScalar)
  at!: Date;

  @Field(() => DateTimeScalar, { nullable: true })
  deliveredAt!: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it is tried next; null unless PENDING.' })
  nextTryAt!: Date | null;
}

export const WebhookDeliveryConnection = connectionOf('WebhookDelivery', () => WebhookDelivery);

@ArgsType()
export class WebhookDeliveriesArgs extends PageArgs implements TenantRef {
  @Field(() => ID, { nullable: true, description: 'Only events about this tenant.' })
  @IsTenantId()
  tenantId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Your own id of the tenant, instead of `tenantId`.' })
  @IsExternalId()
  externalId?: string | null;

  @Field(() => ID, { nullable: true })
  @MaxLength(100)
  endpointId?: string | null;

  @Field(() => DeliveryStatus, { nullable: true })
  status?: DeliveryStatus | null;

  @Field(() => OutgoingEventType, { nullable: true })
  type?: OutgoingEventType | null;
}
