import { randomBytes } from 'node:crypto';
import type { Clock } from '../../common/clock.js';
import { badInput, notFound } from '../../common/errors.js';
import { randomText } from '../../common/randomText.js';
import type { Models } from '../../models/models.js';
import {
  OutgoingEventType,
  type WebhookEndpointDoc,
  WebhookEndpointStatus,
} from '../../models/outgoingWebhook.js';
import type { AuditLog } from '../audit/auditLog.js';
import type { Author } from '../audit/author.js';
import { HEALTHY, statusOf } from './endpointHealth.js';
import type { WebhookTargets } from './webhookTargets.js';

export { OutgoingEventType, type WebhookEndpointDoc, WebhookEndpointStatus };

/** The operator's endpoints. */
export interface WebhookEndpoints {
  list(): Promise<WebhookEndpointDoc[]>;
  /**
   * @param events empty: all
   * @throws BAD_USER_INPUT when there are too many, when the url has an endpoint already, or may not be reached
   */
  create(url: string, events: readonly OutgoingEventType[], author: Author): Promise<WebhookEndpointDoc>;
  /** Ends a pause: pending deliveries are sent at once. @throws NOT_FOUND */
  enable(id: string, author: Author): Promise<WebhookEndpointDoc>;
  /** Its pending deliveries are dropped. @returns false when there is no such endpoint */
  remove(id: string, author: Author): Promise<boolean>;
}

const MAX_ENDPOINTS = 20;
const SECRET_BYTES = 32;

export function createWebhookEndpoints(deps: {
  models: Models;
  clock: Clock;
  auditLog: AuditLog;
  targets: WebhookTargets;
}): WebhookEndpoints {
  const { models, clock, auditLog, targets } = deps;
  const endpoints = models.webhookEndpoints;
  const list = () => endpoints.find().sort({ _id: 1 }).lean<WebhookEndpointDoc[]>();

  /** @param present the other endpoints */
  function check(url: string, present: readonly WebhookEndpointDoc[]): void {
    if (present.some((endpoint) => endpoint.url === url))
      throw badInput('input.url', 'has an endpoint already');
    if (present.length >= MAX_ENDPOINTS)
      throw badInput('input', `there are ${MAX_ENDPOINTS} endpoints already; delete one first`);
  }

  async function remove(id: string, author: Author): Promise<boolean> {
    return auditLog.change(author, async (session, note) => {
      const removed = await endpoints.findOneAndDelete({ _id: id }, { session }).lean<WebhookEndpointDoc>();
      if (!removed) return false;
      note({ tenantId: null, action: 'webhook_endpoint.deleted', before: audited(removed), after: null });
      return true;
    });
  }

  return {
    list,
    async create(url, events, author) {
      const problem = targets.errorOf(new URL(url));
      if (problem) throw badInput('input.url', problem);
      check(url, await list());
      const endpoint: WebhookEndpointDoc = {
        _id: `we_${clock.now().toString(36)}${randomText(8).toLowerCase()}`,
        url,
        events: events.length > 0 ? [...new Set(events)] : Object.values(OutgoingEventType),
        secret: `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`,
        createdAt: new Date(clock.now()),
        ...HEALTHY,
      };
      await auditLog.change(author, async (session, note) => {
        await endpoints.create([endpoint], { session });
        note({ tenantId: null, action: 'webhook_endpoint.created', before: null, after: audited(endpoint) });
      });
      try {
        // Another request may have created one meanwhile: at most one of the two stays.
        check(
          url,
          (await list()).filter(({ _id }) => _id !== endpoint._id),
        );
      } catch (error) {
        await remove(endpoint._id, author);
        throw error;
      }
      return endpoint;
    },
    async enable(id, author) {
      return auditLog.change(author, async (session, note) => {
        const before = await endpoints
          .findOneAndUpdate({ _id: id }, { $set: HEALTHY }, { session })
          .lean<WebhookEndpointDoc>();
        if (!before) throw notFound(`Webhook endpoint ${id}`);
        const after = { ...before, ...HEALTHY };
        const action = 'webhook_endpoint.enabled';
        note({ tenantId: null, action, before: audited(before), after: audited(after) });
        return after;
      });
    },
    remove,
  };
}

/** The path and the query of a URL may contain a secret of the receiver's. */
const audited = (endpoint: WebhookEndpointDoc) => ({
  id: endpoint._id,
  origin: new URL(endpoint.url).origin,
  events: endpoint.events,
  status: statusOf(endpoint),
});
