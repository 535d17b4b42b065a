import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { badInput, forbidden, unauthenticated } from '../errors.js';
import { type MockStripe, StripeFault } from '../services/stripe/mock/index.js';
import { checkoutPage, messagePage } from '../services/stripe/mock/pages.js';
import { isWebUrl, openApi, show, takeForms } from './mockHtml.js';

const MAX_ADVANCE_S = 400 * 86_400;

export interface MockPagesDeps {
  mockStripe: MockStripe;
  /** Whether the request carries the operator's key. */
  isOperator: (request: FastifyRequest) => Promise<boolean>;
}

const sessionParams = z.object({ sessionId: z.string() });
const clockBody = z.strictObject({ advanceSeconds: z.int().min(1).max(MAX_ADVANCE_S) });

/** Mock mode only: the page where a person completes or declines a checkout, and the mock's clock. */
export function mockPages({ mockStripe, isOperator }: MockPagesDeps): FastifyPluginAsync {
  const { checkout } = mockStripe;

  async function leave(request: FastifyRequest, reply: FastifyReply, how: 'complete' | 'decline') {
    const { sessionId } = sessionParams.parse(request.params);
    try {
      const { redirectUrl } = await checkout[how](sessionId);
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
      const advanceSeconds = advanceOf(request.body);
      const { now } = await mockStripe.advanceClock(advanceSeconds);
      return { now: now.toISOString(), advancedSeconds: advanceSeconds };
    });
  };
}

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
  throw apiKey || authorization
    ? forbidden('Only the operator may move the clock')
    : unauthenticated('No API key');
}

/** @throws BAD_USER_INPUT */
function advanceOf(body: unknown): number {
  let json: unknown;
  try {
    json = JSON.parse(String(body));
  } catch {
    throw badInput('body', 'is not JSON');
  }
  const parsed = clockBody.safeParse(json);
  if (!parsed.success) throw badInput('advanceSeconds', `must be a whole number from 1 to ${MAX_ADVANCE_S}`);
  return parsed.data.advanceSeconds;
}
