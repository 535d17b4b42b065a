import { Arg, Args, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import { Checked, hasRole, RequiresRole } from '../directives/access.js';
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
import { MAX_COUNTED, type WebhookDeliveryDoc } from '../services/webhooks/webhookDeliveries.js';
import { type WebhookEndpointDoc, WebhookEndpointStatus } from '../services/webhooks/webhookEndpoints.js';
import { type Context, requestedTenantId } from './context.js';

@Resolver(() => WebhookEndpoint)
export class WebhookResolver {
  @Query(() => [WebhookEndpoint])
  @RequiresRole(OperatorRole.READ)
  async webhookEndpoints(@Ctx() context: Context): Promise<WebhookEndpoint[]> {
    const endpoints = await context.services.webhookEndpoints.list();
    return endpoints.map((endpoint) => toEndpoint(endpoint, context));
  }

  // Beside a secret that is shown once, so a failure must not take the secret with it.
  @FieldResolver(() => Int, {
    nullable: true,
    description: `Deliveries that wait for it, counted up to ${MAX_COUNTED}.`,
  })
  waiting(@Root() { id }: WebhookEndpoint, @Ctx() { services }: Context): Promise<number> {
    return services.webhookDeliveries.waitingFor(id);
  }

  @Query(() => WebhookDeliveryConnection, { description: 'Newest first.' })
  @RequiresRole(OperatorRole.READ)
  @Checked(({ after }) => decodeCursor(after))
  async webhookDeliveries(
    @Args() { first, after, tenantId, externalId, ...filter }: WebhookDeliveriesArgs,
    @Ctx() context: Context,
  ) {
    const isOfOne = tenantId || externalId;
    const query = {
      ...filter,
      tenantId: isOfOne
        ? await requestedTenantId(context, { tenantId, externalId }, { orErased: true })
        : null,
      first: first ?? DEFAULT_PAGE,
      after: decodeCursor(after),
    };
    const page = await context.services.webhookDeliveries.page(query);
    return connect(page.deliveries, page.hasNextPage, after, ({ _id }) => _id, toDelivery);
  }

  @Query(() => WebhookDelivery)
  @RequiresRole(OperatorRole.READ)
  async webhookDelivery(
    @Arg('id', () => ID) id: string,
    @Ctx() { services }: Context,
  ): Promise<WebhookDelivery> {
    return toDelivery(await services.webhookDeliveries.get(id));
  }

  @Mutation(() => NewWebhookEndpoint)
  @RequiresRole(OperatorRole.OWNER)
  async createWebhookEndpoint(
    @Arg('input') { url, events }: CreateWebhookEndpointInput,
    @Ctx() context: Context,
  ): Promise<NewWebhookEndpoint> {
    const { webhookEndpoints } = context.services;
    const endpoint = await webhookEndpoints.create(url, events ?? [], context.author());
    return { endpoint: toEndpoint(endpoint, context), secret: endpoint.secret };
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
    return toEndpoint(endpoint, context);
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

const toEndpoint = (endpoint: WebhookEndpointDoc, { principal }: Context): WebhookEndpoint => {
  const { _id, url, events, createdAt, status, statusReason, pausedAt, waitUntil } = endpoint;
  const isTrusted = principal?.kind === 'operator' && hasRole(principal, OperatorRole.SUPPORT);
  return {
    id: _id,
    url: isTrusted ? url : originOf(url),
    events,
    createdAt,
    status: status ?? WebhookEndpointStatus.ENABLED,
    statusReason: statusReason ?? null,
    pausedAt: pausedAt ?? null,
    waitUntil: waitUntil ?? null,
    failures: endpoint.failures ?? 0,
    failingSince: endpoint.failingSince ?? null,
  };
};

/** A path may be the receiver's secret, as with the webhooks of chat services. */
function originOf(url: string): string {
  const { origin, href } = new URL(url);
  return href === `${origin}/` ? url : `${origin}/…`;
}

const toDelivery = (doc: WebhookDeliveryDoc): WebhookDelivery => ({
  ...doc,
  id: doc._id,
  tenantId: doc.tenantId ?? null,
  nextTryAt: doc.nextTryAt ?? null,
});
