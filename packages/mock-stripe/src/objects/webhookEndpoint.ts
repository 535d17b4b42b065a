import type { Kind } from '../storage/store.js';
import type { WebhookEndpointBody } from '../wire.js';

/** Kept and listed. Events go to our own endpoint whatever is registered. */
export const webhookEndpoints: Kind<WebhookEndpointBody> = {
  object: 'webhook_endpoint',
  prefix: 'we',
  refs: ({ status }) => ({ status }),
};
