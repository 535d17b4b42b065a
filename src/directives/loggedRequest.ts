import { OperationTypeNode } from 'graphql';
import type { Logger } from 'pino';
import type { Principal } from '../services/accounts/principal.js';
import { expectedFailure, innermost, isServerError } from './clientErrors.js';

/** What is logged about a request: its access line, and its errors. Filled in while the request runs; no secrets, no input. */
export interface LoggedRequest {
  readonly requestId: string;
  /** undefined: nothing is traced. */
  readonly traceId: string | undefined;
  tenantId: string | undefined;
  keyId: string | undefined;
  /** The name that the document gives its operation. */
  operation: string | undefined;
  operationType: OperationTypeNode | undefined;
  /** In calls, all of which are charged unless the operation is rejected or fails. */
  cost: number | undefined;
  /** The code of the first error. */
  code: string | undefined;
}

const MAX_NAME_LENGTH = 100;

export const loggedRequest = (requestId: string, traceId?: string): LoggedRequest => ({
  requestId,
  traceId,
  tenantId: undefined,
  keyId: undefined,
  operation: undefined,
  operationType: undefined,
  cost: undefined,
  code: undefined,
});

export function nameCaller(logged: LoggedRequest, principal: Principal | null): void {
  if (!principal) return;
  if (principal.kind === 'tenant') logged.tenantId = principal.tenantId;
  logged.keyId = principal.keyId ?? 'ADMIN_API_KEY';
}

export const boundedName = (name: string | undefined): string | undefined => name?.slice(0, MAX_NAME_LENGTH);

/** Logs the errors of operations that are masked for the client. */
export type ErrorLog = (thrown: unknown, request?: LoggedRequest) => void;

/**
 * Errors reach this log from Apollo's plugin hooks, which know the request, and from `formatError`, which does not, but which
 * no error can bypass. Each is logged the first time that it arrives.
 */
export function createErrorLog(log: Logger): ErrorLog {
  const reported = new WeakSet<object>();
  return (thrown, request) => {
    if (!isServerError(thrown) || expectedFailure(thrown)) return;
    const err = innermost(thrown);
    // A value that is no object has no identity. Nothing in the server throws one.
    const identity = Object(err);
    if (reported.has(identity)) return;
    reported.add(identity);
    log.error({ ...(request && errorFields(request)), err }, 'operation.failed');
  };
}

/** What an error's log line says about its request. */
export const errorFields = ({ requestId, tenantId, operation }: LoggedRequest) => ({
  requestId,
  tenantId,
  operation,
});
