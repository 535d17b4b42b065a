import type { Logger } from 'pino';
import { Webhook } from 'standardwebhooks';
import type { Clock } from '../../clock.js';
import { notFound } from '../../errors.js';
import type { Models } from '../../models/models.js';
import {
  DeliveryStatus,
  type WebhookDeliveryDoc,
  type WebhookEndpointDoc,
} from '../../models/outgoingWebhook.js';

export { DeliveryStatus, type WebhookDeliveryDoc };

export interface DeliveryQuery {
  first: number;
  after?: string | null | undefined;
  endpointId?: string | null | undefined;
  status?: DeliveryStatus | null | undefined;
}

/** Sends events until they are taken: at least once, under one id. */
export interface WebhookDeliveries {
  /** Sends one that is due. @returns false when there was none */
  sendNext(): Promise<boolean>;
  /** The newest first. */
  page(query: DeliveryQuery): Promise<{ deliveries: WebhookDeliveryDoc[]; hasNextPage: boolean }>;
  /** Sends it once more, whatever became of it. @throws NOT_FOUND */
  resend(id: string): Promise<WebhookDeliveryDoc>;
}

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
/** The schedule that the Standard Webhooks specification names as an example: three days in all. */
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
const TIMEOUT_MS = 10 * SECOND_MS;
/** Of a sender that died over it. */
const LEASE_MS = 30 * SECOND_MS;

export function createWebhookDeliveries(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
}): WebhookDeliveries {
  const { models, clock, log } = deps;
  const deliveries = models.webhookDeliveries;

  async function post(
    { url, secret }: WebhookEndpointDoc,
    { eventId, body }: WebhookDeliveryDoc,
  ): Promise<{ responseStatus: number | null; error: string | null }> {
    const at = new Date(clock.now());
    try {
      const response = await fetch(url, {
        method: 'POST',
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          'content-type': 'application/json',
          'user-agent': 'Continuum-Billing',
          'webhook-id': eventId,
          'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
          'webhook-signature': new Webhook(secret).sign(eventId, at, body),
        },
        body,
      });
      // What it says is not read: it may be endless.
      await response.body?.cancel();
      return { responseStatus: response.status, error: response.ok ? null : `answered ${response.status}` };
    } catch (error) {
      const { name, message, cause } = error as Error & { cause?: { code?: string } };
      const late = name === 'TimeoutError' ? `no answer within ${TIMEOUT_MS / SECOND_MS} s` : message;
      return { responseStatus: null, error: cause?.code ? `${late} (${cause.code})` : late };
    }
  }

  async function note(
    { _id, tries }: WebhookDeliveryDoc,
    { responseStatus, error }: { responseStatus: number | null; error: string | null },
  ): Promise<void> {
    const now = new Date(clock.now());
    const waitMs = RETRIES_MS[tries - 1];
    if (error === null) {
      await deliveries.updateOne(
        { _id },
        {
          $set: { status: DeliveryStatus.DELIVERED, responseStatus, error: null, deliveredAt: now },
          $unset: { nextTryAt: 1 },
        },
      );
    } else if (waitMs === undefined) {
      log.warn({ delivery: _id, reason: error }, 'a webhook of ours was given up');
      await deliveries.updateOne(
        { _id },
        { $set: { status: DeliveryStatus.FAILED, responseStatus, error }, $unset: { nextTryAt: 1 } },
      );
    } else {
      const nextTryAt = new Date(now.getTime() + waitMs);
      await deliveries.updateOne({ _id }, { $set: { responseStatus, error, nextTryAt } });
    }
  }

  return {
    async sendNext() {
      const nowMs = clock.now();
      const delivery = await deliveries
        .findOneAndUpdate(
          { nextTryAt: { $lte: new Date(nowMs) } },
          { $set: { nextTryAt: new Date(nowMs + LEASE_MS) }, $inc: { tries: 1 } },
          { sort: { nextTryAt: 1 }, returnDocument: 'after' },
        )
        .lean<WebhookDeliveryDoc>();
      if (!delivery) return false;
      const endpoint = await models.webhookEndpoints.findById(delivery.endpointId).lean<WebhookEndpointDoc>();
      if (endpoint) {
        await note(delivery, await post(endpoint, delivery));
      } else {
        await deliveries.updateOne(
          { _id: delivery._id },
          {
            $set: { status: DeliveryStatus.FAILED, error: 'the endpoint was deleted' },
            $unset: { nextTryAt: 1 },
          },
        );
      }
      return true;
    },

    async page({ first, after, endpointId, status }) {
      const found = await deliveries
        .find({
          ...(after && { _id: { $lt: after } }),
          ...(endpointId && { endpointId }),
          ...(status && { status }),
        })
        .sort({ _id: -1 })
        .limit(first + 1)
        .lean<WebhookDeliveryDoc[]>();
      return { deliveries: found.slice(0, first), hasNextPage: found.length > first };
    },

    async resend(id) {
      const delivery = await deliveries
        .findOneAndUpdate(
          { _id: id },
          { $set: { status: DeliveryStatus.PENDING, tries: 0, nextTryAt: new Date(clock.now()) } },
          { returnDocument: 'after' },
        )
        .lean<WebhookDeliveryDoc>();
      if (!delivery) throw notFound(`Delivery ${id}`);
      return delivery;
    },
  };
}
