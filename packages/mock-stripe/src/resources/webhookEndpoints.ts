import { z } from 'zod';
import { listObjects, page } from '../http/pagination.js';
import { clearable, expand, flag, listOf, mergeMetadata, metadata, text, webUrl } from '../http/params.js';
import { mockId } from '../ids.js';
import { webhookEndpoints } from '../objects/webhookEndpoint.js';
import { operation } from '../operation.js';
import type { WebhookEndpointBody } from '../wire.js';

/** `*` for all. */
const eventType = text.regex(/^(\*|\w+(\.\w+)+)$/, 'must be a type of event');
const details = { description: clearable.optional(), metadata, expand };
const creation = z.strictObject({
  ...details,
  url: webUrl,
  enabled_events: listOf(eventType, 300),
  api_version: text.regex(/^\d{4}-\d\d-\d\d(\.[a-z]+)?$/, 'must be a version').optional(),
});
const change = z.strictObject({
  ...details,
  url: webUrl.optional(),
  enabled_events: listOf(eventType, 300).optional(),
  disabled: flag.optional(),
});

export const webhookEndpointOperations = [
  operation('POST', '/v1/webhook_endpoints', creation, async ({ tx, nowS }, params) => {
    const body: WebhookEndpointBody = {
      id: mockId(webhookEndpoints.prefix),
      object: 'webhook_endpoint',
      api_version: params.api_version ?? null,
      application: null,
      created: nowS,
      description: params.description || null,
      enabled_events: params.enabled_events,
      livemode: false,
      metadata: mergeMetadata({}, params.metadata),
      status: 'enabled',
      url: params.url,
    };
    await tx.insert(webhookEndpoints, body.id, body, null);
    // Returned only here, as by Stripe.
    return { ...body, secret: mockId('whsec') };
  }),
  operation('GET', '/v1/webhook_endpoints/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(webhookEndpoints, id)).body;
  }),
  operation('POST', '/v1/webhook_endpoints/:id', change, async ({ tx, id }, params) => {
    const stored = await tx.get(webhookEndpoints, id);
    const { body } = stored;
    if (params.url !== undefined) body.url = params.url;
    if (params.enabled_events !== undefined) body.enabled_events = params.enabled_events;
    if (params.description !== undefined) body.description = params.description || null;
    if (params.disabled !== undefined) body.status = params.disabled ? 'disabled' : 'enabled';
    body.metadata = mergeMetadata(body.metadata, params.metadata);
    await tx.save(webhookEndpoints, stored);
    return body;
  }),
  operation('DELETE', '/v1/webhook_endpoints/:id', z.strictObject({}), async ({ tx, id }) => {
    const stored = await tx.get(webhookEndpoints, id);
    await tx.save(webhookEndpoints, { ...stored, deleted: true });
    return { id, object: 'webhook_endpoint', deleted: true };
  }),
  operation('GET', '/v1/webhook_endpoints', z.strictObject(page), (call, params) =>
    listObjects(call, webhookEndpoints, params, []),
  ),
];
