import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.js';
import { badInput } from '../../errors.js';
import type { Models } from '../../models/models.js';
import { OutgoingEventType, type WebhookEndpointDoc } from '../../models/outgoingWebhook.js';
import { randomText } from '../identity/keyFormat.js';

export { OutgoingEventType, type WebhookEndpointDoc };

/** Where events go. */
export interface WebhookEndpoints {
  list(): Promise<WebhookEndpointDoc[]>;
  /** @param events none: all. @throws BAD_USER_INPUT past the bound, or for a url that has one already */
  create(url: string, events: readonly OutgoingEventType[]): Promise<WebhookEndpointDoc>;
  /** What waits for it is not sent any more. @returns false when there was none */
  remove(id: string): Promise<boolean>;
}

const MAX_ENDPOINTS = 20;
const SECRET_BYTES = 32;

export function createWebhookEndpoints({
  models,
  clock,
}: {
  models: Models;
  clock: Clock;
}): WebhookEndpoints {
  const list = () => models.webhookEndpoints.find().sort({ _id: 1 }).lean<WebhookEndpointDoc[]>();
  return {
    list,
    async create(url, events) {
      const present = await list();
      if (present.some((endpoint) => endpoint.url === url))
        throw badInput('input.url', 'has an endpoint already');
      if (present.length >= MAX_ENDPOINTS) {
        throw badInput('input', `there are ${MAX_ENDPOINTS} endpoints already; delete one first`);
      }
      const endpoint: WebhookEndpointDoc = {
        _id: `we_${clock.now().toString(36)}${randomText(8).toLowerCase()}`,
        url,
        events: events.length > 0 ? [...new Set(events)] : Object.values(OutgoingEventType),
        secret: `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`,
        createdAt: new Date(clock.now()),
      };
      await models.webhookEndpoints.create(endpoint);
      return endpoint;
    },
    async remove(id) {
      const { deletedCount } = await models.webhookEndpoints.deleteOne({ _id: id });
      return deletedCount === 1;
    },
  };
}
