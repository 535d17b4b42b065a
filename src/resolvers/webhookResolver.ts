import { Arg, Args, Ctx, ID, Mutation, Query, Resolver } from 'type-graphql';
import { Checked, OperatorOnly } from '../directives/access.js';
import { connect, DEFAULT_PAGE, decodeCursor } from '../schema/pagination.js';
import {
  CreateWebhookEndpointInput,
  NewWebhookEndpoint,
  WebhookDeliveriesArgs,
  WebhookDelivery,
  WebhookDeliveryConnection,
  WebhookEndpoint,
} from '../schema/webhook.js';
import type { WebhookDeliveryDoc } from '../services/outgoing/webhookDeliveries.js';
import type { WebhookEndpointDoc } from '../services/outgoing/webhookEndpoints.js';
import type { Context } from './context.js';

@Resolver()
export class WebhookResolver {
  @Query(() => [WebhookEndpoint])
  @OperatorOnly()
  async webhookEndpoints(@Ctx() { services }: Context): Promise<WebhookEndpoint[]> {
    return (await services.webhookEndpoints.list()).map(endpointView);
  }

  @Query(() => WebhookDeliveryConnection, { description: 'The newest first.' })
  @OperatorOnly()
  @Checked(({ after }) => decodeCursor(after))
  async webhookDeliveries(
    @Args() { first, after, ...filter }: WebhookDeliveriesArgs,
    @Ctx() { services }: Context,
  ) {
    const query = { ...filter, first: first ?? DEFAULT_PAGE, after: decodeCursor(after) };
    const page = await services.webhookDeliveries.page(query);
    return connect(page.deliveries, page.hasNextPage, after, ({ _id }) => _id, deliveryView);
  }

  @Mutation(() => NewWebhookEndpoint)
  @OperatorOnly()
  async createWebhookEndpoint(
    @Arg('input') { url, events }: CreateWebhookEndpointInput,
    @Ctx() { services }: Context,
  ): Promise<NewWebhookEndpoint> {
    const endpoint = await services.webhookEndpoints.create(url, events ?? []);
    return { endpoint: endpointView(endpoint), secret: endpoint.secret };
  }

  @Mutation(() => Boolean, { description: 'What waits for it is not sent any more.' })
  @OperatorOnly()
  deleteWebhookEndpoint(@Arg('id', () => ID) id: string, @Ctx() { services }: Context): Promise<boolean> {
    return services.webhookEndpoints.remove(id);
  }

  @Mutation(() => WebhookDelivery, { description: 'Sends it once more, whatever became of it.' })
  @OperatorOnly()
  async resendWebhookDelivery(
    @Arg('id', () => ID) id: string,
    @Ctx() { services }: Context,
  ): Promise<WebhookDelivery> {
    const delivery = await services.webhookDeliveries.resend(id);
    services.outgoingWebhooks.wake();
    return deliveryView(delivery);
  }
}

const endpointView = ({ _id, url, events, createdAt }: WebhookEndpointDoc): WebhookEndpoint => ({
  id: _id,
  url,
  events,
  createdAt,
});

const deliveryView = (doc: WebhookDeliveryDoc): WebhookDelivery => ({ ...doc, id: doc._id });
