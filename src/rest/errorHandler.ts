import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { expectedFailure } from '../directives/clientErrors.js';
import { type BillingError, ErrorCode, payloadTooLarge, unsupportedMediaType } from '../errors.js';
import { afterBody } from './requests.js';

/** Of what a message quotes of a request. */
const MAX_PATH_LENGTH = 200;
const MAX_MESSAGE_LENGTH = 500;

const TOO_LARGE = 'FST_ERR_CTP_BODY_TOO_LARGE';

interface ErrorBody {
  code: string;
  message: string;
  details: Record<string, unknown>;
}

/** Answers every failure outside GraphQL's execution: GraphQL's shape on its paths, `{error}` elsewhere. */
export function createErrorHandler(log: Logger) {
  return (thrown: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) => {
    const { status, headers, body } = describe(thrown, request, log);
    const send = () =>
      reply
        .status(status)
        .headers(headers)
        .send(shape(request, status, body));
    if ((thrown as FastifyError).code === TOO_LARGE) afterBody(request, send);
    else send();
  };
}

/** For paths that do not exist. */
export function notFoundHandler(request: FastifyRequest, reply: FastifyReply) {
  const path = (request.url.split('?', 1)[0] ?? '').slice(0, MAX_PATH_LENGTH);
  const message = `There is no ${request.method} ${path}; GraphQL is at POST /graphql, REST under /v1/billing`;
  return reply.status(404).send(shape(request, 404, { code: ErrorCode.NOT_FOUND, message, details: {} }));
}

function describe(
  thrown: FastifyError | Error,
  request: FastifyRequest,
  log: Logger,
): { status: number; headers: Record<string, string>; body: ErrorBody } {
  const expected = expectedFailure(thrown) ?? httpFailure(thrown as FastifyError, request);
  if (expected) {
    const { code, status, message, details, headers } = expected;
    return { status, headers, body: { code, message, details } };
  }
  const { statusCode = 500, message } = thrown as FastifyError;
  if (statusCode >= 400 && statusCode < 500) {
    // Fastify's own: a body that is not JSON or does not fit the route's schema, a path that cannot be decoded.
    return {
      status: statusCode,
      headers: {},
      body: { code: ErrorCode.BAD_USER_INPUT, message: message.slice(0, MAX_MESSAGE_LENGTH), details: {} },
    };
  }
  log.error({ err: thrown }, 'a request failed');
  const body = { code: ErrorCode.INTERNAL_SERVER_ERROR, message: 'Internal server error', details: {} };
  return { status: 500, headers: {}, body };
}

/** Errors of the HTTP layer that have a code of their own. */
function httpFailure({ code }: FastifyError, request: FastifyRequest): BillingError | null {
  if (code === TOO_LARGE) {
    const requested = Number(request.headers['content-length']);
    return payloadTooLarge(request.routeOptions.bodyLimit, requested > 0 ? requested : null);
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return unsupportedMediaType(request.headers['content-type'] ?? null);
  return null;
}

function shape(request: FastifyRequest, status: number, { code, message, details }: ErrorBody) {
  if (/^\/(graphql|subgraph)(?![^/?])/.test(request.url)) {
    return { errors: [{ message, extensions: { ...details, code, http: { status } } }] };
  }
  return { error: { code, message, ...details } };
}
