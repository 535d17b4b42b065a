import type { Logger } from 'pino';
import { Webhook } from 'standardwebhooks';
import type { Clock } from '../../common/clock.js';
import { badInput, notFound } from '../../common/errors.js';
import type { Models } from '../../models/models.js';
import {
  DELIVERY_ENDPOINT_INDEX,
  DELIVERY_TENANT_INDEX,
  DELIVERY_TYPE_INDEX,
  DeliveryStatus,
  OutgoingEventType,
  type WebhookDeliveryDoc,
  type WebhookEndpointDoc,
  WebhookEndpointStatus,
} from '../../models/outgoingWebhook.js';
import type { AuditLog } from '../audit/auditLog.js';
import type { Author } from '../audit/author.js';
import type { Metrics } from '../infrastructure/metrics.js';
import { type EndpointHealth, statusOf, takesNothing } from './endpointHealth.js';
import type { SendWebhook, WebhookResponse } from './webhookRequest.js';
import { retryAfterMs } from './webhookRequest.js';

export { DeliveryStatus, type WebhookDeliveryDoc };

export interface DeliveryQuery {
  first: number;
  after?: string | null | undefined;
  tenantId?: string | null | undefined;
  endpointId?: string | null | undefined;
  type?: OutgoingEventType | null | undefined;
  status?: DeliveryStatus | null | undefined;
}

/** Delivers events at least once, each under one id. */
export interface WebhookDeliveries {
  /** Endpoints with a delivery that is due. Deliveries of deleted and disabled endpoints are ended. */
  dueEndpoints(): Promise<string[]>;
  /** Sends one delivery that is due to the endpoint. @returns false when none is due, or the endpoint is paused */
  sendNext(endpointId: string): Promise<boolean>;
  /** The newest first. */
  page(query: DeliveryQuery): Promise<{ deliveries: WebhookDeliveryDoc[]; hasNextPage: boolean }>;
  /** @throws NOT_FOUND */
  get(id: string): Promise<WebhookDeliveryDoc>;
  /** The number of deliveries that wait for an endpoint, counted up to `MAX_COUNTED`. */
  waitingFor(endpointId: string): Promise<number>;
  /** Sends it again, whatever its status. @throws NOT_FOUND; BAD_USER_INPUT while its endpoint is disabled */
  resend(id: string, author: Author): Promise<WebhookDeliveryDoc>;
}

/** As many as may wait for one endpoint. */
export const MAX_COUNTED = 10_000;

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
/** The example schedule of the Standard Webhooks specification: three days in total. */
const RETRIES_MS = [
  5 * SECOND_MS,
  300 * SECOND_MS,
  HOUR_MS / 2,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
];
/** After this time another sender may take over a delivery. Longer than a request takes. */
const LEASE_MS = 30 * SECOND_MS;

export function createWebhookDeliveries(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  auditLog: AuditLog;
  health: EndpointHealth;
  send: SendWebhook;
}): WebhookDeliveries {
  const { models, clock, log, auditLog, metrics, health, send } = deps;
  const deliveries = models.webhookDeliveries;

  async function post(
    { url, secret }: WebhookEndpointDoc,
    { eventId, body }: WebhookDeliveryDoc,
  ): Promise<WebhookResponse> {
    const at = new Date(clock.now());
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Continuum-Billing',
      'webhook-id': eventId,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(eventId, at, body),
    };
    return send(url, headers, body);
  }

  async function end(
    { _id }: WebhookDeliveryDoc,
    fields: Partial<Pick<WebhookDeliveryDoc, 'status' | 'responseStatus' | 'error' | 'deliveredAt'>>,
  ): Promise<void> {
    await deliveries.updateOne({ _id }, { $set: fields, $unset: { nextTryAt: 1 } });
  }

  async function deliver(endpoint: WebhookEndpointDoc, delivery: WebhookDeliveryDoc): Promise<void> {
    const response = await post(endpoint, delivery);
    const { status: responseStatus } = response;
    if (responseStatus !== null && responseStatus >= 200 && responseStatus < 300) {
      const deliveredAt = new Date(clock.now());
      metrics.deliveryEnded('delivered');
      await end(delivery, { status: DeliveryStatus.DELIVERED, responseStatus, error: null, deliveredAt });
      return health.succeeded(endpoint);
    }
    const error = response.error ?? `answered ${responseStatus}`;
    const waitMs = retryAfterMs(response.retryAfter, clock.now());
    await retryLater(delivery, { responseStatus, error, waitMs });
    await health.failed(endpoint, error, responseStatus, waitMs);
  }

  async function retryLater(
    delivery: WebhookDeliveryDoc,
    { responseStatus, error, waitMs }: { responseStatus: number | null; error: string; waitMs: number },
  ): Promise<void> {
    const { _id, endpointId, tries } = delivery;
    const scheduledMs = RETRIES_MS[tries - 1];
    metrics.deliveryEnded(scheduledMs === undefined ? 'failed' : 'retried');
    if (scheduledMs === undefined) {
      log.warn({ delivery: _id, endpoint: endpointId, tries, reason: error }, 'webhook.delivery_failed');
      return end(delivery, { status: DeliveryStatus.FAILED, responseStatus, error });
    }
    const nextTryAt = new Date(clock.now() + Math.max(scheduledMs, waitMs));
    await deliveries.updateOne({ _id }, { $set: { responseStatus, error, nextTryAt } });
  }

  async function giveUp(endpointId: { $in: string[] } | { $nin: string[] }, error: string): Promise<void> {
    await deliveries.updateMany(
      { endpointId, nextTryAt: { $exists: true } },
      { $set: { status: DeliveryStatus.FAILED, error }, $unset: { nextTryAt: 1 } },
    );
  }

  return {
    async dueEndpoints() {
      const now = new Date(clock.now());
      const endpoints = await models.webhookEndpoints.find().lean<WebhookEndpointDoc[]>();
      const idsOf = (some: WebhookEndpointDoc[]) => some.map(({ _id }) => _id);
      await giveUp({ $nin: idsOf(endpoints) }, 'the endpoint was deleted');
      const disabled = endpoints.filter((one) => statusOf(one) === WebhookEndpointStatus.DISABLED);
      if (disabled.length > 0) await giveUp({ $in: idsOf(disabled) }, 'the endpoint is disabled');
      const ids = idsOf(endpoints.filter((endpoint) => !takesNothing(endpoint, now)));
      const due = { nextTryAt: { $lte: now } };
      const found = await Promise.all(ids.map((endpointId) => deliveries.exists({ endpointId, ...due })));
      return ids.filter((_, i) => found[i]);
    },

    async sendNext(endpointId) {
      const endpoint = await models.webhookEndpoints.findById(endpointId).lean<WebhookEndpointDoc>();
      if (!endpoint || !(await health.maySend(endpoint))) return false;
      const nowMs = clock.now();
      const delivery = await deliveries
        .findOneAndUpdate(
          { endpointId, nextTryAt: { $lte: new Date(nowMs) } },
          { $set: { nextTryAt: new Date(nowMs + LEASE_MS) }, $inc: { tries: 1 } },
          { sort: { nextTryAt: 1 }, returnDocument: 'after' },
        )
        .lean<WebhookDeliveryDoc>();
      if (!delivery) return false;
      await deliver(endpoint, delivery);
      return true;
    },

    async page({ first, after, ...filter }) {
      const found = await deliveries
        .find({ ...(after && { _id: { $lt: after } }), ...fieldsOf(filter) })
        .sort({ _id: -1 })
        .hint(indexFor(filter))
        .limit(first + 1)
        .lean<WebhookDeliveryDoc[]>();
      return { deliveries: found.slice(0, first), hasNextPage: found.length > first };
    },

    async get(id) {
      const delivery = await deliveries.findById(id).lean<WebhookDeliveryDoc>();
      if (!delivery) throw notFound(`Delivery ${id}`);
      return delivery;
    },

    async waitingFor(endpointId) {
      const waiting = { endpointId, nextTryAt: { $exists: true } };
      return deliveries.countDocuments(waiting, { limit: MAX_COUNTED });
    },

    async resend(id, author) {
      const known = await deliveries.findById(id).lean<WebhookDeliveryDoc>();
      const endpoint =
        known && (await models.webhookEndpoints.findById(known.endpointId).lean<WebhookEndpointDoc>());
      if (!known) throw notFound(`Delivery ${id}`);
      if (!endpoint) throw badInput('id', 'its endpoint was deleted; create one that takes events first');
      if (statusOf(endpoint) === WebhookEndpointStatus.DISABLED)
        throw badInput(
          'id',
          `its endpoint is disabled; call enableWebhookEndpoint(id: "${endpoint._id}") first`,
        );
      return auditLog.change(author, async (session, note) => {
        // A paused endpoint is tried at once.
        await models.webhookEndpoints.updateOne(
          { _id: endpoint._id },
          { $set: { waitUntil: null } },
          { session },
        );
        const delivery = await deliveries
          .findOneAndUpdate(
            { _id: id },
            {
              $set: {
                status: DeliveryStatus.PENDING,
                tries: 0,
                nextTryAt: new Date(clock.now()),
                // What is there next is the outcome of this attempt.
                responseStatus: null,
                error: null,
              },
            },
            { returnDocument: 'after', session },
          )
          .lean<WebhookDeliveryDoc>();
        if (!delivery) throw notFound(`Delivery ${id}`);
        note({
          tenantId: null,
          action: 'webhook_delivery.resent',
          before: { id, status: known.status },
          after: { id, status: delivery.status, type: delivery.type, endpointId: delivery.endpointId },
        });
        return delivery;
      });
    },
  };
}

type DeliveryFilter = Omit<DeliveryQuery, 'first' | 'after'>;

const ALL_TYPES = Object.values(OutgoingEventType);
const ALL_STATUSES = Object.values(DeliveryStatus);

/** Of one tenant there are few deliveries. Other lists read one range of an index for each type and status. */
function fieldsOf({ tenantId, endpointId, type, status }: DeliveryFilter) {
  if (tenantId)
    return {
      tenantId,
      ...(endpointId && { endpointId }),
      ...(type && { type }),
      ...(status && { status }),
    };
  if (!endpointId && !type && !status) return {};
  return {
    ...(endpointId && { endpointId }),
    type: { $in: type ? [type] : ALL_TYPES },
    status: { $in: status ? [status] : ALL_STATUSES },
  };
}

function indexFor({ tenantId, endpointId, type, status }: DeliveryFilter) {
  if (tenantId) return DELIVERY_TENANT_INDEX;
  if (endpointId) return DELIVERY_ENDPOINT_INDEX;
  return type || status ? DELIVERY_TYPE_INDEX : '_id_';
}
