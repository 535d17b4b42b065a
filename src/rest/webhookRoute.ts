import type { FastifyPluginAsync } from 'fastify';
import { badInput } from '../common/errors.js';
import type { Inbox } from '../services/billing/inbox/inbox.js';
import type { Rejections } from '../services/billing/inbox/rejections.js';
import type { WebhookVerifier } from '../services/billing/inbox/webhookVerifier.js';
import { receiveWebhook } from './openApi/billing.js';

const MAX_BODY_BYTES = 1_048_576;

/** Receives events from Stripe. It answers once the event is on disk. If that fails, it answers 5xx, and Stripe retries. */
export function webhookRoute(deps: {
  verify: WebhookVerifier;
  inbox: Inbox;
  webhookRejections: Rejections;
}): FastifyPluginAsync {
  return async (app) => {
    // The signature covers the bytes exactly as they were received.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
      done(null, body);
    });
    app.addHook('onError', async (_request, _reply, error) => {
      if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') deps.webhookRejections.count('size');
    });
    app.post(
      '/v1/billing/webhook',
      { schema: receiveWebhook, bodyLimit: MAX_BODY_BYTES },
      async (request) => {
        if (!Buffer.isBuffer(request.body) || request.body.length === 0) {
          deps.webhookRejections.count('body');
          throw badInput('body', 'is empty');
        }
        const signature = request.headers['stripe-signature'];
        const event = deps.verify(request.body, Array.isArray(signature) ? signature.join(',') : signature);
        const outcome = await deps.inbox.receive(event);
        const message =
          outcome === 'stored' ? `Event ${event.id} is stored` : `Event ${event.id} was stored before`;
        return { status: 'success', message };
      },
    );
  };
}
