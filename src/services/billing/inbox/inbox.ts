import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import { badInput, notFound } from '../../../common/errors.js';
import { type BillingCustomerDoc, erasedAmong, ofCustomers } from '../../../models/billingCustomer.js';
import type { Models } from '../../../models/models.js';
import {
  ERASED_PAYLOAD,
  inOtherFormat,
  QUEUE_INDEX,
  STATE_INDEX,
  TYPE_INDEX,
  type WebhookEventDoc,
  WebhookEventStatus,
} from '../../../models/webhookEvent.js';
import type { AuditLog } from '../../audit/auditLog.js';
import type { Author } from '../../audit/author.js';
import { createGate } from '../../infrastructure/gate.js';
import type { Metrics } from '../../infrastructure/metrics.js';
import type { ReadBudget } from '../../infrastructure/responseBudget.js';
import type { SubscriptionSync } from '../sync/subscriptionSync.js';
import { createBursts } from './bursts.js';
import { createCustomerQueues } from './customerQueues.js';
import type { EventEffect } from './eventEffects.js';
import { createEventIntake, documentOf, pendingAgain } from './eventIntake.js';
import type { QueueKind } from './eventTarget.js';
import { createQueueWorker } from './queueWorker.js';
import { type ReceivedEvent, readEvent } from './receivedEvent.js';
import { createRejections, type Rejections } from './rejections.js';
import { shownEvent } from './shownEvent.js';

export { type WebhookEventDoc, WebhookEventStatus };

/** Stripe's webhook events. Each is stored once by its id and acknowledged; a worker then applies it, with retries. */
export interface Inbox {
  /**
   * Resolves when the event is on disk. @returns whether it is new
   * @throws BAD_USER_INPUT when another event has the id
   */
  receive(event: ReceivedEvent): Promise<'stored' | 'known'>;
  /** Applies an event again, whatever its state. @throws NOT_FOUND */
  replay(eventId: string, author: Author): Promise<WebhookEventDoc>;
  /** An event without its payload. @throws NOT_FOUND */
  get(eventId: string): Promise<WebhookEventDoc>;
  /**
   * @returns the JSON as Stripe sent it, without the request that caused it; null: erased with its tenant
   * @throws RESPONSE_TOO_LARGE
   */
  payloadOf(eventId: string, budget: ReadBudget): Promise<string | null>;
  /** @returns the tenant of each customer; null: the customer is linked to none */
  tenantsOf(stripeCustomerIds: readonly string[]): Promise<(string | null)[]>;
  /** The newest first. */
  page(query: EventQuery): Promise<EventPage>;
  start(): void;
  /** Resolves when no event is due any more, at the latest after `maxMs`. */
  idle(maxMs: number): Promise<void>;
  stop(): Promise<void>;
}

export interface EventQuery {
  first: number;
  /** The key of the last event seen. */
  after?: string | null | undefined;
  status?: WebhookEventStatus | null | undefined;
  /** Stripe's type of the event. */
  type?: string | null | undefined;
  /** Only events about this tenant's customer. */
  tenantId?: string | null | undefined;
}

export interface EventPage {
  events: WebhookEventDoc[];
  hasNextPage: boolean;
}

/** A few hundred events a second, as long as a batch takes a few milliseconds. */
const MANY_WAITING = 3;

/** An event's position in the list. */
export const eventKeyOf = ({ receivedAt, _id }: WebhookEventDoc): string => `${receivedAt.getTime()}:${_id}`;

/** The queues in which a customer's events end. */
const CUSTOMER_QUEUES: readonly QueueKind[] = ['customer', 'card'];

/** Stripe's id for the customer that an event concerns, once it is known. */
export function customerIdOf({ customer, lane }: WebhookEventDoc): string | null {
  if (customer) return customer;
  const [kind, id = null] = lane?.split(':') ?? [];
  return CUSTOMER_QUEUES.some((queue) => queue === kind) ? id : null;
}

/** An event may have 1 MB, so only some of those that a list selects are read at once. */
const MAX_READING = 8;

interface CustomerRef {
  stripeCustomerId: string | null;
}

export function createInbox(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  auditLog: AuditLog;
  effect: EventEffect;
  sync: Pick<SubscriptionSync, 'grant' | 'syncListed'>;
  rejections?: Rejections;
  /** Whether the server's key belongs to Stripe's live mode; null, the default: unknown. */
  isLive?: boolean | null;
}): Inbox {
  const {
    models,
    clock,
    log,
    auditLog,
    metrics,
    effect,
    sync,
    rejections = createRejections(),
    isLive = null,
  } = deps;
  const events = models.webhookEvents;
  const isBusy = () => intake.waiting() > MANY_WAITING;
  const queues = createCustomerQueues({ models, clock });
  const bursts = createBursts({ queues, sync, metrics, log });
  const worker = createQueueWorker({ queues, effect, bursts, log, metrics, isBusy });
  const reading = createGate({ maxUnits: MAX_READING });
  const intake = createEventIntake({ models, clock, metrics, rejections, isLive, stored: worker.wake });

  /** The queues of a tenant's customers: the present one, and the one of its last subscription if that was deleted. */
  async function queuesOf(tenantId: string): Promise<string[]> {
    const [customer, subscription] = await Promise.all([
      models.billingCustomers.findById(tenantId, { stripeCustomerId: 1 }).lean<CustomerRef>(),
      models.billingSubscriptions.findById(tenantId, { stripeCustomerId: 1 }).lean<CustomerRef>(),
    ]);
    const ids = new Set([customer, subscription].flatMap((doc) => doc?.stripeCustomerId ?? []));
    return [...ids].flatMap((id) => CUSTOMER_QUEUES.map((kind) => `${kind}:${id}`));
  }

  return {
    receive: intake.receive,

    async replay(eventId, author) {
      const replayed = await auditLog.change(author, async (session, note) => {
        const stored = await events.findById(eventId, null, { session }).lean<WebhookEventDoc>();
        if (!stored) throw notFound(`Webhook event ${eventId}`);
        if (stored.payload === ERASED_PAYLOAD)
          throw badInput('id', 'its content was erased together with its tenant');
        // The other format of the event no longer counts as its duplicate.
        await events.updateMany(inOtherFormat([eventId]), { $set: { twinId: null } }, { session });
        // A newer version may apply types that had no effect when the event was received.
        const event = documentOf(readEvent(stored.payload), clock.now(), isLive);
        const { lane, object, urgency, subscription } = event;
        const target = { lane, object, urgency, subscription, twinId: null, claim: null };
        const again = lane === null ? {} : { ...pendingAgain(clock.now()), ...target };
        const after = await events
          .findByIdAndUpdate(eventId, { $set: again }, { returnDocument: 'after', session })
          .lean<WebhookEventDoc>();
        if (!after) throw notFound(`Webhook event ${eventId}`);
        note({
          tenantId: null,
          action: 'webhook_event.replayed',
          before: { id: eventId, status: stored.state },
          after: { id: eventId, status: after.state, type: after.type },
        });
        return after;
      });
      worker.wake();
      return replayed;
    },

    async get(eventId) {
      const event = await events.findById(eventId, WITHOUT_PAYLOAD).lean<WebhookEventDoc>();
      if (!event) throw notFound(`Webhook event ${eventId}`);
      return event;
    },

    payloadOf: (eventId, budget) =>
      reading.run('payloads', 1, async () => {
        // Other fields may have used up the budget meanwhile.
        budget.read(0);
        const event = await events.findById(eventId, { payload: 1 }).lean<Pick<WebhookEventDoc, 'payload'>>();
        if (!event || event.payload === ERASED_PAYLOAD) return null;
        budget.read(event.payload.length);
        return JSON.stringify(shownEvent(event.payload));
      }),

    async tenantsOf(ids) {
      const found = await models.billingCustomers
        .find({ $or: [ofCustomers(...ids), erasedAmong(ids)] }, { stripeCustomerId: 1, formerStripeIds: 1 })
        .lean<Pick<BillingCustomerDoc, '_id' | 'stripeCustomerId' | 'formerStripeIds'>[]>();
      const tenantOf = new Map(
        found.flatMap(({ _id, stripeCustomerId, formerStripeIds = [] }) =>
          [...formerStripeIds, stripeCustomerId ?? []].flat().map((id) => [id, _id] as const),
        ),
      );
      return ids.map((id) => tenantOf.get(id) ?? null);
    },

    async page({ first, after, status, type, tenantId }) {
      const states = status ? [status] : Object.values(WebhookEventStatus);
      const ofTenant = tenantId && { lane: { $in: await queuesOf(tenantId) } };
      const found = await events
        .find(
          { state: { $in: states }, ...ofTenant, ...(type && { type }), ...before(after) },
          WITHOUT_PAYLOAD,
        )
        .sort({ receivedAt: -1, _id: -1 })
        .hint(ofTenant ? QUEUE_INDEX : type ? TYPE_INDEX : STATE_INDEX)
        .limit(first + 1)
        .lean<WebhookEventDoc[]>();
      return { events: found.slice(0, first), hasNextPage: found.length > first };
    },

    start: worker.start,
    async idle(maxMs) {
      await intake.idle();
      await worker.idle(maxMs);
    },
    async stop() {
      await intake.idle();
      await worker.stop();
    },
  };
}

const WITHOUT_PAYLOAD = { payload: 0 } as const;

function before(after: string | null | undefined) {
  if (!after) return {};
  const colon = after.indexOf(':');
  const receivedAt = new Date(Number(after.slice(0, colon)));
  if (colon < 1 || Number.isNaN(receivedAt.getTime()))
    throw badInput('after', 'is not a cursor of this list');
  const older = {
    $or: [{ receivedAt: { $lt: receivedAt } }, { receivedAt, _id: { $lt: after.slice(colon + 1) } }],
  };
  // Bounds the index, which the alternatives alone do not.
  return { receivedAt: { $lte: receivedAt }, ...older };
}
