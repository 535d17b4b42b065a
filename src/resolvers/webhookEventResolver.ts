import { Arg, Args, Ctx, Directive, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { Checked, RequiresRole } from '../directives/access.js';
import { connect, DEFAULT_PAGE, decodeCursor } from '../schema/pagination.js';
import {
  WebhookEvent,
  WebhookEventConnection,
  WebhookEventsArgs,
  WebhookRefusal,
} from '../schema/webhookEvent.js';
import { OperatorRole } from '../services/accounts/principal.js';
import {
  customerIdOf,
  eventKeyOf,
  type WebhookEventDoc,
  WebhookEventStatus,
} from '../services/billing/inbox/inbox.js';
import { REJECTIONS } from '../services/billing/inbox/rejections.js';
import { type Context, requestedTenantId } from './context.js';

@Resolver(() => WebhookEvent)
export class WebhookEventResolver {
  @Query(() => WebhookEventConnection, {
    description:
      'Events from Stripe, newest first: all, or those about the customer of the tenant that is named.',
  })
  @RequiresRole(OperatorRole.READ)
  @Checked(({ after }) => decodeCursor(after))
  async webhookEvents(
    @Args() { first, after, status, type, ...named }: WebhookEventsArgs,
    @Ctx() context: Context,
  ) {
    const isOfOne = named.tenantId || named.externalId;
    const tenantId = isOfOne ? await requestedTenantId(context, named) : null;
    const query = { first: first ?? DEFAULT_PAGE, after: decodeCursor(after), status, type, tenantId };
    const page = await context.services.inbox.page(query);
    return connect(page.events, page.hasNextPage, after, eventKeyOf, toWebhookEvent);
  }

  @Query(() => WebhookEvent)
  @RequiresRole(OperatorRole.READ)
  async webhookEvent(@Arg('id', () => ID) id: string, @Ctx() { services }: Context): Promise<WebhookEvent> {
    return toWebhookEvent(await services.inbox.get(id));
  }

  @FieldResolver(() => String, {
    nullable: true,
    description:
      'JSON as Stripe sent it, without the request that caused it. null if it was erased with its tenant, or omitted; the response then has the error RESPONSE_TOO_LARGE.',
  })
  payload(@Root() { id }: WebhookEvent, @Ctx() { services, budget }: Context): Promise<string | null> {
    return services.inbox.payloadOf(id, budget);
  }

  @FieldResolver(() => ID, {
    nullable: true,
    description: 'The tenant whose customer it concerns. null: none, or not known.',
  })
  async tenantId(@Root() { customerId }: WebhookEvent, @Ctx() { loaders }: Context): Promise<string | null> {
    return customerId && loaders.tenantOfCustomer.load(customerId);
  }

  @Query(() => [WebhookRefusal], {
    description: 'The number of webhook requests that this server process has rejected, by reason.',
  })
  @RequiresRole(OperatorRole.READ)
  webhookRefusals(@Ctx() { services }: Context): WebhookRefusal[] {
    const totals = services.webhookRejections.totals();
    return REJECTIONS.map((reason) => ({ reason, count: totals[reason] }));
  }

  @Mutation(() => WebhookEvent, { description: 'Applies an event again, whatever its status.' })
  @RequiresRole(OperatorRole.SUPPORT)
  @Directive('@rateLimited(cost: 0, max: 100, window: "10s")')
  async replayWebhookEvent(@Arg('id', () => ID) id: string, @Ctx() context: Context): Promise<WebhookEvent> {
    return toWebhookEvent(await context.services.inbox.replay(id, context.author()));
  }
}

const toWebhookEvent = (doc: WebhookEventDoc): WebhookEvent => ({
  id: doc._id,
  type: doc.type,
  status: doc.state,
  tries: doc.attempts,
  lastError: doc.lastError,
  reason: doc.reason,
  object: doc.object,
  customerId: customerIdOf(doc),
  nextTryAt: doc.state === WebhookEventStatus.PENDING ? doc.nextAttemptAt : null,
  receivedAt: doc.receivedAt,
  appliedAt: doc.state === WebhookEventStatus.APPLIED ? doc.endedAt : null,
});
