import { Arg, Args, Ctx, ID, Mutation, Query, Resolver } from 'type-graphql';
import { Checked, RequiresRole } from '../directives/access.js';
import { connect, DEFAULT_PAGE, decodeCursor } from '../schema/pagination.js';
import {
  CreateWebhookEndpointInput,
  NewWebhookEndpoint,
  WebhookDeliveriesArgs,
  WebhookDelivery,
  WebhookDeliveryConnection,
  WebhookEndpoint,
} from '../schema/webhook.js';
import { OperatorRole } from '../services/accounts/principal.js';
import type { WebhookDeliveryDoc } from '../services/webhooks/webhookDeliveries.js';
import { type WebhookEndpointDoc, WebhookEndpointStatus } from '../services/webhooks/webhookEndpoints.js';
import type { Context } from './context.js';

@Resolver()
export class WebhookResolver {
  @Query(() => [WebhookEndpoint])
  @RequiresRole(OperatorRole.READ)
  async webhookEndpoints(@Ctx() { services }: Context): Promise<WebhookEndpoint[]> {
    return (await services.webhookEndpoints.list()).map(toEndpoint);
  }

  @Query(() => WebhookDeliveryConnection, { description: 'Newest first.' })
  @RequiresRole(OperatorRole.READ)
  @Checked(({ after }) => decodeCursor(after))
  async webhookDeliveries(
    @Args() { first, after, ...filter }: WebhookDeliveriesArgs,
    @Ctx() { services }: Context,
  ) {
    const query = { ...filter, first: first ?? DEFAULT_PAGE, after: decodeCursor(after) };
    const page = await services.webhookDeliveries.page(query);
    return connect(page.deliveries, page.hasNextPage, after, ({ _id }) => _id, toDelivery);
  }

  @Mutation(() => NewWebhookEndpoint)
  @RequiresRole(OperatorRole.OWNER)
  async createWebhookEndpoint(
    @Arg('input') { url, events }: CreateWebhookEndpointInput,
    @Ctx() context: Context,
  ): Promise<NewWebhookEndpoint> {
    const { webhookEndpoints } = context.services;
    const endpoint = await webhookEndpoints.create(url, events ?? [], context.author());
    return { endpoint: toEndpoint(endpoint), secret: endpoint.secret };
  }

  @Mutation(() => WebhookEndpoint, {
    description:
      'Enables an endpoint that was paused or disabled. Events that wait for it are sent immediately.',
  })
  @RequiresRole(OperatorRole.OWNER)
  async enableWebhookEndpoint(
    @Arg('id', () => ID) id: string,
    @Ctx() context: Context,
  ): Promise<WebhookEndpoint> {
    const { services } = context;
    const endpoint = await services.webhookEndpoints.enable(id, context.author());
    services.outgoingWebhooks.wake();
    return toEndpoint(endpoint);
  }

  @Mutation(() => Boolean, { description: 'Events that wait for the endpoint are not sent any more.' })
  @RequiresRole(OperatorRole.OWNER)
  deleteWebhookEndpoint(@Arg('id', () => ID) id: string, @Ctx() context: Context): Promise<boolean> {
    return context.services.webhookEndpoints.remove(id, context.author());
  }

  @Mutation(() => WebhookDelivery, { description: 'Sends a delivery again, whatever its status.' })
  @RequiresRole(OperatorRole.SUPPORT)
  async resendWebhookDelivery(
    @Arg('id', () => ID) id: string,
    @Ctx() context: Context,
  ): Promise<WebhookDelivery> {
    const { services } = context;
    const delivery = await services.webhookDeliveries.resend(id, context.author());
    services.outgoingWebhooks.wake();
    return toDelivery(delivery);
  }
}

const toEndpoint = (endpoint: WebhookEndpointDoc): WebhookEndpoint => {
  const { _id, url, events, createdAt, status, statusReason, pausedAt, waitUntil } = endpoint;
  return {
    id: _id,
    url,
    events,
    createdAt,
    status: status ?? WebhookEndpointStatus.ENABLED,
    statusReason: statusReason ?? null,
    pausedAt: pausedAt ?? null,
    waitUntil: waitUntil ?? null,
  };
};

const toDelivery = (doc: WebhookDeliveryDoc): WebhookDelivery => ({ ...doc, id: doc._id });
