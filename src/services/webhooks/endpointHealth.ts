import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import { type WebhookEndpointDoc, WebhookEndpointStatus } from '../../models/outgoingWebhook.js';
import type { AuditLog } from '../audit/auditLog.js';
import { systemAuthor } from '../audit/author.js';

/** Pauses endpoints that keep failing, and disables those that are gone. */
export interface EndpointHealth {
  /** Whether something may be sent to the endpoint now. A paused endpoint gets one trial delivery at a time. */
  maySend(endpoint: WebhookEndpointDoc): Promise<boolean>;
  succeeded(endpoint: WebhookEndpointDoc): Promise<void>;
  /**
   * @param status of the response; null: there was none
   * @param waitMs the endpoint's own Retry-After; 0: none
   */
  failed(endpoint: WebhookEndpointDoc, error: string, status: number | null, waitMs: number): Promise<void>;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const GONE = 410;
/** Consecutive failures, of any event. */
const PAUSE_AFTER = 10;
const FIRST_PAUSE_MS = 5 * MINUTE_MS;
const MAX_PAUSE_MS = 60 * MINUTE_MS;
const DISABLE_AFTER_MS = 14 * DAY_MS;

/** The state of a healthy endpoint. */
export const HEALTHY = {
  status: WebhookEndpointStatus.ENABLED,
  statusReason: null,
  pausedAt: null,
  failures: 0,
  failingSince: null,
  waitUntil: null,
} satisfies Partial<WebhookEndpointDoc>;

export const statusOf = ({ status }: Pick<WebhookEndpointDoc, 'status'>): WebhookEndpointStatus =>
  status ?? WebhookEndpointStatus.ENABLED;

export const takesNothing = (endpoint: WebhookEndpointDoc, now: Date): boolean =>
  statusOf(endpoint) === WebhookEndpointStatus.DISABLED ||
  (endpoint.waitUntil != null && endpoint.waitUntil > now);

const pauseMs = (failures: number): number =>
  Math.min(FIRST_PAUSE_MS * 2 ** Math.min(failures - PAUSE_AFTER, 10), MAX_PAUSE_MS);

export function createEndpointHealth(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  auditLog: AuditLog;
}): EndpointHealth {
  const { models, clock, log, auditLog } = deps;
  const endpoints = models.webhookEndpoints;

  async function change(
    endpoint: WebhookEndpointDoc,
    status: WebhookEndpointStatus,
    statusReason: string,
    waitUntil: Date | null,
  ): Promise<void> {
    const pausedAt = endpoint.pausedAt ?? new Date(clock.now());
    await auditLog.change(systemAuthor('webhooks'), async (session, note) => {
      const { _id } = endpoint;
      const before = await endpoints
        .findOneAndUpdate(
          { _id, status: { $ne: WebhookEndpointStatus.DISABLED } },
          { $set: { status, statusReason, pausedAt, waitUntil } },
          { session },
        )
        .lean<WebhookEndpointDoc>();
      // A longer pause is no news.
      if (before && statusOf(before) !== status)
        note({
          tenantId: null,
          action:
            status === WebhookEndpointStatus.DISABLED
              ? 'webhook_endpoint.disabled'
              : 'webhook_endpoint.paused',
          before: { id: _id, status: statusOf(before) },
          after: { id: _id, status, reason: statusReason },
        });
    });
    log.warn({ endpoint: endpoint._id, status, reason: statusReason }, 'webhook.endpoint_status');
  }

  return {
    async maySend(endpoint) {
      const { _id, waitUntil, failures = 0 } = endpoint;
      const now = new Date(clock.now());
      if (takesNothing(endpoint, now)) return false;
      if (statusOf(endpoint) === WebhookEndpointStatus.ENABLED) return true;
      const turn = await endpoints.updateOne(
        { _id, waitUntil: waitUntil ?? null },
        { $set: { waitUntil: new Date(now.getTime() + pauseMs(failures)) } },
      );
      return turn.modifiedCount === 1;
    },

    async succeeded({ _id, failures = 0, status }) {
      if (failures === 0) return;
      await endpoints.updateOne({ _id, status: { $ne: WebhookEndpointStatus.DISABLED } }, { $set: HEALTHY });
      if (status === WebhookEndpointStatus.PAUSED)
        log.info({ endpoint: _id, status: WebhookEndpointStatus.ENABLED }, 'webhook.endpoint_status');
    },

    async failed(sentTo, error, status, waitMs) {
      const { _id } = sentTo;
      const now = new Date(clock.now());
      const wasPaused = statusOf(sentTo) === WebhookEndpointStatus.PAUSED;
      const endpoint = await endpoints
        .findOneAndUpdate(
          // A request that was under way when the endpoint was paused does not extend the pause.
          { _id, ...(!wasPaused && { status: { $ne: WebhookEndpointStatus.PAUSED } }) },
          [
            {
              $set: {
                failures: { $add: [{ $ifNull: ['$failures', 0] }, 1] },
                failingSince: { $ifNull: ['$failingSince', now] },
              },
            },
          ],
          { returnDocument: 'after', updatePipeline: true },
        )
        .lean<WebhookEndpointDoc>();
      if (!endpoint) return;
      const { failures = 0, failingSince } = endpoint;
      if (status === GONE)
        return change(endpoint, WebhookEndpointStatus.DISABLED, 'it answered 410: it is gone', null);
      if (failures >= PAUSE_AFTER && now.getTime() - (failingSince?.getTime() ?? 0) >= DISABLE_AFTER_MS)
        return change(
          endpoint,
          WebhookEndpointStatus.DISABLED,
          `it failed for 14 days, last: ${error}`,
          null,
        );
      if (failures >= PAUSE_AFTER) {
        const reason = `${failures} deliveries failed in a row, last: ${error}`;
        const waitUntil = new Date(now.getTime() + Math.max(waitMs, pauseMs(failures)));
        return change(endpoint, WebhookEndpointStatus.PAUSED, reason, waitUntil);
      }
      if (waitMs > 0)
        await endpoints.updateOne({ _id }, { $set: { waitUntil: new Date(now.getTime() + waitMs) } });
    },
  };
}
