import { GraphQLError, type GraphQLErrorExtensions, type GraphQLFormattedError } from 'graphql';
import type { Logger } from 'pino';
import { ArgumentValidationError } from 'type-graphql';
import { BillingError, badInput, bounded, ErrorCode, serviceUnavailable } from '../common/errors.js';
import { isDatabaseAway } from '../services/infrastructure/databaseErrors.js';

/** What was thrown at first: graphql and Apollo wrap errors, some of them twice. */
function innermost(thrown: unknown): unknown {
  return thrown instanceof GraphQLError && thrown.originalError ? innermost(thrown.originalError) : thrown;
}

/**
 * The expected failure that stands behind what was thrown.
 * @returns null for a fault of ours, and for what graphql itself says of a client's document
 */
export function expectedFailure(thrown: unknown): BillingError | null {
  const error = innermost(thrown);
  if (error instanceof BillingError) return error;
  if (error instanceof ArgumentValidationError) return badInput('input', 'is not valid');
  if (isDatabaseAway(error)) return serviceUnavailable('The database does not answer; try again shortly');
  return null;
}

/** What graphql and Apollo say of a client's document, variables or request. */
const CLIENT_CODES: readonly unknown[] = [
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'BAD_REQUEST',
  ErrorCode.BAD_USER_INPUT,
];

/** Of some requests Apollo says only by the status that the client is wrong. */
function isClientError({ code, http }: GraphQLErrorExtensions): boolean {
  const { status = 0 } = (http ?? {}) as { status?: number };
  return CLIENT_CODES.includes(code) || (code === undefined && status >= 400 && status < 500);
}

/** Whether a failure is a fault of ours, not of what the client sent. */
export function isServerError(thrown: unknown): boolean {
  if (thrown instanceof GraphQLError && isClientError(thrown.extensions)) return false;
  const expected = expectedFailure(thrown);
  if (expected) return expected.code === ErrorCode.SERVICE_UNAVAILABLE;
  return true;
}

/** What a failed field had cost is given back if it was our fault, or if the input was bad: that changes nothing. */
export function isReturnable(thrown: unknown): boolean {
  return isServerError(thrown) || expectedFailure(thrown)?.code === ErrorCode.BAD_USER_INPUT;
}

/** Apollo's `formatError`: expected failures as they are, the rest masked and logged. */
export function createErrorFormatter(log: Logger) {
  return (formatted: GraphQLFormattedError, thrown: unknown): GraphQLFormattedError => {
    const expected = expectedFailure(thrown);
    if (expected) {
      const { code, status, details, message } = expected;
      return { ...formatted, message, extensions: { ...details, code, http: { status } } };
    }
    if (!isServerError(thrown)) return clientsMistake(formatted, thrown);
    log.error({ err: thrown }, 'an operation failed');
    return {
      message: 'Internal server error',
      ...(formatted.path && { path: formatted.path }),
      ...(formatted.locations && { locations: formatted.locations }),
      extensions: { code: ErrorCode.INTERNAL_SERVER_ERROR, http: { status: 500 } },
    };
  };
}

/** What graphql and Apollo say of a request, with the status that it gets. */
function clientsMistake(formatted: GraphQLFormattedError, thrown: unknown): GraphQLFormattedError {
  const { stacktrace: _, ...extensions } = formatted.extensions ?? {};
  const { code = 'BAD_REQUEST', http } = (thrown as GraphQLError).extensions as {
    code?: string;
    http?: { status?: number };
  };
  // graphql quotes what it rejects, however long it is.
  const message = bounded(formatted.message);
  return {
    ...formatted,
    message,
    extensions: { ...extensions, code, http: { status: http?.status ?? 400 } },
  };
}
