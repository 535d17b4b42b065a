/** Codes of the server: every one is explained in the server's docs/errors.md. */
export type ServerErrorCode =
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'TENANT_SUSPENDED'
  | 'RATE_LIMITED'
  | 'FEATURE_NOT_AVAILABLE'
  | 'STORAGE_QUOTA_EXCEEDED'
  | 'BAD_USER_INPUT'
  | 'OPERATION_TOO_EXPENSIVE'
  | 'RESPONSE_TOO_LARGE'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'PAYLOAD_TOO_LARGE'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'PAYMENT_PROVIDER_ERROR'
  | 'SERVICE_UNAVAILABLE'
  | 'INTERNAL_SERVER_ERROR';

/** Codes of GraphQL itself: the document does not fit the server. */
export type GraphqlErrorCode = 'GRAPHQL_PARSE_FAILED' | 'GRAPHQL_VALIDATION_FAILED' | 'BAD_REQUEST';

/** Codes of this client. */
export type ClientErrorCode =
  /** The server was not reached, or the connection ended before its response. */
  | 'NETWORK_ERROR'
  /** There was no response within `timeoutMs`. */
  | 'TIMEOUT'
  /** What came is not an answer of a billing server. */
  | 'INVALID_RESPONSE'
  /** As many usage events wait as the meter may keep. */
  | 'BUFFER_FULL'
  /** The meter was closed. */
  | 'CLOSED';

export type BillingErrorCode = ServerErrorCode | GraphqlErrorCode | ClientErrorCode;

/** What is known beside the message, by code. All others may have any. */
export interface ErrorDetails {
  RATE_LIMITED: {
    limit: number;
    /** `minute`, `day`, `concurrent`, or a field's own window such as `10s`. */
    window: string;
    /** `Type.field`, if the limit is that field's own. */
    field?: string;
    remaining: number;
    requested?: number;
    /** RFC 3339. */
    resetsAt: string;
    tier?: string;
    upgradeUrl?: string;
  };
  FEATURE_NOT_AVAILABLE: { feature: string; tier: string; upgradeUrl: string };
  STORAGE_QUOTA_EXCEEDED: {
    resource: string;
    limit: number;
    usage: number;
    requested: number;
    tier: string;
    upgradeUrl: string;
  };
  PAYMENT_PROVIDER_ERROR: { stripeCode: string | null; stripeRequestId: string | null };
  OPERATION_TOO_EXPENSIVE: { cost: number; limit: number; field: string };
  RESPONSE_TOO_LARGE: { limit: number };
  PAYLOAD_TOO_LARGE: { limit: number; requested?: number };
  TENANT_SUSPENDED: { suspendedAt: string };
}

export type DetailsOf<TCode> = TCode extends keyof ErrorDetails
  ? ErrorDetails[TCode]
  : Record<string, unknown>;

/** An argument that is wrong, and why. */
export interface FieldError {
  /** The path of the argument, e.g. `input.email`. */
  argument: string;
  problem: string;
}

/** An error of a GraphQL response. */
export interface ResponseError {
  message: string;
  path?: (string | number)[];
  extensions?: Record<string, unknown>;
}

interface ErrorOptions {
  status?: number | null;
  retryAfterS?: number | null;
  requestId?: string | null;
  errors?: readonly ResponseError[];
  data?: unknown;
  /** Whether the request surely changed nothing. */
  changedNothing?: boolean;
}

/** Everything that a call of the client rejects with, except the reason of an aborted signal. It never has the key or token. */
export class BillingClientError<TCode extends BillingErrorCode = BillingErrorCode> extends Error {
  override readonly name = 'BillingClientError';
  readonly code: TCode;
  /** The HTTP status; null if there was no response. */
  readonly status: number | null;
  /** Seconds after which the server says that another try makes sense. */
  readonly retryAfterS: number | null;
  /** The response's `x-request-id`, which is in the server's log. */
  readonly requestId: string | null;
  /** The arguments that are wrong. Empty unless the code is `BAD_USER_INPUT`. */
  readonly fields: readonly FieldError[];
  readonly details: DetailsOf<TCode>;
  /** All errors of the response; the first one gives the code and the message. */
  readonly errors: readonly ResponseError[];
  /** What the response had beside the errors, such as the results of earlier fields of a mutation. */
  readonly data: unknown;
  /** Whether the request surely changed nothing, so that it may be sent again whatever it does. */
  readonly changedNothing: boolean;

  constructor(code: TCode, message: string, options: ErrorOptions = {}) {
    super(message);
    const { status, retryAfterS, requestId, errors = [], data, changedNothing = false } = options;
    this.code = code;
    this.status = status ?? null;
    this.retryAfterS = retryAfterS ?? null;
    this.requestId = requestId ?? null;
    this.errors = errors;
    this.fields = errors.flatMap(fieldErrorOf);
    const { code: _code, http: _http, ...details } = errors[0]?.extensions ?? {};
    this.details = details as DetailsOf<TCode>;
    this.data = data ?? null;
    this.changedNothing = changedNothing;
  }
}

function fieldErrorOf({ extensions = {} }: ResponseError): FieldError[] {
  const { argument, problem } = extensions;
  return typeof argument === 'string' ? [{ argument, problem: String(problem) }] : [];
}

/**
 * Whether an error is the client's, and of this code: `isBillingError(error, 'RATE_LIMITED')` also types `error.details`.
 * It works across copies of this package, where `instanceof` does not.
 */
export function isBillingError<TCode extends BillingErrorCode = BillingErrorCode>(
  error: unknown,
  code?: TCode,
): error is BillingClientError<TCode> {
  if (!(error instanceof Error) || error.name !== 'BillingClientError') return false;
  return code === undefined || (error as BillingClientError).code === code;
}

export const badInput = (argument: string, problem: string): BillingClientError<'BAD_USER_INPUT'> =>
  new BillingClientError('BAD_USER_INPUT', `${argument}: ${problem}`, {
    errors: [{ message: problem, extensions: { argument, problem } }],
    changedNothing: true,
  });
