import type { GraphQLResponse } from '@apollo/server';
import { GraphQLError, type GraphQLErrorExtensions, type GraphQLFormattedError } from 'graphql';
import { BillingError, bounded, ErrorCode, serviceUnavailable } from '../common/errors.js';
import { isDatabaseUnavailable } from '../services/infrastructure/databaseErrors.js';

/** The error that was thrown first. graphql and Apollo wrap errors, some of them twice. */
export function innermost(thrown: unknown): unknown {
  return thrown instanceof GraphQLError && thrown.originalError ? innermost(thrown.originalError) : thrown;
}

/**
 * The expected failure that caused an error.
 * @returns null for a server error, and for graphql's own errors about a client's document
 */
export function expectedFailure(thrown: unknown): BillingError | null {
  const error = innermost(thrown);
  if (error instanceof BillingError) return error;
  if (isDatabaseUnavailable(error))
    return serviceUnavailable('The database does not answer; try again shortly');
  return null;
}

/** The codes of graphql's and Apollo's errors about a client's document, variables or request. */
const CLIENT_CODES: readonly unknown[] = [
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'BAD_REQUEST',
  ErrorCode.BAD_USER_INPUT,
];

/** For some bad requests, Apollo's error has only a status and no code. */
function isClientError({ code, http }: GraphQLErrorExtensions): boolean {
  const { status = 0 } = (http ?? {}) as { status?: number };
  return CLIENT_CODES.includes(code) || (code === undefined && status >= 400 && status < 500);
}

/** Whether the server is to blame for an error, not the client's request. */
export function isServerError(thrown: unknown): boolean {
  if (thrown instanceof GraphQLError && isClientError(thrown.extensions)) return false;
  const expected = expectedFailure(thrown);
  if (expected) return expected.code === ErrorCode.SERVICE_UNAVAILABLE;
  return true;
}

/** Whether the calls of a failed field are returned: after a server error, and for bad input, which changes nothing. */
export function isReturnable(thrown: unknown): boolean {
  return isServerError(thrown) || expectedFailure(thrown)?.code === ErrorCode.BAD_USER_INPUT;
}

/** What a client sees of an error, in every response and in every message of a stream. */
export type ErrorFormat = (formatted: GraphQLFormattedError, thrown: unknown) => GraphQLFormattedError;

/** Apollo's `formatError`: expected failures are returned as they are, all others are masked. */
export function formatError(formatted: GraphQLFormattedError, thrown: unknown): GraphQLFormattedError {
  const expected = expectedFailure(thrown);
  if (expected) {
    const { code, status, details, message } = expected;
    return { ...formatted, message, extensions: { ...details, code, http: { status } } };
  }
  if (!isServerError(thrown)) return clientError(formatted, thrown);
  return {
    message: 'Internal server error',
    ...(formatted.path && { path: formatted.path }),
    ...(formatted.locations && { locations: formatted.locations }),
    extensions: { code: ErrorCode.INTERNAL_SERVER_ERROR, http: { status: 500 } },
  };
}

/** graphql's or Apollo's error about a request, with its HTTP status. */
function clientError(formatted: GraphQLFormattedError, thrown: unknown): GraphQLFormattedError {
  const { stacktrace: _, ...extensions } = formatted.extensions ?? {};
  const { code = 'BAD_REQUEST', http } = (thrown as GraphQLError).extensions as {
    code?: string;
    http?: { status?: number };
  };
  // graphql quotes the value that it rejects, however long it is.
  const message = bounded(formatted.message);
  return {
    ...formatted,
    message,
    extensions: { ...extensions, code, http: { status: http?.status ?? 400 } },
  };
}

/** The end of graphql-js's messages in validation and in the coercion of variables. */
const SUGGESTION = / Did you mean [^?]+\?/g;

export const withoutSuggestion = (message: string): string => message.replace(SUGGESTION, '');

/**
 * Removes the names that graphql-js suggests, which would reveal the schema although introspection is off.
 */
export function withoutSuggestions({
  message,
  extensions,
  ...error
}: GraphQLFormattedError): GraphQLFormattedError {
  const { problem } = extensions ?? {};
  return {
    ...error,
    message: withoutSuggestion(message),
    ...(extensions && {
      extensions: {
        ...extensions,
        ...(typeof problem === 'string' && { problem: withoutSuggestion(problem) }),
      },
    }),
  };
}

/** The code of the first error of a response; undefined without one. */
export function codeOf(body: GraphQLResponse['body']): string | undefined {
  const [first] = (body.kind === 'single' && body.singleResult.errors) || [];
  // The error formatter has set a code on every error.
  return first?.extensions?.code as string | undefined;
}

/**
 * The HTTP status of a response with errors. It is 200 if any root field is non-null, because changes that were made must
 * not look failed; otherwise it is the status of the first error. A document that was rejected before execution has no
 * data.
 * @returns null for a response without errors
 */
export function statusOf(body: GraphQLResponse['body']): number | null {
  if (body.kind !== 'single') return null;
  const { data, errors } = body.singleResult;
  const [first] = errors ?? [];
  if (!first) return null;
  if (data && Object.values(data).some((value) => value !== null)) return 200;
  // The error formatter has set a status on every error.
  const { http } = first.extensions as { http: { status: number } };
  return http.status;
}
