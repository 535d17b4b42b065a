import {
  type MockStripe,
  messagePage,
  type PortalAction,
  portalPage,
  StripeFault,
} from '@continuum-billing/mock-stripe';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { formField, openApi, show, takeForms } from './mockHtml.js';

const sessionParams = z.object({ sessionId: z.string() });
const MISSING = 'There is no such billing page.';

const ACTIONS: Record<PortalAction['kind'], string> = {
  cancel: 'Cancel at the end of the period',
  resume: 'Take the cancellation back',
  switch: 'Switch to another price: the form field `price`',
  card: 'Pay with another card: the form field `card`, one of the test cards such as `pm_card_visa`',
  pay: 'Pay the invoice that is due',
};

/** Mock mode only: the page where a person looks after a subscription. Each button comes back to it. */
export function mockPortal({ portal }: Pick<MockStripe, 'portal'>): FastifyPluginAsync {
  async function showPortal(
    sessionId: string,
    reply: FastifyReply,
    status = 200,
    problem: string | null = null,
  ) {
    const view = await portal.find(sessionId);
    if (!view) return show(reply, 404, messagePage(MISSING));
    return show(reply, status, portalPage(view, problem));
  }

  const press = (kind: PortalAction['kind']) => async (request: FastifyRequest, reply: FastifyReply) => {
    const { sessionId } = sessionParams.parse(request.params);
    try {
      await portal.act(sessionId, actionOf(kind, request.body));
    } catch (error) {
      if (!(error instanceof StripeFault)) throw error;
      if (error.status === 404) return show(reply, 404, messagePage(MISSING));
      return showPortal(sessionId, reply, error.status === 402 ? 402 : 409, error.message);
    }
    const path = `/mock/portal/${encodeURIComponent(sessionId)}`;
    return reply.header('cache-control', 'no-store').redirect(path, 303);
  };

  return async (app) => {
    takeForms(app);
    app.get(
      '/mock/portal/:sessionId',
      { schema: openApi('The page of a billing portal') },
      (request, reply) => showPortal(sessionParams.parse(request.params).sessionId, reply),
    );
    for (const [kind, summary] of Object.entries(ACTIONS)) {
      const path = `/mock/portal/:sessionId/${kind}`;
      app.post(path, { schema: openApi(summary) }, press(kind as PortalAction['kind']));
    }
  };
}

function actionOf(kind: PortalAction['kind'], body: unknown): PortalAction {
  switch (kind) {
    case 'switch':
      return { kind, price: formField(body, 'price') };
    case 'card':
      return { kind, card: formField(body, 'card') };
    default:
      return { kind };
  }
}
