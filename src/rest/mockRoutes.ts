import { needGoodValue } from '@continuum-billing/limits/core';
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { badInput } from '../common/errors.js';
import { OperatorRole } from '../services/accounts/principal.js';
import { StripeCondition, WebhookCondition } from '../services/mockMode/conditions.js';
import type { MockControls } from '../services/mockMode/mockMode.js';
import { validInput } from './jsonBody.js';

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

const stateQuery = z.strictObject({ tenantId: z.string().max(100).optional() });
const oneOf = <T extends Record<string, string>>(values: T) =>
  z.enum(values, `must be one of ${Object.values(values).join(', ')}`).optional();
const conditionsBody = z.strictObject({
  webhooks: oneOf(WebhookCondition),
  stripe: oneOf(StripeCondition),
});

/** @throws UNAUTHENTICATED, or FORBIDDEN unless the request is an operator's with the role */
type Authorize = (request: FastifyRequest, role: OperatorRole) => Promise<void>;

/** Mock mode only: the mock's pages, and its state, clock, trigger and conditions for the operator. */
export function mockRoutes({
  mockStripe,
  pages,
  trigger,
  conditions,
  readState,
  authorize,
}: MockControls & { authorize: Authorize }): FastifyPluginAsync {
  return async (app) => {
    takeText(app);
    for (const { method, path, handle } of pages) {
      app.route({
        method,
        url: path,
        schema: HIDDEN,
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

    app.post('/mock/clock', { schema: HIDDEN }, async (request) => {
      await authorize(request, OperatorRole.OWNER);
      const { advanceSeconds } = bodyOf(request.body, clockBody);
      const { now } = await mockStripe.advanceClock(advanceSeconds);
      return { now: now.toISOString(), advancedSeconds: advanceSeconds };
    });
    app.post('/mock/trigger', { schema: HIDDEN }, async (request) => {
      await authorize(request, OperatorRole.OWNER);
      const { event, tenantId } = bodyOf(request.body, triggerBody);
      return trigger(event, tenantId ?? null);
    });
    app.get('/mock/state', { schema: HIDDEN }, async (request, reply) => {
      await authorize(request, OperatorRole.READ);
      const { tenantId } = validInput(request.query, stateQuery, 'query');
      reply.header('cache-control', 'no-store');
      return readState(tenantId ?? null);
    });
    app.post('/mock/conditions', { schema: HIDDEN }, async (request) => {
      await authorize(request, OperatorRole.OWNER);
      return conditions.set(bodyOf(request.body, conditionsBody));
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

/** The routes of mock mode are no part of the API that OpenAPI describes. */
const HIDDEN = { hide: true };

/** @throws BAD_USER_INPUT */
function bodyOf<T>(body: unknown, schema: z.ZodType<T>): T {
  let json: unknown;
  try {
    json = JSON.parse(String(body));
  } catch {
    throw badInput('body', 'is not JSON');
  }
  return validInput(json, schema, 'body');
}
