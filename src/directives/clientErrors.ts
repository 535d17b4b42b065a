import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import type { Logger } from 'pino';
import { ArgumentValidationError } from 'type-graphql';
import { BillingError, badInput, ErrorCode, serviceUnavailable } from '../errors.js';
import { isDatabaseAway } from '../services/databaseErrors.js';

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

/** Whether what was charged for the failed field is given back. */
export function isOurFault(thrown: unknown): boolean {
  const expected = expectedFailure(thrown);
  if (expected) return expected.code === ErrorCode.SERVICE_UNAVAILABLE;
  if (!(innermost(thrown) instanceof GraphQLError)) return true;
  // A document or variables that are wrong have a code by now; a resolver that broke its type's promise has none.
  const code = (thrown as GraphQLError).extensions.code;
  return code === undefined || code === ErrorCode.INTERNAL_SERVER_ERROR;
}

/** Apollo's `formatError`: expected failures as they are, the rest masked and logged. */
export function createErrorFormatter(log: Logger) {
  return (formatted: GraphQLFormattedError, thrown: unknown): GraphQLFormattedError => {
    const expected = expectedFailure(thrown);
    if (expected) {
      const { code, status, details, message } = expected;
      return { ...formatted, message, extensions: { ...details, code, http: { status } } };
    }
    if (!isOurFault(thrown)) return withoutStack(formatted);
    log.error({ err: thrown }, 'an operation failed');
    return {
      message: 'Internal server error',
      ...(formatted.path && { path: formatted.path }),
      ...(formatted.locations && { locations: formatted.locations }),
      extensions: { code: ErrorCode.INTERNAL_SERVER_ERROR, http: { status: 500 } },
    };
  };
}

function withoutStack(formatted: GraphQLFormattedError): GraphQLFormattedError {
  const { stacktrace: _, ...extensions } = formatted.extensions ?? {};
  return { ...formatted, extensions };
}
