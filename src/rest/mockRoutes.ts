import { needGoodValue } from '@continuum-billing/limits/core';
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { badInput, forbidden, unauthenticated } from '../common/errors.js';
import type { MockControls } from '../services/mockMode/mockMode.js';

const MAX_ADVANCE_S = 400 * 86_400;
/** A form of the pages carries a name or two; the clock's body is a few bytes. */
const MAX_BODY_BYTES = 16_384;

const sessionParams = z.object({ sessionId: z.string() });
const ADVANCE = `must be a whole number from 1 to ${MAX_ADVANCE_S}`;
const clockBody = z.strictObject({
  advanceSeconds: z.int(ADVANCE).min(1, ADVANCE).max(MAX_ADVANCE_S, ADVANCE),
});
const triggerBody = z.strictObject({
  event: z.string('must be the name of an event').max(100),
  tenantId: z.string().max(100).nullish(),
});

type IsOperator = (request: FastifyRequest) => Promise<boolean>;

/**
 * Mock mode only: the mock's pages, and its clock and trigger for the operator.
 * @param deps.isOperator whether the request carries the operator's key
 */
export function mockRoutes({
  mockStripe,
  pages,
  trigger,
  isOperator,
}: MockControls & { isOperator: IsOperator }): FastifyPluginAsync {
  return async (app) => {
    takeText(app);
    for (const { method, path, summary, handle } of pages) {
      app.route({
        method,
        url: path,
        schema: { tags: ['Mock mode'], summary, security: [] },
        async handler(request, reply) {
          const { sessionId } = sessionParams.parse(request.params);
          const { status, headers, body } = await handle(sessionId, formOf(request.body));
          return reply
            .code(status)
            .headers(headers)
            .send(body || undefined);
        },
      });
    }

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

/** Forms, scripts and curl send different content types or none, mostly without a body, so every body is read as text. */
function takeText(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    done(null, body);
  });
  app.addHook('onRoute', (route) => {
    route.bodyLimit = MAX_BODY_BYTES;
  });
  app.addHook('preValidation', async ({ params }) => needGoodValue('path', params));
}

/** @throws BAD_USER_INPUT for a value that cannot be stored as text */
function formOf(body: unknown): URLSearchParams {
  const form = new URLSearchParams(typeof body === 'string' ? body : '');
  for (const [name, value] of form) needGoodValue(name, value);
  return form;
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

/** @throws UNAUTHENTICATED without a key, FORBIDDEN with another key */
async function requireOperator(request: FastifyRequest, isOperator: IsOperator): Promise<void> {
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
