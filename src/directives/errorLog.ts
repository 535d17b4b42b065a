import type { Logger } from 'pino';
import { expectedFailure, innermost, isServerError } from './clientErrors.js';

/** What the log says about the operation in which an error occurred. */
export interface LoggedOperation {
  requestId: string;
  tenantId?: string | undefined;
  /** The name of the operation in its document. */
  operation?: string | undefined;
}

/** Logs the errors of operations that are masked for the client. */
export type ErrorLog = (thrown: unknown, operation?: LoggedOperation) => void;

/**
 * Errors reach this log from Apollo's plugin hooks, which know the operation, and from `formatError`, which does not, but
 * which no error can pass by. Each is logged the first time that it arrives.
 */
export function createErrorLog(log: Logger): ErrorLog {
  const logged = new WeakSet<object>();
  return (thrown, operation) => {
    if (!isServerError(thrown) || expectedFailure(thrown)) return;
    const err = innermost(thrown);
    // What is thrown may be no object. Nothing in the server throws such values, so that they could be logged twice.
    const identity = Object(err);
    if (logged.has(identity)) return;
    logged.add(identity);
    log.error({ ...operation, err }, 'operation.failed');
  };
}
