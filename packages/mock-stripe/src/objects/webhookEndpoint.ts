import type { Kind } from '../storage/store.js';
import type { WebhookEndpointBody } from '../wire.js';

/** Stored and listed. Events go to the one webhook URL of the mock, whatever is registered. */
export const webhookEndpoints: Kind<WebhookEndpointBody> = {
  object: 'webhook_endpoint',
  prefix: 'we',
  refs: ({ status }) => ({ status }),
};
