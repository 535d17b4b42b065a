import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import { badInput, notFound } from '../../../common/errors.js';
import type { Models } from '../../../models/models.js';
import {
  ERASED_PAYLOAD,
  inOtherFormat,
  QUEUE_INDEX,
  STATE_INDEX,
  type WebhookEventDoc,
  WebhookEventStatus,
} from '../../../models/webhookEvent.js';
import type { AuditLog } from '../../audit/auditLog.js';
import type { Author } from '../../audit/author.js';
import type { Metrics } from '../../infrastructure/metrics.js';
import { createCustomerQueues } from './customerQueues.js';
import type { EventEffect } from './eventEffects.js';
import { createEventIntake, documentOf, pendingAgain } from './eventIntake.js';
import type { QueueKind } from './eventTarget.js';
import { createQueueWorker } from './queueWorker.js';
import { type ReceivedEvent, readEvent } from './receivedEvent.js';
import { createRejections, type Rejections } from './rejections.js';

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
    rejections = createRejections(),
    isLive = null,
  } = deps;
  const events = models.webhookEvents;
  const isBusy = () => intake.waiting() > MANY_WAITING;
  const queues = createCustomerQueues({ models, clock });
  const worker = createQueueWorker({ queues, effect, log, metrics, isBusy });
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
        const { lane, object } = documentOf(readEvent(stored.payload), clock.now(), isLive);
        const again =
          lane === null ? {} : { ...pendingAgain(clock.now()), lane, object, twinId: null, claim: null };
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

    async page({ first, after, status, tenantId }) {
      const states = status ? [status] : Object.values(WebhookEventStatus);
      const ofTenant = tenantId && { lane: { $in: await queuesOf(tenantId) } };
      const found = await events
        .find({ state: { $in: states }, ...ofTenant, ...before(after) }, { payload: 0 })
        .sort({ receivedAt: -1, _id: -1 })
        .hint(ofTenant ? QUEUE_INDEX : STATE_INDEX)
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

function before(after: string | null | undefined) {
  if (!after) return {};
  const colon = after.indexOf(':');
  const receivedAt = new Date(Number(after.slice(0, colon)));
  if (colon < 1 || Number.isNaN(receivedAt.getTime()))
    throw badInput('after', 'is not a cursor of this list');
  return { $or: [{ receivedAt: { $lt: receivedAt } }, { receivedAt, _id: { $lt: after.slice(colon + 1) } }] };
}
