import { needGoodValue } from '@continuum-billing/limits/core';
import { checkoutPage, type MockStripe, messagePage, StripeFault } from '@continuum-billing/mock-stripe';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { badInput, forbidden, unauthenticated } from '../common/errors.js';
import type { MockTrigger } from '../services/mockMode/mockTrigger.js';
import { formField, isWebUrl, openApi, show, takeForms } from './mockHtml.js';

const MAX_ADVANCE_S = 400 * 86_400;

export interface MockPagesDeps {
  mockStripe: MockStripe;
  trigger: MockTrigger;
  /** Whether the request carries the operator's key. */
  isOperator: (request: FastifyRequest) => Promise<boolean>;
}

const sessionParams = z.object({ sessionId: z.string() });
const ADVANCE = `must be a whole number from 1 to ${MAX_ADVANCE_S}`;
const clockBody = z.strictObject({
  advanceSeconds: z.int(ADVANCE).min(1, ADVANCE).max(MAX_ADVANCE_S, ADVANCE),
});
const triggerBody = z.strictObject({
  event: z.string('must be the name of an event').max(100),
  tenantId: z.string().max(100).nullish(),
});

/** Mock mode only: the page where a person completes or declines a checkout, and the mock's clock. */
export function mockPages({ mockStripe, trigger, isOperator }: MockPagesDeps): FastifyPluginAsync {
  const { checkout } = mockStripe;

  async function leave(request: FastifyRequest, reply: FastifyReply, how: 'complete' | 'decline') {
    const { sessionId } = sessionParams.parse(request.params);
    try {
      const code = formField(request.body, 'promotion_code');
      const { redirectUrl } =
        how === 'complete'
          ? await checkout.complete(sessionId, code || null)
          : await checkout.decline(sessionId);
      if (!isWebUrl(redirectUrl)) return show(reply, 400, messagePage('This checkout leads nowhere safe.'));
      return reply.header('cache-control', 'no-store').redirect(redirectUrl, 303);
    } catch (error) {
      if (!(error instanceof StripeFault)) throw error;
      const message = error.status === 404 ? 'There is no such checkout.' : error.message;
      return show(reply, error.status === 404 ? 404 : 409, messagePage(message));
    }
  }

  return async (app) => {
    takeForms(app);

    app.get(
      '/mock/checkout/:sessionId',
      { schema: openApi('The page of a checkout') },
      async (request, reply) => {
        const { sessionId } = sessionParams.parse(request.params);
        const session = await checkout.find(sessionId);
        if (!session) return show(reply, 404, messagePage('There is no such checkout.'));
        if (session.status === 'complete') return show(reply, 200, messagePage('This checkout is complete.'));
        if (session.status === 'expired') return show(reply, 410, messagePage('This checkout has expired.'));
        return show(reply, 200, checkoutPage(session), [session.success_url, session.cancel_url]);
      },
    );
    app.post(
      '/mock/checkout/:sessionId/complete',
      { schema: openApi('Pay: 303 to the success URL') },
      (request, reply) => leave(request, reply, 'complete'),
    );
    app.post(
      '/mock/checkout/:sessionId/decline',
      { schema: openApi('Turn back: 303 to the cancel URL') },
      (request, reply) => leave(request, reply, 'decline'),
    );

    app.post('/mock/clock', { schema: CLOCK }, async (request) => {
      await requireOperator(request, isOperator);
      const { advanceSeconds } = bodyOf(request.body, clockBody);
      const { now } = await mockStripe.advanceClock(advanceSeconds);
      return { now: now.toISOString(), advancedSeconds: advanceSeconds };
    });
    app.post('/mock/trigger', { schema: TRIGGER }, async (request) => {
      await requireOperator(request, isOperator);
      const { event, tenantId } = bodyOf(request.body, triggerBody);
      return trigger(event, tenantId ?? null);
    });
  };
}

const TRIGGER = {
  tags: ['Mock mode'],
  summary: 'Make a Stripe event happen to a tenant, with its webhooks',
  description: 'For the operator. The body is `{"event": "invoice.payment_failed", "tenantId": "ten_…"}`.',
  security: [{ apiKey: [] }, { bearer: [] }],
};

const CLOCK = {
  tags: ['Mock mode'],
  summary: "Move the mock's clock: renewals, trial ends and retries follow, with their webhooks",
  description: 'For the operator. The body is `{"advanceSeconds": n}`.',
  security: [{ apiKey: [] }, { bearer: [] }],
};

/** @throws UNAUTHENTICATED without a key, FORBIDDEN with another's */
async function requireOperator(
  request: FastifyRequest,
  isOperator: MockPagesDeps['isOperator'],
): Promise<void> {
  if (await isOperator(request)) return;
  const { 'x-api-key': apiKey, authorization } = request.headers;
  throw apiKey || authorization ? forbidden('Only the operator may do this') : unauthenticated('No API key');
}

/** @throws BAD_USER_INPUT */
function bodyOf<T>(body: unknown, schema: z.ZodType<T>): T {
  let json: unknown;
  try {
    json = JSON.parse(String(body));
  } catch {
    throw badInput('body', 'is not JSON');
  }
  needGoodValue('body', json);
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  if (issue?.path.length === 0 && issue.code === 'invalid_type')
    throw badInput('body', 'is not a JSON object');
  throw badInput(issue?.path.join('.') || 'body', issue?.message ?? 'is not valid');
}
