import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type BillingError, ErrorCode, payloadTooLarge, unsupportedMediaType } from '../common/errors.js';
import { expectedFailure } from '../directives/clientErrors.js';
import { errorFields } from '../directives/loggedRequest.js';
import { afterBody } from './requests.js';

/** Maximum lengths of what an error message quotes. */
const MAX_PATH_LENGTH = 200;
const MAX_MESSAGE_LENGTH = 500;

const TOO_LARGE = 'FST_ERR_CTP_BODY_TOO_LARGE';

interface ErrorBody {
  code: string;
  message: string;
  details: Record<string, unknown>;
}

/** Answers every error outside GraphQL's execution: in GraphQL's format on its paths, as `{error}` on all others. */
export function createErrorHandler(log: Logger) {
  return (thrown: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) => {
    const { status, headers, body } = describe(thrown, request, log);
    request.logged.code = body.code;
    const send = () =>
      reply
        .status(status)
        .headers(headers)
        .send(shape(request, status, body));
    if ((thrown as FastifyError).code === TOO_LARGE) afterBody(request, send);
    else send();
  };
}

/**
 * Answers requests to paths that do not exist (404), and with methods that a path does not support (405).
 * @param app an app without routes, because only routes that are added later are known
 */
export function createNotFoundHandler(app: FastifyInstance) {
  const methodsOf = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    // The route for all paths only answers CORS preflights.
    if (url === '*') return;
    const methods = methodsOf.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one);
    methodsOf.set(url, methods);
  });
  const allowedOn = (path: string): string[] =>
    [...methodsOf].flatMap(([url, methods]) => (matches(url, path) ? [...methods] : []));

  return (request: FastifyRequest, reply: FastifyReply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const allowed = [...new Set(allowedOn(path))].sort();
    if (allowed.length === 0) return notFound(path.slice(0, MAX_PATH_LENGTH), request, reply);
    const message = `There is no ${request.method} ${path.slice(0, MAX_PATH_LENGTH)}; use ${allowed.join(', ')}`;
    const body = { code: ErrorCode.METHOD_NOT_ALLOWED, message, details: {} };
    return reply
      .status(405)
      .header('allow', allowed.join(', '))
      .send(shape(request, 405, body));
  };
}

/** @param url the URL of a route, in which a segment with `:` matches any text */
function matches(url: string, path: string): boolean {
  const parts = url.split('/');
  const given = path.split('/');
  return (
    parts.length === given.length &&
    parts.every((part, i) => part === given[i] || (part.startsWith(':') && given[i] !== ''))
  );
}

function notFound(path: string, request: FastifyRequest, reply: FastifyReply) {
  const message = `There is no ${request.method} ${path}; GraphQL is at POST /graphql, REST under /v1/billing, the dashboard at /admin`;
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
    // Fastify's own errors: a body that is not JSON or does not match the route's schema, a path that cannot be decoded.
    // Only a path that leads out of the folder of assets is forbidden.
    const code = statusCode === 403 ? ErrorCode.FORBIDDEN : ErrorCode.BAD_USER_INPUT;
    return {
      status: statusCode,
      headers: {},
      body: { code, message: message.slice(0, MAX_MESSAGE_LENGTH), details: {} },
    };
  }
  log.error({ ...errorFields(request.logged), err: thrown }, 'request.failed');
  const body = { code: ErrorCode.INTERNAL_SERVER_ERROR, message: 'Internal server error', details: {} };
  return { status: 500, headers: {}, body };
}

/** Errors of the HTTP layer that have their own code. */
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
