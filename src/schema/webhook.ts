import { ArrayMaxSize, IsOptional, MaxLength } from 'class-validator';
import { ArgsType, Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { DeliveryStatus } from '../services/webhooks/webhookDeliveries.js';
import { OutgoingEventType, WebhookEndpointStatus } from '../services/webhooks/webhookEndpoints.js';
import { connectionOf, PageArgs } from './pagination.js';
import { DateTimeScalar } from './scalars.js';
import { IsHttpUrl } from './validators.js';

registerEnumType(OutgoingEventType, {
  name: 'OutgoingEventType',
  description:
    'What the operator’s own systems are sent. A value’s name in capitals is its type: `PAYMENT_FAILED` is `payment.failed`, `CHARGE_DISPUTED` is `charge.disputed`.',
});
registerEnumType(DeliveryStatus, {
  name: 'DeliveryStatus',
  valuesConfig: {
    FAILED: { description: 'Given up after ten tries in three days, or its endpoint was deleted.' },
  },
});

registerEnumType(WebhookEndpointStatus, {
  name: 'WebhookEndpointStatus',
  valuesConfig: {
    PAUSED: {
      description:
        'Ten deliveries in a row failed. Events wait for it; one is tried at `waitUntil`, and all are sent once one succeeds.',
    },
    DISABLED: {
      description:
        'It answered 410, or nothing succeeded for 14 days. Events are not kept for it until `enableWebhookEndpoint`.',
    },
  },
});

@ObjectType({ description: 'Where events are sent, signed as Standard Webhooks says.' })
export class WebhookEndpoint {
  @Field(() => ID)
  id!: string;

  @Field()
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
    description: 'Until then nothing is sent: it is paused, or asked for it with `Retry-After`.',
  })
  waitUntil!: Date | null;
}

@ObjectType()
export class NewWebhookEndpoint {
  @Field(() => WebhookEndpoint)
  endpoint!: WebhookEndpoint;

  @Field({ description: '`whsec_…`, shown this once: what is sent is verified with it.' })
  secret!: string;
}

@InputType()
export class CreateWebhookEndpointInput {
  @Field()
  @IsHttpUrl()
  url!: string;

  @Field(() => [OutgoingEventType], { nullable: true, description: 'Without it: all.' })
  @IsOptional()
  @ArrayMaxSize(50)
  events?: OutgoingEventType[] | null;
}

@ObjectType({ description: 'One event on its way to one endpoint. Kept for 30 days.' })
export class WebhookDelivery {
  @Field(() => ID)
  id!: string;

  @Field(() => ID)
  endpointId!: string;

  @Field(() => ID, { description: 'The header `webhook-id`: the same at every try.' })
  eventId!: string;

  @Field(() => OutgoingEventType)
  type!: OutgoingEventType;

  @Field({ description: 'JSON, as it is signed and sent.' })
  body!: string;

  @Field(() => DeliveryStatus)
  status!: DeliveryStatus;

  @Field(() => Int)
  tries!: number;

  @Field(() => Int, { nullable: true, description: 'HTTP status of the last answer.' })
  responseStatus!: number | null;

  @Field(() => String, { nullable: true })
  error!: string | null;

  @Field(() => DateTimeScalar)
  at!: Date;

  @Field(() => DateTimeScalar, { nullable: true })
  deliveredAt!: Date | null;
}

export const WebhookDeliveryConnection = connectionOf('WebhookDelivery', () => WebhookDelivery);

@ArgsType()
export class WebhookDeliveriesArgs extends PageArgs {
  @Field(() => ID, { nullable: true })
  @IsOptional()
  @MaxLength(100)
  endpointId?: string | null;

  @Field(() => DeliveryStatus, { nullable: true })
  status?: DeliveryStatus | null;
}
