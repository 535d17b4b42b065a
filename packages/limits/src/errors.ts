import { GraphQLError } from 'graphql';

/** Every code that a client can meet. Part of the public contract. */
export enum ErrorCode {
  UNAUTHENTICATED = 'UNAUTHENTICATED',
  FORBIDDEN = 'FORBIDDEN',
  TENANT_SUSPENDED = 'TENANT_SUSPENDED',
  RATE_LIMITED = 'RATE_LIMITED',
  FEATURE_NOT_AVAILABLE = 'FEATURE_NOT_AVAILABLE',
  STORAGE_QUOTA_EXCEEDED = 'STORAGE_QUOTA_EXCEEDED',
  BAD_USER_INPUT = 'BAD_USER_INPUT',
  OPERATION_TOO_EXPENSIVE = 'OPERATION_TOO_EXPENSIVE',
  RESPONSE_TOO_LARGE = 'RESPONSE_TOO_LARGE',
  NOT_FOUND = 'NOT_FOUND',
  METHOD_NOT_ALLOWED = 'METHOD_NOT_ALLOWED',
  PAYLOAD_TOO_LARGE = 'PAYLOAD_TOO_LARGE',
  UNSUPPORTED_MEDIA_TYPE = 'UNSUPPORTED_MEDIA_TYPE',
  PAYMENT_PROVIDER_ERROR = 'PAYMENT_PROVIDER_ERROR',
  SERVICE_UNAVAILABLE = 'SERVICE_UNAVAILABLE',
  INTERNAL_SERVER_ERROR = 'INTERNAL_SERVER_ERROR',
}

const STATUS: Record<ErrorCode, number> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  TENANT_SUSPENDED: 403,
  RATE_LIMITED: 429,
  FEATURE_NOT_AVAILABLE: 403,
  STORAGE_QUOTA_EXCEEDED: 507,
  BAD_USER_INPUT: 400,
  OPERATION_TOO_EXPENSIVE: 400,
  RESPONSE_TOO_LARGE: 400,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  PAYMENT_PROVIDER_ERROR: 502,
  SERVICE_UNAVAILABLE: 503,
  INTERNAL_SERVER_ERROR: 500,
};

/** An expected failure: its message and details are meant for the client, in GraphQL and in REST. */
export class BillingError extends GraphQLError {
  readonly code: ErrorCode;
  readonly status: number;
  readonly details: Record<string, unknown>;

  constructor(
    code: ErrorCode,
    message: string,
    details: Record<string, unknown> = {},
    readonly headers: Record<string, string> = {},
  ) {
    const status = STATUS[code];
    // What a caller sent may stand in it, and one response may have hundreds of errors.
    super(bounded(message), {
      extensions: { ...details, code, http: { status, headers: new Map(Object.entries(headers)) } },
    });
    this.code = code;
    this.status = status;
    this.details = details;
  }
}

export const unauthenticated = (message: string) => new BillingError(ErrorCode.UNAUTHENTICATED, message);

/** @param argument the path of the argument that is wrong, e.g. `input.email` */
export const badInput = (argument: string, problem: string, details: Record<string, unknown> = {}) =>
  new BillingError(ErrorCode.BAD_USER_INPUT, `${argument}: ${problem}`, { argument, problem, ...details });

/**
 * What graphql itself rejects in arguments and variables, with its own message.
 * @returns the error as it is, if it is another one
 */
export function inputRejectedByGraphql(error: unknown): unknown {
  const isGraphqls =
    error instanceof GraphQLError && !(error instanceof BillingError) && !error.originalError;
  return isGraphqls ? new BillingError(ErrorCode.BAD_USER_INPUT, error.message) : error;
}

const MAX_MESSAGE_LENGTH = 1_000;
const SHOWN_END = 200;
const CUT = ' … ';

/** graphql quotes what it rejects, however long it is; the reason stands behind it. */
export const bounded = (message: string): string =>
  message.length > MAX_MESSAGE_LENGTH
    ? message.slice(0, MAX_MESSAGE_LENGTH - SHOWN_END - CUT.length) + CUT + message.slice(-SHOWN_END)
    : message;

export interface ExpenseDetails {
  cost: number;
  limit: number;
  /** `Type.field` that has the largest part in it. */
  field: string;
}

/** @param problem a sentence without its full stop */
export const operationTooExpensive = (problem: string, details: ExpenseDetails) =>
  new BillingError(ErrorCode.OPERATION_TOO_EXPENSIVE, `The operation is too expensive. ${problem}`, {
    ...details,
  });

export interface RateLimitDetails {
  limit: number;
  /** What the limit counts over: `minute`, `day`, `concurrent`, or a field's own window such as `10s`. */
  window: string;
  /** `Type.field`, if the limit is a field's own. */
  field?: string;
  remaining: number;
  /** What was asked for. */
  requested?: number;
  resetsAt: Date;
  /** Absent for the operator, who has no tier. */
  tier?: string;
  upgradeUrl?: string;
}

/** @param retryAfterS whole seconds after which another try makes sense */
export const rateLimited = (message: string, details: RateLimitDetails, retryAfterS: number) =>
  new BillingError(
    ErrorCode.RATE_LIMITED,
    message,
    { ...details, resetsAt: details.resetsAt.toISOString() },
    { 'retry-after': String(Math.max(1, Math.ceil(retryAfterS))) },
  );

export const serviceUnavailable = (message: string, retryAfterS = 2, details: Record<string, unknown> = {}) =>
  new BillingError(ErrorCode.SERVICE_UNAVAILABLE, message, details, { 'retry-after': String(retryAfterS) });

/** The message of an error that lists all errors found at once, one on each line. */
export const errorList = (what: string, errors: readonly string[]): string =>
  `${what} ${errors.length} error${errors.length === 1 ? '' : 's'}:\n${errors.map((error) => `  - ${error}`).join('\n')}`;
